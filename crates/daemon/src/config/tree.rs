//! The merged configuration before it has a type: values with their origins. Pure; precedence is the order of calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Origin, Problem};

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// From outside TOML: a number, a word or a list, as the type that asks will have it.
    Untyped(String),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Entry>;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where the key stands, for keys that should not be there.
    pub(super) key: Origin,
    pub(super) node: Node,
}

impl Node {
    /// Nothing configured at all.
    pub(super) fn empty() -> Self {
        Self { value: Value::Table(Table::new()), origin: Origin::Default }
    }

    /// Parses one file.
    pub(super) fn parse(path: &Arc<PathBuf>, text: &str) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            place: Origin::in_file(path, text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let source = Source { path, text };
        Ok(Self { value: Value::Table(source.table(document.into_inner())?), origin: source.at(0) })
    }

    /// Puts a value from outside TOML over whatever stands at the dotted key.
    pub(super) fn set(&mut self, key: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        let (first, rest) = key.split_once('.').map_or((key, None), |(a, b)| (a, Some(b)));
        let table = match &mut self.value {
            Value::Table(table) => table,
            other => {
                let problem = Problem::WrongType { expected: "a table".to_owned(), found: other.describe() };
                return Err(ConfigError::Value { place: self.origin.clone(), key: String::new(), problem });
            }
        };
        let Some(rest) = rest else {
            let node = Self { value: Value::Untyped(text.to_owned()), origin: origin.clone() };
            table.insert(first.to_owned(), Entry { key: origin.clone(), node });
            return Ok(());
        };
        let entry = table.entry(first.to_owned()).or_insert_with(|| Entry {
            key: origin.clone(),
            node: Self { value: Value::Table(Table::new()), origin: origin.clone() },
        });
        entry.node.set(rest, text, origin).map_err(|error| error.below(first))
    }

    /// The node at a key of this table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The item of this list.
    pub(super) fn item(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::Array(items) => items.get(index),
            _ => None,
        }
    }
}

impl Value {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Untyped(text) | Self::String(text) => format!("the text \"{text}\""),
            Self::Integer(number) => format!("the number {number}"),
            Self::Float(number) => format!("the number {number}"),
            Self::Boolean(word) => format!("`{word}`"),
            Self::Datetime(date) => format!("the date {date}"),
            Self::Array(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

impl ConfigError {
    /// The same error, seen from the table above.
    fn below(self, parent: &str) -> Self {
        match self {
            Self::Value { place, key, problem } => {
                let key = if key.is_empty() { parent.to_owned() } else { format!("{parent}.{key}") };
                Self::Value { place, key, problem }
            }
            other => other,
        }
    }
}

/// One file's text, for turning byte offsets into places.
struct Source<'a> {
    path: &'a Arc<PathBuf>,
    text: &'a str,
}

impl Source<'_> {
    fn at(&self, offset: usize) -> Origin {
        Origin::in_file(self.path, self.text, offset)
    }

    fn table(&self, table: DeTable<'_>) -> Result<Table, ConfigError> {
        let mut entries = Table::new();
        for (key, value) in table {
            let place = self.at(key.span().start);
            let node = self.node(value)?;
            entries.insert(key.into_inner().into_owned(), Entry { key: place, node });
        }
        Ok(entries)
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Result<Node, ConfigError> {
        let origin = self.at(value.span().start);
        let out_of_range =
            |what: &str| ConfigError::Syntax { place: origin.clone(), message: format!("{what} is out of range") };
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                Value::Integer(parsed.map_err(|_| out_of_range(number.as_str()))?)
            }
            DeValue::Float(number) => {
                let parsed: Result<f64, _> = number.as_str().parse();
                Value::Float(parsed.map_err(|_| out_of_range(number.as_str()))?)
            }
            DeValue::Boolean(word) => Value::Boolean(word),
            DeValue::Datetime(date) => Value::Datetime(date.to_string()),
            DeValue::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Value::Table(self.table(table)?),
        };
        Ok(Node { value, origin })
    }
}
