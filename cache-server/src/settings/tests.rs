//! The shipped example, the names of variables, and what is refused.

use std::path::Path;

use hearth_model::{Bytes, Millis};

use super::*;
use crate::access::{Allowance, Allowances, Rate};
use crate::config::{Durability, NodeConfig};
use crate::eviction::ClassLimit;
use crate::transport::ClientCertificates;

fn checked(text: &str) -> Result<Settings, String> {
    let read = Sources::default().with_text(Path::new("x.toml"), text).unwrap().load::<ServerFile>();
    let said = |error: &dyn std::error::Error| error.to_string();
    let read = read.map_err(|error| said(&error))?;
    check(&read, &Environment::from_pairs(&[("HOME", "/h")])).map_err(|error| said(&error))
}

#[test]
fn the_shipped_example_is_the_default_in_every_value() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hearth-cache-server.example.toml");
    let read = Sources::default().with_file(&example, Presence::Required).unwrap().load::<ServerFile>().unwrap();
    assert_eq!(read.value, ServerFile::default());
}

#[test]
fn every_variable_names_a_key_that_exists() {
    for (variable, key) in SETTINGS {
        let text = match *key {
            key if key.ends_with("budget") => "1GiB",
            "log.format" => "json",
            _ => "/x",
        };
        let read = Sources::default()
            .with_environment(&[(variable, key)], |_| Some(text.into()))
            .and_then(Sources::load::<ServerFile>);
        assert!(read.is_ok(), "{variable} -> {key}: {read:?}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_place() {
    for (text, said) in [
        ("[http]\nlisten = \"here\"", "x.toml:2:10: `http.listen`: `here` is no address and port"),
        ("[http]\npublic_url = \"c\"", "x.toml:2:14: `http.public_url`: it must be http:// or https:// with a host"),
        ("[http]\nlisten = \"off\"", "`http.listen`: nothing is served"),
        ("[store]\nbudget = \"1KiB\"", "`store.budget`: must be at least 1MiB"),
        ("[store]\nmax_object = \"0B\"", "`store.max_object`: must be more than nothing"),
        ("[access.forks]\nburst = 3", "`access.forks.burst`: says nothing without `requests_per_second`"),
        ("[access.tokens]\nbytes_per_second = \"0B\"", "`access.tokens.bytes_per_second`: must be more than nothing"),
        ("[access.trusted]\nrequests_per_second = 0", "requests_per_second"),
        ("[[access.groups]]\nname = \"a/b\"\nrepositories = []", "`access.groups`: `a/b` is not a name for a group"),
        ("[upstream]\ncalls = 2", "x.toml:1:1: `upstream`: names no place"),
        ("[upstream.peer]\nurl = \"c\"\ntoken_file = \"t\"", "x.toml:2:7: `upstream.peer.url`: `c` is not"),
        ("[limits]\nread = \"0s\"", "`limits.read`: must be longer than nothing"),
        ("[limits]\nconnections = 0", "`limits.connections`: must be at least 1"),
        ("[tls]\nlisten = \"127.0.0.1:0\"", "`tls.certificate_file`: must be set"),
        ("[tls]\nlisten = \"127.0.0.1:0\"\ncertificate_file = \"c\"", "`tls.key_file`: must be set"),
        ("[tls]\nlisten = \"443\"", "`tls.listen`: `443` is no address"),
        ("[tls]\nlisten = \"[::]:443\"\nreload = \"10ms\"", "`tls.reload`: must be at least 1s"),
        ("[socket]\nmode = \"rw\"", "`socket.mode`: must be an octal number"),
        ("[socket]\nmode = \"7777\"", "`socket.mode`: must be an octal number"),
        ("[store]\ndurability = \"always\"", "durability"),
        ("[store]\nsync = \"0s\"", "`store.sync`: must be longer than nothing"),
        ("[store]\nscrub = \"0s\"", "`store.scrub`: must be longer than nothing"),
        ("[retention]\nobjects = 0", "`retention.objects`: must be at least 1"),
        ("[retention]\ncaches_percent = 101", "`retention.caches_percent`: must be 0 to 100"),
        ("[retention]\nartifacts_of_jobs = \"0s\"", "`retention.artifacts_of_jobs`: must be longer than nothing"),
        ("[limits]\nstreams = 0", "`limits.streams`: must be at least 1"),
        ("[admin]\nlisten = \"0.0.0.0:1\"", "`admin.listen`: can be reached from other machines"),
        ("[log]\nfilter = \"info,x=loud\"", "`log.filter`"),
        ("[htpp]", "htpp"),
    ] {
        let refused = checked(text).unwrap_err();
        assert!(refused.contains(said), "{text}: {refused}");
    }
    assert!(checked("[admin]\nlisten = \"0.0.0.0:1\"\nnetwork = true").is_ok());
}

#[test]
fn any_one_listener_is_enough() {
    let off = "[http]\nlisten = \"off\"\n";
    assert!(checked(&format!("{off}[socket]\npath = \"/s\"")).unwrap().socket.is_some());
    let tls = format!("{off}[tls]\nlisten = \"127.0.0.1:0\"\ncertificate_file = \"/c\"\nkey_file = \"/k\"");
    let settings = checked(&tls).unwrap();
    assert!(settings.http.is_none());
    assert_eq!(settings.tls.unwrap().files.clients, ClientCertificates::No);
    let settings = checked(&format!("{tls}\nclient_ca_file = \"/a\"\nclient_certificates = \"optional\"")).unwrap();
    assert_eq!(settings.tls.unwrap().files.clients, ClientCertificates::Optional(PathBuf::from("/a")));
}

#[test]
fn the_key_stands_in_the_directory_unless_somebody_says_otherwise() {
    let settings = checked("dir = \"/d\"").unwrap();
    assert_eq!((settings.dir, settings.key_file), (PathBuf::from("/d"), PathBuf::from("/d/token.key")));
    assert_eq!(checked("key_file = \"/k\"").unwrap().key_file, PathBuf::from("/k"));
}

#[test]
fn the_defaults_of_the_file_are_those_of_the_node() {
    let node = checked("").unwrap().node;
    let usual = NodeConfig::new(node.root.clone(), node.budget);
    assert_eq!((node.retention, node.artifacts), (usual.retention, usual.artifacts));
    assert_eq!(node.durability, usual.durability);
    assert_eq!((node.limits.sync, node.limits.scrub), (usual.limits.sync, usual.limits.scrub));
}

#[test]
fn what_is_said_of_retention_and_durability_reaches_the_node() {
    let text = "[store]\ndurability = \"every\"\nsync = \"3s\"\nscrub = \"1d\"\n[retention]\nobjects = 7\n\
                branches_percent = 10\nbranches_unused = \"0s\"\nbranches_age = \"2d\"\nartifacts_of_jobs = \"2h\"\n";
    let node = checked(text).unwrap().node;
    assert_eq!(node.durability, Durability::Every);
    assert_eq!((node.limits.sync.as_secs(), node.limits.scrub.as_secs()), (3, 86_400));
    let age = Some(Millis::from_minutes(2 * 24 * 60));
    assert_eq!(node.retention.branches, ClassLimit { percent: 10, unused: None, age });
    assert_eq!((node.retention.objects, node.artifacts.jobs.as_secs()), (7, 7200));
}

#[test]
fn what_is_said_of_callers_reaches_the_node() {
    let text = "[access]\nscope_quota = \"1MiB\"\nforks = { requests_per_second = 7, quota = \"0B\" }\n\
                tokens = { requests_per_second = 5, burst = 6, bytes_per_second = \"1KiB\" }";
    let node = checked(text).unwrap().node;
    let rate = |per_second, burst| Some(Rate { per_second, burst });
    let forks = Allowance { rate: rate(7, 70), bytes_per_second: None, quota: Some(Bytes(0)) };
    let tokens = Allowance { rate: rate(5, 6), bytes_per_second: Some(Bytes::kib(1)), quota: None };
    assert_eq!(node.allowances, Allowances { forks, tokens, ..Allowances::default() });
    assert_eq!(node.scope_quota, Some(Bytes::mib(1)));
}

#[test]
fn changes_that_need_no_restart_are_told_from_those_that_do() {
    let file = |text: &str| Sources::default().with_text(Path::new("x.toml"), text).unwrap().load::<ServerFile>();
    let before = file("").unwrap().value;
    let free = file("[access]\nscope_quota = \"1MiB\"\nforks = { quota = \"0B\" }\n[upstream]\nmode = \"offline\"");
    let free = free.unwrap().value;
    assert_eq!(before.clone().with_changes_of(&free), free);
    for text in
        ["[store]\nmemory = \"1MiB\"", "[upstream]\ncalls = 3", "[[access.groups]]\nname = \"a\"\nrepositories = []"]
    {
        let other = file(text).unwrap().value;
        assert_ne!(before.clone().with_changes_of(&other), other, "{text}");
    }
}
