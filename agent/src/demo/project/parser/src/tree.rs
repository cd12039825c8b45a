//! The tree that a script is.

use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    Let(String, Expression),
    Show(Expression),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Literal(f64, Option<String>),
    Name(String),
    Call(String, Vec<Expression>),
    Binary(Box<Expression>, Operator, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
    Plus,
    Minus,
    Times,
    Over,
}

impl Operator {
    const ALL: [(&'static str, Operator); 8] = [
        ("<", Operator::Less),
        ("<=", Operator::AtMost),
        (">", Operator::More),
        (">=", Operator::AtLeast),
        ("+", Operator::Plus),
        ("-", Operator::Minus),
        ("*", Operator::Times),
        ("/", Operator::Over),
    ];

    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == symbol).map(|(_, operator)| *operator)
    }

    pub fn symbol(self) -> &'static str {
        Self::ALL.iter().find(|(_, operator)| *operator == self).map_or("", |(symbol, _)| symbol)
    }

    /// How tightly it binds.
    pub fn strength(self) -> u8 {
        match self {
            Self::Less | Self::AtMost | Self::More | Self::AtLeast => 1,
            Self::Plus | Self::Minus => 2,
            Self::Times | Self::Over => 3,
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Let(name, value) => write!(f, "let {name} = {value}"),
            Self::Show(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(amount, None) => write!(f, "{amount}"),
            Self::Literal(amount, Some(unit)) => write!(f, "{amount} {unit}"),
            Self::Name(name) => f.write_str(name),
            Self::Call(name, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
                write!(f, "{name}({})", arguments.join(", "))
            }
            Self::Binary(left, operator, right) => write!(f, "({left} {} {right})", operator.symbol()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_read_back_from_its_symbol() {
        for (symbol, operator) in Operator::ALL {
            assert_eq!(Operator::from_symbol(symbol), Some(operator));
            assert_eq!(operator.symbol(), symbol);
        }
        assert_eq!(Operator::from_symbol("%"), None);
    }
}
