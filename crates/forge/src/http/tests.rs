//! Exchanges with a server that answers as it is told, byte by byte.

use std::sync::{Arc, Mutex};

use hearth_daemon::secrets::{Exposure, SecretFile};
use hearth_model::ManualClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers each connection with the next text, and keeps what it was asked. An empty text is silence.
struct Scripted {
    base: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            let mut open = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                kept.lock().unwrap().push(String::from_utf8_lossy(&head[..read]).into_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.is_empty() {
                    open.push(stream);
                }
            }
            std::future::pending::<()>().await;
        });
        Self { base, asked }
    }

    fn first_lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

fn surroundings() -> Surroundings {
    Surroundings { clock: Arc::new(ManualClock::default()), exposure: |_| Ok(Exposure::Private) }
}

fn outside() -> Outside {
    Outside::new(&NetworkSettings::default(), &surroundings()).unwrap()
}

fn post(server: &Scripted, repeat: Repeat) -> Request {
    Request::new("try", Method::POST, server.base.join("start").unwrap(), repeat).with_body(&[1])
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_the_same_method_and_body() {
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let moved = reply(status, "location: /elsewhere\r\n", "");
        let server = Scripted::start(vec![moved, reply("200 OK", "", "[2]")]).await;
        let answer = outside().send(&post(&server, Repeat::Never)).await.unwrap();
        assert_eq!(answer.json::<Vec<u8>>().unwrap(), [2]);
        assert_eq!(answer.moved_to, Some(server.base.join("elsewhere").unwrap()));
        assert_eq!(server.first_lines(), ["POST /start HTTP/1.1", "POST /elsewhere HTTP/1.1"]);
        assert!(server.asked.lock().unwrap()[1].ends_with("[1]"));
    }
}

#[tokio::test]
async fn a_redirect_that_may_change_the_method_is_followed_by_a_get_only() {
    for status in ["301 Moved Permanently", "302 Found"] {
        let script = || vec![reply(status, "location: /elsewhere\r\n", ""), reply("200 OK", "", "[2]")];
        let server = Scripted::start(script()).await;
        let error = outside().send(&post(&server, Repeat::Harmless)).await.err().unwrap();
        assert!(matches!(error, CallError::Moved { .. }), "{error}");
        assert_eq!(server.first_lines(), ["POST /start HTTP/1.1"]);
        let server = Scripted::start(script()).await;
        let answer = outside().send(&Request::get("try", server.base.join("start").unwrap())).await.unwrap();
        assert_eq!((answer.status.as_u16(), server.first_lines().len()), (200, 2));
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let stranger = Scripted::start(vec![reply("200 OK", "", "[]")]).await;
    let moved = reply("307 Temporary Redirect", &format!("location: {}\r\n", stranger.base), "");
    let server = Scripted::start(vec![moved]).await;
    let error = outside().send(&post(&server, Repeat::Harmless)).await.err().unwrap();
    assert!(matches!(&error, CallError::Moved { to, .. } if stranger.base.as_str().starts_with(to)), "{error}");
    assert!(stranger.first_lines().is_empty());
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let moved = || reply("307 Temporary Redirect", "location: /start\r\n", "");
    let server = Scripted::start((0..8).map(|_| moved()).collect()).await;
    let error = outside().send(&post(&server, Repeat::Never)).await.err().unwrap();
    assert!(matches!(error, CallError::Moved { .. }), "{error}");
    assert_eq!(server.first_lines().len(), 4);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let body = "x".repeat(usize::try_from(ANSWER_LIMIT.0).unwrap() + 1);
    let server = Scripted::start(vec![reply("200 OK", "", &body)]).await;
    let error = outside().send(&post(&server, Repeat::Harmless)).await.err().unwrap();
    assert_eq!(error.to_string(), "cannot try: the answer is larger than 8.00 MiB");
}

#[tokio::test]
async fn only_what_does_no_harm_is_sent_again() {
    for (repeat, sent) in [(Repeat::Never, 1), (Repeat::Harmless, 2)] {
        let server = Scripted::start(vec![reply("502 Bad Gateway", "", ""), reply("200 OK", "", "[]")]).await;
        assert_eq!(outside().send(&post(&server, repeat)).await.is_ok(), sent == 2);
        assert_eq!(server.first_lines().len(), sent);
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[".to_owned();
        let server = Scripted::start(vec![cut, reply("200 OK", "", "[]")]).await;
        let answer = outside().send(&post(&server, repeat)).await;
        assert_eq!(server.first_lines().len(), sent);
        assert_eq!(answer.is_ok(), sent == 2);
        assert!(matches!(answer, Ok(_) | Err(CallError::Broken { .. })));
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Scripted::start(vec![String::new()]).await;
    let request = post(&server, Repeat::Never).within(Duration::from_millis(50));
    let error = outside().send(&request).await.err().unwrap();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    assert_eq!(error.remedy(), crate::Remedy::FindOut);
}

#[tokio::test]
async fn a_host_that_is_not_there_was_certainly_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = outside().send(&Request::new("try", Method::POST, url, Repeat::Never)).await.err().unwrap();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    assert_eq!(error.remedy(), crate::Remedy::Wait);
}

#[tokio::test]
async fn the_operator_s_proxy_is_asked_with_its_credentials_and_some_hosts_without_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("proxy"), "me:s3cret").unwrap();
    let proxy = Scripted::start(vec![reply("200 OK", "", "[]")]).await;
    let server = Scripted::start(vec![reply("200 OK", "", "[]")]).await;
    let network = NetworkSettings {
        proxy: Some(proxy.base.clone()),
        proxy_credentials: Some(SecretFile::new(directory.path().join("proxy"))),
        no_proxy: vec!["127.0.0.1".to_owned()],
        ..NetworkSettings::default()
    };
    let outside = Outside::new(&network, &surroundings()).unwrap();
    outside.send(&Request::get("try", Url::parse("http://git.acme.example/x").unwrap())).await.unwrap();
    assert_eq!(proxy.first_lines(), ["GET http://git.acme.example/x HTTP/1.1"]);
    let asked = proxy.asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.contains("proxy-authorization: basic bwu6cznjcmv0"), "{asked}");
    outside.send(&Request::get("try", server.base.clone())).await.unwrap();
    assert_eq!(server.first_lines(), ["GET / HTTP/1.1"]);
    assert!(!format!("{outside:?}").contains("s3cret"));
}

#[test]
fn what_an_operator_gives_for_the_way_is_checked_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let with_ca = |path| NetworkSettings { ca_file: Some(path), ..NetworkSettings::default() };
    let proxy = Some(Url::parse("http://proxy.example:3128").unwrap());
    let proxy_credentials = Some(SecretFile::new(file("proxy", "nothing to part")));
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for (network, message) in [
        (with_ca(directory.path().join("gone")), "cannot read the certificates in DIR/gone"),
        (with_ca(file("empty", "")), "DIR/empty holds no certificate in PEM form"),
        (with_ca(file("broken", broken)), "cannot use the certificates in DIR/broken"),
        (
            NetworkSettings { proxy, proxy_credentials, ..NetworkSettings::default() },
            "the credentials for proxy http://proxy.example:3128/ are not of the form NAME:PASSWORD",
        ),
    ] {
        let error = Outside::new(&network, &surroundings()).unwrap_err().to_string();
        assert_eq!(error.replace(&directory.path().display().to_string(), "DIR"), message);
    }
}

#[test]
fn pauses_double_and_have_an_upper_limit() {
    let (first, most) = (Duration::from_secs(1), Duration::from_secs(10));
    for (attempt, full) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (64, 10), (u32::MAX, 10)] {
        let (full, pause) = (Duration::from_secs(full), backoff(attempt, first, most));
        assert!(full / 2 <= pause && pause <= full, "{attempt}: {pause:?}");
    }
}

#[test]
fn what_lives_shortly_is_renewed_at_half_its_life() {
    for (lifetime, early, at) in [(3600, 300, 3300), (60, 300, 30), (0, 300, 0)] {
        let at = Duration::from_secs(at);
        assert_eq!(renewal(Millis::from_secs(lifetime), Duration::from_secs(early)), at, "{lifetime}");
    }
}
