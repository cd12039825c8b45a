//! An answer of GitHub's, and what its status, headers and body mean. Pure.

use hearth_model::Timestamp;
use reqwest::header::{DATE, HeaderMap, LINK};
use reqwest::{StatusCode, Url};
use serde::de::{DeserializeOwned, IgnoredAny};
use zeroize::Zeroizing;

use crate::call::{AnswerIds, Call, CallError};
use crate::wire::ErrorBody;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Of what GitHub says about an error; it goes into logs.
const MESSAGE_LIMIT: usize = 500;
const ERRORS_LIMIT: usize = 10;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// May hold a token or a runner's configuration.
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) call: Call,
    /// Where it came from in the end, when redirects led away from where it was asked.
    pub(crate) moved_to: Option<Url>,
}

impl Answer {
    /// The body as what was agreed.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(self.text()).map_err(|cause| CallError::Undecodable {
            call: self.call.clone(),
            status: self.status.as_u16(),
            cause,
        })
    }

    /// Whether the body has not lost its end.
    pub(super) fn is_whole(&self) -> bool {
        serde_json::from_slice::<IgnoredAny>(self.text()).is_ok()
    }

    /// The scale set service puts a byte-order mark in front of some answers.
    fn text(&self) -> &[u8] {
        self.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.body)
    }

    /// What GitHub says about an error.
    pub(crate) fn complaint(&self) -> ErrorBody {
        let mut body: ErrorBody = serde_json::from_slice(self.text()).unwrap_or_default();
        if body.message.is_empty() {
            self.status.canonical_reason().unwrap_or("no reason given").clone_into(&mut body.message);
        }
        body.message = printable(&body.message);
        body
    }

    /// The error that this answer is. Limits are told apart before, by [`super::Limits`].
    pub(crate) fn into_error(self) -> CallError {
        let complaint = self.complaint();
        let errors = complaint.errors().iter().take(ERRORS_LIMIT).map(|error| printable(&error.to_string())).collect();
        let (message, exception) = (complaint.message, complaint.exception);
        let call = self.call;
        match self.status.as_u16() {
            401 => CallError::Unauthorized { call, message },
            403 => {
                let needs = header(&self.headers, "x-accepted-github-permissions").map(printable);
                CallError::Forbidden { call, needs, message }
            }
            404 | 410 => CallError::NotFound { call, message },
            409 => CallError::Conflict { call, exception, message },
            status if !(400..500).contains(&status) || matches!(status, 408 | 429) => {
                CallError::Unavailable { call, status, message }
            }
            _ => CallError::Invalid { call, exception, message, errors },
        }
    }

    /// Whether there is a next page.
    pub(crate) fn has_next(&self) -> bool {
        header(&self.headers, LINK.as_str()).is_some_and(|links| links.contains("rel=\"next\""))
    }
}

pub(super) fn identified(call: Call, headers: &HeaderMap) -> Call {
    let id = |name| header(headers, name).map(printable).filter(|id| !id.is_empty());
    call.answered(AnswerIds { request: id("x-github-request-id"), activity: id("activityid") })
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// GitHub's clock when it sent the answer.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(header(headers, DATE.as_str())?).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// Text from outside, as it may stand in a message: one line, of limited length.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::http) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_static(name), value.parse().expect("a header's value"))
        });
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
            call: Call::new("try"),
            moved_to: None,
        }
    }

    #[test]
    fn a_status_becomes_the_error_that_says_what_to_do() {
        use crate::Remedy::{FindOut, Person};
        let needed = [("x-accepted-github-permissions", "administration=write")];
        for (status, headers, body, message, remedy) in [
            (
                401,
                &[][..],
                r#"{"message":"Bad credentials"}"#,
                "cannot try: GitHub does not accept the credentials: Bad credentials",
                Person,
            ),
            (
                403,
                &needed,
                r#"{"message":"Resource not accessible by integration"}"#,
                "cannot try: it is forbidden without administration=write: Resource not accessible by integration",
                Person,
            ),
            (404, &[], "", "cannot try: it does not exist, or the credentials may not see it", Person),
            (
                409,
                &[],
                r#"{"message":"Already exists"}"#,
                "cannot try: it conflicts with what is there: Already exists",
                FindOut,
            ),
            (
                422,
                &[],
                r#"{"message":"Invalid","errors":["x"]}"#,
                "cannot try: GitHub refuses the request: Invalid",
                Person,
            ),
            (502, &[], "<html>\r\nline</html>", "cannot try: GitHub answers with status 502: Bad Gateway", FindOut),
        ] {
            let error = answer(status, headers, body).into_error();
            assert_eq!((error.to_string().as_str(), error.remedy()), (message, remedy));
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_answer() {
        let numbers: Vec<u8> = answer(200, &[], "\u{feff}[1,2]").json().unwrap();
        assert_eq!(numbers, [1, 2]);
        let broken = answer(201, &[], "{").json::<Vec<u8>>().unwrap_err();
        assert_eq!(broken.to_string(), "cannot try: the answer with status 201 is not what was agreed");
    }

    #[test]
    fn messages_from_outside_are_one_short_line() {
        let body = format!(r#"{{"message":"two\nlines{}"}}"#, "x".repeat(1000));
        let message = answer(422, &[], &body).complaint().message;
        assert!(message.starts_with("two lines") && message.chars().count() == MESSAGE_LIMIT);
    }

    #[test]
    fn the_date_header_is_github_s_clock() {
        let with = answer(200, &[("date", "Sun, 22 Nov 2026 18:34:23 GMT")], "");
        assert_eq!(date(&with.headers), Some(Timestamp::from_millis(1_795_372_463_000)));
        assert_eq!(date(&answer(200, &[("date", "soon")], "").headers), None);
    }
}
