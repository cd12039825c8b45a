//! One call as its handler sees it: parameters, body and caller, all read and checked before.

use hyper::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::server::answer::Answer;
use crate::server::clock::Now;
use crate::server::faults::FaultKind;
use crate::server::state::{Caller, Scope};

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Value>,
    pub(crate) caller: Caller,
    pub(crate) now: Now,
    /// A fault that the handler itself has to play.
    pub(crate) fault: Option<FaultKind>,
}

impl Call {
    /// A parameter of the address; empty when the template has none of this name.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A number in the address; one that is none is nobody's.
    pub(crate) fn id(&self, name: &str) -> Result<u64, Answer> {
        self.parameter(name).parse().map_err(|_| Answer::not_found())
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which has to have exactly this form.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        let body = self.body.clone().unwrap_or(Value::Null);
        serde_json::from_value(body).map_err(|cause| Answer::invalid(&cause.to_string()))
    }

    /// Whose runners the address is about.
    pub(crate) fn scope(&self) -> Scope {
        let of = |name| self.parameter(name).to_owned();
        match (self.parameter("repo"), self.parameter("org")) {
            ("", "") => Scope::Enterprise(of("enterprise")),
            ("", _) => Scope::Organization(of("org")),
            _ => Scope::Repository(format!("{}/{}", self.parameter("owner"), self.parameter("repo"))),
        }
    }

    /// The same call by the number of its repository, below the room.
    pub(crate) fn by_number(&self, number: u64) -> String {
        // `/api/v3/repos/OWNER/NAME` and what stands behind it.
        let tail: String = self.path.split('/').skip(6).fold(String::new(), |tail, part| tail + "/" + part);
        let query = self.query.iter().map(|(name, value)| {
            let value = value.replace('%', "%25").replace('&', "%26").replace(' ', "%20");
            format!("{name}={value}")
        });
        let query = query.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/repositories/{number}{tail}{mark}{query}")
    }

    /// The page that is asked for, from 1, and its size. Numbers that are none were refused before.
    pub(crate) fn page(&self) -> (usize, usize) {
        let number = |name, default| self.query(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        (number("page", 1), number("per_page", 30))
    }
}
