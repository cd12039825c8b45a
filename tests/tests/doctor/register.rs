//! `hearth register` writes what was found to work, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fake_github::{FakeGithub, Level, Options, Scope};
use hearth_tests::github::{nothing_is_violated, start};
use hearth_tests::job::Call;
use hearth_tests::world::World;

use crate::write_secret;

const OWN_FAILURE: i32 = 125;
const BEFORE: &str = "# ours\nslots = { count = 3 }  # three\n";

/// A machine that serves nobody yet, and a GitHub that it could serve.
struct Newcomer {
    world: World,
    github: FakeGithub,
    url: String,
    configuration: PathBuf,
}

impl Newcomer {
    fn new() -> Self {
        let (world, github) = (World::new(), start(Options::default()));
        write_secret(&world.path("app.pem"), &github.app_key().pkcs1_pem());
        let configuration = world.path("hearth.toml");
        fs::write(&configuration, BEFORE).expect("a file can be written");
        fs::set_permissions(&configuration, fs::Permissions::from_mode(0o640)).expect("a file of ours takes a mode");
        let url = github.url_of(&Scope::Organization("acme".to_owned()));
        Self { world, github, url, configuration }
    }

    fn register(&self) -> Call {
        let call = self.world.hearth().arg("--config").arg(&self.configuration).args(["register", &self.url]);
        // Relative, as a person writes it.
        call.args(["--app-client-id", "Iv23liHearthFake", "--private-key-file", "app.pem"])
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.configuration).expect("the configuration can be read")
    }
}

#[test]
fn the_section_is_printed_and_nothing_is_written() {
    let newcomer = Newcomer::new();
    let ran = newcomer.register().args(["--label", "gpu", "--scale-set", "big"]).run().expect_success();
    let key = newcomer.world.path("app.pem");
    let expected = format!(
        "[[github]]\nurl = \"{}\"\nlabels = [\"gpu\"]\nscale_set = \"big\"\n\n[github.app]\n\
         client_id = \"Iv23liHearthFake\"\nprivate_key_file = \"{}\"\n",
        newcomer.url,
        key.display()
    );
    assert_eq!(ran.stdout, expected);
    assert!(ran.stderr.contains("permissions") && !ran.stderr.contains("PRIVATE KEY"), "{ran}");
    assert_eq!(newcomer.text(), BEFORE);
    assert!(newcomer.github.runners().is_empty());
    nothing_is_violated(&newcomer.github);
}

#[test]
fn the_section_is_appended_once_and_the_rest_stays() {
    let newcomer = Newcomer::new();
    newcomer.register().arg("--write").run().expect_success();
    let text = newcomer.text();
    assert!(text.starts_with(BEFORE) && text.contains(&newcomer.url), "{text}");
    assert_eq!(newcomer.configuration.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let check = newcomer.world.hearth().args(["config", "check"]).arg(&newcomer.configuration);
    check.run().expect_success();

    newcomer.register().arg("--write").run().expect_code(OWN_FAILURE).expect_said(&["is in the configuration already"]);
    assert_eq!(newcomer.text(), text);
}

#[test]
fn a_place_that_would_not_work_is_refused_with_what_to_mend() {
    let newcomer = Newcomer::new();
    newcomer.github.change_accounts(|accounts| {
        let permissions = &mut accounts.apps[0].installations[0].permissions;
        permissions.insert("organization_self_hosted_runners".to_owned(), Level::Read);
    });
    let ran = newcomer.register().arg("--write").run().expect_code(OWN_FAILURE);
    ran.expect_said(&["organization_self_hosted_runners: write", "fix: grant it", "cannot be served as things are"]);
    assert_eq!(newcomer.text(), BEFORE);
}

#[test]
fn bad_input_is_refused_before_anybody_is_asked() {
    let newcomer = Newcomer::new();
    let call = |url: &str, more: &[&str]| {
        let call = newcomer.world.hearth().arg("--config").arg(&newcomer.configuration);
        call.args(["register", url, "--token-file", "token", "--write"]).args(more).run()
    };
    for (url, more, words) in [
        ("acme", &[][..], "is no URL"),
        ("http://github.com/acme", &[], "only https://"),
        ("https://github.com/acme", &["--label", "a,b"], "a comma"),
        ("https://github.com/acme", &["--polling"], "polling needs `repositories`"),
        ("https://github.com/acme", &["--polling", "--repository", "other/app"], "does not belong to"),
        ("https://github.com/acme/app", &["--group", "x"], "a repository has no runner groups"),
    ] {
        call(url, more).expect_code(OWN_FAILURE).expect_said(&[words]);
    }
    assert_eq!(newcomer.text(), BEFORE);
    assert!(newcomer.github.operations().is_empty());
}
