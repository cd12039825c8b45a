//! Answers, and the forms in which GitHub says no.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// An answer before it has the headers that every answer has.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
    pub(crate) headers: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Bytes(Bytes),
}

const DOCUMENTATION: &str = "https://docs.github.com/rest";

impl Answer {
    pub(crate) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, body: Body::Json(body), headers: Vec::new() }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: Body::Empty, headers: Vec::new() }
    }

    pub(crate) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self { status: StatusCode::OK, body: Body::Bytes(bytes), headers: Vec::new() }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// REST's basic form of an error.
    pub(crate) fn error(status: StatusCode, message: &str) -> Self {
        let body = json!({
            "message": message, "documentation_url": DOCUMENTATION, "status": status.as_u16().to_string(),
        });
        Self::json(status, body)
    }

    pub(crate) fn not_found() -> Self {
        Self::error(StatusCode::NOT_FOUND, "Not Found")
    }

    /// What is asked for is somewhere else. Only a GET may become another method on the way, and it cannot.
    pub(crate) fn moved(method: &Method, to: &str) -> Self {
        let status = if method == Method::GET { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
        let body = json!({ "message": "Moved Permanently", "url": to, "documentation_url": DOCUMENTATION });
        Self::json(status, body).header("location", to)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::error(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    /// 403 for want of a permission.
    pub(crate) fn lacks(permission: &str) -> Self {
        Self::error(StatusCode::FORBIDDEN, "Resource not accessible by integration")
            .header("x-accepted-github-permissions", permission)
    }

    /// REST's form for a request that is not valid.
    pub(crate) fn invalid(message: &str) -> Self {
        let body = json!({
            "message": format!("Invalid request.\n\n{message}"), "documentation_url": DOCUMENTATION,
            "errors": [message],
        });
        Self::json(StatusCode::UNPROCESSABLE_ENTITY, body)
    }

    /// A limit that passes: primary when nothing remains, else secondary.
    pub(crate) fn secondary_limit(status: StatusCode, retry_after_seconds: u64) -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Self::error(status, message).header("retry-after", retry_after_seconds.to_string())
    }

    /// The Actions service's form of an error.
    pub(crate) fn exception(status: StatusCode, name: &str, message: &str) -> Self {
        let body = json!({
            "$id": "1",
            "innerException": null,
            "message": message,
            "typeName": format!("GitHub.DistributedTask.WebApi.{name}, GitHub.DistributedTask.WebApi"),
            "typeKey": name,
            "errorCode": 0,
            "eventId": 3000,
        });
        Self::json(status, body)
    }
}
