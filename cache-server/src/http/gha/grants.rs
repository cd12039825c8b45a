//! Addresses that are handed out for uploads and downloads. Whoever has one may do what it says until it expires,
//! without a token: GitHub's clients send none along. So the address says all of it, and is signed:
//!
//! ```text
//! <base>/.gha/<errand: base64url of JSON>?se=<second of expiry>&sp=<r|w>&sig=<code over everything before>
//! ```
//!
//! Two segments and a query, because opendal refuses anything else; `sig`, because GitHub's clients keep the value of
//! that name out of their logs. Clients append parameters of their own (`comp`, `blockid`), which say which part of the
//! errand this request is and are not signed. Pure: no clock and no store here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::{Scope, Timestamp, WriterId};
use hearth_trust::Signer;
use serde::{Deserialize, Serialize};

use super::blocks::parameter;
use crate::access::{Caller, Quota};
use crate::keys::{Address, ObjectKey, ObjectName, Reserved, Space};
use crate::parts::UploadId;

/// Longer paths are refused unread. It leaves room for the longest key and the longest names of a space.
const MAX_PATH_LENGTH: usize = 16 * 1024;

/// What an address is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Errand {
    /// Takes what will be an object.
    Upload(Upload),
    /// Takes bytes and drops them: the caller may not store them, and need not know.
    Discard,
    Download(Download),
    /// Gives sccache's check object.
    Check,
}

/// Somebody's upload of one object. It names itself: who asks for an address twice, or comes back after a restart,
/// meets the same upload again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    realm: String,
    scope: Scope,
    key: String,
    pub(super) writer: WriterId,
    pub(super) quota: Option<Quota>,
}

impl Upload {
    /// The caller's upload to this address, which must be one that he may write.
    pub(super) fn new(caller: &Caller, address: &Address) -> Self {
        Self {
            realm: address.space.realm.to_string(),
            scope: address.space.scope.clone(),
            key: address.key.as_str().to_owned(),
            writer: caller.writer,
            quota: caller.quota,
        }
    }

    pub(super) fn id(&self) -> UploadId {
        UploadId::of(self.address().name(), self.writer)
    }

    /// What will be stored.
    pub(super) fn address(&self) -> Address {
        self.checked_address().expect("made of an address, or checked when it was read")
    }

    fn checked_address(&self) -> Option<Address> {
        let key = Reserved::ALL.into_iter().find_map(|below| {
            let rest = self.key.strip_prefix(below.segment())?.strip_prefix('/')?;
            ObjectKey::reserved(below, rest).ok()
        })?;
        Some(Address { space: Space { realm: self.realm.as_str().into(), scope: self.scope.clone() }, key })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Download {
    #[serde(with = "text")]
    pub(super) name: ObjectName,
    /// An artifact's file name and media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<File>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) media_type: String,
}

/// Why an address is good for nothing. What exactly is wrong with it is nobody's business but its maker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAddress {
    #[error("the address was not made here")]
    Forged,
    #[error("the address has expired")]
    Expired,
}

impl Errand {
    fn permission(&self) -> &'static str {
        match self {
            Self::Upload(_) | Self::Discard => "w",
            Self::Download(_) | Self::Check => "r",
        }
    }
}

/// The path and query of an address.
pub(super) fn address(signer: &Signer, service: Reserved, errand: &Errand, until: Timestamp) -> String {
    let errand_text = serde_json::to_vec(errand).expect("texts and integers");
    let errand_text = URL_SAFE_NO_PAD.encode(errand_text);
    let seconds = until.as_millis().div_euclid(1000);
    let signed = format!("/{}/{errand_text}?se={seconds}&sp={}", service.segment(), errand.permission());
    let code = URL_SAFE_NO_PAD.encode(signer.address_code(&signed).as_bytes());
    format!("{signed}&sig={code}")
}

/// What the address is good for now.
pub(super) fn errand(signer: &Signer, path: &str, query: &str, now: Timestamp) -> Result<Errand, BadAddress> {
    if path.len() > MAX_PATH_LENGTH {
        return Err(BadAddress::Forged);
    }
    let field = |name| parameter(query, name).ok_or(BadAddress::Forged);
    let (seconds, permission) = (field("se")?, field("sp")?);
    let code: [u8; blake3::OUT_LEN] =
        URL_SAFE_NO_PAD.decode(field("sig")?).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BadAddress::Forged)?;
    // `blake3::Hash` compares in constant time.
    if signer.address_code(&format!("{path}?se={seconds}&sp={permission}")) != blake3::Hash::from_bytes(code) {
        return Err(BadAddress::Forged);
    }
    let seconds: i64 = seconds.parse().map_err(|_| BadAddress::Forged)?;
    if Timestamp::from_millis(seconds.saturating_mul(1000)) <= now {
        return Err(BadAddress::Expired);
    }
    let (_, text) = path.rsplit_once('/').ok_or(BadAddress::Forged)?;
    let text = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadAddress::Forged)?;
    let errand = serde_json::from_slice(&text).map_err(|_| BadAddress::Forged)?;
    match &errand {
        Errand::Upload(upload) if upload.checked_address().is_none() => Err(BadAddress::Forged),
        _ => Ok(errand),
    }
}

/// The name of an object as a text.
mod text {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::keys::ObjectName;

    pub(super) fn serialize<S: Serializer>(name: &ObjectName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(name.as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectName, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(ObjectName::from_bytes).ok_or_else(|| D::Error::custom("not the name of an object"))
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Bytes, ExecutionId, Millis};
    use hearth_trust::{Claims, Class};
    use proptest::prelude::*;

    use super::*;
    use crate::access::Groups;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn signer() -> Signer {
        Signer::from_key([7; 32])
    }

    fn until() -> Timestamp {
        NOW + Millis::from_minutes(5)
    }

    fn target() -> Address {
        let space = Space { realm: "github.com/acme/rocket".into(), scope: Scope::Branch("fix/caf\u{e9}".to_owned()) };
        Address { space, key: ObjectKey::reserved(Reserved::Caches, "v/k").unwrap() }
    }

    fn upload() -> Upload {
        let Address { space, .. } = target();
        let claims = Claims {
            execution: ExecutionId::new(NOW),
            class: Class::Branch,
            run: None,
            repository: space.realm.to_string(),
            reads: Vec::new(),
            writes: Some(space.scope),
            expires_at: until(),
            quota: Some(Bytes(5)),
        };
        Upload::new(&Caller::job(claims, &Groups::default()), &target())
    }

    fn errands() -> Vec<Errand> {
        let name = target().name();
        let file = File { name: "a \"b\"".to_owned(), media_type: "application/zip".to_owned() };
        let upload = upload();
        vec![
            Errand::Upload(upload.clone()),
            Errand::Upload(Upload { quota: None, ..upload }),
            Errand::Discard,
            Errand::Download(Download { name, file: None }),
            Errand::Download(Download { name, file: Some(file) }),
            Errand::Check,
        ]
    }

    fn read(address: &str, now: Timestamp) -> Result<Errand, BadAddress> {
        let (path, query) = address.split_once('?').unwrap();
        errand(&signer(), path, query, now)
    }

    #[test]
    fn what_was_handed_out_is_what_is_read() {
        for errand in errands() {
            let address = address(&signer(), Reserved::Caches, &errand, until());
            assert_eq!(read(&address, NOW), Ok(errand.clone()), "{address}");
            assert_eq!(read(&format!("{address}&comp=block&blockid=AQ%3D%3D"), NOW), Ok(errand), "{address}");
        }
    }

    #[test]
    fn an_upload_stores_what_it_was_made_for() {
        assert_eq!(upload().address(), target());
        for key in ["k", ".gha", ".gha/", "v/k"] {
            let upload = Upload { key: key.to_owned(), ..upload() };
            let address = address(&signer(), Reserved::Caches, &Errand::Upload(upload), until());
            assert_eq!(read(&address, NOW), Err(BadAddress::Forged), "{key}");
        }
    }

    #[test]
    fn an_address_has_two_segments_and_a_query() {
        for errand in errands() {
            let address = address(&signer(), Reserved::Artifacts, &errand, until());
            let uri: hyper::Uri = format!("http://localhost:1{address}").parse().unwrap();
            assert_eq!(uri.path().trim_matches('/').split('/').count(), 2, "{address}");
            assert!(uri.query().is_some());
        }
    }

    #[test]
    fn an_address_ends_at_its_expiry() {
        let address = address(&signer(), Reserved::Caches, &Errand::Check, until());
        assert_eq!(read(&address, until() - Millis(1)), Ok(Errand::Check));
        assert_eq!(read(&address, until()), Err(BadAddress::Expired));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for errand in errands() {
            let address = address(&signer(), Reserved::Caches, &errand, until());
            for (at, _) in address.bytes().enumerate() {
                for bit in 0..7 {
                    let mut bytes = address.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let text = String::from_utf8(bytes).unwrap();
                    // Without its question mark it is no address with a query at all.
                    let Some((path, query)) = text.split_once('?') else { continue };
                    let read = super::errand(&signer(), path, query, NOW);
                    assert_eq!(read, Err(BadAddress::Forged), "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn another_key_another_service_and_repeated_parameters_are_forged() {
        let stranger = Signer::from_key([8; 32]);
        let foreign = address(&stranger, Reserved::Caches, &Errand::Discard, until());
        assert_eq!(read(&foreign, NOW), Err(BadAddress::Forged));
        let own = address(&signer(), Reserved::Caches, &Errand::Discard, until());
        for changed in [
            own.replace("/.gha/", "/.artifacts/"),
            own.replace("sp=w", "sp=r"),
            format!("{own}&se=9999999999"),
            format!("{own}&sp=w"),
            own.replace("&sig=", "&Sig="),
            own.split("&sig=").next().unwrap().to_owned(),
            format!("/{own}"),
        ] {
            assert_eq!(read(&changed, NOW), Err(BadAddress::Forged), "{changed}");
        }
    }

    #[test]
    fn a_code_of_another_kind_is_no_code_of_an_address() {
        // What signs tokens and secrets must not sign addresses.
        let signed = format!("/.gha/{}?se=9999999999&sp=r", URL_SAFE_NO_PAD.encode("\"check\""));
        let secret = signer().s3_secret(&signed);
        let (path, query) = signed.split_once('?').unwrap();
        let read = errand(&signer(), path, &format!("{query}&sig={}", secret.as_str()), NOW);
        assert_eq!(read, Err(BadAddress::Forged));
    }

    proptest! {
        #[test]
        fn no_text_is_an_address_by_chance(path in "\\PC{0,80}", query in "\\PC{0,80}", sig in "[A-Za-z0-9_-]{43}") {
            prop_assert!(errand(&signer(), &path, &query, NOW).is_err());
            let query = format!("se=9999999999&sp=r&sig={sig}");
            let path = format!("/.gha/{path}");
            prop_assert!(errand(&signer(), &path, &query, NOW).is_err());
        }
    }
}
