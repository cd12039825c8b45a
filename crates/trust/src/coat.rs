//! A job token in a coat: `ACTIONS_RUNTIME_TOKEN` must look like a JSON web token, because GitHub's own clients decode
//! it to learn what they may do and which run they belong to. So it is one to look at, with the job token inside:
//!
//! ```text
//! {"alg":"HS256","typ":"JWT"} . {"scp":"Actions.Results:<run>:<job> …","ac":"[…]", … ,"hearth":"<job token>"} . <code>
//! ```
//!
//! Only the inner token is ever believed. What the coat says is for the client's eyes; whoever forges it, or takes the
//! signature away with `alg: none`, changes nothing but what his own client tells him.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::{Scope, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::token::{Claims, MAX_TOKEN_LENGTH, Token};

/// Longer texts are refused unread. It leaves room for a token of the longest kind, encoded once more, and for what
/// stands beside it.
pub const MAX_COAT_LENGTH: usize = 2 * MAX_TOKEN_LENGTH;

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// GitHub's numbers for what a scope may be used for.
const READ: u8 = 1;
const READ_AND_WRITE: u8 = 3;

/// A runtime token: as secret as the job token inside.
#[derive(Clone, PartialEq, Eq)]
pub struct RuntimeToken(String);

/// What GitHub's clients look for. Times are in seconds, as everywhere in such tokens.
#[derive(Serialize)]
struct Outside<'a> {
    iss: &'static str,
    /// Rights as words; the one about results carries the ids that a client sends back with every artifact.
    scp: String,
    /// The scopes of the cache: a JSON text inside the JSON.
    ac: String,
    nbf: i64,
    exp: i64,
    repository: &'a str,
    run_id: &'a str,
    hearth: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Access<'a> {
    scope: &'a Scope,
    permission: u8,
}

/// All that is read of a payload.
#[derive(Deserialize)]
struct Inside {
    hearth: String,
}

impl RuntimeToken {
    /// Puts `token`, which was signed over `claims`, into its coat.
    pub fn around(token: &Token, claims: &Claims, now: Timestamp) -> Self {
        let run = claims.run_backend();
        let permission = |scope| if claims.writes.as_ref() == Some(scope) { READ_AND_WRITE } else { READ };
        let access: Vec<_> = claims.reads.iter().map(|scope| Access { scope, permission: permission(scope) }).collect();
        let outside = Outside {
            iss: "hearth",
            scp: format!("Actions.Results:{run}:{}", claims.execution),
            ac: serde_json::to_string(&access).expect("scopes are texts"),
            nbf: now.as_millis().div_euclid(1000),
            exp: claims.expires_at.as_millis().div_euclid(1000),
            repository: &claims.repository,
            run_id: &run,
            hearth: token.expose(),
        };
        let mut payload = serde_json::to_vec(&outside).expect("texts and integers");
        let mut text = URL_SAFE_NO_PAD.encode(HEADER);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&payload, &mut text);
        payload.zeroize();
        // A signature has to stand there and nobody looks at it: the inner token's own code has just its length.
        let (_, code) = token.expose().rsplit_once('.').expect("a token has three parts");
        text.push('.');
        text.push_str(code);
        Self(text)
    }

    /// The text to send.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RuntimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuntimeToken(****)")
    }
}

impl Drop for RuntimeToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What is inside a coat, to be verified as a job token; `None` for every other text.
pub fn inner_token(text: &str) -> Option<Token> {
    if text.len() > MAX_COAT_LENGTH {
        return None;
    }
    let mut parts = text.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let mut payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let inside = serde_json::from_slice::<Inside>(&payload).ok();
    payload.zeroize();
    Some(Token::from_text(inside?.hearth))
}

#[cfg(test)]
mod tests {
    use hearth_model::{ExecutionId, Millis};
    use proptest::prelude::*;

    use super::*;
    use crate::{Class, Signer, TokenError};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn signer() -> Signer {
        Signer::from_key([7; 32])
    }

    fn claims() -> Claims {
        Claims {
            execution: ExecutionId::new(NOW),
            repository: "github.com/acme/rocket".to_owned(),
            reads: vec![Scope::PullRequest(7), Scope::Trusted],
            writes: Some(Scope::PullRequest(7)),
            expires_at: NOW + Millis::from_minutes(5),
            quota: None,
            class: Class::PullRequest,
            run: Some(42),
        }
    }

    fn dressed(claims: &Claims) -> RuntimeToken {
        RuntimeToken::around(&signer().sign(claims), claims, NOW)
    }

    fn payload(coat: &RuntimeToken) -> serde_json::Value {
        let payload = coat.expose().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// A coat of somebody's own making.
    fn forged(header: &str, payload: &serde_json::Value, signature: &str) -> String {
        let payload = serde_json::to_vec(payload).unwrap();
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn the_inner_token_comes_out_as_it_went_in() {
        let claims = claims();
        let inner = inner_token(dressed(&claims).expose()).unwrap();
        assert_eq!(signer().verify(inner.expose(), NOW), Ok(claims));
    }

    #[test]
    fn githubs_clients_find_what_they_look_for() {
        let claims = claims();
        let coat = dressed(&claims);
        let payload = payload(&coat);
        assert_eq!(payload["scp"], format!("Actions.Results:42:{}", claims.execution));
        assert_eq!(payload["ac"], r#"[{"Scope":"pr/7","Permission":3},{"Scope":"trusted","Permission":1}]"#);
        assert_eq!((&payload["nbf"], &payload["exp"]), (&1_700_000_000.into(), &1_700_000_300.into()));
        let header = URL_SAFE_NO_PAD.decode(coat.expose().split('.').next().unwrap()).unwrap();
        assert_eq!(header, HEADER);
        assert_eq!(coat.expose().split('.').nth(2).unwrap().len(), 43);
    }

    #[test]
    fn a_job_without_a_run_is_a_run_of_its_own() {
        let claims = Claims { run: None, ..claims() };
        assert_eq!(payload(&dressed(&claims))["scp"], format!("Actions.Results:{0}:{0}", claims.execution));
    }

    #[test]
    fn a_forged_coat_gives_no_more_than_the_token_inside() {
        let claims = claims();
        let token = signer().sign(&claims);
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, "", "not json"] {
            for signature in ["", "AAAA"] {
                let wide = serde_json::json!({
                    "ac": r#"[{"Scope":"trusted","Permission":3}]"#, "scp": "Actions.Results:1:1", "exp": i64::MAX,
                    "hearth": token.expose(),
                });
                let inner = inner_token(&forged(header, &wide, signature)).unwrap();
                assert_eq!(signer().verify(inner.expose(), NOW), Ok(claims.clone()));
                assert_eq!(signer().verify(inner.expose(), claims.expires_at), Err(TokenError::Expired));
            }
        }
    }

    #[test]
    fn a_coat_with_nothing_good_inside_is_no_token() {
        let stranger = Signer::from_key([8; 32]).sign(&claims());
        let coat = forged(r#"{"alg":"none"}"#, &serde_json::json!({ "hearth": stranger.expose() }), "");
        assert_eq!(signer().verify(inner_token(&coat).unwrap().expose(), NOW), Err(TokenError::Forged));
        for inside in
            [serde_json::json!({}), serde_json::json!({ "hearth": null }), serde_json::json!({ "hearth": [] })]
        {
            assert_eq!(inner_token(&forged(r#"{"alg":"none"}"#, &inside, "")), None, "{inside}");
        }
        let huge = format!("{}.{}.", URL_SAFE_NO_PAD.encode(HEADER), "A".repeat(MAX_COAT_LENGTH));
        for text in ["", ".", "..", "...", "a.b.c", "hj1.e30.AAAA", &huge] {
            assert_eq!(inner_token(text), None, "{text:.20}");
        }
    }

    #[test]
    fn a_coat_is_within_its_bound_when_its_token_is() {
        let mut claims = claims();
        let mut longest = 0;
        for length in (100..MAX_TOKEN_LENGTH).step_by(100) {
            claims.writes = Some(Scope::Branch("x".repeat(length)));
            claims.reads = vec![claims.writes.clone().unwrap()];
            let token = signer().sign(&claims);
            if token.expose().len() <= MAX_TOKEN_LENGTH {
                longest = RuntimeToken::around(&token, &claims, NOW).expose().len();
            }
        }
        assert!(longest > MAX_TOKEN_LENGTH && longest <= MAX_COAT_LENGTH, "{longest}");
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", dressed(&claims())), "RuntimeToken(****)");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fail(text in "\\PC{0,200}", payload in "\\PC{0,60}") {
            let _ = inner_token(&text);
            let _ = inner_token(&format!("a.{}.c", URL_SAFE_NO_PAD.encode(payload)));
        }
    }
}
