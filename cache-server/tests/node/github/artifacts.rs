//! Artifacts: whose they are, and how long.

use hearth_model::{ExecutionId, Millis};
use hearth_trust::{Claims, Class};
use serde_json::json;

use super::{Job, call, get, pull_request, put, trusted};
use crate::world::{NOW, World, body, claims};
#[tokio::test]
async fn artifacts_belong_to_their_run() {
    let world = World::new().await;
    let maker = Job::of(Claims { run: Some(7), class: Class::Release, ..claims(&["trusted"], None) });
    let name = |job: &Job, name: &str| {
        let mut message = job.ids();
        message["name"] = json!(name);
        message
    };
    let answer = call(&world, &maker.shown, "ArtifactService/CreateArtifact", &name(&maker, "logs")).await.json();
    let url = answer["signed_upload_url"].as_str().unwrap().to_owned();
    let bytes = body(5, 10_000);
    assert_eq!(put(&url, bytes.clone()).await.status, 201);
    let mut done = name(&maker, "logs");
    done["size"] = json!("10000");
    done["hash"] = json!(format!("sha256:{}", "ab".repeat(32)));
    let list = |job: &Job| {
        let (shown, ids) = (job.shown.clone(), job.ids());
        let world = &world;
        async move { call(world, &shown, "ArtifactService/ListArtifacts", &ids).await.json()["artifacts"].clone() }
    };
    assert_eq!(list(&maker).await, json!([]));
    let finalized = call(&world, &maker.shown, "ArtifactService/FinalizeArtifact", &done).await;
    assert_eq!(finalized.status, 200, "{}", finalized.json());
    let again = call(&world, &maker.shown, "ArtifactService/CreateArtifact", &name(&maker, "logs")).await;
    assert_eq!(again.error(), (409, "already_exists".to_owned()));

    let other_job = Job::of(Claims { run: Some(7), ..pull_request(3).claims });
    let listed = list(&other_job).await;
    assert_eq!(listed[0]["name"], json!("logs"));
    assert_eq!(listed[0]["database_id"], finalized.json()["artifact_id"]);
    assert_eq!(listed[0]["workflow_job_run_backend_id"], json!(maker.claims.execution));
    let signed =
        call(&world, &other_job.shown, "ArtifactService/GetSignedArtifactURL", &name(&other_job, "logs")).await;
    let found = get(signed.json()["signed_url"].as_str().unwrap()).await;
    assert_eq!(found.body, bytes);
    assert_eq!(found.headers["content-type"], "application/zip");
    assert!(found.headers["content-disposition"].to_str().unwrap().contains("filename=\"logs.zip\""));

    // Another run, another repository, and somebody who only says that he is of this run.
    let another_run = Job::of(Claims { run: Some(8), ..maker.claims.clone() });
    let elsewhere = Job::of(Claims { repository: "github.com/acme/other".to_owned(), ..maker.claims.clone() });
    for job in [&another_run, &elsewhere] {
        assert_eq!(list(job).await, json!([]));
        for method in ["GetSignedArtifactURL", "DeleteArtifact"] {
            let answer = call(&world, &job.shown, &format!("ArtifactService/{method}"), &name(job, "logs")).await;
            assert_eq!(answer.error(), (404, "not_found".to_owned()));
        }
    }
    for method in ["CreateArtifact", "ListArtifacts", "GetSignedArtifactURL", "DeleteArtifact", "FinalizeArtifact"] {
        let answer =
            call(&world, &another_run.shown, &format!("ArtifactService/{method}"), &name(&maker, "logs")).await;
        assert_eq!(answer.error(), (403, "permission_denied".to_owned()), "{method}");
    }
    for bad in ["", "a/b", "a\\b", "a\0", "a\nb", "a:b", &"n".repeat(2000)] {
        let answer = call(&world, &maker.shown, "ArtifactService/CreateArtifact", &name(&maker, bad)).await;
        assert_eq!(answer.error(), (400, "invalid_argument".to_owned()), "{bad:.10}");
    }
    let deleted = call(&world, &other_job.shown, "ArtifactService/DeleteArtifact", &name(&other_job, "logs")).await;
    assert_eq!(deleted.json()["artifact_id"], finalized.json()["artifact_id"]);
    assert_eq!(list(&maker).await, json!([]));
    world.stop().await;
}

#[tokio::test]
async fn an_artifact_goes_when_its_days_are_over() {
    let world = World::new().await;
    let until = NOW + Millis::from_minutes(60 * 24 * 30);
    let days = |class, asked: Option<&str>| {
        let claims =
            Claims { execution: ExecutionId::new(NOW), run: Some(7), class, expires_at: until, ..trusted().claims };
        (Job::of(claims), asked.map(str::to_owned))
    };
    let hour = "2026-09-21T15:00:00Z";
    let jobs = [
        ("short", days(Class::Branch, Some(hour))),
        ("job", days(Class::Branch, None)),
        ("asked", days(Class::Branch, Some("2027-09-21T14:00:00Z"))),
        ("release", days(Class::Release, None)),
    ];
    for (name, (job, asked)) in &jobs {
        let mut message = job.ids();
        message["name"] = json!(name);
        message["expires_at"] = json!(asked);
        let answer = call(&world, &job.shown, "ArtifactService/CreateArtifact", &message).await.json();
        assert_eq!(put(answer["signed_upload_url"].as_str().unwrap(), b"x".to_vec()).await.status, 201);
        message["size"] = json!("1");
        assert_eq!(call(&world, &job.shown, "ArtifactService/FinalizeArtifact", &message).await.status, 200);
    }
    let left = || async {
        let (job, _) = &jobs[0].1;
        let all = call(&world, &job.shown, "ArtifactService/ListArtifacts", &job.ids()).await.json();
        let names = all["artifacts"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(left().await, ["asked", "job", "release", "short"]);
    world.clock.advance(std::time::Duration::from_hours(2));
    assert_eq!(left().await, ["asked", "job", "release"]);
    world.clock.advance(std::time::Duration::from_hours(23));
    assert_eq!(left().await, ["release"]);
    world.clock.advance(std::time::Duration::from_hours(24 * 6));
    assert!(left().await.is_empty());
    world.stop().await;
}
