//! Versions from GitHub's list of downloads.

use std::fs;

use fake_github::{ALL_SCOPES, Checksum, Options, RunnerApplication, Scope};
use hearth_tests::github::{nothing_is_violated, start};
use hearth_tests::job::Call;
use hearth_tests::world::World;

use super::*;

struct Offering {
    world: World,
    github: fake_github::FakeGithub,
    config: PathBuf,
}

impl Offering {
    /// A GitHub that offers 2.336.0, and a machine that serves a place there.
    fn new(checksum: Checksum, needs_token: bool) -> Self {
        let world = World::new();
        let application = RunnerApplication {
            os: "linux".to_owned(),
            architecture: architecture().to_owned(),
            version: "2.336.0".to_owned(),
            archive: pack(&world, "2.336.0", 3),
            checksum,
            needs_token,
        };
        let github = start(Options { applications: vec![application], ..Options::default() });
        let (token, config) = (world.path("token"), world.path("hearth.toml"));
        fs::write(&token, github.personal_token(&ALL_SCOPES)).expect("a file can be written");
        let private = Command::new("chmod").arg("600").arg(&token).status().expect("chmod can be started");
        assert!(private.success());
        let offering = Self { world, github, config };
        offering.configure("");
        offering
    }

    fn configure(&self, runner: &str) {
        let url = self.github.url_of(&Scope::Organization("acme".to_owned()));
        let token = self.world.path("token");
        let text = format!("[[github]]\nurl = '{url}'\ntoken_file = '{}'\n[runner]\n{runner}\n", token.display());
        fs::write(&self.config, text).expect("a file can be written");
    }

    fn call(&self) -> Call {
        self.world.hearth().arg("--config").arg(&self.config).args(["runner", "install"])
    }

    fn archive(&self) -> PathBuf {
        self.world.path(&format!("actions-runner-linux-{}-2.336.0.tar.gz", architecture()))
    }

    fn expect_nothing(&self) {
        assert_eq!(listed(&self.world), [] as [Value; 0]);
        assert!(is_clean(&self.world));
    }
}

#[test]
fn the_offered_version_is_downloaded_verified_and_installed() {
    for needs_token in [false, true] {
        let offering = Offering::new(Checksum::Right, needs_token);
        let ran = offering.call().run().expect_success();
        assert!(ran.stdout.contains("runner 2.336.0 is installed"), "{ran}");
        assert!(offering.call().run().expect_success().stdout.contains("was installed already"));
        let [version] = &listed(&offering.world)[..] else { panic!("one version is installed") };
        assert_eq!(version["sha256"], Value::from(checksum(&offering.archive())));
        assert!(
            version["source"].as_str().is_some_and(|source| source.starts_with(&offering.github.url())),
            "{version}"
        );
        assert_eq!(version["deadline"], Value::Null, "the newest one has none");
        assert!(is_clean(&offering.world));
        nothing_is_violated(&offering.github);
    }
}

#[test]
fn a_download_that_is_not_what_the_list_says_is_refused() {
    let offering = Offering::new(Checksum::Wrong("ab".repeat(32)), false);
    expect_refused(&offering.call().run(), &["its checksum is", &checksum(&offering.archive()), &"ab".repeat(32)]);
    offering.expect_nothing();
    offering.configure(&format!("sha256 = '{}'", checksum(&offering.archive())));
    expect_refused(&offering.call().run(), &["as GitHub says, and runner.sha256 wants"]);
    offering.expect_nothing();
}

#[test]
fn a_download_without_a_checksum_needs_the_operators() {
    let offering = Offering::new(Checksum::Absent, false);
    expect_refused(&offering.call().run(), &["nobody says what the checksum", "runner.sha256"]);
    offering.expect_nothing();
    offering.configure(&format!("sha256 = '{}'", checksum(&offering.archive())));
    offering.call().run().expect_success();
    assert_eq!(versions(&offering.world).1.as_deref(), Some("2.336.0"));
    nothing_is_violated(&offering.github);
}

#[test]
fn a_version_that_is_not_offered_is_not_replaced_by_another() {
    let offering = Offering::new(Checksum::Right, false);
    expect_refused(&offering.call().arg("2.330.0").run(), &["offers runner 2.336.0 and no 2.330.0", "--archive"]);
    offering.expect_nothing();
    offering.call().arg("2.336.0").run().expect_success();
}

#[test]
fn an_archive_that_is_gone_and_a_token_that_is_revoked_are_told_apart() {
    let offering = Offering::new(Checksum::Wrong("ab".repeat(32)), false);
    fs::remove_file(offering.archive()).expect("a file can be removed");
    expect_refused(&offering.call().run(), &["cannot get actions-runner", "answered 404"]);
    let token = fs::read_to_string(offering.world.path("token")).expect("a file can be read");
    offering.github.revoke(&token);
    let refused = offering.call().run();
    expect_refused(&refused, &["cannot learn which runner GitHub offers"]);
    assert!(!refused.stderr.contains(&token), "{refused}");
    offering.expect_nothing();
}
