//! Everybody tries to read and to write across, through every dialect: what each class may see stands in one table, and
//! nothing beside it may happen. A new dialect is one more entry of [`Dialect`].

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_cache_server::{AccessError, AccessFiles, Kind, Revocation, Revoked, StoredToken};
use hearth_model::{Event, ExecutionId, Forge, JobFacts, Millis, Ref, RunFacts, Scope, WorkTree};
use hearth_trust::{Claims, RuntimeToken, Signer, StaticToken, TokenId, classify};

use crate::world::{NOW, REPOSITORY, World, signer};

const OTHER_REPOSITORY: &str = "github.com/acme/other";

/// A way in: how a client shows who it is, and how it reads, writes and removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// sccache with a token.
    WebDav,
    /// Gradle, Bazel, ccache with a password.
    Password,
    /// A job's runtime token where GitHub's clients have theirs.
    RuntimeToken,
}

impl Dialect {
    const ALL: [Self; 3] = [Self::WebDav, Self::Password, Self::RuntimeToken];

    fn authorization(self, who: &Who) -> Option<String> {
        let shown = who.shown.as_ref()?;
        Some(match self {
            Self::WebDav => format!("Bearer {shown}"),
            Self::Password => format!("Basic {}", STANDARD.encode(format!("ci:{shown}"))),
            Self::RuntimeToken => format!("Bearer {}", who.coat.as_ref().unwrap_or(shown)),
        })
    }

    async fn ask(self, tools: &Tools, who: &Who, method: &str, key: &str, body: &str) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = tools.client.request(method, format!("{}{key}", tools.url)).body(body.to_owned());
        // Said even for an empty body, which reqwest would not.
        request = request.header("content-length", body.len());
        if let Some(line) = self.authorization(who) {
            request = request.header("authorization", line);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn read(self, tools: &Tools, who: &Who, key: &str) -> Option<String> {
        let (status, body) = self.ask(tools, who, "GET", key, "").await;
        assert!(matches!(status, 200 | 404), "{self:?}, {}: {status}", who.name);
        (status == 200).then_some(body)
    }

    /// The status alone says who is nobody; what came of it, only reading says.
    async fn write(self, tools: &Tools, who: &Who, key: &str, body: &str) {
        let (status, _) = self.ask(tools, who, "PUT", key, body).await;
        assert_eq!(status, if who.is_somebody { 201 } else { 403 }, "{self:?}, {}", who.name);
    }

    async fn remove(self, tools: &Tools, who: &Who, key: &str) {
        let (status, _) = self.ask(tools, who, "DELETE", key, "").await;
        assert!(matches!(status, 204 | 403 | 404), "{self:?}, {}: {status}", who.name);
    }
}

struct Tools {
    client: reqwest::Client,
    url: String,
}

/// Somebody who tries.
struct Who {
    name: &'static str,
    shown: Option<String>,
    coat: Option<String>,
    is_somebody: bool,
    /// The names of those whose objects he may see.
    sees: &'static [&'static str],
}

impl Who {
    fn token(name: &'static str, shown: String, sees: &'static [&'static str]) -> Self {
        Self { name, shown: Some(shown), coat: None, is_somebody: true, sees }
    }

    fn job(name: &'static str, claims: &Claims, sees: &'static [&'static str]) -> Self {
        Self::signed(name, &signer(), claims, sees)
    }

    fn signed(name: &'static str, signer: &Signer, claims: &Claims, sees: &'static [&'static str]) -> Self {
        let token = signer.sign(claims);
        let coat = RuntimeToken::around(&token, claims, NOW).expose().to_owned();
        Self { coat: Some(coat), ..Self::token(name, token.expose().to_owned(), sees) }
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
        Who::token("person", person.expose().to_string(), &["trusted"]),
        Who::token("other machine", machine.expose().to_string(), &["other repository", "other machine"]),
        Who::job("expired", &Claims { expires_at: NOW, ..push("refs/heads/main") }, &[]).but_nobody(),
        Who::job("revoked", &revoked, &[]).but_nobody(),
        Who::signed("forger", &Signer::from_key([1; 32]), &push("refs/heads/main"), &[]).but_nobody(),
        Who::token("guesser", lost.expose().to_string(), &[]).but_nobody(),
        Who::token("who knows an id", person.id().to_string(), &[]).but_nobody(),
        Who { name: "nobody", shown: None, coat: None, is_somebody: false, sees: &[] },
    ];
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let tools = Tools { client, url: world.url() };
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
            let (key, body) = (format!("by/{n}/{through:?}"), format!("by {} through {through:?}", writer.name));
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
        let [late, early] = ["late", "early"].map(|when| format!("{when}/{through:?}"));
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
