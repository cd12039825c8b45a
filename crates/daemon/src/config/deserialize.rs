//! The tree becomes a type, through serde. A deserializer of our own, because only it knows for every value where it
//! came from, and because values from outside TOML have no type until the field that wants them says which. Errors
//! are born as [`Fault`] deep inside and gather their key and place on the way out.

use std::fmt;

use serde::de::{self, Deserializer, IntoDeserializer, Unexpected, Visitor};

use super::tree::{Node, Table, Value};
use super::{ConfigError, Origin, Problem};

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Fault {
    problem: Problem,
    place: Option<Origin>,
    /// Innermost first.
    path: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Item(usize),
}

impl Fault {
    fn new(problem: Problem) -> Self {
        Self { problem, place: None, path: Vec::new() }
    }

    fn at(mut self, place: &Origin) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn under(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    pub(super) fn into_error(self) -> ConfigError {
        let mut key = String::new();
        for step in self.path.into_iter().rev() {
            match step {
                Step::Key(name) if key.is_empty() => key = name,
                Step::Key(name) => key = format!("{key}.{name}"),
                Step::Item(index) => key = format!("{key}[{index}]"),
            }
        }
        ConfigError::Value { place: self.place.unwrap_or(Origin::Default), key, problem: self.problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Invalid { message: message.to_string() })
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Problem::WrongType { expected: in_words(&expected.to_string()), found: found_in_words(found) })
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownWord { word: word.to_owned(), known })
    }
    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownKey { known }).under(Step::Key(field.to_owned()))
    }
    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::Missing).under(Step::Key(field.to_owned()))
    }
}

/// Rust's name of a type, for people who do not write Rust.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other == "a map" => "a table",
        other if other.starts_with("enum ") => "a word in quotes",
        other => other,
    };
    words.to_owned()
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("the text \"{text}\""),
        Unexpected::Bool(word) => format!("`{word}`"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

impl Node {
    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Untyped(text) | Value::String(text) | Value::Datetime(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(word) => visitor.visit_bool(*word),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(table) => visitor.visit_map(Entries::new(table)),
        }
    }

    /// An untyped text as the number or the truth value it spells, when it spells one.
    fn retyped(&self) -> Option<Value> {
        let Value::Untyped(text) = &self.value else {
            return None;
        };
        let text = text.trim();
        let number = text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Float));
        number.ok().or_else(|| text.parse().map(Value::Boolean).ok())
    }

    /// An untyped text as a list: items between commas, so that an item that needs a comma belongs into the file.
    fn split(&self) -> Option<Vec<Self>> {
        let Value::Untyped(text) = &self.value else {
            return None;
        };
        let item = |text: &str| Self { value: Value::Untyped(text.to_owned()), origin: self.origin.clone() };
        let items = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        Some(items.map(item).collect())
    }
}

/// Methods for which an untyped text first becomes what it spells.
macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let visited = match self.retyped() {
                Some(value) => Node { value, origin: self.origin.clone() }.visit(visitor),
                None => self.visit(visitor),
            };
            visited.map_err(|fault| fault.at(&self.origin))
        }
    )*};
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Fault;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit(visitor).map_err(|fault| fault.at(&self.origin))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self).map_err(|fault| fault.at(&self.origin))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let visited = match self.split() {
            Some(items) => visitor.visit_seq(Items { items: &items, next: 0 }),
            None => self.visit(visitor),
        };
        visited.map_err(|fault| fault.at(&self.origin))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    /// A bare word is a variant without content; a table of one key is a variant with content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let visited = match &self.value {
            Value::Untyped(word) | Value::String(word) => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(word.as_str()))
            }
            Value::Table(table) => visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries::new(table))),
            _ => self.visit(visitor),
        };
        visited.map_err(|fault| fault.at(&self.origin))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct map struct identifier ignored_any
    }
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let index = self.next;
        let Some(node) = self.items.get(index) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(node).map(Some).map_err(|fault| fault.under(Step::Item(index)))
    }
}

struct Entries<'a> {
    entries: std::collections::btree_map::Iter<'a, String, super::tree::Entry>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'a> Entries<'a> {
    fn new(table: &'a Table) -> Self {
        Self { entries: table.iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((name, entry)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some((name, &entry.node));
        let key: de::value::StrDeserializer<'_, Fault> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.key))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (name, node) = self.value.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(node).map_err(|fault| fault.under(Step::Key(name.to_owned())))
    }
}
