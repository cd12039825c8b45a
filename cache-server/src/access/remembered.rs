//! The caller behind a connection, from one request to the next: the same credential is not decoded and checked a
//! second time. It forgets with the connection and when the lists of the gate change; expiry is asked each time.

use std::sync::{Arc, Mutex, PoisonError};

use hearth_model::Timestamp;
use hyper::HeaderMap;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::gate::Refusal;
use crate::http::auth::{line, presented};

/// The last good credential of a connection.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<Last>>);

struct Last {
    /// Word for word as it was sent.
    line: Zeroizing<Box<[u8]>>,
    caller: Arc<Caller>,
    /// The lists that he was looked up in.
    edition: u64,
}

impl Remembered {
    /// Whoever the credential in these headers belongs to, when it is good `now`; `check` is asked about one that is
    /// not the last one, or was the last one under another edition of the lists.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
        edition: u64,
        check: impl FnOnce(&str) -> Result<Caller, Refusal>,
    ) -> Result<Arc<Caller>, Refusal> {
        let sent = line(headers).ok_or(Refusal::Nobody)?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // How long the comparison takes tells the client only about what it sent itself.
        if let Some(last) = &*last
            && **last.line == *sent.as_bytes()
            && last.edition == edition
        {
            return if last.caller.is_good(now) { Ok(Arc::clone(&last.caller)) } else { Err(Refusal::Expired) };
        }
        let caller = Arc::new(check(&presented(headers).ok_or(Refusal::Nobody)?)?);
        // A copy of its own: the header is part of a buffer that is much bigger.
        *last = Some(Last { line: Zeroizing::new(sent.as_bytes().into()), caller: Arc::clone(&caller), edition });
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ExecutionId, Millis};
    use hearth_trust::{Claims, Class};
    use hyper::header::AUTHORIZATION;

    use super::*;
    use crate::access::Groups;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const LATER: Timestamp = Timestamp::from_millis(1_700_000_060_000);

    fn caller() -> Caller {
        let claims = Claims {
            execution: ExecutionId::new(NOW),
            run: None,
            repository: "github.com/acme/rocket".to_owned(),
            reads: Vec::new(),
            writes: None,
            expires_at: NOW + Millis(60_000),
            quota: None,
            class: Class::Unknown,
        };
        Caller::job(claims, &Groups::default())
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
        let checked = |line: &str, edition: u64, knows: Option<&str>| {
            let mut asked = None;
            let caller = visitor.caller(&headers(&[line]), NOW, edition, |secret| {
                asked = Some(secret.to_owned());
                if Some(secret) == knows { Ok(caller()) } else { Err(Refusal::Forged) }
            });
            (asked, caller.is_ok())
        };
        assert_eq!(checked("Bearer good", 0, Some("good")), (Some("good".to_owned()), true));
        assert_eq!(checked("Bearer good", 0, None), (None, true));
        assert_eq!(checked("Bearer goo", 0, None), (Some("goo".to_owned()), false));
        assert_eq!(checked("Bearer good", 0, None), (None, true), "a bad one in between changes nothing");
        assert_eq!(checked("Bearer other", 0, Some("other")), (Some("other".to_owned()), true));
        assert_eq!(
            checked("Bearer good", 0, None),
            (Some("good".to_owned()), false),
            "only the last one is remembered"
        );
        assert_eq!(checked("Bearer other", 1, None), (Some("other".to_owned()), false), "revoked meanwhile");
    }

    #[test]
    fn what_is_remembered_expires() {
        let visitor = Remembered::default();
        let at = |now| visitor.caller(&headers(&["Bearer a"]), now, 0, |_| Ok(caller())).map(drop);
        assert_eq!(at(NOW), Ok(()));
        assert_eq!(at(LATER), Err(Refusal::Expired));
    }

    #[test]
    fn two_credentials_are_none() {
        let visitor = Remembered::default();
        let with = |lines: &[&str]| visitor.caller(&headers(lines), NOW, 0, |_| Ok(caller())).map(drop);
        assert_eq!(with(&["Bearer a"]), Ok(()));
        assert_eq!(with(&["Bearer a", "Bearer a"]), Err(Refusal::Nobody));
        assert_eq!(with(&[]), Err(Refusal::Nobody));
    }
}
