//! The just-in-time configuration of a runner, of which we change one thing: the runner must not update itself, because
//! what it would write into belongs to all runners of its version. GitHub's REST call cannot say that.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hearth_daemon::secrets::Secret;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// With the padding or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Real ones have some 4 KiB.
const LONGEST: usize = 1 << 20;

/// The file of the runner's own settings, one of several in a configuration.
const SETTINGS: &str = ".runner";
const DISABLE_UPDATE: &str = "DisableUpdate";
/// A setting of the same kind that every just-in-time configuration has.
const EPHEMERAL: &str = "Ephemeral";

/// Why a configuration cannot be changed. It says nothing of what stands in it: that is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JitError {
    #[error("the runner's configuration is longer than any that GitHub makes")]
    TooLong,
    #[error("the runner's configuration is not base64 of a list of files")]
    Form,
    #[error("the runner's configuration holds no settings that can be read")]
    Settings,
}

/// Files by name, each in base64. Wiped when it goes.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Files(BTreeMap<String, String>);

impl Drop for Files {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

/// The same configuration for a runner that does not update itself.
pub fn without_updates(encoded: &Secret) -> Result<Secret, JitError> {
    let text = encoded.expose().trim();
    if text.len() > LONGEST {
        return Err(JitError::TooLong);
    }
    let decoded = Zeroizing::new(BASE64.decode(text).map_err(|_| JitError::Form)?);
    let mut files: Files = serde_json::from_slice(&decoded).map_err(|_| JitError::Form)?;
    let settings = files.0.get_mut(SETTINGS).ok_or(JitError::Settings)?;
    let mut read = read_settings(settings).ok_or(JitError::Settings)?;
    disable_update(&mut read);
    *settings = BASE64.encode(serde_json::to_vec(&read).map_err(|_| JitError::Settings)?);
    let decoded = Zeroizing::new(serde_json::to_vec(&files).map_err(|_| JitError::Form)?);
    Ok(Secret::new(BASE64.encode(&*decoded)))
}

fn read_settings(encoded: &str) -> Option<Map<String, Value>> {
    let text = BASE64.decode(encoded).ok()?;
    // .NET writes a mark of the byte order before its texts, and JSON has none.
    serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text)).ok()
}

/// In the spelling that the other settings have: the runner's reader takes any case, and flags as texts as well.
fn disable_update(settings: &mut Map<String, Value>) {
    let named = |name: &str| settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let pattern = named(DISABLE_UPDATE).or_else(|| named(EPHEMERAL));
    let is_text = pattern.is_some_and(|(_, value)| value.is_string());
    let is_camel = pattern.is_some_and(|(key, _)| key.starts_with(|c: char| c.is_ascii_lowercase()));
    settings.retain(|key, _| !key.eq_ignore_ascii_case(DISABLE_UPDATE));
    let value = if is_text { Value::from("True") } else { Value::from(true) };
    settings.insert(if is_camel { "disableUpdate" } else { DISABLE_UPDATE }.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(settings: &str) -> String {
        let files = serde_json::json!({
            ".credentials_rsaparams": BASE64.encode("s3cret"),
            ".runner": BASE64.encode(settings),
        });
        BASE64.encode(files.to_string())
    }

    /// The settings after the change; everything else is as it was.
    fn changed(settings: &str) -> Value {
        let changed = without_updates(&Secret::new(encoded(settings))).unwrap();
        let decoded = BASE64.decode(changed.expose()).unwrap();
        let files: BTreeMap<String, String> = serde_json::from_slice(&decoded).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(BASE64.decode(&files[".credentials_rsaparams"]).unwrap(), b"s3cret");
        serde_json::from_slice(&BASE64.decode(&files[".runner"]).unwrap()).unwrap()
    }

    #[test]
    fn updates_are_off_in_the_spelling_of_the_rest() {
        for (before, after) in [
            (
                r#"{"AgentId":9007199254740993,"DisableUpdate":false,"Ephemeral":true}"#,
                r#"{"AgentId":9007199254740993,"DisableUpdate":true,"Ephemeral":true}"#,
            ),
            (r#"{"Ephemeral":"True"}"#, r#"{"Ephemeral":"True","DisableUpdate":"True"}"#),
            (r#"{"ephemeral":true,"disableUpdate":"False"}"#, r#"{"ephemeral":true,"disableUpdate":"True"}"#),
            ("\u{feff}{\"WorkFolder\":\"_work\"}", r#"{"WorkFolder":"_work","DisableUpdate":true}"#),
        ] {
            assert_eq!(changed(before), serde_json::from_str::<Value>(after).unwrap(), "{before}");
        }
    }

    #[test]
    fn padding_and_white_space_do_not_matter() {
        let text = encoded(r#"{"Ephemeral":true}"#);
        let bare = format!(" {}\n", text.trim_end_matches('='));
        let expected = without_updates(&Secret::new(text)).unwrap();
        assert_eq!(without_updates(&Secret::new(bare)).unwrap().expose(), expected.expose());
    }

    #[test]
    fn what_is_no_configuration_is_refused_without_being_shown() {
        let no_settings = BASE64.encode(r#"{".credentials":"e30="}"#);
        for (text, expected) in [
            ("s3cret!".to_owned(), JitError::Form),
            (String::new(), JitError::Form),
            (BASE64.encode("s3cret"), JitError::Form),
            (no_settings, JitError::Settings),
            (encoded("s3cret"), JitError::Settings),
            (encoded("[]"), JitError::Settings),
            ("A".repeat(LONGEST + 1), JitError::TooLong),
        ] {
            let error = without_updates(&Secret::new(text)).unwrap_err();
            assert_eq!(error, expected);
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
