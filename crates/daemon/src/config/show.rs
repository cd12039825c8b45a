//! The effective configuration as TOML, every value with its origin as a comment. The output is itself a valid file.

use std::fmt::Write as _;

use serde::Serialize;
use toml::{Table, Value};

use super::tree::Node;
use super::{ConfigError, Effective, Origin};

impl<T: Serialize> Effective<T> {
    /// The whole configuration, defaults included. Secrets stand in files of their own and never here.
    pub fn show(&self) -> Result<String, ConfigError> {
        let table = Table::try_from(&self.value).map_err(|cause| ConfigError::Show { cause })?;
        let mut text = String::new();
        write_table(&mut text, "", &table, Some(&self.tree));
        Ok(text)
    }
}

/// Plain values first: a value after a sub-table's header would belong to the sub-table.
fn write_table(out: &mut String, path: &str, table: &Table, tree: Option<&Node>) {
    for (key, value) in table.iter().filter(|(_, value)| tables(value).is_none()) {
        let origin = tree.and_then(|node| node.get(key)).map_or(&Origin::Default, |node| &node.origin);
        write_line(out, format_args!("{} = {value}  # {}", quoted(key), Comment(origin)));
    }
    for (key, value) in table {
        let node = tree.and_then(|node| node.get(key));
        let path = if path.is_empty() { quoted(key) } else { format!("{path}.{}", quoted(key)) };
        match tables(value) {
            None => {}
            Some(Tables::One(table)) => {
                let gap = if out.is_empty() { "" } else { "\n" };
                write_line(out, format_args!("{gap}[{path}]"));
                write_table(out, &path, table, node);
            }
            Some(Tables::Many(items)) => {
                for (index, table) in items.iter().filter_map(Value::as_table).enumerate() {
                    let gap = if out.is_empty() { "" } else { "\n" };
                    write_line(out, format_args!("{gap}[[{path}]]"));
                    write_table(out, &path, table, node.and_then(|node| node.item(index)));
                }
            }
        }
    }
}

fn write_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a String cannot fail");
}

enum Tables<'a> {
    One(&'a Table),
    Many(&'a [Value]),
}

/// A value that gets a header of its own.
fn tables(value: &Value) -> Option<Tables<'_>> {
    match value {
        Value::Table(table) => Some(Tables::One(table)),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_table) => Some(Tables::Many(items)),
        _ => None,
    }
}

fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

struct Comment<'a>(&'a Origin);

impl std::fmt::Display for Comment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Origin::File { .. } => write!(f, "file {}", self.0),
            origin => origin.fmt(f),
        }
    }
}
