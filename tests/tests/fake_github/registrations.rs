//! Runners of REST: registered, listed, labeled, deleted, and the program that they run.

use std::fs;

use fake_github::runner_protocol::JitConfiguration;
use fake_github::{Checksum, Deprecation, Options, RunnerApplication};
use serde_json::{Value, json};

use super::client::{Lab, Request};
use super::runner::{Listener, Runner};

const RUNNERS: &str = "/orgs/acme/actions/runners";

fn jit(lab: &Lab, scope: &str, body: &Value) -> super::client::Reply {
    lab.call("POST", &format!("{scope}/actions/runners/generate-jitconfig"), body)
}

#[test]
fn a_registration_that_is_not_right_is_refused_and_registers_nothing() {
    let lab = Lab::new();
    let body =
        |name: &str, group: u64, labels: &[&str]| json!({ "name": name, "runner_group_id": group, "labels": labels });
    let long = "x".repeat(257);
    let many: Vec<_> = (0..101).map(|number| format!("l{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for (scope, body, status) in [
        ("/orgs/acme", json!({ "name": "a", "labels": ["x"] }), 422),
        ("/orgs/acme", json!({ "name": "a", "runner_group_id": "1", "labels": ["x"] }), 422),
        ("/orgs/acme", json!({ "name": "a", "runner_group_id": 1, "labels": ["x"], "ephemeral": true }), 422),
        ("/orgs/acme", body("", 1, &["x"]), 422),
        ("/orgs/acme", body(&long, 1, &["x"]), 422),
        ("/orgs/acme", body("a", 1, &[]), 422),
        ("/orgs/acme", body("a", 1, &[""]), 422),
        ("/orgs/acme", body("a", 1, &[&long]), 422),
        ("/orgs/acme", body("a", 1, &many), 422),
        ("/orgs/acme", body("a", 2, &["x"]), 403),
        ("/orgs/acme", body("a", 3, &["x"]), 404),
        ("/repos/acme/widgets", body("a", 2, &["x"]), 404),
        ("/orgs/nobody", body("a", 1, &["x"]), 404),
    ] {
        jit(&lab, scope, &body).expect(status);
    }
    assert!(lab.github.runners().is_empty());
}

#[test]
fn a_runner_has_the_labels_that_it_was_given_and_no_others() {
    let lab = Lab::new();
    let body = json!({ "name": "oven-1", "runner_group_id": 1, "labels": ["Hearth", "self-hosted"] });
    let answer = jit(&lab, "/orgs/acme", &body).expect(201).json();
    let names: Vec<_> =
        answer["runner"]["labels"].as_array().expect("labels").iter().map(|l| l["name"].clone()).collect();
    assert_eq!(names, ["hearth", "self-hosted"]);
    assert_eq!((&answer["runner"]["os"], &answer["runner"]["status"]), (&json!("unknown"), &json!("offline")));
    let blob = JitConfiguration::decode(answer["encoded_jit_config"].as_str().expect("a blob")).expect("a blob");
    assert_eq!((blob.runner.agent_name.as_str(), blob.runner.ephemeral), ("oven-1", true));
    let again = jit(&lab, "/orgs/acme", &body).expect(409);
    assert_eq!(again.message(), "Already exists - A runner with the name oven-1 already exists.");
    jit(&lab, "/repos/acme/widgets", &body).expect(201);
}

#[test]
fn a_runner_is_found_by_its_name_and_gone_when_it_is_deleted() {
    let lab = Lab::new();
    let (id, _) = lab.register("oven-1", &["x"]);
    lab.register("oven-2", &["x"]);
    let found = lab.get(&format!("{RUNNERS}?name=oven-1")).expect(200).json();
    assert_eq!((&found["total_count"], &found["runners"][0]["id"]), (&json!(1), &json!(id)));
    lab.get(&format!("/repos/acme/widgets/actions/runners/{id}")).expect(404);
    lab.delete(&format!("/repos/acme/widgets/actions/runners/{id}")).expect(404);
    lab.get(&format!("{RUNNERS}/{id}")).expect(200);
    lab.delete(&format!("{RUNNERS}/{id}")).expect(204);
    lab.delete(&format!("{RUNNERS}/{id}")).expect(404);
    lab.get(&format!("{RUNNERS}/{id}")).expect(404);
    lab.get(&format!("{RUNNERS}/oven")).expect(404);
}

#[test]
fn a_list_comes_in_pages_that_link_to_each_other() {
    let lab = Lab::new();
    for number in 0..5 {
        lab.register(&format!("oven-{number}"), &["x"]);
    }
    let mut next = Some(format!("{}/api/v3{RUNNERS}?per_page=2", lab.github.url()));
    let mut pages = Vec::new();
    while let Some(url) = next {
        let page = Request::new("GET", url).bearer(&lab.token).send().expect(200);
        assert_eq!(page.json()["total_count"], 5);
        pages.push(page.json()["runners"].as_array().expect("a list").len());
        let link = page.header("link").unwrap_or_default().split(", ").find(|link| link.ends_with("rel=\"next\""));
        next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
    }
    assert_eq!(pages, [2, 2, 1]);
    hearth_tests::github::nothing_is_violated(&lab.github);
}

#[test]
fn labels_are_changed_but_for_the_read_only_ones() {
    let lab = Lab::new();
    let (id, _) = lab.register("oven-1", &["self-hosted", "a"]);
    let path = format!("{RUNNERS}/{id}/labels");
    let names = |reply: super::client::Reply| {
        let labels = reply.expect(200).json()["labels"].clone();
        labels.as_array().expect("a list").iter().map(|label| label["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(lab.call("POST", &path, &json!({ "labels": ["B", "a"] }))), ["self-hosted", "a", "b"]);
    assert_eq!(names(lab.delete(&format!("{path}/a"))), ["self-hosted", "b"]);
    lab.delete(&format!("{path}/a")).expect(404);
    lab.delete(&format!("{path}/self-hosted")).expect(422);
    assert_eq!(names(lab.call("PUT", &path, &json!({ "labels": ["c"] }))), ["self-hosted", "c"]);
    assert_eq!(names(lab.delete(&path)), ["self-hosted"]);
    assert_eq!(names(lab.get(&path)), ["self-hosted"]);
    lab.call("POST", &path, &json!({ "labels": [] })).expect(422);
}

#[test]
fn a_blob_that_is_old_or_wrong_opens_no_session() {
    let lab = Lab::with(Options { minimum_runner_version: Some("2.329.0".to_owned()), ..Options::default() });
    let (id, blob) = lab.register("oven-1", &["x"]);
    let old = Runner::open(&blob, "2.99.0").expect(426).json();
    assert_eq!(old["errorKind"], "RunnerVersionTooOld");
    let mut wrong = JitConfiguration::decode(&blob).expect("a blob");
    wrong.key.secret = "guessed".to_owned();
    Runner::open(&wrong.encode(), "2.330.0").expect(404);
    Runner::open(&blob, "2.330.0").expect(200);
    Runner::open(&blob, "2.330.0").expect(409);
    let shown = lab.get(&format!("{RUNNERS}/{id}")).json();
    assert_eq!(
        (&shown["os"], &shown["status"], &shown["version"]),
        (&json!("linux"), &json!("online"), &json!("2.330.0"))
    );
    lab.delete(&format!("{RUNNERS}/{id}")).expect(204);
    Runner::open(&blob, "2.330.0").expect(404);
}

#[test]
fn an_archive_is_listed_with_what_is_true_of_it_and_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = directory.path().join("runner.tar.gz");
    fs::write(&archive, b"not much of an archive").expect("a file");
    let application = |version: &str, checksum: Checksum, needs_token: bool| RunnerApplication {
        os: "linux".to_owned(),
        architecture: "x64".to_owned(),
        version: version.to_owned(),
        archive: archive.clone(),
        checksum,
        needs_token,
    };
    let applications = vec![
        application("2.330.0", Checksum::Right, false),
        application("2.329.0", Checksum::Absent, true),
        application("2.328.0", Checksum::Wrong("0".repeat(64)), false),
    ];
    let lab = Lab::with(Options { applications, ..Options::default() });
    let list = lab.get(&format!("{RUNNERS}/downloads")).expect(200).json();
    let url = |index: usize| list[index]["download_url"].as_str().expect("an address");
    let real = {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"not much of an archive");
        digest.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    };
    assert_eq!(list[0]["sha256_checksum"], real);
    assert_eq!((&list[1]["sha256_checksum"], &list[2]["sha256_checksum"]), (&Value::Null, &json!("0".repeat(64))));
    assert_eq!(Request::new("GET", url(0)).send().expect(200).bytes, b"not much of an archive");
    Request::new("GET", url(1)).send().expect(401);
    let token = list[1]["temp_download_token"].as_str().expect("a token");
    Request::new("GET", url(1)).bearer(token).send().expect(200);
    hearth_tests::github::nothing_is_violated(&lab.github);
    Request::new("GET", url(0)).bearer(&lab.token).send().expect(400);
    assert_eq!(lab.github.violations().len(), 1, "a token was sent where none is wanted");
}

#[test]
fn a_version_ends_when_it_is_said_to() {
    let end = jiff::Timestamp::from_second(1_800_000_000).expect("a time");
    let deprecation = Deprecation { version: "2.328.0".to_owned(), registration: Some(end), runtime: None };
    let lab = Lab::with(Options { deprecations: vec![deprecation], ..Options::default() });
    let answer = lab.get(&format!("{RUNNERS}/deprecations/2.328.0")).expect(200).json();
    let expected = json!({
        "runner_version": "2.328.0", "registration_deprecates_at": "2027-01-15T08:00:00Z",
        "runtime_deprecates_at": null,
    });
    assert_eq!(answer, expected);
    lab.get(&format!("{RUNNERS}/deprecations/9.9.9")).expect(404);
}

#[test]
fn a_runner_of_a_set_has_one_name_with_all_others_and_shows_no_labels() {
    let lab = Lab::new();
    let listener = Listener::open(&lab, "oven", &["oven", "linux"]);
    lab.register("oven-1", &["x"]);
    let taken = listener.generate("oven-1").expect(409);
    assert!(taken.json()["typeName"].as_str().expect("a name").contains("AgentExistsException"));
    let id = listener.generate("oven-2").expect(200).json()["runner"]["id"].as_u64().expect("an id");
    assert_eq!(lab.get(&format!("{RUNNERS}/{id}")).expect(200).json()["labels"], json!([]));
}
