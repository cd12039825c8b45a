//! Words, numbers and symbols, taken off a text by one regular expression.

use std::sync::LazyLock;

use regex::Regex;

static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(?:(?<space>\s+|#[^\n]*)|(?<number>\d+(?:\.\d+)?)|(?<name>[A-Za-z_][A-Za-z0-9_.]*)|(?<symbol><=|>=|[-+*/()=<>,;]))";
    Regex::new(pattern).expect("the pattern is constant")
});

const SYMBOLS: [&str; 13] = ["<=", ">=", "-", "+", "*", "/", "(", ")", "=", "<", ">", ",", ";"];

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("`{character}` at byte {at} is no part of the language")]
    Character { character: char, at: usize },
    #[error("{wanted} was expected at {place}")]
    Expected { wanted: String, place: String },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Number(f64),
    Name(String),
    Symbol(&'static str),
}

/// The tokens of a text with their places.
pub(crate) struct Tokens {
    all: Vec<(usize, Token)>,
    next: usize,
}

impl Tokens {
    pub(crate) fn of(text: &str) -> Result<Self, ParseError> {
        let (mut all, mut at) = (Vec::new(), 0);
        while let Some(character) = text[at..].chars().next() {
            let Some(found) = TOKEN.captures(&text[at..]) else {
                return Err(ParseError::Character { character, at });
            };
            let length = found.get(0).map_or(0, |whole| whole.len());
            if let Some(number) = found.name("number") {
                let number = number.as_str().parse().expect("the pattern only lets numbers through");
                all.push((at, Token::Number(number)));
            } else if let Some(name) = found.name("name") {
                all.push((at, Token::Name(name.as_str().to_owned())));
            } else if let Some(symbol) = found.name("symbol") {
                let known = SYMBOLS.into_iter().find(|known| *known == symbol.as_str());
                all.push((at, Token::Symbol(known.expect("the pattern and the list agree"))));
            }
            at += length;
        }
        Ok(Self { all, next: 0 })
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.all.get(self.next).map(|(_, token)| token)
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    pub(crate) fn take(&mut self, wanted: &Token) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.next += usize::from(is_there);
        is_there
    }

    pub(crate) fn expect(&mut self, wanted: &Token) -> Result<(), ParseError> {
        let is_there = self.take(wanted);
        if is_there {
            return Ok(());
        }
        self.next += 1;
        let Token::Symbol(symbol) = wanted else { return Err(self.error("something else")) };
        Err(self.error(&format!("`{symbol}`")))
    }

    /// An error at the token that was read last.
    pub(crate) fn error(&self, wanted: &str) -> ParseError {
        let place = match self.all.get(self.next.saturating_sub(1)) {
            Some((at, _)) => format!("byte {at}"),
            None => "the end".to_owned(),
        };
        ParseError::Expected { wanted: wanted.to_owned(), place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_remarks_are_passed_over() {
        let tokens = Tokens::of("  12.5 min # a remark\n<= x.y").unwrap();
        let found: Vec<Token> = tokens.all.into_iter().map(|(_, token)| token).collect();
        let name = |text: &str| Token::Name(text.to_owned());
        assert_eq!(found, [Token::Number(12.5), name("min"), Token::Symbol("<="), name("x.y")]);
    }
}
