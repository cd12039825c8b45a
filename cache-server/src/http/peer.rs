//! The dialect of nodes among themselves. `/.peer/v1/<64 digits>` is a record: GET and HEAD give it, PUT keeps it.
//! `/.peer/v1/?after=<64 digits>&most=<n>` lists names, one to a line, in order. Records are sealed by the fleet, and who
//! asks needs a token with the right of a peer whose realms cover the record's. Another node throws away what it is told
//! that nobody wants, so a no says what it is about: 401 and 403 are about whoever asks, and 422 about the one record.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Request, StatusCode};

use super::inflow::{Cut, Inflow};
use super::reply::{self, Reply, ReplyBody};
use super::webdav::Around;
use crate::access::{Caller, Gate};
use crate::disk::Patience;
use crate::keys::ObjectName;
use crate::reads::{Found, Part, find_named};
use crate::store::Store;
use crate::uploads::{Failure, Upload};
use crate::upstream::{Opener, SealKey, Unsealed, record_of};

/// Names of one page.
pub(crate) const MOST: usize = 10_000;

/// What a path below the reserved segment stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Record(ObjectName),
    Names { after: Option<ObjectName>, most: usize },
}

pub(crate) async fn answer(
    request: Request<Incoming>,
    store: &Arc<Store>,
    seal: &SealKey,
    gate: &Gate,
    caller: Option<&Caller>,
    around: Around<'_>,
) -> Reply {
    let caller = match caller {
        None => return reply::status(StatusCode::UNAUTHORIZED),
        Some(caller) if !caller.is_peer() => return reply::status(StatusCode::FORBIDDEN),
        Some(caller) => caller,
    };
    let (head, body) = request.into_parts();
    let Some(asked) = asked(head.uri.path(), head.uri.query()) else {
        return reply::status(StatusCode::BAD_REQUEST);
    };
    match (head.method, asked) {
        (Method::GET, Asked::Record(name)) => match find(store, caller, name).await {
            Some(found) => {
                let (size, record) = record_of(found, seal.clone());
                reply::object(ReplyBody::stream(record, size, Arc::clone(around.traffic)))
            }
            None => reply::status(StatusCode::NOT_FOUND),
        },
        (Method::HEAD, Asked::Record(name)) => match find(store, caller, name).await {
            Some(found) => reply::head(record_of(found, seal.clone()).0),
            None => reply::status(StatusCode::NOT_FOUND),
        },
        (Method::PUT, Asked::Record(name)) => {
            let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
            let Some(length) = length else { return reply::status(StatusCode::LENGTH_REQUIRED) };
            let inflow = Inflow::new(body, length, around.limits, Arc::clone(around.traffic));
            reply::status(keep(store, gate, caller, Opener::new(seal.clone(), name), inflow).await)
        }
        (Method::GET, Asked::Names { after, most }) => {
            let on = Arc::clone(store);
            match store.disk.at_leisure(move || on.book.index.names_after(after, most)).await {
                Some(names) => reply::object(ReplyBody::text(lines(&names))),
                None => reply::status(StatusCode::SERVICE_UNAVAILABLE),
            }
        }
        _ => reply::status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

pub(crate) fn asked(path: &str, query: Option<&str>) -> Option<Asked> {
    let rest = path.trim_start_matches('/').strip_prefix(".peer/v1/")?;
    if !rest.is_empty() {
        return ObjectName::from_hex(rest).filter(|_| query.is_none()).map(Asked::Record);
    }
    let (mut after, mut most) = (None, MOST);
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=')? {
            ("after", text) => after = Some(ObjectName::from_hex(text)?),
            ("most", text) => most = text.parse::<usize>().ok()?.clamp(1, MOST),
            _ => return None,
        }
    }
    Some(Asked::Names { after, most })
}

async fn find(store: &Arc<Store>, caller: &Caller, name: ObjectName) -> Option<Found> {
    let mut patience = Patience::new(store.config.limits.read);
    let found = find_named(store, vec![name], Part::Whole, &mut patience).await.ok()?;
    caller.exchanges(&found.info.address.space.realm).then_some(found)
}

/// Why a record was not kept.
enum Unkept {
    Cut,
    Unsealed,
    Forbidden,
    Failed(Failure),
}

impl From<Cut> for Unkept {
    fn from(_: Cut) -> Self {
        Self::Cut
    }
}

impl From<Unsealed> for Unkept {
    fn from(_: Unsealed) -> Self {
        Self::Unsealed
    }
}

impl From<Failure> for Unkept {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn keep(store: &Arc<Store>, gate: &Gate, caller: &Caller, opener: Opener, mut inflow: Inflow) -> StatusCode {
    match take_in(store, gate, caller, opener, &mut inflow).await {
        Ok(()) => StatusCode::CREATED,
        Err(Unkept::Cut) => StatusCode::BAD_REQUEST,
        // The rest is read first: a client that is still sending would see a broken connection.
        Err(_) if inflow.drain().await.is_err() => StatusCode::BAD_REQUEST,
        Err(Unkept::Unsealed | Unkept::Forbidden | Unkept::Failed(Failure::Malformed)) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Err(Unkept::Failed(Failure::TooLarge | Failure::Short)) => StatusCode::PAYLOAD_TOO_LARGE,
        Err(Unkept::Failed(Failure::NoRoom)) => StatusCode::INSUFFICIENT_STORAGE,
        Err(Unkept::Failed(Failure::TooSlow)) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn take_in(
    store: &Arc<Store>,
    gate: &Gate,
    caller: &Caller,
    mut opener: Opener,
    inflow: &mut Inflow,
) -> Result<(), Unkept> {
    let head = loop {
        if let Some(head) = opener.head()? {
            break head;
        }
        opener.push(&inflow.next().await?.ok_or(Unkept::Unsealed)?);
    };
    if head.is_revoked(gate) {
        return Err(Unkept::Forbidden);
    }
    if !caller.exchanges(&head.address.space.realm) {
        return Err(Unkept::Forbidden);
    }
    let mut upload = Upload::begin(store, head.into_offer()).await?;
    loop {
        while let Some(piece) = opener.next()? {
            upload.write(piece).await?;
        }
        match inflow.next().await? {
            Some(bytes) => opener.push(&bytes),
            None => break,
        }
    }
    opener.finish()?;
    upload.finish().await?;
    Ok(())
}

fn lines(names: &[ObjectName]) -> String {
    names.iter().fold(String::with_capacity(names.len() * 65), |mut text, name| {
        text.push_str(&name.to_hex().to_hex());
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_records_and_pages() {
        let digits = "ab".repeat(32);
        let name = ObjectName::from_hex(&digits).unwrap();
        let check = |path: &str, query: Option<&str>, expected| assert_eq!(asked(path, query), expected, "{path}");
        check(&format!("/.peer/v1/{digits}"), None, Some(Asked::Record(name)));
        check(&format!("//.peer/v1/{digits}"), None, Some(Asked::Record(name)));
        check("/.peer/v1/", None, Some(Asked::Names { after: None, most: MOST }));
        let page = format!("most=7&after={digits}");
        check("/.peer/v1/", Some(&page), Some(Asked::Names { after: Some(name), most: 7 }));
        check("/.peer/v1/", Some("most=99999999"), Some(Asked::Names { after: None, most: MOST }));
        for (path, query) in [
            ("/.peer/v1", None),
            ("/.peer/v2/", None),
            ("/.peer/v1/ab", None),
            ("/.peer/v1/", Some("after=ab")),
            ("/.peer/v1/", Some("most=-1")),
            ("/.peer/v1/", Some("x=1")),
        ] {
            check(path, query, None);
        }
        check(&format!("/.peer/v1/{digits}"), Some("x=1"), None);
    }
}
