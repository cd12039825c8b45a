//! Everybody tries to read and to write across, through every dialect: what each class may see stands in one table, and
//! nothing beside it may happen. A new dialect is one more entry of [`Dialect`].

mod github;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_cache_server::{AccessError, AccessFiles, Kind, Revocation, Revoked, StoredToken};
use hearth_model::{Event, ExecutionId, Forge, JobFacts, Millis, Ref, RunFacts, Scope, WorkTree};
use hearth_trust::{Claims, RuntimeToken, Signer, StaticToken, TokenId, classify};

use crate::signing::{Pen, sha256};
use crate::world::{NOW, REPOSITORY, World, signer};

const OTHER_REPOSITORY: &str = "github.com/acme/other";
/// The name of some record.
const RECORD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A way in: how a client shows who it is, and how it reads, writes and removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// sccache with a token.
    WebDav,
    /// Gradle, Bazel, ccache with a password.
    Password,
    /// A job's runtime token where GitHub's clients have theirs.
    RuntimeToken,
    /// Bazel's store of contents, whose keys are digests.
    Contents,
    /// boto3, sccache: each request is signed.
    S3,
    /// An address that somebody has signed, in the hands of somebody who has nothing else.
    Presigned,
}

impl Dialect {
    const ALL: [Self; 6] =
        [Self::WebDav, Self::Password, Self::RuntimeToken, Self::Contents, Self::S3, Self::Presigned];

    fn is_s3(self) -> bool {
        matches!(self, Self::S3 | Self::Presigned)
    }

    /// What such an object is called.
    fn key(self, name: &str, body: &str) -> String {
        if self == Self::Contents { format!("{name}/cas/{}", sha256(body.as_bytes())) } else { name.to_owned() }
    }

    fn authorization(self, who: &Who) -> Option<String> {
        let shown = who.shown.as_ref()?;
        Some(match self {
            Self::WebDav | Self::Contents | Self::S3 | Self::Presigned => format!("Bearer {shown}"),
            Self::Password => format!("Basic {}", STANDARD.encode(format!("ci:{shown}"))),
            Self::RuntimeToken => format!("Bearer {}", who.coat.as_ref().unwrap_or(shown)),
        })
    }

    async fn ask(self, tools: &Tools, who: &Who, method: &str, key: &str, body: &str) -> (u16, String) {
        let verb = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = tools.client.request(verb.clone(), format!("{}{key}", tools.url));
        match (self, who.pen.as_ref(), self.authorization(who)) {
            (Self::S3, Some(pen), _) => {
                let payload = sha256(body.as_bytes());
                request = pen.headers(method, &tools.host, &format!("/{key}"), "", &payload).put_into(request);
            }
            (Self::Presigned, Some(pen), _) => {
                let address = pen.address(method, &tools.host, &format!("/{key}"), 60);
                request = tools.client.request(verb, format!("http://{}{address}", tools.host));
            }
            (_, _, Some(line)) => request = request.header("authorization", line),
            (_, _, None) => {}
        }
        // Said even for an empty body, which reqwest would not.
        request = request.header("content-length", body.len()).body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn read(self, tools: &Tools, who: &Who, key: &str) -> Option<String> {
        let (status, body) = self.ask(tools, who, "GET", key, "").await;
        let is_told = self.is_s3() && !who.is_somebody && status == 403;
        assert!(matches!(status, 200 | 404) || is_told, "{self:?}, {}: {status}", who.name);
        (status == 200).then_some(body)
    }

    /// The status alone says who is nobody; what came of it, only reading says.
    async fn write(self, tools: &Tools, who: &Who, key: &str, body: &str) {
        let (status, _) = self.ask(tools, who, "PUT", key, body).await;
        if self == Self::Contents && !key.ends_with(&sha256(body.as_bytes())) {
            // Of a store of contents, whoever says that this is that is not believed.
            assert!(matches!(status, 400 | 403), "{self:?}, {}: {status}", who.name);
            return;
        }
        let is_fine = match (who.is_somebody, self.is_s3() && who.pen.is_some()) {
            // S3 tells who finds other bytes where he stores.
            (true, true) => matches!(status, 200 | 412),
            (true, false) => status == 201,
            // S3 has 400 for a token whose day is over.
            (false, is_s3) => status == 403 || (is_s3 && status == 400),
        };
        assert!(is_fine, "{self:?}, {}: {status}", who.name);
    }

    async fn remove(self, tools: &Tools, who: &Who, key: &str) {
        let (status, _) = self.ask(tools, who, "DELETE", key, "").await;
        assert!(matches!(status, 204 | 400 | 403 | 404), "{self:?}, {}: {status}", who.name);
    }
}

struct Tools {
    client: reqwest::Client,
    url: String,
    host: String,
}

/// Somebody who tries.
struct Who {
    name: &'static str,
    shown: Option<String>,
    coat: Option<String>,
    /// With what he signs requests of S3.
    pen: Option<Pen>,
    is_somebody: bool,
    /// The names of those whose objects he may see.
    sees: &'static [&'static str],
}

impl Who {
    fn token(name: &'static str, shown: String, sees: &'static [&'static str]) -> Self {
        Self { name, shown: Some(shown), coat: None, pen: None, is_somebody: true, sees }
    }

    /// Somebody with a static token: the id of it is his access key.
    fn stranger(name: &'static str, token: &StaticToken, secret: String, sees: &'static [&'static str]) -> Self {
        let pen = Pen { id: token.id().to_string(), secret, at: NOW };
        Self { pen: Some(pen), ..Self::token(name, token.expose().to_string(), sees) }
    }

    fn job(name: &'static str, claims: &Claims, sees: &'static [&'static str]) -> Self {
        Self::signed(name, &signer(), claims, sees)
    }

    fn signed(name: &'static str, signer: &Signer, claims: &Claims, sees: &'static [&'static str]) -> Self {
        let token = signer.sign(claims);
        let coat = RuntimeToken::around(&token, claims, NOW).expose().to_owned();
        let (id, secret) = (token.expose().to_owned(), signer.s3_secret(token.expose()).to_string());
        let pen = Some(Pen { id, secret, at: NOW });
        Self { coat: Some(coat), pen, ..Self::token(name, token.expose().to_owned(), sees) }
    }

    /// Nobody: sees nothing, whatever he shows.
    fn but_nobody(self) -> Self {
        Self { is_somebody: false, sees: &[], ..self }
    }
}

/// The claims that such a job really gets.
fn claims(repository: &str, event: &str, reference: &str, base: Option<&str>, from_fork: bool) -> Claims {
    let facts = JobFacts {
        forge: Forge::Local,
        repository: repository.to_owned(),
        event: Event::from(event.to_owned()),
        reference: Ref::from(reference.to_owned()),
        base_branch: base.map(str::to_owned),
        default_branch: "main".to_owned(),
        from_fork,
        commit: None,
        work_tree: WorkTree::Clean,
        lock_digest: None,
        workflow: None,
        job: "test".to_owned(),
        actor: None,
        platform: "x86_64-unknown-linux-gnu".to_owned(),
        run: RunFacts::default(),
    };
    let trust = classify(&facts);
    Claims {
        execution: ExecutionId::new(NOW),
        repository: facts.repository,
        reads: trust.reads,
        writes: trust.writes,
        expires_at: NOW + Millis::from_minutes(60),
        quota: None,
        class: trust.class,
        run: Some(42),
    }
}

fn push(reference: &str) -> Claims {
    claims(REPOSITORY, "push", reference, None, false)
}

fn pull(number: u64, base: &str, from_fork: bool) -> Claims {
    claims(REPOSITORY, "pull_request", &format!("refs/pull/{number}/merge"), Some(base), from_fork)
}

fn kept(token: &StaticToken, kind: Kind, repository: &str, writes: Option<Scope>) -> StoredToken {
    StoredToken {
        id: token.id(),
        name: "a static token".to_owned(),
        kind,
        hash: token.hash(),
        rights: kind.usual_rights(),
        realms: vec![repository.parse().unwrap()],
        reads: vec![Scope::Trusted],
        writes,
        daily_quota: None,
        created_at: NOW,
        expires_at: None,
        rate: None,
    }
}

/// A node, and one of each kind before its door.
async fn everybody() -> (World, Tools, Vec<Who>) {
    let world = World::new().await;
    let [person, machine] = [1, 2].map(|n| StaticToken::new(TokenId::new(NOW), [n; 32]));
    let secret_of = |token: &StaticToken| signer().s3_secret(&token.id().to_string()).to_string();
    let (lost, revoked) = (StaticToken::new(person.id(), [3; 32]), push("refs/heads/main"));
    let change = AccessFiles::of(world.root()).change(|lists| -> Result<(), AccessError> {
        lists.book.add(kept(&person, Kind::Person, REPOSITORY, None)).unwrap();
        lists.book.add(kept(&machine, Kind::Machine, OTHER_REPOSITORY, Some(Scope::Trusted))).unwrap();
        let what = Revoked::Job { execution: revoked.execution };
        lists.revoked = lists.revoked.with(Revocation { at: NOW, what }).unwrap();
        Ok(())
    });
    change.unwrap();
    let everybody = vec![
        Who::job("trusted", &push("refs/heads/main"), &["trusted"]),
        Who::job("branch fix", &push("refs/heads/fix"), &["trusted", "branch fix"]),
        Who::job("branch next", &push("refs/heads/next"), &["trusted", "branch next"]),
        Who::job("branch trusted", &push("refs/heads/trusted"), &["trusted", "branch trusted"]),
        Who::job("branch pr/7", &push("refs/heads/pr/7"), &["trusted", "branch pr/7"]),
        Who::job("pr 7", &pull(7, "next", false), &["trusted", "branch next", "pr 7"]),
        Who::job("pr 8", &pull(8, "main", false), &["trusted", "pr 8"]),
        Who::job("fork pr 9", &pull(9, "main", true), &["trusted", "fork pr 9"]),
        Who::job("release", &push("refs/tags/v1"), &["trusted"]),
        Who::job("target", &claims(REPOSITORY, "pull_request_target", "refs/heads/main", None, true), &["trusted"]),
        Who::job(
            "other repository",
            &claims(OTHER_REPOSITORY, "push", "refs/heads/main", None, false),
            &["other repository", "other machine"],
        ),
        Who::stranger("person", &person, secret_of(&person), &["trusted"]),
        Who::stranger("other machine", &machine, secret_of(&machine), &["other repository", "other machine"]),
        Who::job("expired", &Claims { expires_at: NOW, ..push("refs/heads/main") }, &[]).but_nobody(),
        Who::job("revoked", &revoked, &[]).but_nobody(),
        Who::signed("forger", &Signer::from_key([1; 32]), &push("refs/heads/main"), &[]).but_nobody(),
        Who::stranger("guesser", &lost, lost.expose().to_string(), &[]).but_nobody(),
        Who::token("who knows an id", person.id().to_string(), &[]).but_nobody(),
        Who { name: "nobody", shown: None, coat: None, pen: None, is_somebody: false, sees: &[] },
    ];
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let tools = Tools { client, url: world.url(), host: world.address.clone() };
    let shut_out = everybody.iter().find(|who| who.name == "revoked").unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while Dialect::WebDav.ask(&tools, shut_out, "PUT", "try", "").await.0 != 403 {
        assert!(tokio::time::Instant::now() < deadline, "the node never heard of the revocation");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (world, tools, everybody)
}

#[tokio::test]
async fn nobody_sees_through_any_dialect_what_he_may_not() {
    let (world, tools, everybody) = everybody().await;
    for (n, writer) in everybody.iter().enumerate() {
        for through in Dialect::ALL {
            let body = format!("by {} through {through:?}", writer.name);
            let key = through.key(&format!("by/{n}/{through:?}"), &body);
            through.write(&tools, writer, &key, &body).await;
            for reader in &everybody {
                for back in Dialect::ALL {
                    let may = reader.sees.contains(&writer.name);
                    let seen = back.read(&tools, reader, &key).await;
                    assert_eq!(seen, may.then(|| body.clone()), "{} reads through {back:?}: {body}", reader.name);
                }
            }
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn nobody_changes_what_a_trusted_job_reads() {
    let (world, tools, everybody) = everybody().await;
    let (trusted, others) = everybody.split_first().unwrap();
    let own = "what main built";
    for through in Dialect::ALL {
        let [late, early] = ["late", "early"].map(|when| through.key(&format!("{when}/{through:?}"), own));
        // Before anybody else, and after everybody else.
        Dialect::WebDav.write(&tools, trusted, &late, own).await;
        for attacker in others {
            for key in [&late, &early] {
                through.remove(&tools, attacker, key).await;
                through.write(&tools, attacker, key, &format!("poison of {}", attacker.name)).await;
            }
        }
        Dialect::WebDav.write(&tools, trusted, &early, own).await;
        for attacker in others {
            through.remove(&tools, attacker, &early).await;
        }
        for reader in everybody.iter().filter(|who| matches!(who.name, "trusted" | "release" | "target" | "person")) {
            for key in [&late, &early] {
                let seen = through.read(&tools, reader, key).await;
                assert_eq!(seen.as_deref(), Some(own), "{} reads {key} through {through:?}", reader.name);
            }
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn nobody_is_another_node() {
    let (world, tools, everybody) = everybody().await;
    Dialect::WebDav.write(&tools, &everybody[0], "k", "what main built").await;
    for who in &everybody {
        for through in Dialect::ALL {
            for (method, path) in [("GET", ""), ("GET", RECORD), ("HEAD", RECORD), ("PUT", RECORD), ("DELETE", RECORD)]
            {
                let (status, said) = through.ask(&tools, who, method, &format!(".peer/v1/{path}"), "").await;
                assert!(
                    (400..500).contains(&status) && !said.contains("what main built"),
                    "{} {method}: {status}",
                    who.name
                );
            }
        }
    }
    world.stop().await;
}
