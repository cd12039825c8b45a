//! The configuration file.

use std::path::Path;

use hearth_daemon::config::Sources;

use super::bytes::text;
use crate::environment::Environment;
use crate::settings::{ServerFile, check};

/// A file that is taken means the same when it is written out in full, and is never half checked.
pub(super) fn file(bytes: &[u8]) {
    let load = |text: &str| Sources::default().with_text(Path::new("f.toml"), text)?.load::<ServerFile>();
    let Ok(read) = load(text(bytes)) else { return };
    let is_good = check(&read, &Environment::from_pairs(&[("HOME", "/h")])).is_ok();
    let Ok(written) = toml::to_string(&read.value) else { return };
    let again = load(&written).expect("what was read can be read again");
    assert_eq!(again.value, read.value);
    assert_eq!(check(&again, &Environment::from_pairs(&[("HOME", "/h")])).is_ok(), is_good);
}
