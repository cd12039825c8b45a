//! The socket: connections in, calls to the pipeline, answers with the headers that all of them have.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming as IncomingBody};
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue, SERVER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::server::answer::{Answer, Body};
use crate::server::clock::{Now, http_time, service_time};
use crate::server::pipeline::{Incoming, Outcome, serve};
use crate::server::route::Room;
use crate::server::world::World;

/// The logs of jobs are the largest thing that anybody sends.
const LARGEST_BODY: usize = 32 << 20;

/// Serves until told to stop; every connection ends with it.
pub(crate) async fn run(listener: TcpListener, world: Arc<World>, mut stop: oneshot::Receiver<Infallible>) {
    let mut connections = JoinSet::new();
    let mut ticks = tokio::time::interval(world.state().look_again_after());
    loop {
        // Nothing is lost with the branches that are dropped: a connection that is not accepted waits in the socket, a
        // tick comes again.
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&world)));
                }
            }
            _ = ticks.tick() => {
                // Time alone has passed.
                world.step(|_| ());
                while connections.try_join_next().is_some() {}
            }
            _ = &mut stop => return,
        }
    }
}

async fn connection(stream: TcpStream, world: Arc<World>) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| call(request, Arc::clone(&world)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    // A client that goes away is its own business.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// The connection is closed on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed as a fault")]
struct Closed;

async fn call(request: Request<IncomingBody>, world: Arc<World>) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else { return Err(Closed) };
    let incoming = Incoming {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: body.to_bytes().to_vec(),
    };
    match serve(&world, incoming).await {
        Outcome::Answer { answer, room, now } => Ok(response(&world, answer, room, now)),
        Outcome::Dropped => Err(Closed),
    }
}

fn response(world: &World, answer: Answer, room: Room, now: Now) -> Response<Full<Bytes>> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let json = matches!(answer.body, Body::Json(_));
    let mut body = match answer.body {
        Body::Empty => Vec::new(),
        Body::Json(value) => value.to_string().into_bytes(),
        Body::Bytes(bytes) => bytes.to_vec(),
    };
    let id = uuid::Uuid::now_v7().to_string();
    if json && room == Room::Service && world.state().wants_byte_order_mark() {
        body.splice(0..0, BYTE_ORDER_MARK.iter().copied());
    }
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    answer.headers.into_iter().for_each(|(name, value)| set(name, value));
    set("x-github-request-id", id.clone());
    if room == Room::Service {
        set("activityid", id);
        set("x-vss-e2eid", service_time(now.time));
    }
    if room == Room::Rest {
        set("x-github-media-type", "github.v3; format=json".to_owned());
    }
    headers.insert(SERVER, HeaderValue::from_static("GitHub.com"));
    if let Ok(date) = HeaderValue::from_str(&http_time(now.time)) {
        headers.insert(DATE, date);
    }
    if answer.status != StatusCode::NO_CONTENT {
        let kind = if json { "application/json; charset=utf-8" } else { "application/octet-stream" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}
