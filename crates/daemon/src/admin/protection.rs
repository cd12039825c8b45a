//! What stands before every admin page: the name under which it was called, a time limit, a size limit for what is
//! sent, and the headers that keep a browser from doing more with a page than showing it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hearth_model::Bytes;

/// Pages are read from state in memory and from the ledger, whose slowest report takes a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Forms and small JSON documents; nothing is uploaded here.
const REQUEST_BODY_LIMIT: Bytes = Bytes::kib(64);

/// Names of this machine for itself, as they stand in a `Host` header.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

const PAGE_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

pub(super) fn protect(pages: Router, names: Vec<String>) -> Router {
    let limit = usize::try_from(REQUEST_BODY_LIMIT.0).expect("64 KiB fit into every address space");
    pages
        .layer(DefaultBodyLimit::max(limit))
        .layer(middleware::from_fn_with_state(Arc::new(names), admit))
        .layer(middleware::map_response(dress))
}

/// Lets a request through that came under one of our names, for a limited time.
async fn admit(State(names): State<Arc<Vec<String>>>, request: Request, next: Next) -> Response {
    if !called_by_our_name(&request, &names) {
        let reason = "this name is not served here; call localhost, or add the name to the configuration\n";
        return (StatusCode::MISDIRECTED_REQUEST, reason).into_response();
    }
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "this took too long\n").into_response(),
    }
}

/// Exactly one `Host`, and it names us; so does the target, when the request line carries a whole address.
fn called_by_our_name(request: &Request, names: &[String]) -> bool {
    let ours = |authority: &Authority| {
        let host = authority.host();
        OWN_NAMES.into_iter().chain(names.iter().map(String::as_str)).any(|name| host.eq_ignore_ascii_case(name))
    };
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.as_ref().is_some_and(ours) && hosts.next().is_none() && request.uri().authority().is_none_or(ours)
}

/// Puts the headers on that a page has not chosen for itself.
async fn dress(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in PAGE_HEADERS {
        headers.entry(name).or_insert(axum::http::HeaderValue::from_static(value));
    }
    response
}
