//! One operation of the description: its parameters, the body that it takes, the answers that it gives.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::schema::{Schema, resolve};

pub(super) struct Operation {
    parameters: BTreeMap<(Place, String), Schema>,
    body: Option<RequestBody>,
    /// By status; an answer without content has no schema.
    answers: BTreeMap<u16, Option<Schema>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Path,
    Query,
}

struct RequestBody {
    schema: Schema,
    required: bool,
    /// The fields that are described, where the schema lists them.
    fields: Option<BTreeSet<String>>,
}

impl Operation {
    /// The operation of a template as the description writes it.
    pub(super) fn find(document: &Value, template: &str, method: &str) -> Option<Self> {
        let path = document["paths"].get(template)?;
        let operation = path.get(method.to_lowercase())?;
        let described = |value: &Value| value["parameters"].as_array().cloned().unwrap_or_default();
        let parameters = described(path).into_iter().chain(described(operation)).filter_map(|parameter| {
            let parameter = resolve(document, &parameter);
            let place = match parameter["in"].as_str()? {
                "path" => Place::Path,
                "query" => Place::Query,
                _ => return None,
            };
            let schema = Schema::compile(document, &parameter["schema"]);
            Some(((place, parameter["name"].as_str()?.to_owned()), schema))
        });
        let body = operation.get("requestBody").map(|body| {
            let body = resolve(document, body);
            let schema = &body["content"]["application/json"]["schema"];
            let fields = resolve(document, schema)["properties"].as_object();
            RequestBody {
                schema: Schema::compile(document, schema),
                required: body["required"].as_bool().unwrap_or(false),
                fields: fields.map(|fields| fields.keys().cloned().collect()),
            }
        });
        let answers = operation["responses"].as_object().into_iter().flatten().filter_map(|(status, answer)| {
            let schema = resolve(document, answer)["content"]["application/json"].get("schema");
            Some((status.parse().ok()?, schema.map(|schema| Schema::compile(document, schema))))
        });
        Some(Self { parameters: parameters.collect(), body, answers: answers.collect() })
    }

    pub(super) fn check_request(
        &self,
        parameters: &[(String, String)],
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let in_path = parameters.iter().map(|pair| (Place::Path, pair));
        let in_query = query.iter().map(|pair| (Place::Query, pair));
        for (place, (name, text)) in in_path.chain(in_query) {
            match self.parameters.get(&(place, name.clone())) {
                Some(schema) => {
                    if let Some(why) = schema.why_not(&typed(schema, text)) {
                        wrong.push(format!("parameter `{name}` is `{text}`: {why}"));
                    }
                }
                None if place == Place::Query => wrong.push(format!("query parameter `{name}` is not described")),
                None => {}
            }
        }
        match (&self.body, body) {
            (None, Some(_)) => wrong.push("a request body, and none is described".to_owned()),
            (Some(described), None) if described.required => wrong.push("no request body".to_owned()),
            (Some(described), Some(body)) => {
                wrong.extend(described.schema.why_not(body).map(|why| format!("request body: {why}")));
                let known = |name: &str| described.fields.as_ref().is_none_or(|fields| fields.contains(name));
                let unknown = body.as_object().into_iter().flatten().filter(|(name, _)| !known(name));
                wrong.extend(unknown.map(|(name, _)| format!("request body: field `{name}` is not described")));
            }
            _ => {}
        }
        wrong
    }

    pub(super) fn check_answer(&self, status: u16, body: Option<&Value>, everywhere: &[u16]) -> Vec<String> {
        match (self.answers.get(&status), body) {
            (None, _) if everywhere.contains(&status) => Vec::new(),
            (None, _) => vec![format!("status {status}, which is not described")],
            (Some(None), Some(_)) => vec![format!("a body with {status}, for which none is described")],
            (Some(Some(_)), None) => vec![format!("no body with {status}")],
            (Some(Some(schema)), Some(body)) => {
                schema.why_not(body).map(|why| format!("body of {status}: {why}")).into_iter().collect()
            }
            (Some(None), None) => Vec::new(),
        }
    }
}

/// A parameter is a text; the schema says what it means.
fn typed(schema: &Schema, text: &str) -> Value {
    let parsed = || serde_json::from_str(text).ok();
    let value = if schema.is_of_type(&["integer", "number", "boolean"]) { parsed() } else { None };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}
