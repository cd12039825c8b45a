//! What a script is worth. Names come from the script itself and from workflows that were loaded.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use kiln_core::{Quantity, QuantityError};
use kiln_parser::{Expression, Operator, ParseError, Statement, parse};
use kiln_records::{RecordError, Workflow};

/// Why a script has no value.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Parse(ParseError),
    #[error(transparent)]
    Quantity(QuantityError),
    #[error(transparent)]
    Record(RecordError),
    #[error("`{0}` is not known")]
    Name(String),
    #[error("`{0}` is a truth, and a quantity is wanted")]
    Truth(Value),
    #[error("{function} wants at least one argument")]
    Arguments { function: String },
}

/// What a statement shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Quantity(Quantity),
    Truth(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantity(quantity) => quantity.fmt(f),
            Self::Truth(true) => f.write_str("yes"),
            Self::Truth(false) => f.write_str("no"),
        }
    }
}

/// The names that a script may use.
#[derive(Debug, Default)]
pub struct Engine {
    names: BTreeMap<String, Value>,
}

impl Engine {
    /// Makes a workflow's times known as `<workflow>.<job>`, `<workflow>.job_time` and `<workflow>.wall_time`.
    pub fn load(&mut self, workflow: &Workflow) -> Result<(), EngineError> {
        let mut set = |name: &str, quantity| {
            self.names.insert(format!("{}.{name}", workflow.name), Value::Quantity(quantity));
        };
        for job in &workflow.jobs {
            set(&job.name, Quantity::of(job.minutes, "min").map_err(EngineError::Quantity)?);
        }
        set("job_time", workflow.job_time());
        set("wall_time", workflow.wall_time().map_err(EngineError::Record)?);
        Ok(())
    }

    /// Runs a script; gives what its statements show.
    pub fn run(&mut self, script: &str) -> Result<Vec<Value>, EngineError> {
        let mut shown = Vec::new();
        for statement in parse(script).map_err(EngineError::Parse)? {
            match statement {
                Statement::Let(name, expression) => {
                    let value = self.value(&expression)?;
                    self.names.insert(name, value);
                }
                Statement::Show(expression) => shown.push(self.value(&expression)?),
            }
        }
        Ok(shown)
    }

    fn value(&self, expression: &Expression) -> Result<Value, EngineError> {
        match expression {
            Expression::Literal(amount, None) => Ok(Value::Quantity(Quantity::number(*amount))),
            Expression::Literal(amount, Some(unit)) => {
                Quantity::of(*amount, unit).map(Value::Quantity).map_err(EngineError::Quantity)
            }
            Expression::Name(name) => {
                self.names.get(name).copied().ok_or_else(|| EngineError::Name(name.clone()))
            }
            Expression::Call(function, arguments) => self.call(function, arguments).map(Value::Quantity),
            Expression::Binary(left, operator, right) => {
                binary(self.quantity(left)?, *operator, self.quantity(right)?).map_err(EngineError::Quantity)
            }
        }
    }

    fn quantity(&self, expression: &Expression) -> Result<Quantity, EngineError> {
        match self.value(expression)? {
            Value::Quantity(quantity) => Ok(quantity),
            truth => Err(EngineError::Truth(truth)),
        }
    }

    fn call(&self, function: &str, arguments: &[Expression]) -> Result<Quantity, EngineError> {
        let fold: fn(Quantity, Quantity) -> Result<Quantity, QuantityError> = match function {
            "sum" => Quantity::plus,
            "max" => |a, b| Ok(if a.compare(b)? == Ordering::Less { b } else { a }),
            "min" => |a, b| Ok(if a.compare(b)? == Ordering::Greater { b } else { a }),
            _ => return Err(EngineError::Name(function.to_owned())),
        };
        let mut values = arguments.iter().map(|argument| self.quantity(argument));
        let first =
            values.next().ok_or_else(|| EngineError::Arguments { function: function.to_owned() })??;
        values.try_fold(first, |so_far, value| fold(so_far, value?).map_err(EngineError::Quantity))
    }
}

fn binary(left: Quantity, operator: Operator, right: Quantity) -> Result<Value, QuantityError> {
    let compare = |wanted: fn(Ordering) -> bool| Ok(Value::Truth(wanted(left.compare(right)?)));
    match operator {
        Operator::Plus => left.plus(right).map(Value::Quantity),
        Operator::Minus => left.minus(right).map(Value::Quantity),
        Operator::Times => left.times(right).map(Value::Quantity),
        Operator::Over => left.over(right).map(Value::Quantity),
        Operator::Less => compare(Ordering::is_lt),
        Operator::AtMost => compare(Ordering::is_le),
        Operator::More => compare(Ordering::is_gt),
        Operator::AtLeast => compare(Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expected: &str) {
        let shown = Engine::default().run(script);
        let shown = shown.map(|values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        assert_eq!(shown.unwrap_or_else(|error| error.to_string()), expected, "{script}");
    }

    #[test]
    fn names_keep_their_values() {
        check("let build = 12 min; let runs = 4; runs * build; build / runs", "48 min, 3 min");
        check("let x = 1; let x = x + 1; x", "2");
    }

    #[test]
    fn functions_take_any_number_of_like_quantities() {
        check("sum(5 min, 15 min, 20 min, 12 min)", "52 min");
        check("max(5 min, 300 s, 4 min); min(1 h, 59 min)", "5 min, 59 min");
        check("max()", "max wants at least one argument");
        check("sum(1 min, 1 MiB)", "cannot add time and data");
    }

    #[test]
    fn a_comparison_is_a_truth_and_no_quantity() {
        check("20 min < 25 min; 1 h <= 60 min; 1 usd > 100 cent", "yes, yes, no");
        check("(1 < 2) + 1", "`yes` is a truth, and a quantity is wanted");
    }

    #[test]
    fn what_is_not_known_is_named() {
        check("walltime", "`walltime` is not known");
        check("1 parsec", "there is no unit `parsec`");
    }
}
