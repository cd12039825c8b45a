//! GitHub's published OpenAPI description, held against every call of REST and every answer to one. Finding an operation
//! and what belongs to it stands here; judging a value by a schema is a validator's business.

mod operation;
mod schema;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use self::operation::Operation;
use crate::server::answer::{Answer, Body};
use crate::server::call::Call;
use crate::server::route::Route;

/// Answers that GitHub gives everywhere and describes nowhere in particular.
const EVERYWHERE: [u16; 11] = [301, 304, 307, 400, 401, 403, 404, 429, 500, 502, 503];

/// A description, read once in a process; operations are compiled when they are first called.
pub(crate) struct OpenApi {
    document: Value,
    operations: Mutex<HashMap<String, Option<Arc<Operation>>>>,
}

impl std::fmt::Debug for OpenApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenApi({})", self.document["info"]["title"])
    }
}

impl OpenApi {
    /// The description in this file.
    pub(crate) fn load(path: &Path) -> io::Result<Arc<Self>> {
        static LOADED: Mutex<Option<(PathBuf, Arc<OpenApi>)>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = loaded.as_ref().filter(|(known, _)| known == path) {
            return Ok(Arc::clone(found));
        }
        let document: Value = serde_json::from_reader(BufReader::new(File::open(path)?))?;
        if !document["paths"].is_object() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an OpenAPI description without paths"));
        }
        let openapi = Arc::new(Self::of(document));
        *loaded = Some((path.to_owned(), Arc::clone(&openapi)));
        Ok(openapi)
    }

    fn of(document: Value) -> Self {
        Self { document, operations: Mutex::default() }
    }

    /// What is wrong with a call.
    pub(crate) fn check_request(&self, route: &Route, call: &Call) -> Vec<String> {
        let Some(operation) = self.operation(route) else { return vec!["not in GitHub's description".to_owned()] };
        operation.check_request(&call.parameters, &call.query, call.body.as_ref())
    }

    /// What is wrong with an answer.
    pub(crate) fn check_answer(&self, route: &Route, answer: &Answer) -> Vec<String> {
        let Some(operation) = self.operation(route) else { return Vec::new() };
        let body = match &answer.body {
            Body::Json(body) => Some(body),
            Body::Empty | Body::Bytes(_) => None,
        };
        operation.check_answer(answer.status.as_u16(), body, &EVERYWHERE)
    }

    fn operation(&self, route: &Route) -> Option<Arc<Operation>> {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let find = || Operation::find(&self.document, &route.template, route.method.as_str()).map(Arc::new);
        operations.entry(route.operation()).or_insert_with(find).clone()
    }
}

#[cfg(test)]
mod tests {
    use hyper::{Method, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::server::route::Room;

    fn openapi() -> OpenApi {
        OpenApi::of(json!({
            "paths": { "/things/{id}": {
                "get": {
                    "parameters": [
                        { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } },
                        { "$ref": "#/components/parameters/state" },
                    ],
                    "responses": { "200": { "content": { "application/json": {
                        "schema": { "$ref": "#/components/schemas/thing" },
                    } } } },
                },
                "delete": { "responses": { "204": {} } },
                "post": {
                    "requestBody": { "required": true, "content": { "application/json": { "schema": {
                        "type": "object", "required": ["name"],
                        "properties": { "name": { "type": "string" } },
                    } } } },
                    "responses": { "201": {} },
                },
            } },
            "components": {
                "parameters": { "state": {
                    "name": "state", "in": "query", "schema": { "type": "string", "enum": ["on", "off"] },
                } },
                "schemas": { "thing": {
                    "type": "object", "required": ["id", "next"],
                    "properties": {
                        "id": { "type": "integer" },
                        "at": { "type": "string", "format": "date-time", "nullable": true },
                        "next": { "nullable": true, "allOf": [{ "$ref": "#/components/schemas/thing" }] },
                    },
                } },
            },
        }))
    }

    fn route(method: Method) -> Route {
        Route::new(Room::Rest, method, "/things/{id}", |_, _| unreachable!())
    }

    #[test]
    fn an_answer_that_is_not_as_described_is_noticed() {
        let openapi = openapi();
        let check = |status: StatusCode, body: Value, is_good: bool| {
            let wrong = openapi.check_answer(&route(Method::GET), &Answer::json(status, body.clone()));
            assert_eq!(wrong.is_empty(), is_good, "{body}: {wrong:?}");
        };
        check(StatusCode::OK, json!({ "id": 1, "next": null, "at": null }), true);
        check(
            StatusCode::OK,
            json!({ "id": 1, "next": { "id": 2, "next": null }, "at": "2026-01-01T00:00:00Z" }),
            true,
        );
        check(StatusCode::OK, json!({ "id": "1", "next": null }), false);
        check(StatusCode::OK, json!({ "id": 1 }), false);
        check(StatusCode::OK, json!({ "id": 1, "next": { "id": 2 } }), false);
        check(StatusCode::OK, json!({ "id": 1, "next": null, "at": "yesterday" }), false);
        check(StatusCode::CREATED, json!({}), false);
        check(StatusCode::NOT_FOUND, json!({}), true);
        let wrong = openapi.check_answer(&route(Method::DELETE), &Answer::json(StatusCode::NO_CONTENT, json!({})));
        assert_eq!(wrong, ["a body with 204, for which none is described"]);
    }

    #[test]
    fn a_request_that_is_not_as_described_is_noticed() {
        let openapi = openapi();
        let check = |method: Method, id: &str, query: &[(&str, &str)], body: Option<Value>, expected: &[&str]| {
            let operation = openapi.operation(&route(method)).unwrap();
            let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let query: Vec<_> = query.iter().copied().map(pair).collect();
            let wrong = operation.check_request(&[pair(("id", id))], &query, body.as_ref());
            assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
            for (wrong, expected) in wrong.iter().zip(expected) {
                assert!(wrong.contains(expected), "{wrong}");
            }
        };
        check(Method::GET, "1", &[("state", "on")], None, &[]);
        check(Method::GET, "one", &[], None, &["parameter `id`"]);
        check(Method::GET, "1", &[("state", "gone")], None, &["parameter `state`"]);
        check(Method::GET, "1", &[("color", "red")], None, &["parameter `color` is not described"]);
        check(Method::POST, "1", &[], Some(json!({ "name": "a" })), &[]);
        check(Method::POST, "1", &[], Some(json!({ "name": 1 })), &["request body"]);
        check(Method::POST, "1", &[], Some(json!({})), &["request body"]);
        check(Method::POST, "1", &[], Some(json!({ "name": "a", "x": 1 })), &["field `x` is not described"]);
        check(Method::POST, "1", &[], None, &["no request body"]);
        check(Method::DELETE, "1", &[], Some(json!({})), &["a request body, and none is described"]);
    }

    #[test]
    fn an_operation_that_is_not_described_is_noticed() {
        assert!(openapi().operation(&route(Method::PATCH)).is_none());
    }
}
