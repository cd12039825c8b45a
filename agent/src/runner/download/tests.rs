//! Downloads from servers that answer whatever a test wants.

use std::sync::{Arc, Mutex};

use hearth_daemon::stop::Stop;
use hearth_daemon::tasks::Tasks;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const QUICK: Allowance =
    Allowance { silence: Duration::from_secs(5), whole: Duration::from_secs(8), size: Bytes::mib(1) };

/// A server on a port of its own that answers every request with these bytes and then does `after`.
struct Server {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Close,
    /// Says nothing more and keeps the connection.
    Hang,
    /// Goes on for ever, a little at a time.
    Trickle,
}

impl Server {
    async fn answering(answer: Vec<u8>, after: After) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let tasks = Tasks::new(Stop::default());
        tasks.clone().spawn("server", async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), Arc::clone(&seen));
                tasks.spawn("answer", answer_one(connection, answer, after, seen));
            }
        });
        Self { address, heads }
    }

    fn url(&self) -> String {
        format!("http://{}/runner.tar.gz?signature=hidden", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn answer_one(mut connection: TcpStream, answer: Vec<u8>, after: After, seen: Arc<Mutex<Vec<String>>>) {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&buffer[..read]),
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&head).to_lowercase());
    let _client_may_have_gone = connection.write_all(&answer).await;
    match after {
        After::Close => {}
        After::Hang => std::future::pending().await,
        After::Trickle => {
            while connection.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn ok(length: usize, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes(), body].concat()
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

async fn fetch_within(url: String, allowance: Allowance) -> (Result<Sha256, DownloadError>, Vec<u8>, Vec<Progress>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    let name = "actions-runner-linux-x64-2.336.0.tar.gz".parse().unwrap();
    let token = Some(Secret::new("s3cret".to_owned()));
    let offered = Offered { name, url, token, sha256: None };
    let downloads = Downloads { client: client(), allowance };
    let mut progress = Vec::new();
    let fetched = downloads.fetch(&offered, &path, &mut |step| progress.push(step)).await;
    (fetched, std::fs::read(&path).unwrap_or_default(), progress)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn fetch(url: String) -> Result<Sha256, DownloadError> {
    fetch_within(url, QUICK).await.0
}

fn check(fetched: Result<Sha256, DownloadError>, expected: &str) {
    let said = crate::journey::chain(&fetched.expect_err(expected));
    assert!(said.contains(expected), "{said}: {expected}");
    assert!(!said.contains("hidden") && !said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_download_is_written_hashed_and_told_of() {
    let body = vec![7; 300_000];
    let server = Server::answering(ok(body.len(), &body), After::Close).await;
    let (sum, written, progress) = fetch_within(server.url(), QUICK).await;
    assert_eq!(sum.unwrap(), Sha256::of(&body[..]).unwrap());
    assert_eq!(written, body);
    assert_eq!(progress.last(), Some(&Progress { done: Bytes(300_000), total: Some(Bytes(300_000)) }));
    assert!(server.heads()[0].contains("authorization: bearer s3cret"));
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_token() {
    let store = Server::answering(ok(2, b"ok"), After::Close).await;
    let list = Server::answering(redirect(&store.url()), After::Close).await;
    assert!(fetch(list.url()).await.is_ok());
    assert!(list.heads()[0].contains("s3cret"));
    assert!(!store.heads()[0].contains("s3cret") && !store.heads()[0].contains("referer"), "{:?}", store.heads());
}

#[tokio::test]
async fn a_redirect_to_an_unsafe_place_or_in_a_circle_is_not_followed() {
    let unsafe_place = Server::answering(redirect("http://example.com/runner?hidden"), After::Close).await;
    check(fetch(unsafe_place.url()).await, "not safe to download from");
    let circle = Server::answering(redirect("/again"), After::Close).await;
    check(fetch(circle.url()).await, "redirects too often");
    assert!(circle.heads().len() <= MOST_REDIRECTS + 1);
}

#[tokio::test]
async fn an_address_without_protection_is_refused_unasked() {
    for url in
        ["http://example.com/x", "ftp://localhost/x", "file:///etc/passwd", "runner.tar.gz", "http://127.0.0.1.evil/"]
    {
        assert!(matches!(fetch(url.to_owned()).await, Err(DownloadError::Address { .. })), "{url}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_archive_is_refused() {
    let gone = Server::answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(), After::Close).await;
    check(fetch(gone.url()).await, "answered 404");
    let partial =
        Server::answering(b"HTTP/1.1 206 Partial Content\r\ncontent-length: 1\r\n\r\nx".to_vec(), After::Close);
    check(fetch(partial.await.url()).await, "answered 206");
    let cut = Server::answering(ok(1000, b"only this"), After::Close).await;
    check(fetch(cut.url()).await, "cannot download http://127.0.0.1");
}

#[tokio::test]
async fn a_download_ends_at_its_size_whether_the_server_tells_it_or_not() {
    let told = Server::answering(ok(2 << 20, b""), After::Hang).await;
    check(fetch(told.url()).await, "larger than 1.00 MiB");
    let untold = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![0; 2 << 20]].concat();
    let untold = Server::answering(untold, After::Hang).await;
    check(fetch(untold.url()).await, "larger than 1.00 MiB");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_and_one_that_never_ends_are_given_up() {
    let silent = Server::answering(Vec::new(), After::Hang).await;
    check(fetch(silent.url()).await, "nothing came for 5 seconds");
    let stalled = Server::answering(ok(1000, b"a piece"), After::Hang).await;
    check(fetch(stalled.url()).await, "nothing came for 5 seconds");
    let endless = Server::answering(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), After::Trickle).await;
    check(
        fetch_within(endless.url(), Allowance { whole: Duration::from_mins(1), ..QUICK }).await.0,
        "within 1 minutes",
    );
}
