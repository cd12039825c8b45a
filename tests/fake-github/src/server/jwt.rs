//! The tokens that an App signs itself, checked as GitHub checks them: signature, issuer, and both times.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::server::state::App;

/// The longest life that such a token may have.
const LONGEST_SECONDS: i64 = 600;

/// Why a token is none. The texts are GitHub's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    #[error("A JSON web token could not be decoded")]
    Undecodable,
    #[error("Integration not found")]
    Unknown,
    #[error("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")]
    IssuedAt,
    #[error(
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    )]
    Expired,
    #[error("'Expiration time' claim ('exp') is too far in the future")]
    TooLong,
}

/// The App that signed this token.
pub(crate) fn check<'a>(token: &str, apps: &'a [App], now: Timestamp) -> Result<&'a App, BadToken> {
    let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Undecodable)?;
    let (header, claims) = signed.split_once('.').ok_or(BadToken::Undecodable)?;
    let (header, claims) = (decode(header)?, decode(claims)?);
    if header["alg"] != "RS256" {
        return Err(BadToken::Undecodable);
    }
    let issuer = match &claims["iss"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(BadToken::Unknown),
    };
    let issued_by = |app: &&App| app.client_id == issuer || app.id.to_string() == issuer;
    let app = apps.iter().find(issued_by).ok_or(BadToken::Unknown)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadToken::Undecodable)?;
    if !app.key.signed(signed.as_bytes(), &signature) {
        return Err(BadToken::Undecodable);
    }
    let now = now.as_second();
    match claims["iat"].as_i64() {
        Some(issued) if issued <= now => {}
        _ => return Err(BadToken::IssuedAt),
    }
    match claims["exp"].as_i64() {
        Some(expires) if expires > now + LONGEST_SECONDS => Err(BadToken::TooLong),
        Some(expires) if expires > now => Ok(app),
        _ => Err(BadToken::Expired),
    }
}

/// A token of the Actions service: its reader looks at the times in it and leaves the signature to the service.
pub(crate) fn opaque(claims: &Value, signature: &str) -> String {
    let header = json!({ "typ": "JWT", "alg": "RS256" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

fn decode(part: &str) -> Result<Value, BadToken> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Undecodable)?;
    serde_json::from_slice(&bytes).map_err(|_| BadToken::Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::key::AppKey;
    use crate::server::state::Accounts;

    const NOW: i64 = 1_800_000_000;

    fn token(key: &AppKey, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn only_a_fresh_token_of_a_known_app_is_taken() {
        let apps = Accounts::default().apps;
        let rs256 = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = |iss: Value, iat: i64, exp: i64| json!({ "iss": iss, "iat": NOW + iat, "exp": NOW + exp });
        let check = |header: &Value, claims: &Value, expected: Result<u64, BadToken>| {
            let token = token(&apps[0].key, header, claims);
            let found = super::check(&token, &apps, Timestamp::from_second(NOW).unwrap());
            assert_eq!(found.map(|app| app.id), expected, "{claims}");
        };
        check(&rs256, &claims(json!("Iv23liHearthFake"), -60, 540), Ok(901));
        check(&rs256, &claims(json!("901"), -60, 540), Ok(901));
        check(&rs256, &claims(json!(901), -60, 600), Ok(901));
        check(&rs256, &claims(json!("902"), -60, 540), Err(BadToken::Unknown));
        check(&rs256, &claims(json!("901"), 5, 540), Err(BadToken::IssuedAt));
        check(&rs256, &claims(json!("901"), -60, 601), Err(BadToken::TooLong));
        check(&rs256, &claims(json!("901"), -660, 0), Err(BadToken::Expired));
        check(&rs256, &json!({ "iss": "901", "exp": NOW + 9 }), Err(BadToken::IssuedAt));
        check(&json!({ "alg": "none" }), &claims(json!("901"), -60, 540), Err(BadToken::Undecodable));
    }

    #[test]
    fn a_token_that_another_key_signed_is_not_taken() {
        let apps = Accounts::default().apps;
        let claims = json!({ "iss": "901", "iat": NOW, "exp": NOW + 60 });
        let token = token(&AppKey::generate(), &json!({ "alg": "RS256" }), &claims);
        let found = check(&token, &apps, Timestamp::from_second(NOW).unwrap());
        assert_eq!(found.unwrap_err(), BadToken::Undecodable);
        assert_eq!(check("a.b", &apps, Timestamp::UNIX_EPOCH).unwrap_err(), BadToken::Undecodable);
    }
}
