//! Schemas of OpenAPI 3.0 as a validator of JSON Schema takes them: references gathered, `nullable` spelled out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Map, Value, json};

const COMPONENTS: &str = "#/components/schemas/";
/// What a schema is called inside its own compiler.
const NAME: &str = "mem:/schema.json";

/// One schema with everything that it refers to.
pub(super) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
    kind: Option<String>,
}

impl Schema {
    pub(super) fn compile(document: &Value, schema: &Value) -> Self {
        let kind = resolve(document, schema)["type"].as_str().map(str::to_owned);
        let mut definitions = BTreeMap::new();
        let mut root = convert(schema);
        let mut missing = references(&root);
        while let Some(name) = missing.pop() {
            if let Entry::Vacant(entry) = definitions.entry(name) {
                let definition = convert(&document["components"]["schemas"][entry.key()]);
                missing.extend(references(&definition));
                entry.insert(definition);
            }
        }
        if root.get("$ref").is_some() {
            // Nothing counts beside a reference in this draft, definitions neither.
            root = json!({ "allOf": [root] });
        }
        root["definitions"] = definitions.into_iter().collect::<Map<_, _>>().into();
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V4);
        compiler.enable_format_assertions();
        compiler.add_resource(NAME, root).expect("a fresh compiler knows no other schema of this name");
        let index = compiler.compile(NAME, &mut schemas).expect("GitHub's schemas are schemas");
        Self { schemas, index, kind }
    }

    /// Why a value is none of this schema.
    pub(super) fn why_not(&self, value: &Value) -> Option<String> {
        let error = self.schemas.validate(value, self.index).err()?;
        let mut leaves = Vec::new();
        leaves_of(&error, &mut leaves);
        Some(leaves.join("; "))
    }

    pub(super) fn is_of_type(&self, kinds: &[&str]) -> bool {
        self.kind.as_deref().is_some_and(|kind| kinds.contains(&kind))
    }
}

/// The errors that stand at the bottom, which name a place and a reason.
fn leaves_of(error: &boon::ValidationError<'_, '_>, leaves: &mut Vec<String>) {
    const ENOUGH: usize = 5;
    if error.causes.is_empty() && leaves.len() < ENOUGH {
        leaves.push(format!("at `{}`: {}", error.instance_location, error.kind));
    }
    error.causes.iter().for_each(|cause| leaves_of(cause, leaves));
}

/// What a value refers to, or the value itself.
pub(super) fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    // A description that refers in circles is not followed for ever.
    for _ in 0..10 {
        let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        match pointer.and_then(|pointer| document.pointer(pointer)) {
            Some(found) => value = found,
            None => break,
        }
    }
    value
}

/// The components that a converted schema refers to.
fn references(schema: &Value) -> Vec<String> {
    let of_all = |values: &mut dyn Iterator<Item = &Value>| values.flat_map(references).collect();
    match schema {
        Value::Object(fields) => match fields.get("$ref").and_then(Value::as_str) {
            Some(reference) => reference.strip_prefix("#/definitions/").map(str::to_owned).into_iter().collect(),
            None => of_all(&mut fields.values()),
        },
        Value::Array(items) => of_all(&mut items.iter()),
        _ => Vec::new(),
    }
}

/// Owners of installations, of which the description demands at one place that they be both kinds at once.
fn is_a_choice(all: &Value) -> bool {
    let titles: Vec<_> = all.as_array().into_iter().flatten().filter_map(|schema| schema["title"].as_str()).collect();
    titles == ["Simple User", "Enterprise"]
}

/// A schema, or a part of one, in the words of JSON Schema draft 4.
fn convert(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut converted = Map::new();
            for (name, value) in fields {
                match name.as_str() {
                    // Names of fields are no keywords, whatever they are called.
                    "properties" => {
                        let properties = value.as_object().into_iter().flatten();
                        let properties: Map<_, _> =
                            properties.map(|(name, schema)| (name.clone(), convert(schema))).collect();
                        converted.insert(name.clone(), properties.into());
                    }
                    "$ref" => {
                        let reference = value.as_str().and_then(|reference| reference.strip_prefix(COMPONENTS));
                        let reference = reference.map(|name| format!("#/definitions/{name}"));
                        converted.insert(name.clone(), reference.map_or_else(|| value.clone(), Value::String));
                    }
                    "allOf" if is_a_choice(value) => {
                        converted.insert("anyOf".to_owned(), convert(value));
                    }
                    "enum" => {
                        converted.insert(name.clone(), value.clone());
                    }
                    // Words for people, and those that JSON Schema has not.
                    "example" | "examples" | "default" | "description" | "title" | "xml" | "externalDocs"
                    | "discriminator" | "deprecated" | "readOnly" | "writeOnly" | "nullable" => {}
                    name if name.starts_with("x-") => {}
                    _ => {
                        converted.insert(name.clone(), convert(value));
                    }
                }
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                return json!({ "anyOf": [{ "enum": [null] }, converted] });
            }
            converted.into()
        }
        Value::Array(items) => items.iter().map(convert).collect(),
        other => other.clone(),
    }
}
