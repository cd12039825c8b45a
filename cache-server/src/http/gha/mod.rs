//! GitHub's cache service (version 2) and artifact service (version 4), as GitHub's own clients, sccache and BuildKit
//! speak them: calls in the frame of Twirp, and addresses for the bytes in the dialect of Azure's block blobs.
//!
//! ```text
//! POST /twirp/…CacheService/CreateCacheEntry ──▶ an address to upload to ─┐
//!   PUT /.gha/<errand>?…  whole, or in blocks and a list of them ◀────────┘   parts on disk, nobody sees them
//! POST …/FinalizeCacheEntryUpload ──▶ the parts become one object            now it is there, for good
//! POST …/GetCacheEntryDownloadURL ──▶ an address to download from ──▶ GET /.gha/<errand>?…
//! ```
//!
//! An entry is an object `.gha/<version>/<key>`, an artifact one `.artifacts/<run>/<name>`. What a caller may read and
//! write is what its token says; scopes and permissions that a request claims are not even parsed. Nothing here may
//! fail a job that has done nothing wrong: who may not write is let to believe that he has.

mod artifacts;
mod blobs;
mod blocks;
mod caches;
mod entries;
mod expiry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grants;
mod life;
mod matching;
mod twirp;
mod wire;

use std::sync::Arc;

use hearth_model::{Millis, Timestamp};
use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;

pub(crate) use expiry::{remove_expired, remove_expired_once};
pub use life::ArtifactLife;

use super::public::seen;
use super::reply::Reply;
use crate::access::{Act, Caller, Done, Gate, Pace};
use crate::keys::{ObjectKey, Reserved};
use crate::objects::NodeObjects;
use crate::store::Store;
use crate::transport::Way;
use grants::Errand;
use twirp::{Code, Refusal};

const CACHES: &str = "github.actions.results.api.v1.CacheService";
const ARTIFACTS: &str = "github.actions.results.api.v1.ArtifactService";
/// How long an address is good at most; the token that it was made for may end before.
const ADDRESS_LIFE: Millis = Millis::from_minutes(60);

/// What the dialect needs of the server around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) store: &'a Arc<Store>,
    pub(crate) gate: &'a Gate,
}

/// One call of a service, by somebody who may be nobody.
#[derive(Debug)]
struct Call<'a> {
    around: Around<'a>,
    /// `None` for nobody.
    objects: Option<NodeObjects>,
    head: Parts,
    now: Timestamp,
}

/// Whether a request is about an address that was handed out: it needs no token.
pub(crate) fn carries_its_right<B>(request: &Request<B>) -> bool {
    let first = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    Reserved::ALL.into_iter().any(|own| own.segment() == first)
}

/// Answers one request.
pub(crate) async fn answer(request: Request<Incoming>, objects: Option<NodeObjects>, around: Around<'_>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path().trim_start_matches('/');
    let Some((service, method)) = path.strip_prefix("twirp/").map(|call| call.split_once('/').unwrap_or((call, "")))
    else {
        return blobs::answer(head, body, around).await;
    };
    let (service, method) = (service.to_owned(), method.to_owned());
    let call = Call { around, objects, now: around.store.clock.now(), head };
    call.carry_out(&service, &method, body).await.unwrap_or_else(|refusal| refusal.reply())
}

impl Call<'_> {
    async fn carry_out(&self, service: &str, method: &str, body: Incoming) -> Result<Reply, Refusal> {
        let form = twirp::form(&self.head.method, &self.head.headers)?;
        let message = twirp::message(body, &self.around.store.config.limits).await?;
        match service {
            CACHES => caches::call(self, method, form, &message).await,
            ARTIFACTS => artifacts::call(self, method, form, &message).await,
            _ => Err(Refusal::new(Code::BadRoute, format!("no such service: {service:.100}"))),
        }
    }

    fn caller(&self) -> Result<&Caller, Refusal> {
        self.objects
            .as_ref()
            .map(NodeObjects::caller)
            .ok_or_else(|| Refusal::new(Code::PermissionDenied, "the token is not good here"))
    }

    /// Writes down what became of an entry.
    fn note(&self, act: Act, key: &ObjectKey, done: Done) {
        if let Some(objects) = &self.objects {
            objects.note(act, key, done);
        }
    }

    fn is_too_fast(&self) -> bool {
        self.objects.as_ref().is_some_and(|objects| objects.pace() == Pace::TooFast)
    }

    /// An address for this caller, below the host by which he has reached us.
    fn address(&self, service: Reserved, errand: &Errand) -> Result<String, Refusal> {
        let way = self.head.extensions.get().copied().unwrap_or(Way::Clear);
        let base = match &self.around.store.config.public_url {
            Some(url) => url.clone(),
            None => seen(&self.head.uri, &self.head.headers, way)
                .ok_or_else(|| Refusal::new(Code::InvalidArgument, "the request does not say which host it is for"))?,
        };
        let longest = self.now + ADDRESS_LIFE;
        let until = self.caller()?.expires_at.map_or(longest, |own_end| own_end.min(longest));
        Ok(format!("{base}{}", grants::address(self.around.gate.signer(), service, errand, until)))
    }
}
