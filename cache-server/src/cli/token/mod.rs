//! `hearth-cache-server token new|list|revoke`: who may use the cache. It changes the files of the access lists, which a
//! running server reads again within a second, so it works whether one runs or not.

mod list;
mod new;
mod revoke;

use std::io::{self, Write};
use std::path::PathBuf;

use hearth_daemon::key_file::KeyError;
use hearth_host::clock::SystemClock;
use hearth_model::{Clock, Timestamp};

use crate::access::{AccessError, AccessFiles, BookError, RevocationError};
use crate::settings::Settings;

#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("cannot use the access lists")]
    Lists(#[from] AccessError),
    #[error("cannot make such a token")]
    Token(#[source] BookError),
    #[error("cannot make the directory {}", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot have the server's key, which S3 clients' secret keys are made from")]
    Key(#[source] KeyError),
    #[error("cannot get randomness for a secret")]
    Randomness(#[source] io::Error),
    #[error("`{0}` is not a time; write it like 2026-11-22T20:15:00Z")]
    Time(String, #[source] jiff::Error),
    #[error("`{0}` is not one repository; a scope belongs to one, written host/owner/name")]
    NotOne(String),
    #[error("cannot write down what was taken back")]
    Revocation(#[from] RevocationError),
    #[error("no token here has the id {0}; `token list` shows those that there are")]
    NoToken(String),
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
}

/// Make, list and take back tokens of people and machines
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Jobs of hearth bring tokens of their own. Everybody else gets one here: a person who reads what CI has built, another CI \
system that writes, another node. The node keeps a hash; the secret is shown once, when the token is made.

  hearth-cache-server token new anna --kind person --realm github.com/acme/rocket --reads trusted
  hearth-cache-server token new jenkins --kind machine --realm github.com/acme/rocket --reads trusted --writes trusted
  hearth-cache-server token list
  hearth-cache-server token revoke job 0190e6a1-0b7a-7cc3-98c4-dc0c0c07398f

A running server follows within a second.")]
pub(super) enum TokenCommand {
    New(new::NewArgs),
    List(list::ListArgs),
    #[command(subcommand)]
    Revoke(revoke::RevokeCommand),
}

pub(super) fn run(command: &TokenCommand, settings: &Settings, out: &mut impl Write) -> Result<(), TokenError> {
    let files = AccessFiles::of(&settings.node.root);
    let now = SystemClock::default().now();
    match command {
        TokenCommand::New(args) => new::run(args, settings, &files, now, out),
        TokenCommand::List(args) => list::run(args, &files, now, out),
        TokenCommand::Revoke(command) => revoke::run(command, &files, now, out),
    }
}

/// An instant as people write it.
fn written(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(|_| format!("{at:?}"), |at| at.to_string())
}

fn print(out: &mut impl Write, text: &str) -> Result<(), TokenError> {
    out.write_all(text.as_bytes()).map_err(TokenError::Print)
}
