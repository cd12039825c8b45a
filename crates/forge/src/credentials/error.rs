//! Why there are no credentials to show, each with what a person can do about it.

use hearth_daemon::secrets::SecretError;

use crate::{CallError, Remedy};

#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("cannot read the secret")]
    Secret(#[source] SecretError),
    #[error("the private key is no RSA key in PEM form (`BEGIN RSA PRIVATE KEY` or `BEGIN PRIVATE KEY`): {reason}")]
    Key { reason: String },
    #[error("the token holds characters that no header can carry")]
    NotAHeader,
    #[error("GitHub does not know the private key as one of app {app}; take a key from this app's settings page")]
    KeyRefused {
        app: String,
        #[source]
        cause: Box<CallError>,
    },
    #[error("app {app} is not installed at {target}; install it there, with access to it")]
    NotInstalled {
        app: String,
        target: String,
        #[source]
        cause: Box<CallError>,
    },
    #[error("the installation of app {app} at {target} is suspended; resume it in the settings of its owner")]
    Suspended { app: String, target: String },
    #[error("the installation of app {app} at {target} lacks a permission: {permissions}; grant and accept it")]
    PermissionMissing {
        app: String,
        target: String,
        permissions: String,
        #[source]
        cause: Box<CallError>,
    },
    #[error("cannot get a token of app {app} for {target}")]
    Token {
        app: String,
        target: String,
        #[source]
        cause: Box<CallError>,
    },
}

impl CredentialError {
    pub fn remedy(&self) -> Remedy {
        match self {
            // A token is cheap and harmless to ask for twice.
            Self::Token { cause, .. } => match cause.remedy() {
                Remedy::FindOut => Remedy::Wait,
                other => other,
            },
            _ => Remedy::Person,
        }
    }
}
