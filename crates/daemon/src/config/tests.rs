//! Exact messages and exact precedence, on a file of the shapes that our binaries use.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hearth_model::{Bytes, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct SampleFile {
    name: String,
    state: PathBuf,
    labels: Vec<String>,
    slots: SlotsFile,
    mirrors: Vec<MirrorFile>,
    limits: BTreeMap<String, ByteSize>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct SlotsFile {
    count: u16,
    pause: TimeSpan,
    budget: Option<ByteSize>,
    share: f64,
    eager: bool,
    clone: CloneWord,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct MirrorFile {
    url: String,
    #[serde(default)]
    retries: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum CloneWord {
    Reflink,
    Copy,
    Within { wait: TimeSpan },
}

impl Default for SampleFile {
    fn default() -> Self {
        Self {
            name: "hearth".to_owned(),
            state: PathBuf::from("/var/lib/hearth"),
            labels: Vec::new(),
            slots: SlotsFile::default(),
            mirrors: Vec::new(),
            limits: BTreeMap::new(),
        }
    }
}

impl Default for SlotsFile {
    fn default() -> Self {
        Self {
            count: 2,
            pause: TimeSpan(Millis::from_secs(30)),
            budget: None,
            share: 0.5,
            eager: false,
            clone: CloneWord::Reflink,
        }
    }
}

fn file(text: &str) -> Result<Sources, ConfigError> {
    Sources::default().with_text(Path::new("/etc/hearth.toml"), text)
}

/// What a person reads when the file is this.
fn complaint(text: &str) -> String {
    match file(text).and_then(Sources::load::<SampleFile>) {
        Ok(loaded) => format!("no complaint: {:?}", loaded.value),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_right_name() {
    for (text, message) in [
        ("naem = \"x\"", "/etc/hearth.toml:1:1: unknown key `naem`; did you mean `name`?"),
        ("[slots]\ncount = 1\n  cuont = 3", "/etc/hearth.toml:3:3: unknown key `slots.cuont`; did you mean `count`?"),
        ("slots = { Pause = \"3s\" }", "/etc/hearth.toml:1:11: unknown key `slots.Pause`; did you mean `pause`?"),
        ("slots.bugdet = \"3s\"", "/etc/hearth.toml:1:7: unknown key `slots.bugdet`; did you mean `budget`?"),
        (
            "[[mirrors]]\nurl = \"a\"\n[[mirrors]]\nurl = \"b\"\nretry = 3",
            "/etc/hearth.toml:5:1: unknown key `mirrors[1].retry`; known are `url`, `retries`",
        ),
        (
            "mirrors = [{ url = \"ä\", retires = 1 }]",
            "/etc/hearth.toml:1:25: unknown key `mirrors[0].retires`; did you mean `retries`?",
        ),
        (
            "# ä\nxyz = 1",
            "/etc/hearth.toml:2:1: unknown key `xyz`; \
             known are `name`, `state`, `labels`, `slots`, `mirrors`, `limits`",
        ),
    ] {
        assert_eq!(complaint(text), message);
    }
}

#[test]
fn a_wrong_value_says_what_was_expected() {
    for (text, message) in [
        (
            "[slots]\ncount = \"four\"",
            "/etc/hearth.toml:2:9: `slots.count` must be a whole number from 0 to 65535, found the text \"four\"",
        ),
        (
            "[slots]\ncount = 70000",
            "/etc/hearth.toml:2:9: `slots.count` must be a whole number from 0 to 65535, found the number 70000",
        ),
        (
            "[slots]\npause = 30",
            "/etc/hearth.toml:2:9: `slots.pause` must be a duration in quotes like \"30s\", found the number 30",
        ),
        (
            "[slots]\npause = \"30\"",
            "/etc/hearth.toml:2:9: `slots.pause`: `30` is not a duration; \
             write a number and one of ms, s, m, h, d, like `30s`",
        ),
        (
            "[slots]\nbudget = \"20 potatoes\"",
            "/etc/hearth.toml:2:10: `slots.budget`: `20 potatoes` is not a size; \
             write a number and one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB, like `20GiB`",
        ),
        (
            "[slots]\neager = \"yes\"",
            "/etc/hearth.toml:2:9: `slots.eager` must be `true` or `false`, found the text \"yes\"",
        ),
        (
            "[slots]\nclone = \"reflnik\"",
            "/etc/hearth.toml:2:9: `slots.clone` cannot be `reflnik`; did you mean `reflink`?",
        ),
        (
            "[slots]\nclone = \"overlay\"",
            "/etc/hearth.toml:2:9: `slots.clone` cannot be `overlay`; known are `reflink`, `copy`, `within`",
        ),
        ("slots = 3", "/etc/hearth.toml:1:9: `slots` must be a table, found the number 3"),
        ("labels = [\"a\", 2]", "/etc/hearth.toml:1:16: `labels[1]` must be a text in quotes, found the number 2"),
        ("labels = \"a\"", "/etc/hearth.toml:1:10: `labels` must be a list, found the text \"a\""),
        ("state = 3", "/etc/hearth.toml:1:9: `state` must be a path in quotes, found the number 3"),
        ("[[mirrors]]\nretries = 1", "/etc/hearth.toml:1:1: `mirrors[0].url` is missing"),
        ("name = 99999999999999999999", "/etc/hearth.toml:1:8: 99999999999999999999 is out of range"),
        ("name = \"a\"\nname = \"b\"", "/etc/hearth.toml:2:1: duplicate key"),
    ] {
        assert_eq!(complaint(text), message, "{text}");
    }
}

#[test]
fn a_syntax_error_names_its_place() {
    let message = complaint("name = \"x\"\nslots = = 3");
    assert!(message.starts_with("/etc/hearth.toml:2:9: "), "{message}");
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let loaded: Effective<SampleFile> = file("name = \"file\"\n[slots]\ncount = 3\nshare = 0.25")
        .unwrap()
        .with_flag("--slots", "slots.count", "9")
        .with_environment(
            &[
                ("HEARTH_SLOTS", "slots.count"),
                ("HEARTH_SHARE", "slots.share"),
                ("HEARTH_EAGER", "slots.eager"),
                ("HEARTH_LABELS", "labels"),
                ("HEARTH_BUDGET", "slots.budget"),
                ("HEARTH_NAME", "name"),
                ("HEARTH_STATE", "state"),
            ],
            |variable| {
                let value = match variable {
                    "HEARTH_SLOTS" => "5",
                    "HEARTH_SHARE" => "1",
                    "HEARTH_EAGER" => "true",
                    "HEARTH_LABELS" => "rust, 17,",
                    "HEARTH_BUDGET" => "20GiB",
                    "HEARTH_STATE" => "",
                    _ => return None,
                };
                Some(OsString::from(value))
            },
        )
        .unwrap()
        .load()
        .unwrap();
    let SampleFile { name, state, labels, slots, .. } = &loaded.value;
    assert_eq!(name, "file");
    assert_eq!(state, Path::new("/var/lib/hearth"), "an empty variable is not set");
    assert_eq!(labels, &["rust", "17"]);
    assert_eq!((slots.count, slots.eager), (9, true));
    assert!((slots.share - 1.0).abs() < f64::EPSILON);
    assert_eq!(slots.budget, Some(ByteSize(Bytes::gib(20))));
}

#[test]
fn an_override_that_does_not_fit_names_its_variable_or_flag() {
    let environment = |variable: &str, key: &str, text: &str| {
        Sources::default()
            .with_environment(&[(variable, key)], |_| Some(OsString::from(text)))
            .unwrap()
            .load::<SampleFile>()
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        environment("HEARTH_SLOTS", "slots.count", "many"),
        "environment HEARTH_SLOTS: `slots.count` must be a whole number from 0 to 65535, found the text \"many\""
    );
    assert_eq!(
        environment("HEARTH_SLOTS", "slots.cuont", "1"),
        "environment HEARTH_SLOTS: unknown key `slots.cuont`; did you mean `count`?"
    );
    let flag = Sources::default().with_flag("--set", "slots.clone", "copi").load::<SampleFile>();
    assert_eq!(flag.unwrap_err().to_string(), "flag --set: `slots.clone` cannot be `copi`; did you mean `copy`?");
    let through = file("slots = 3").unwrap().with_flag("--slots", "slots.count", "1").load::<SampleFile>();
    assert_eq!(through.unwrap_err().to_string(), "/etc/hearth.toml:1:9: `slots` must be a table, found the number 3");
}

#[test]
fn enums_carry_words_and_tables() {
    let within = file("[slots.clone.within]\nwait = \"2s\"").unwrap().load::<SampleFile>().unwrap();
    let wait = TimeSpan(Millis::from_secs(2));
    assert_eq!(within.value.slots.clone, CloneWord::Within { wait });
    assert_eq!(
        complaint("[slots.clone.within]\nwait = 2"),
        "/etc/hearth.toml:2:8: `slots.clone.within.wait` must be a duration in quotes like \"30s\", found the number 2"
    );
}

#[test]
fn show_gives_each_value_with_its_origin_and_can_be_read_again() {
    let text = "labels = [\"a\"]\n[slots]\ncount = 3\n[[mirrors]]\nurl = \"u\"\n[limits]\n\"a b\" = \"1GiB\"\n";
    let loaded: Effective<SampleFile> = file(text)
        .unwrap()
        .with_flag("--name", "name", "flagged")
        .with_environment(&[("HEARTH_PAUSE", "slots.pause")], |_| Some("90s".into()))
        .unwrap()
        .load()
        .unwrap();
    let shown = loaded.show().unwrap();
    let expected = r#"name = "flagged"  # flag --name
state = "/var/lib/hearth"  # default
labels = ["a"]  # file /etc/hearth.toml:1:10

[slots]
count = 3  # file /etc/hearth.toml:3:9
pause = "90s"  # environment HEARTH_PAUSE
share = 0.5  # default
eager = false  # default
clone = "reflink"  # default

[[mirrors]]
url = "u"  # file /etc/hearth.toml:5:7
retries = 0  # default

[limits]
"a b" = "1GiB"  # file /etc/hearth.toml:7:9
"#;
    assert_eq!(shown, expected);
    assert_eq!(file(&shown).unwrap().load::<SampleFile>().unwrap().value, loaded.value);
}

#[test]
fn a_value_refused_by_the_binary_names_its_place() {
    let loaded: Effective<SampleFile> = file("[slots]\ncount = 0").unwrap().load().unwrap();
    assert_eq!(
        loaded.refuse("slots.count", "a machine needs at least one slot").to_string(),
        "/etc/hearth.toml:2:9: `slots.count`: a machine needs at least one slot"
    );
    assert_eq!(
        loaded.refuse("slots.share", "too small").to_string(),
        "`slots.share`: too small",
        "a default has no place"
    );
}

#[test]
fn a_missing_file_is_an_error_only_when_somebody_named_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hearth.toml");
    let defaults = Sources::default().with_file(&path, Presence::Optional).unwrap();
    assert_eq!(defaults.load::<SampleFile>().unwrap().value, SampleFile::default());
    let error = Sources::default().with_file(&path, Presence::Required).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read configuration file {}", path.display()));

    std::fs::write(&path, "name = \"from disk\"").unwrap();
    let read = Sources::default().with_file(&path, Presence::Required).unwrap();
    assert_eq!(read.load::<SampleFile>().unwrap().value.name, "from disk");

    std::fs::write(&path, vec![b'#'; 1 << 21]).unwrap();
    let error = Sources::default().with_file(&path, Presence::Required).unwrap_err();
    assert_eq!(error.to_string(), format!("configuration file {} is larger than 1.00 MiB", path.display()));
}

#[test]
fn the_schema_refuses_unknown_keys_and_knows_sizes() {
    let schema = schema::<SampleFile>();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["SlotsFile"]["additionalProperties"], false);
    assert_eq!(schema["$defs"]["SlotsFile"]["properties"]["pause"]["examples"][0], "30s");
    assert_eq!(schema["$defs"]["SlotsFile"]["properties"]["count"]["maximum"], 65535);
}
