//! The caller behind a connection, from one request to the next: the same credential is not decoded and checked a
//! second time. It forgets with the connection, and what it remembers is asked for its expiry each time.

use std::sync::{Arc, Mutex, PoisonError};

use hearth_model::Timestamp;
use hyper::HeaderMap;
use zeroize::Zeroizing;

use super::Caller;
use crate::http::auth::{line, presented};

/// The last good credential of a connection.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<Last>>);

struct Last {
    /// Word for word as it was sent.
    line: Zeroizing<Box<[u8]>>,
    caller: Arc<Caller>,
}

impl Remembered {
    /// Whoever the credential in these headers belongs to, when it is good `now`; `check` is asked about one that is
    /// not the last one.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
        check: impl FnOnce(&str) -> Option<Caller>,
    ) -> Option<Arc<Caller>> {
        let sent = line(headers)?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // How long the comparison takes tells the client only about what it sent itself.
        if let Some(Last { line, caller }) = &*last
            && ***line == *sent.as_bytes()
        {
            return caller.is_good(now).then(|| Arc::clone(caller));
        }
        let caller = Arc::new(check(&presented(headers)?)?);
        // A copy of its own: the header is part of a buffer that is much bigger.
        *last = Some(Last { line: Zeroizing::new(sent.as_bytes().into()), caller: Arc::clone(&caller) });
        Some(caller)
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ExecutionId, Millis};
    use hearth_trust::Claims;
    use hyper::header::AUTHORIZATION;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const LATER: Timestamp = Timestamp::from_millis(1_700_000_060_000);

    fn caller() -> Caller {
        Caller::job(Claims {
            execution: ExecutionId::new(NOW),
            run: None,
            repository: "github.com/acme/rocket".to_owned(),
            reads: Vec::new(),
            writes: None,
            expires_at: NOW + Millis(60_000),
            quota: None,
        })
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_same_credential_is_checked_once_and_another_one_anew() {
        let visitor = Remembered::default();
        let checked = |line: &str, knows: Option<&str>| {
            let mut asked = None;
            let caller = visitor.caller(&headers(&[line]), NOW, |secret| {
                asked = Some(secret.to_owned());
                (Some(secret) == knows).then(caller)
            });
            (asked, caller.is_some())
        };
        assert_eq!(checked("Bearer good", Some("good")), (Some("good".to_owned()), true));
        assert_eq!(checked("Bearer good", None), (None, true));
        assert_eq!(checked("Bearer goo", None), (Some("goo".to_owned()), false));
        assert_eq!(checked("Bearer good", None), (None, true), "a bad one in between changes nothing");
        assert_eq!(checked("Bearer other", Some("other")), (Some("other".to_owned()), true));
        assert_eq!(checked("Bearer good", None), (Some("good".to_owned()), false), "only the last one is remembered");
    }

    #[test]
    fn what_is_remembered_expires() {
        let visitor = Remembered::default();
        assert!(visitor.caller(&headers(&["Bearer a"]), NOW, |_| Some(caller())).is_some());
        assert!(visitor.caller(&headers(&["Bearer a"]), LATER, |_| Some(caller())).is_none());
    }

    #[test]
    fn two_credentials_are_none() {
        let visitor = Remembered::default();
        assert!(visitor.caller(&headers(&["Bearer a"]), NOW, |_| Some(caller())).is_some());
        assert!(visitor.caller(&headers(&["Bearer a", "Bearer a"]), NOW, |_| Some(caller())).is_none());
        assert!(visitor.caller(&headers(&[]), NOW, |_| Some(caller())).is_none());
    }
}
