//! From text to a tree. Nothing here knows what an expression is worth.

mod tokens;
mod tree;

pub use tokens::{ParseError, Token};
pub use tree::{Expression, Operator, Statement};

use tokens::Tokens;

/// Parses a whole script.
pub fn parse(text: &str) -> Result<Vec<Statement>, ParseError> {
    let mut tokens = Tokens::of(text)?;
    let mut statements = Vec::new();
    while tokens.peek().is_some() {
        statements.push(statement(&mut tokens)?);
        if tokens.peek().is_some() {
            tokens.expect(&Token::Symbol(";"))?;
        }
    }
    Ok(statements)
}

fn statement(tokens: &mut Tokens) -> Result<Statement, ParseError> {
    if !tokens.take(&Token::Name("let".to_owned())) {
        return Ok(Statement::Show(expression(tokens, 0)?));
    }
    let Some(Token::Name(name)) = tokens.next() else { return Err(tokens.error("a name")) };
    tokens.expect(&Token::Symbol("="))?;
    Ok(Statement::Let(name, expression(tokens, 0)?))
}

/// Precedence climbing: an operator binds what stands right of it as long as that binds tighter.
fn expression(tokens: &mut Tokens, weakest: u8) -> Result<Expression, ParseError> {
    let mut left = atom(tokens)?;
    while let Some(Token::Symbol(symbol)) = tokens.peek() {
        let Some(operator) = Operator::from_symbol(symbol) else { break };
        if operator.strength() < weakest {
            break;
        }
        tokens.next();
        let right = expression(tokens, operator.strength() + 1)?;
        left = Expression::Binary(Box::new(left), operator, Box::new(right));
    }
    Ok(left)
}

fn atom(tokens: &mut Tokens) -> Result<Expression, ParseError> {
    match tokens.next() {
        Some(Token::Number(amount)) => match tokens.peek() {
            Some(Token::Name(unit)) => {
                let unit = unit.clone();
                tokens.next();
                Ok(Expression::Literal(amount, Some(unit)))
            }
            _ => Ok(Expression::Literal(amount, None)),
        },
        Some(Token::Name(name)) if tokens.take(&Token::Symbol("(")) => {
            Ok(Expression::Call(name, arguments(tokens)?))
        }
        Some(Token::Name(name)) => Ok(Expression::Name(name)),
        Some(Token::Symbol("(")) => {
            let inner = expression(tokens, 0)?;
            tokens.expect(&Token::Symbol(")"))?;
            Ok(inner)
        }
        _ => Err(tokens.error("a number, a name or a parenthesis")),
    }
}

fn arguments(tokens: &mut Tokens) -> Result<Vec<Expression>, ParseError> {
    let mut found = Vec::new();
    if tokens.take(&Token::Symbol(")")) {
        return Ok(found);
    }
    loop {
        found.push(expression(tokens, 0)?);
        if tokens.take(&Token::Symbol(")")) {
            return Ok(found);
        }
        tokens.expect(&Token::Symbol(","))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown: Vec<String> = parse(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown.join("; "), expected, "{text}");
    }

    #[test]
    fn products_bind_tighter_than_sums_and_sums_than_comparisons() {
        check("1 + 2 * 3 < 4 - 5", "((1 + (2 * 3)) < (4 - 5))");
        check("8 - 4 - 2", "((8 - 4) - 2)");
        check("(8 - 4) * 2", "((8 - 4) * 2)");
    }

    #[test]
    fn statements_units_and_calls_are_read() {
        check("let build = 12 min; 4 * build", "let build = 12 min; (4 * build)");
        check("max(1 s, sum(), x)", "max(1 s, sum(), x)");
        check("", "");
    }

    #[test]
    fn an_error_names_its_place() {
        for (text, message) in [
            ("1 +", "a number, a name or a parenthesis was expected at the end"),
            ("let = 2", "a name was expected at byte 4"),
            ("1 ? 2", "`?` at byte 2 is no part of the language"),
            ("(1", "`)` was expected at the end"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
