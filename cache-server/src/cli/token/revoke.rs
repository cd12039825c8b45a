//! `token revoke`: shuts somebody out, and takes what he stored with him.

use std::io::Write;

use hearth_model::{ExecutionId, Scope, Timestamp};
use hearth_trust::TokenId;

use super::{TokenError, print};
use crate::access::{AccessFiles, Lists, Objects, RealmPattern, Revocation, Revoked};

/// Take back a token, a job, a scope, or what was stored at a time
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
What is taken back is refused within a second by a running server; objects that have to go are removed behind that. \
Nothing else is touched: other jobs go on with what they may see, and miss what is gone.")]
pub(in crate::cli) enum RevokeCommand {
    /// Shut out the owner of a static token, and remove what he stored
    Token {
        /// Its id, as `token list` shows it
        id: TokenId,
        /// Leave what he stored
        #[arg(long)]
        keep_objects: bool,
    },
    /// Shut out a job, and remove what it stored
    Job {
        /// The job's execution id, as `hearth jobs` shows it
        execution: ExecutionId,
    },
    /// Empty a scope, and let no job write it that began before now
    Scope {
        /// The repository, host/owner/name, or the group, group:name
        realm: RealmPattern,
        /// trusted, branch/<name>, pr/<number> or run/<number>
        scope: Scope,
    },
    /// Remove everything that was stored in a stretch of time
    Stored {
        /// From this instant, like 2026-11-22T20:15:00Z
        #[arg(long)]
        from: String,
        /// Until before this instant [default: now]
        #[arg(long)]
        until: Option<String>,
        /// Only of these repositories: host/owner/name, host/owner/* or *
        #[arg(long, default_value = "*")]
        realm: RealmPattern,
    },
}

pub(super) fn run(
    command: &RevokeCommand,
    files: &AccessFiles,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), TokenError> {
    let (what, said) = match command {
        RevokeCommand::Token { id, keep_objects } => {
            let objects = if *keep_objects { Objects::Keep } else { Objects::Remove };
            (Revoked::Token { id: *id, objects }, format!("token {id} is no longer good"))
        }
        RevokeCommand::Job { execution } => {
            (Revoked::Job { execution: *execution }, format!("job {execution} is shut out"))
        }
        RevokeCommand::Scope { realm, scope } => {
            let one = realm.exact().ok_or_else(|| TokenError::NotOne(realm.to_string()))?;
            (Revoked::Scope { realm: one.to_owned(), scope: scope.clone() }, format!("{scope} of {one} begins anew"))
        }
        RevokeCommand::Stored { from, until, realm } => {
            let until = until.as_deref().map_or(Ok(now), instant)?;
            let what = Revoked::Stored { realms: realm.clone(), from: instant(from)?, until };
            (what, format!("what {realm} stored then goes"))
        }
    };
    files.change(|lists| revoke(lists, what, now))?;
    print(out, &format!("{said}; a running server follows within a second\n"))
}

fn revoke(lists: &mut Lists, what: Revoked, now: Timestamp) -> Result<(), TokenError> {
    if let Revoked::Token { id, .. } = &what
        && lists.book.remove(*id).is_none()
    {
        return Err(TokenError::NoToken(id.to_string()));
    }
    lists.revoked = lists.revoked.with(Revocation { at: now, what })?;
    Ok(())
}

fn instant(text: &str) -> Result<Timestamp, TokenError> {
    let at: jiff::Timestamp = text.parse().map_err(|cause| TokenError::Time(text.to_owned(), cause))?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}
