//! S3 from those who do not play by its rules: requests byte by byte, each signed well but for one thing.

use hearth_model::{Clock as _, Millis, Timestamp};

use crate::raw::Raw;
use crate::signing::{Headers, Pen, sha256};
use crate::world::{NOW, World, body, pull_request, signer, trusted};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What is done to chunks, each behind its signature, before they are sent.
type Change = fn(&mut Vec<(String, Vec<u8>)>);
/// What is done to a signed head.
type Forgery = (&'static str, fn(&mut Headers));

fn pen() -> Pen {
    let token = trusted();
    Pen { id: token.expose().to_owned(), secret: signer().s3_secret(token.expose()).to_string(), at: NOW }
}

fn at(minutes: i64) -> Pen {
    Pen { at: Timestamp::from_millis(NOW.as_millis() + minutes * 60_000), ..pen() }
}

/// The head of a signed request, with more lines.
fn head(world: &World, method: &str, signed: &Headers, more: &str) -> String {
    let Headers { path, date, payload, authorization, .. } = signed;
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\nx-amz-date: {date}\r\n\
         x-amz-content-sha256: {payload}\r\n{more}\r\n",
        world.address
    )
}

/// The answer to a request on a connection of its own: its status, if there is any.
async fn said(world: &World, head: &str, body: &[u8]) -> Option<u16> {
    let mut raw = Raw::connect(&world.address).await;
    raw.send(head.as_bytes()).await;
    // The other side may have heard enough.
    let _ = raw.offer(body).await;
    raw.status().await
}

/// The same, and nothing more comes; whoever is answered at all then is lucky.
async fn cut(world: &World, head: &str, body: &[u8]) -> Option<u16> {
    let mut raw = Raw::connect(&world.address).await;
    raw.send(head.as_bytes()).await;
    let _ = raw.offer(body).await;
    raw.end().await;
    raw.status().await
}

async fn put(world: &World, pen: &Pen, path: &str, payload: &str, more: &str, body: &[u8]) -> Option<u16> {
    let signed = pen.headers("PUT", &world.address, path, "", payload);
    said(world, &head(world, "PUT", &signed, more), body).await
}

async fn get(world: &World, pen: &Pen, path: &str) -> Option<u16> {
    let signed = pen.headers("GET", &world.address, path, "", UNSIGNED);
    said(world, &head(world, "GET", &signed, ""), b"").await
}

#[tokio::test]
async fn a_body_that_is_not_what_its_head_says_is_not_stored() {
    let world = World::new().await;
    let (pen, data) = (pen(), body(1, 1000));
    let digest = sha256(&data);
    for (n, (payload, more, body)) in [
        (UNSIGNED, "content-length: 1001\r\n", &data[..]),
        (&digest, "content-length: 1001\r\n", &data),
        (UNSIGNED, "transfer-encoding: chunked\r\n", b"5\r\nhello\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/b/cut/{n}");
        let signed = pen.headers("PUT", &world.address, &path, "", payload);
        let answered = cut(&world, &head(&world, "PUT", &signed, more), body).await;
        assert!(matches!(answered, None | Some(400 | 411)), "{more}: {answered:?}");
        assert_eq!(get(&world, &pen, &path).await, Some(404), "{more}");
    }
    for (n, (what, payload, more, body, expected)) in [
        ("another body than was signed", sha256(b"other").as_str(), "content-length: 1000\r\n", &data[..], 400),
        ("no length", UNSIGNED, "", b"", 411),
        ("two lengths", UNSIGNED, "content-length: 1000\r\ncontent-length: 1\r\n", &data, 400),
        ("a length that is none", UNSIGNED, "content-length: -1\r\n", &data, 400),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/b/lies/{n}");
        assert_eq!(put(&world, &pen, &path, payload, more, body).await, Some(expected), "{what}");
        assert_eq!(get(&world, &pen, &path).await, Some(404), "{what}");
    }
    assert_eq!(put(&world, &pen, "/b/true", &digest, "content-length: 1000\r\n", &data).await, Some(200));
    assert_eq!((world.objects(), world.unfinished().len()), (1, 0));
    world.stop().await;
}

#[tokio::test]
async fn chunks_are_believed_one_by_one() {
    let world = World::new().await;
    let pen = pen();
    // Two chunks and the last one, which is empty; `change` makes one of them wrong.
    let sent = |path: &str, said: usize, change: Change| {
        let signed = pen.chunked("PUT", &world.address, path, said);
        let mut previous = signed.signature.clone();
        let mut chunks = Vec::new();
        for data in [body(1, 8192), body(2, 300), Vec::new()] {
            previous = pen.chunk(&previous, &data);
            chunks.push((previous.clone(), data));
        }
        change(&mut chunks);
        let mut wire = Vec::new();
        for (signature, data) in chunks {
            wire.extend(format!("{:x};chunk-signature={signature}\r\n", data.len()).bytes());
            wire.extend(data);
            wire.extend(b"\r\n");
        }
        let more = format!("content-encoding: aws-chunked\r\nx-amz-decoded-content-length: {said}\r\n");
        (signed, more, wire)
    };
    let all = 8192 + 300;
    let answer = async |signed: Headers, more: String, wire: Vec<u8>| {
        let more = format!("{more}content-length: {}\r\n", wire.len());
        said(&world, &head(&world, "PUT", &signed, &more), &wire).await
    };
    let cases: [(&str, usize, Change); 8] = [
        ("a signature of another chunk", all, |chunks| chunks[1].0 = chunks[0].0.clone()),
        ("a flipped bit", all, |chunks| chunks[0].1[8000] ^= 1),
        ("chunks in another order", all, |chunks| chunks.swap(0, 1)),
        ("a chunk twice", all, |chunks| chunks.insert(1, chunks[0].clone())),
        ("no last chunk", all, |chunks| drop(chunks.pop())),
        ("a chunk behind the last one", all, |chunks| chunks.push(chunks[0].clone())),
        ("a length that is too small", all - 1, |_| {}),
        ("a length that is too large", all + 1, |_| {}),
    ];
    for (n, (what, said_length, change)) in cases.into_iter().enumerate() {
        let path = format!("/b/chunks/{n}");
        let (signed, more, wire) = sent(&path, said_length, change);
        let answered = answer(signed, more, wire).await;
        assert!(matches!(answered, Some(400 | 403)), "{what}: {answered:?}");
        assert_eq!(get(&world, &pen, &path).await, Some(404), "{what}");
    }
    assert_eq!(world.objects(), 0);
    let (signed, more, wire) = sent("/b/chunks/good", all, |_| {});
    assert_eq!(answer(signed, more, wire).await, Some(200));
    world.stop().await;
}

#[tokio::test]
async fn a_signature_is_good_for_its_quarter_of_an_hour_and_an_address_until_its_end() {
    let world = World::new().await;
    for (minutes, expected) in [(0, 404), (14, 404), (-14, 404), (16, 403), (-16, 403)] {
        assert_eq!(get(&world, &at(minutes), "/b/k").await, Some(expected), "{minutes} minutes");
    }
    let ask = |address: String| {
        let head = format!("GET {address} HTTP/1.1\r\nhost: {}\r\n\r\n", world.address);
        let world = &world;
        async move { said(world, &head, b"").await }
    };
    let address = pen().address("GET", &world.address, "/b/k", 60);
    assert_eq!(ask(address.clone()).await, Some(404));
    assert_eq!(ask(address.clone()).await, Some(404), "as often as one likes");
    world.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(ask(address.clone()).await, Some(404));
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(ask(address).await, Some(403), "a replay after the end");
    let future = Pen { at: world.clock.now() + Millis::from_minutes(16), ..pen() };
    assert_eq!(ask(future.address("GET", &world.address, "/b/k", 60)).await, Some(403));
    world.stop().await;
}

#[tokio::test]
async fn a_signature_of_somebody_else_or_for_something_else_is_worth_nothing() {
    let world = World::new().await;
    let (own, other) = (pen(), pull_request(7));
    let data = b"poison";
    let length = format!("content-length: {}\r\n", data.len());
    // The id of one and the secret of another.
    let mixed = Pen { secret: signer().s3_secret(other.expose()).to_string(), ..own.clone() };
    assert_eq!(put(&world, &mixed, "/b/k", UNSIGNED, &length, data).await, Some(403));
    let signed = own.headers("PUT", &world.address, "/b/k", "", UNSIGNED);
    let changes: [Forgery; 5] = [
        ("another path", |signed| signed.path = "/b/other".to_owned()),
        ("the same path in other words", |signed| signed.path = "/b/x/../k".to_owned()),
        ("another time", |signed| signed.date = signed.date.replace("T14", "T15")),
        ("a signature that is none", |signed| signed.authorization.truncate(signed.authorization.len() - 64)),
        ("another signature", |signed| {
            let end = signed.authorization.len() - 1;
            let flipped = if signed.authorization.ends_with('0') { "1" } else { "0" };
            signed.authorization.replace_range(end.., flipped);
        }),
    ];
    for (what, change) in changes {
        let mut changed = signed.clone();
        change(&mut changed);
        let answered = said(&world, &head(&world, "PUT", &changed, &length), data).await;
        assert!(matches!(answered, Some(400 | 403)), "{what}: {answered:?}");
    }
    for header in ["x-amz-acl: private", "x-amz-copy-source: /b/secret", "x-amz-meta-a: 1"] {
        let answered = said(&world, &head(&world, "PUT", &signed, &format!("{length}{header}\r\n")), data).await;
        assert_eq!(answered, Some(403), "{header} was added on the way");
    }
    assert_eq!(world.objects(), 0);
    assert_eq!(said(&world, &head(&world, "PUT", &signed, &length), data).await, Some(200));
    world.stop().await;
}

#[tokio::test]
async fn names_that_are_none_are_refused_and_spellings_are_kept_apart() {
    let world = World::new().await;
    let pen = pen();
    let length = "content-length: 1\r\n";
    for path in
        ["/b/../k", "/b/a/../../.gha/v/k", "/b/a//k", "/b/.", "/b/a\0", "/b/a\nk", "/.artifacts/r/n", "/.gha/v/k"]
    {
        let answered = put(&world, &pen, path, UNSIGNED, length, b"x").await;
        assert!(matches!(answered, Some(400 | 404)), "{path:?}: {answered:?}");
    }
    for length_of_key in [1023, 10_000] {
        let path = format!("/b/{}", "k".repeat(length_of_key));
        assert_eq!(put(&world, &pen, &path, UNSIGNED, length, b"x").await, Some(400), "{length_of_key}");
    }
    assert_eq!(world.objects(), 0);
    // One letter in two normal forms, and in two cases: four names.
    for path in ["/b/caf\u{e9}", "/b/cafe\u{301}", "/b/CAF\u{c9}", "/b/CAFE\u{301}"] {
        assert_eq!(put(&world, &pen, path, UNSIGNED, length, b"x").await, Some(200), "{path}");
    }
    assert_eq!(world.objects(), 4);
    world.stop().await;
}

#[tokio::test]
async fn parts_that_nobody_goes_on_with_are_swept_and_take_no_more_than_their_share() {
    // A quarter of the node's 64 MiB is for parts, and half of that for one writer.
    let world = World::new().await;
    let pen = pen();
    let begun = pen.headers("POST", &world.address, "/b/large", "uploads=", UNSIGNED);
    let line = head(&world, "POST", &begun, "content-length: 0\r\nconnection: close\r\n").replacen(
        "/b/large ",
        "/b/large?uploads= ",
        1,
    );
    let mut raw = Raw::connect(&world.address).await;
    raw.send(line.as_bytes()).await;
    let answer = String::from_utf8(raw.rest().await).unwrap();
    let id = answer.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once('<')).unwrap().0.to_owned();
    let part = async |world: &World, number: u32| {
        let query = format!("partNumber={number}&uploadId={id}");
        let signed = pen.headers("PUT", &world.address, "/b/large", &query, UNSIGNED);
        let line = head(world, "PUT", &signed, "content-length: 5242880\r\n");
        said(world, &line.replacen("/b/large ", &format!("/b/large?{query} "), 1), &body(1, 5 << 20)).await
    };
    assert_eq!(part(&world, 1).await, Some(200));
    assert_eq!(part(&world, 2).await, Some(507));
    assert_eq!(part(&world, 1).await, Some(507), "it is counted until the new one has taken its place");
    let parts = |world: &World| std::fs::read_dir(world.root().join("parts")).unwrap().count();
    assert_eq!(parts(&world), 1);
    // Times of files are the system's, which this node's clock is far behind.
    world.clock.advance(std::time::Duration::from_hours(24 * 365 * 20));
    let world = world.restart(|_| {}).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while parts(&world) > 0 {
        assert!(tokio::time::Instant::now() < deadline, "nobody has swept");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.stop().await;
}
