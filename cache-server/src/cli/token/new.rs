//! `token new`: makes a token and shows its secret, once.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

use hearth_daemon::key_file;
use hearth_model::{Bytes, Millis, Scope, Timestamp};
use hearth_trust::{Signer, StaticToken, TokenId};
use zeroize::Zeroizing;

use super::{TokenError, print, written};
use crate::access::{AccessFiles, Kind, Rate, RealmPattern, Right, StoredToken};
use crate::settings::Settings;

/// How many seconds' worth of requests may come at once when nothing else is said.
const USUAL_BURST_SECONDS: u32 = 10;

/// Make a token and show its secret, once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Clients use it as a bearer token, as the password of any user, or, through S3, by the access key id and the secret \
access key that are shown beside it.

Scopes: `trusted` is what default branches built; `branch/<name>` and `pr/<number>` are what only that branch and that \
pull request see. Rights that come with a kind: person: read, list; machine: read, write, list; peer: peer; admin: \
read, list, delete, admin.")]
pub(in crate::cli) struct NewArgs {
    /// What it is called in lists and logs
    name: String,
    /// Whom it is for: person, machine, peer or admin
    #[arg(long, default_value = "person")]
    kind: Kind,
    /// A repository (host/owner/name) or group (group:name) that its scopes are of; for peers and admins also host/owner/* or *
    #[arg(long = "realm", value_name = "REALM", required = true)]
    realms: Vec<RealmPattern>,
    /// A scope to look in; several are looked in in this order
    #[arg(long = "reads", value_name = "SCOPE")]
    reads: Vec<Scope>,
    /// The scope that it writes, of the first realm
    #[arg(long, value_name = "SCOPE")]
    writes: Option<Scope>,
    /// A right, instead of those that come with the kind: read, write, list, delete, admin, peer
    #[arg(long = "right", value_name = "RIGHT")]
    rights: Vec<Right>,
    /// How much it may store in one day of UTC, like 5GiB
    #[arg(long, value_name = "SIZE")]
    daily_quota: Option<Bytes>,
    /// How many requests in one second
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u32>,
    /// How many at once after a rest [default: ten seconds' worth]
    #[arg(long, value_name = "NUMBER", requires = "rate")]
    burst: Option<u32>,
    /// When it ends, like 90d [default: never]
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Millis>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl NewArgs {
    fn described(&self, token: &StaticToken, now: Timestamp) -> StoredToken {
        let rights =
            if self.rights.is_empty() { self.kind.usual_rights() } else { self.rights.iter().copied().collect() };
        let rate = self.rate.map(|per_second| {
            let burst = self.burst.unwrap_or_else(|| per_second.saturating_mul(USUAL_BURST_SECONDS));
            Rate { per_second, burst }
        });
        StoredToken {
            id: token.id(),
            name: self.name.clone(),
            kind: self.kind,
            hash: token.hash(),
            rights,
            realms: self.realms.clone(),
            reads: self.reads.clone(),
            writes: self.writes.clone(),
            daily_quota: self.daily_quota,
            created_at: now,
            expires_at: self.expires_in.map(|life| now + life),
            rate,
        }
    }
}

pub(super) fn run(
    args: &NewArgs,
    settings: &Settings,
    files: &AccessFiles,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<(), TokenError> {
    let mut randomness = Zeroizing::new([0; 32]);
    getrandom::fill(randomness.as_mut_slice()).map_err(|cause| TokenError::Randomness(io::Error::from(cause)))?;
    let token = StaticToken::new(TokenId::new(now), *randomness);
    // All that can fail comes before the token is in the book: one that nobody has seen is of no use.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&settings.dir);
    made.map_err(|cause| TokenError::Directory { path: settings.dir.clone(), cause })?;
    let key = key_file::read_or_make(&settings.key_file).map_err(TokenError::Key)?;
    let s3_secret = Signer::from_key(*key).s3_secret(&token.id().to_string());
    let described = args.described(&token, now);
    let ends = described.expires_at.map_or_else(|| "never".to_owned(), written);
    files.change(|lists| lists.book.add(described).map_err(TokenError::Token))?;
    let text = if args.json {
        let shown = serde_json::json!({
            "id": token.id(),
            "token": *token.expose(),
            "s3": { "access_key_id": token.id(), "secret_access_key": *s3_secret },
        });
        Zeroizing::new(format!("{shown:#}\n"))
    } else {
        Zeroizing::new(format!(
            "token              {}\naccess key id      {}\nsecret access key  {}\nends               {ends}\n\n\
             The token and the secret access key are not shown again.\n",
            token.expose().as_str(),
            token.id(),
            s3_secret.as_str(),
        ))
    };
    print(out, &text)
}
