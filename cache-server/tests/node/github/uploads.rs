//! Uploads: whole, in blocks, broken off, too long, too many.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_model::Bytes;
use hearth_trust::Claims;

use super::{Job, client, create, finalize, pull_request, put, restore, save, send, trusted};
use crate::raw::Raw;
use crate::world::{World, body};
#[tokio::test]
async fn nothing_is_seen_before_it_is_finalized_and_only_what_was_uploaded_is() {
    let world = World::new().await;
    let job = trusted();
    let url = create(&world, &job, "k").await;
    assert_eq!(finalize(&world, &job, "k", 3).await.error(), (412, "failed_precondition".to_owned()), "nothing there");
    assert_eq!(put(&url, b"abc".to_vec()).await.status, 201);
    assert_eq!(restore(&world, &job.shown, "k", &[]).await, None);
    for wrong in [0, 2, 4] {
        assert_eq!(finalize(&world, &job, "k", wrong).await.error(), (412, "failed_precondition".to_owned()));
    }
    assert_eq!(restore(&world, &job.shown, "k", &[]).await, None);
    assert_eq!(finalize(&world, &trusted(), "k", 3).await.status, 412, "somebody else's upload");
    assert_eq!(finalize(&world, &job, "k", 3).await.status, 200);
    assert_eq!(restore(&world, &job.shown, "k", &[]).await.unwrap().1, b"abc");
    world.stop().await;
}

#[tokio::test]
async fn blocks_come_in_any_order_and_the_list_says_which() {
    let world = World::new().await;
    let job = trusted();
    let url = create(&world, &job, "k").await;
    let ids: Vec<String> = (0..3).map(|n: u32| STANDARD.encode(format!("{:036}{n:012}", 7))).collect();
    let block = |n: usize| format!("{url}&comp=block&blockid={}", ids[n].replace('=', "%3D").replace('+', "%2B"));
    for n in [2, 0, 1] {
        assert_eq!(put(&block(n), body(n as u64, 300_000)).await.status, 201);
    }
    // A block that comes again takes the place of the first.
    assert_eq!(put(&block(1), body(9, 1000)).await.status, 201);
    let list = |ids: &[&str]| {
        let entries = ids.iter().fold(String::new(), |all, id| all + "<Latest>" + id + "</Latest>");
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{entries}</BlockList>").into_bytes()
    };
    let listing = format!("{url}&comp=blocklist");
    let unknown = STANDARD.encode("never uploaded");
    for (bad, code) in [
        (list(&[&ids[0], &unknown]), "InvalidBlockList"),
        (list(&[&ids[0], &ids[0]]), "InvalidBlockList"),
        (list(&["!"]), "InvalidQueryParameterValue"),
        (b"<BlockList><Latest>".to_vec(), "InvalidXmlDocument"),
    ] {
        assert_eq!(put(&listing, bad).await.error(), (400, code.to_owned()));
    }
    let million = "<Latest>AQ==</Latest>".repeat(1_000_000);
    let million = format!("<BlockList>{million}</BlockList>").into_bytes();
    assert_eq!(put(&listing, million).await.error(), (413, "RequestBodyTooLarge".to_owned()));
    assert_eq!(put(&listing, list(&[&ids[2], &ids[1], &ids[0]])).await.status, 201);

    let world = world.restart(|_| {}).await;
    let bytes = [body(2, 300_000), body(9, 1000), body(0, 300_000)].concat();
    assert_eq!(finalize(&world, &job, "k", bytes.len()).await.status, 200, "an upload outlives a restart");
    assert_eq!(restore(&world, &job.shown, "k", &[]).await.unwrap().1, bytes);
    world.stop().await;
}

#[tokio::test]
async fn uploads_that_break_off_or_lie_leave_nothing() {
    let world = World::new().await;
    let job = trusted();
    let url = create(&world, &job, "k").await;
    let path = url.strip_prefix(&format!("http://{}", world.address)).unwrap();
    let mut raw = Raw::connect(&world.address).await;
    let head = |more: &str| {
        format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nx-ms-blob-type: BlockBlob\r\n{more}\r\n", world.address)
    };
    raw.send(format!("{}short", head("Content-Length: 100\r\n")).as_bytes()).await;
    drop(raw);
    let mut raw = Raw::connect(&world.address).await;
    raw.send(format!("{}5\r\nhello\r\n0\r\n\r\n", head("Transfer-Encoding: chunked\r\n")).as_bytes()).await;
    assert_eq!(raw.status().await, Some(411));
    assert_eq!(put(&format!("{url}&comp=page"), b"x".to_vec()).await.error().0, 400);
    assert_eq!(put(&format!("{url}&comp=block&blockid=%21"), b"x".to_vec()).await.error().0, 400);
    let no_kind = send(client().put(&url).header("content-length", 1).body("x")).await;
    assert_eq!(no_kind.error(), (400, "InvalidHeaderValue".to_owned()));
    assert_eq!(finalize(&world, &job, "k", 100).await.error(), (412, "failed_precondition".to_owned()));
    assert_eq!(restore(&world, &job.shown, "k", &[]).await, None);
    world.stop().await;
}

#[tokio::test]
async fn a_quota_holds_over_requests() {
    let world = World::new().await;
    let job = Job::of(Claims { quota: Some(Bytes(1000)), ..pull_request(7).claims });
    save(&world, &job, "a", &body(1, 600)).await;
    let url = create(&world, &job, "b").await;
    assert_eq!(put(&url, body(2, 401)).await.status, 201, "the client is let alone");
    assert_eq!(finalize(&world, &job, "b", 401).await.error().0, 412, "but nobody says that it is there");
    assert_eq!(put(&url, body(2, 400)).await.status, 201);
    assert_eq!(finalize(&world, &job, "b", 400).await.status, 200);
    assert_eq!(world.node.status().discarded, 1);
    world.stop().await;
}
