//! `token list`: which tokens there are, and what was taken back.

use std::io::Write;

use comfy_table::{Table, presets};
use hearth_daemon::config::ByteSize;
use hearth_daemon::terminal::for_terminal;
use hearth_model::Timestamp;

use super::{TokenError, print, written};
use crate::access::{AccessFiles, Lists, Objects, Revoked, StoredToken};

/// Show the tokens of this node, and what was taken back
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show what was taken back instead
    #[arg(long)]
    revoked: bool,
}

pub(super) fn run(
    args: &ListArgs,
    files: &AccessFiles,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), TokenError> {
    let lists = files.read()?;
    let text = match (args.json, args.revoked) {
        (true, false) => {
            // The hash is no secret and nobody's business.
            let without_hash = |token: &StoredToken| {
                let mut value = serde_json::to_value(token).unwrap_or_default();
                value.as_object_mut().map(|fields| fields.remove("hash"));
                value
            };
            format!("{:#}\n", lists.book.iter().map(without_hash).collect::<serde_json::Value>())
        }
        (true, true) => {
            let revocations: Vec<_> = lists.revoked.iter().collect();
            format!("{:#}\n", serde_json::json!(revocations))
        }
        (false, false) => tokens(&lists, now),
        (false, true) => revocations(&lists),
    };
    print(out, &text)
}

fn tokens(lists: &Lists, now: Timestamp) -> String {
    let mut table = table(["id", "name", "kind", "rights", "realms", "reads", "writes", "per day", "ends"]);
    for token in lists.book.iter() {
        let ends = match token.expires_at {
            None => "never".to_owned(),
            Some(at) if at <= now => format!("{} (over)", written(at)),
            Some(at) => written(at),
        };
        table.add_row([
            token.id.to_string(),
            for_terminal(&token.name).into_owned(),
            token.kind.to_string(),
            joined(token.rights.iter()),
            for_terminal(&joined(&token.realms)).into_owned(),
            for_terminal(&joined(&token.reads)).into_owned(),
            for_terminal(&token.writes.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)).into_owned(),
            token.daily_quota.map_or_else(|| "-".to_owned(), |quota| ByteSize(quota).to_string()),
            ends,
        ]);
    }
    if lists.book.iter().next().is_none() {
        return "there are no tokens; `token new` makes one\n".to_owned();
    }
    format!("{table}\n")
}

fn revocations(lists: &Lists) -> String {
    let mut table = table(["at", "what"]);
    for revocation in lists.revoked.iter() {
        let what = match &revocation.what {
            Revoked::Token { id, objects: Objects::Remove } => format!("token {id} and what it stored"),
            Revoked::Token { id, objects: Objects::Keep } => format!("token {id}"),
            Revoked::Job { execution } => format!("job {execution} and what it stored"),
            Revoked::Scope { realm, scope } => format!("scope {scope} of {realm}"),
            Revoked::Stored { realms, from, until } => {
                format!("what {realms} stored from {} until {}", written(*from), written(*until))
            }
        };
        table.add_row([written(revocation.at), for_terminal(&what).into_owned()]);
    }
    if lists.revoked.iter().next().is_none() {
        return "nothing was taken back in the last 90 days\n".to_owned();
    }
    format!("{table}\n")
}

fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    table
}

fn joined<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<_> = all.into_iter().map(|one| one.to_string()).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}
