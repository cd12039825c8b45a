//! What a request's path means. sccache asks for `<prefix>/a/b/c/<64 hex digits>`, for `<prefix>/.sccache_check` and
//! for collections, whose paths end in a slash. Nothing else has a meaning here, and no path ever reaches the file
//! system: objects are filed under a digest (see [`ObjectName`]).

use hearth_model::Scope;

/// Longer paths are refused unread.
const MAX_PATH_LENGTH: usize = 512;
const KEY_DIGITS: usize = 64;
const CHECK: &str = ".sccache_check";

/// The name of one compiler output as its client says it, prefix included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectKey(Box<str>);

impl ObjectKey {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a well-formed path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path that ends in a slash. Collections are virtual: each exists, none is stored.
    Collection,
    /// The object with which sccache tests the server when it starts.
    Check,
    Object(ObjectKey),
    /// Well-formed, but nothing that could be here.
    Nothing,
}

/// The path has characters, lengths or segments that no client of ours sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn place(path: &str) -> Result<Place, Malformed> {
    let plain = path.starts_with('/') && path.len() <= MAX_PATH_LENGTH && path.bytes().all(is_plain);
    // An endpoint that was written with a slash at its end makes sccache send two in a row; they mean one.
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if !plain || segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err(Malformed);
    }
    Ok(match segments.as_slice() {
        _ if path.ends_with('/') => Place::Collection,
        [.., CHECK] => Place::Check,
        [.., a, b, c, key] if is_key(key) && [*a, b, c] == [&key[..1], &key[1..2], &key[2..3]] => {
            Place::Object(ObjectKey(segments.join("/").into()))
        }
        _ => Place::Nothing,
    })
}

/// No percent sign: an escaped path could be spelled in two ways and would be two objects.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-')
}

fn is_key(text: &str) -> bool {
    text.len() == KEY_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where an object lies: a digest of repository, scope and key, so that no text from outside is ever a file name and
/// two repositories or scopes can never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectName([u8; 32]);

impl ObjectName {
    pub(crate) fn of(repository: &str, scope: &Scope, key: &ObjectKey) -> Self {
        let mut hasher = blake3::Hasher::new();
        let scope = scope.to_string();
        for part in [repository, &scope, key.as_str()] {
            // Lengths first: without them, `a` + `bc` and `ab` + `c` would be one name.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn to_hex(self) -> blake3::Hash {
        blake3::Hash::from_bytes(self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn object(path: &str) -> Place {
        Place::Object(ObjectKey(path.into()))
    }

    #[test]
    fn paths_mean_what_sccache_means() {
        let cases = [
            ("/", Ok(Place::Collection)),
            ("/a/", Ok(Place::Collection)),
            ("//", Ok(Place::Collection)),
            ("//.sccache_check", Ok(Place::Check)),
            (&format!("//team//0/1/2/{KEY}"), Ok(object(&format!("team/0/1/2/{KEY}")))),
            ("/team/0/1/2/", Ok(Place::Collection)),
            ("/.sccache_check", Ok(Place::Check)),
            ("/team/x/.sccache_check", Ok(Place::Check)),
            (&format!("/0/1/2/{KEY}"), Ok(object(&format!("0/1/2/{KEY}")))),
            (&format!("/team/x.y/0/1/2/{KEY}"), Ok(object(&format!("team/x.y/0/1/2/{KEY}")))),
        ];
        for (path, expected) in cases {
            assert_eq!(place(path), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_mean_nothing() {
        let upper = KEY.to_uppercase();
        for path in [
            format!("/{KEY}"),
            format!("/1/2/{KEY}"),
            format!("/0/1/3/{KEY}"),
            format!("/0/1/2/{}", &KEY[1..]),
            format!("/0/1/2/{upper}"),
            format!("/0/1/2/{KEY}0"),
            "/index.html".to_owned(),
            "/.sccache_check2".to_owned(),
        ] {
            assert_eq!(place(&path), Ok(Place::Nothing), "{path}");
        }
    }

    #[test]
    fn path_tricks_are_malformed() {
        let long = format!("/{}/0/1/2/{KEY}", "a".repeat(10_000));
        for path in [
            "",
            "*",
            "a",
            "/..",
            "/../",
            "/./",
            &format!("/../0/1/2/{KEY}"),
            &format!("/x/../0/1/2/{KEY}"),
            &format!("/%2e%2e/0/1/2/{KEY}"),
            &format!("/%00/0/1/2/{KEY}"),
            &format!("/a\0/0/1/2/{KEY}"),
            &format!("/a\\b/0/1/2/{KEY}"),
            &long,
        ] {
            assert_eq!(place(path), Err(Malformed), "{path:.60}");
        }
    }

    #[test]
    fn names_differ_by_repository_scope_and_key() {
        let Ok(Place::Object(key)) = place(&format!("/0/1/2/{KEY}")) else { panic!("a key") };
        let Ok(Place::Object(prefixed)) = place(&format!("/p/0/1/2/{KEY}")) else { panic!("a key") };
        let mut names = vec![
            ObjectName::of("a/b", &Scope::Trusted, &key),
            ObjectName::of("a/bt", &Scope::Trusted, &key),
            ObjectName::of("a/b", &Scope::Branch("trusted".to_owned()), &key),
            ObjectName::of("a/b", &Scope::PullRequest(1), &key),
            ObjectName::of("a/b", &Scope::Branch("pr/1".to_owned()), &key),
            ObjectName::of("a/b", &Scope::Trusted, &prefixed),
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
        fn a_key_ends_in_its_own_digits(path in "(/[a-z.%]{0,3}){0,3}/[0-2]/[0-2]/[0-2]/[0-2]{64}") {
            if let Ok(Place::Object(key)) = place(&path) {
                let digits = &key.as_str()[key.as_str().len() - KEY_DIGITS..];
                let shelf = format!("{}/{}/{}/{digits}", &digits[..1], &digits[1..2], &digits[2..3]);
                prop_assert!(key.as_str().ends_with(&shelf));
                prop_assert!(!key.as_str().split('/').any(|s| s.is_empty() || s == ".." || s == "."));
            }
        }
    }
}
