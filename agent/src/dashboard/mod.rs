//! The dashboard: one page that shows what this machine does now and what it has cost this month, and the same figures
//! as JSON. It changes nothing, asks for no script, and shows what it can when a part cannot be read.

mod forge;
mod format;
mod json;
mod month;
mod overview;
mod page;
mod plot;
mod sections;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hearth_cache_server::Node;
use hearth_daemon::pages::assets;

use crate::app::App;
use crate::dispatch::Control;
use crate::metrics::{Answer, Latest};
use overview::Overview;

/// Many who look at once cost one reading.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A person waits this long for figures before they are told that there are none.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pages of one machine, for the admin room to serve.
pub fn pages(app: Arc<App>, node: Node, control: Control) -> Router {
    routes(Latest::new(READ_AGAIN_AFTER, PATIENCE, move || Overview::read(&app, &node, &control)))
}

fn routes(latest: Latest<Overview>) -> Router {
    Router::new().route("/", get(show)).route("/api/overview.json", get(tell)).merge(assets()).with_state(latest)
}

async fn show(State(latest): State<Latest<Overview>>) -> Response {
    match ask(latest).await {
        Answer::Fresh(overview) => Html(page::whole(&overview, page::Age::Fresh).into_string()).into_response(),
        Answer::Old(overview) => Html(page::whole(&overview, page::Age::Old).into_string()).into_response(),
        Answer::Nothing => (StatusCode::SERVICE_UNAVAILABLE, Html(page::nothing().into_string())).into_response(),
    }
}

async fn tell(State(latest): State<Latest<Overview>>) -> Response {
    let Some(overview) = ask(latest).await.reading() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the figures could not be read in time\n").into_response();
    };
    ([(header::CONTENT_TYPE, "application/json")], format!("{:#}\n", json::overview(&overview))).into_response()
}

/// Asks in a thread that may wait. A reading that panicked is none; its panic is in the log.
async fn ask(latest: Latest<Overview>) -> Answer<Overview> {
    tokio::task::spawn_blocking(move || latest.get()).await.unwrap_or(Answer::Nothing)
}
