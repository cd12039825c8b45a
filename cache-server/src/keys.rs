//! What objects are called. A key is the name that a client gives; where it lies is a digest (see [`ObjectName`]), so no
//! text from outside ever reaches the file system. Paths of the plain dialects mean keys; `/.sccache_check` and paths that
//! end in a slash mean what sccache needs them to mean.

use std::fmt;
use std::sync::Arc;

use hearth_model::Scope;
use percent_encoding::percent_decode_str;

/// Longer keys are refused. S3 has the same bound.
pub(crate) const MAX_KEY_LENGTH: usize = 1024;
/// A key of our own: GitHub allows 512 characters, and more around them is ours.
const MAX_OWN_KEY_LENGTH: usize = 4 * 1024;
/// Each byte of a key may come as three characters.
const MAX_PATH_LENGTH: usize = 3 * MAX_KEY_LENGTH + 2;
const CHECK: &str = ".sccache_check";
const COMPILATION_DIGITS: usize = 64;

/// The name of one object as its client says it: segments with slashes between them. The plain dialects and S3 share
/// one space of keys: `PUT /a/b` and an S3 key `b` in bucket `a` are the same object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey(Box<str>);

/// A first segment that only one dialect may write below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Entries of GitHub's cache service.
    Caches,
    /// Artifacts of GitHub's runs.
    Artifacts,
    /// Records of other nodes, by name. Nothing is stored below it.
    Peers,
}

impl Reserved {
    pub(crate) const ALL: [Self; 3] = [Self::Caches, Self::Artifacts, Self::Peers];

    fn named(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.segment() == segment)
    }

    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Caches => ".gha",
            Self::Artifacts => ".artifacts",
            Self::Peers => ".peer",
        }
    }
}

impl ObjectKey {
    /// A key as a client of a plain dialect may say it.
    pub(crate) fn new(text: &str) -> Result<Self, Malformed> {
        let fits = text.len() <= MAX_KEY_LENGTH && !text.chars().any(char::is_control);
        let mut segments = text.split('/');
        let reserved = |first: &str| Reserved::ALL.iter().any(|own| own.segment() == first);
        if !fits || segments.clone().any(|s| matches!(s, "" | "." | "..")) || segments.next().is_some_and(reserved) {
            return Err(Malformed);
        }
        Ok(Self(text.into()))
    }

    /// A key below a reserved segment; what follows it may be any text without control characters.
    pub(crate) fn reserved(below: Reserved, rest: &str) -> Result<Self, Malformed> {
        if rest.is_empty() || rest.len() > MAX_OWN_KEY_LENGTH || rest.chars().any(char::is_control) {
            return Err(Malformed);
        }
        Ok(Self(format!("{}/{rest}", below.segment()).into()))
    }

    /// A key that was one when it was stored.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether the key lies below a reserved segment.
    pub(crate) fn is_reserved(&self) -> bool {
        let first = self.0.split('/').next();
        Reserved::ALL.iter().any(|own| first == Some(own.segment()))
    }

    /// A key that another node says it has.
    pub(crate) fn from_elsewhere(text: &str) -> Result<Self, Malformed> {
        match text.split_once('/').and_then(|(first, rest)| Some((Reserved::named(first)?, rest))) {
            Some((below, rest)) => Self::reserved(below, rest),
            None => Self::new(text),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether sccache made this key: `…/a/b/c/<64 hex digits>`.
    pub(crate) fn is_compilation(&self) -> bool {
        let mut from_end = self.0.rsplit('/');
        let Some(digits) = from_end.next().filter(|text| is_digest(text)) else { return false };
        (1..=3).rev().all(|end| from_end.next() == Some(&digits[end - 1..end]))
    }

    /// The SHA-256 that the object's bytes must have: Bazel's `…/cas/<64 hex digits>`.
    pub(crate) fn content_digest(&self) -> Option<&str> {
        let (before, digits) = self.0.rsplit_once('/')?;
        let is_content = before == "cas" || before.ends_with("/cas");
        (is_content && is_digest(digits)).then_some(digits)
    }
}

/// What a path of a plain dialect stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path that ends in a slash. Collections are virtual: each exists, none is stored.
    Collection,
    /// The object with which sccache tests the server when it starts.
    Check,
    Object(ObjectKey),
}

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn place(path: &str) -> Result<Place, Malformed> {
    if !path.starts_with('/') || path.len() > MAX_PATH_LENGTH {
        return Err(Malformed);
    }
    // Decoded first, so that however a key is spelled it is one key, and `%2e%2e` is what it is.
    let path = percent_decode_str(path).decode_utf8().map_err(|_| Malformed)?;
    // An endpoint that was written with a slash at its end makes sccache send two in a row; they mean one.
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.is_empty() {
        return Ok(Place::Collection);
    }
    let key = ObjectKey::new(&segments.join("/"))?;
    Ok(match segments.as_slice() {
        _ if path.ends_with('/') => Place::Collection,
        [.., CHECK] => Place::Check,
        _ => Place::Object(key),
    })
}

fn is_digest(text: &str) -> bool {
    text.len() == COMPILATION_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A scope of one realm: everything in a node lies in one of these, and none can be reached from another but through
/// what a caller may read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Space {
    /// The repository, `host/owner/name`, or a group of repositories that share.
    pub(crate) realm: Arc<str>,
    pub(crate) scope: Scope,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.realm, self.scope)
    }
}

/// Where an object belongs and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) space: Space,
    pub(crate) key: ObjectKey,
}

impl Address {
    pub(crate) fn name(&self) -> ObjectName {
        ObjectName::of(&self.space, &self.key)
    }
}

/// Where an object lies: a digest of realm, scope and key, so that no text from outside is ever a file name and
/// two realms or scopes can never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectName([u8; 32]);

impl ObjectName {
    pub(crate) fn of(space: &Space, key: &ObjectKey) -> Self {
        let mut hasher = blake3::Hasher::new();
        let scope = space.scope.to_string();
        for part in [&*space.realm, &scope, key.as_str()] {
            // Lengths first: without them, `a` + `bc` and `ab` + `c` would be one name.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }

    pub(crate) fn to_hex(self) -> blake3::Hash {
        blake3::Hash::from_bytes(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn object(key: &str) -> Place {
        Place::Object(ObjectKey(key.into()))
    }

    #[test]
    fn paths_mean_keys_checks_and_collections() {
        let cases = [
            ("/", Ok(Place::Collection)),
            ("/a/", Ok(Place::Collection)),
            ("//", Ok(Place::Collection)),
            ("/team/0/1/2/", Ok(Place::Collection)),
            ("//.sccache_check", Ok(Place::Check)),
            ("/team/x/.sccache_check", Ok(Place::Check)),
            ("/.sccache_check2", Ok(object(".sccache_check2"))),
            (&format!("//team//0/1/2/{KEY}"), Ok(object(&format!("team/0/1/2/{KEY}")))),
            ("/ac/x y", Ok(object("ac/x y"))),
            ("/ac/x%20y", Ok(object("ac/x y"))),
            ("/pi%C3%B1ata", Ok(object("pi\u{f1}ata"))),
            ("/cafe%CC%81", Ok(object("cafe\u{301}"))),
            ("/a%2Fb", Ok(object("a/b"))),
            ("/a+b", Ok(object("a+b"))),
        ];
        for (path, expected) in cases {
            assert_eq!(place(path), expected, "{path}");
        }
    }

    #[test]
    fn path_tricks_are_malformed() {
        let long = format!("/{}", "a".repeat(MAX_KEY_LENGTH + 1));
        let huge = format!("/{}", "%61".repeat(10_000));
        for path in [
            "",
            "*",
            "a",
            "/..",
            "/../",
            "/./",
            "/x/../y",
            "/%2e%2e/x",
            "/%2E%2e%2Fx",
            "/%00",
            "/a\0b",
            "/a%0Ab",
            "/%7f",
            "/%ff",
            "/.gha/x",
            "/%2egha/x",
            "//.gha/",
            "/.artifacts/x",
            &long,
            &huge,
        ] {
            assert_eq!(place(path), Err(Malformed), "{path:.60}");
        }
    }

    #[test]
    fn reserved_keys_are_out_of_reach_of_plain_ones() {
        for below in Reserved::ALL {
            let own = ObjectKey::reserved(below, "v/../a//b,c").unwrap();
            assert_eq!(ObjectKey::new(own.as_str()), Err(Malformed));
            assert!(own.is_reserved());
        }
        assert!(!ObjectKey::new("a/.gha/b").unwrap().is_reserved());
        for rest in ["", "a\nb", &"a".repeat(MAX_OWN_KEY_LENGTH + 1)] {
            assert_eq!(ObjectKey::reserved(Reserved::Caches, rest), Err(Malformed), "{rest:.20}");
        }
    }

    #[test]
    fn a_compilation_is_known_by_its_path_and_content_by_its_digest() {
        let key = |text: &str| ObjectKey::new(text).unwrap();
        for text in [&format!("0/1/2/{KEY}"), &format!("team/x.y/0/1/2/{KEY}")] {
            assert!(key(text).is_compilation(), "{text}");
        }
        let upper = KEY.to_uppercase();
        for text in
            [KEY, &format!("1/2/{KEY}"), &format!("0/1/3/{KEY}"), &format!("0/1/2/{upper}"), &format!("0/1/2/{KEY}0")]
        {
            assert!(!key(text).is_compilation(), "{text}");
        }
        for text in [&format!("cas/{KEY}"), &format!("main/cas/{KEY}")] {
            assert_eq!(key(text).content_digest(), Some(KEY), "{text}");
        }
        for text in [KEY, &format!("ac/{KEY}"), &format!("xcas/{KEY}"), &format!("cas/{upper}"), "cas/ab"] {
            assert_eq!(key(text).content_digest(), None, "{text}");
        }
    }

    #[test]
    fn names_differ_by_realm_scope_and_key() {
        let key = ObjectKey::new(&format!("0/1/2/{KEY}")).unwrap();
        let prefixed = ObjectKey::new(&format!("p/0/1/2/{KEY}")).unwrap();
        let space = |realm: &str, scope: Scope| Space { realm: realm.into(), scope };
        let mut names = vec![
            ObjectName::of(&space("a/b", Scope::Trusted), &key),
            ObjectName::of(&space("a/bt", Scope::Trusted), &key),
            ObjectName::of(&space("a/b", Scope::Branch("trusted".to_owned())), &key),
            ObjectName::of(&space("a/b", Scope::PullRequest(1)), &key),
            ObjectName::of(&space("a/b", Scope::Branch("pr/1".to_owned())), &key),
            ObjectName::of(&space("a/b", Scope::Trusted), &prefixed),
        ];
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_fail(path in "\\PC{0,80}") {
            let _ = place(&path);
            let _ = place(&format!("/{path}"));
        }

        #[test]
        fn whatever_a_path_means_is_a_plain_key(path in "(/|[a-z.]|%2[ef5]|%00|%41|\\.gha){0,40}") {
            if let Ok(Place::Object(key)) = place(&format!("/{path}")) {
                prop_assert_eq!(ObjectKey::new(key.as_str()), Ok(key.clone()));
                prop_assert!(!key.as_str().split('/').any(|s| s.is_empty() || s == ".." || s == "."));
            }
        }
    }
}
