//! The page of a cache server: what its cache does and what it is good for, and the same figures as JSON. It is read from
//! memory alone, so no disk keeps it waiting; it changes nothing and needs no script.

mod hours;
mod json;
mod overview;
mod page;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hearth_daemon::pages::assets;

use crate::node::Node;
use overview::Overview;

/// The pages of one server, for the admin endpoints.
pub(crate) fn pages(node: Node) -> Router {
    Router::new().route("/", get(show)).route("/api/overview.json", get(tell)).merge(assets()).with_state(node)
}

async fn show(State(node): State<Node>) -> Response {
    Html(page::whole(&Overview::read(&node)).into_string()).into_response()
}

async fn tell(State(node): State<Node>) -> Response {
    let figures = json::overview(&Overview::read(&node));
    ([(header::CONTENT_TYPE, "application/json")], format!("{figures:#}\n")).into_response()
}
