//! Limits and conditional requests of REST: a call is counted before it is answered, and costs nothing when nothing has
//! changed.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};

use crate::server::answer::{Answer, Body};
use crate::server::call::Call;
use crate::server::route::{Nature, Route};
use crate::server::state::{Bucket, LimitLevel, State};
use crate::server::world::World;

/// A call that was counted; gives back what it holds when it is answered, or when whoever asked has gone.
#[derive(Debug)]
pub(crate) struct Ticket {
    world: Arc<World>,
    account: String,
    bucket: Bucket,
    level: Option<LimitLevel>,
}

const READING: u64 = 1;
const WRITING: u64 = 5;

impl Ticket {
    /// Counts a call of REST; the refusal of a limit that is reached.
    pub(crate) fn take(state: &mut State, world: &Arc<World>, route: &Route, call: &Call) -> Result<Self, Answer> {
        let account = call.caller.account();
        let bucket = match route.nature {
            Nature::Register => Bucket::Registration,
            Nature::Connection if !route.described => Bucket::Registration,
            _ => Bucket::Core,
        };
        let State { limits, options, .. } = state;
        limits.notice(&account, call.now);
        let points = if route.method == Method::GET { READING } else { WRITING };
        let few_at_once = limits.begin(&account, options.secondary_concurrency);
        let few_a_minute = limits.points(&account, &route.operation(), points, call.now, options.secondary_points);
        // Asking for the limits is free.
        let charged = match route.template.as_str() {
            "/rate_limit" => Ok(None),
            _ => limits.charge(&account, bucket, call.now, options),
        };
        let retry_after = options.retry_after.max(Duration::from_secs(1));
        let refusal = match charged {
            Ok(level) if few_at_once && few_a_minute => {
                return Ok(Self { world: Arc::clone(world), account, bucket, level });
            }
            Ok(level) => {
                limits.tell_to_wait(&account, call.now.instant + retry_after);
                headers(Answer::secondary_limit(StatusCode::FORBIDDEN, retry_after.as_secs()), level, bucket)
            }
            Err(level) => {
                let message = format!("API rate limit exceeded for {}.", public(&account));
                headers(Answer::error(StatusCode::FORBIDDEN, &message), Some(level), bucket)
            }
        };
        limits.end(&account);
        Err(refusal)
    }

    /// Puts the headers of the limits on an answer.
    pub(crate) fn finish(self, answer: Answer) -> Answer {
        let level = self.level.map(|level| {
            // Read again: a 304 was given back in between.
            let mut state = self.world.state();
            let State { limits, options, .. } = &mut *state;
            let now = self.world.clock.now();
            LimitLevel { reset_seconds: level.reset_seconds, ..limits.level(&self.account, self.bucket, now, options) }
        });
        headers(answer, level, self.bucket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.world.state().limits.end(&self.account);
    }
}

/// Tokens are not for messages.
fn public(account: &str) -> &str {
    if account.contains(' ') { account } else { "user" }
}

fn headers(answer: Answer, level: Option<LimitLevel>, bucket: Bucket) -> Answer {
    let Some(level) = level else { return answer };
    answer
        .header("x-ratelimit-limit", level.limit.to_string())
        .header("x-ratelimit-remaining", level.remaining().to_string())
        .header("x-ratelimit-used", level.used.to_string())
        .header("x-ratelimit-reset", level.reset_seconds.to_string())
        .header("x-ratelimit-resource", bucket.name())
}

/// Gives an answer its ETag, which is another one for every token; 304 when the caller has it, which is free.
pub(crate) fn conditional(ticket: &Ticket, call: &Call, answer: Answer) -> Answer {
    let Body::Json(body) = &answer.body else { return answer };
    if call.method != Method::GET || answer.status != StatusCode::OK {
        return answer;
    }
    let tag = format!("W/\"{}\"", digest(&format!("{}\n{body}", call.caller.token())));
    let known = call.header("if-none-match").unwrap_or_default();
    if known.split(',').any(|known| known.trim() == tag) {
        ticket.world.state().limits.refund(&ticket.account, ticket.bucket);
        return Answer { body: Body::Empty, status: StatusCode::NOT_MODIFIED, ..answer }.header("etag", tag);
    }
    answer.header("etag", tag).header("cache-control", "private, max-age=60, s-maxage=60")
}

fn digest(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hex(digest.as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(digits).collect()
}
