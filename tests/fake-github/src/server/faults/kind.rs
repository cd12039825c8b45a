//! The kinds of faults: what each one is, and on which calls it can happen. Only what GitHub was seen to do.

use crate::server::route::{Nature, Route};

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The token that was sent is forgotten for good, and the answer is 401.
    ExpiredToken,
    /// 401 once; the token stays good.
    Unauthorized,
    /// 403 that names a permission.
    Forbidden,
    /// 403 with `retry-after`, which is no matter of permission.
    SecondaryLimit,
    /// 404 for something that exists, as replicas that lag behind say it.
    NotFound,
    /// 409 after the runner was registered, as a repeated call whose first answer was lost gets it.
    Conflict,
    /// 422: a runner that is idle is said to run a job, a registration is said to be invalid.
    Unprocessable,
    /// 429 with `retry-after`.
    TooManyRequests,
    /// 500, 502, 503 or 504, without effect.
    ServerError,
    /// The effect takes place, then the connection is closed.
    LostAnswer,
    /// The effect takes place, then half of the body is sent as if it were all.
    Undecodable,
    /// A long poll ends with its connection.
    DroppedPoll,
    /// A message that was acknowledged comes again.
    Redelivery,
    /// News come newest first.
    Reordering,
    /// 409 on opening a session, as if another were open.
    SessionConflict,
    /// Statistics are all zero whatever the body says.
    ZeroStatistics,
    /// The clock that checks signatures and writes `Date` is ten minutes off, for one call.
    ClockSkew,
    /// The answer takes long.
    SlowAnswer,
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Instead of the call's effect.
    Instead,
    /// The handler itself does something odd.
    During,
    /// On the answer, the effect has taken place.
    After,
}

impl FaultKind {
    pub const ALL: [Self; 18] = [
        Self::ExpiredToken,
        Self::Unauthorized,
        Self::Forbidden,
        Self::SecondaryLimit,
        Self::NotFound,
        Self::Conflict,
        Self::Unprocessable,
        Self::TooManyRequests,
        Self::ServerError,
        Self::LostAnswer,
        Self::Undecodable,
        Self::DroppedPoll,
        Self::Redelivery,
        Self::Reordering,
        Self::SessionConflict,
        Self::ZeroStatistics,
        Self::ClockSkew,
        Self::SlowAnswer,
    ];

    pub(crate) fn effect(self) -> Effect {
        match self {
            Self::Redelivery | Self::Reordering | Self::ZeroStatistics | Self::ClockSkew => Effect::During,
            Self::Conflict | Self::LostAnswer | Self::Undecodable | Self::SlowAnswer => Effect::After,
            _ => Effect::Instead,
        }
    }

    /// Whether it can happen on this call at all.
    pub(crate) fn befalls(self, route: &Route) -> bool {
        use Nature as N;
        let nature = route.nature;
        if nature == N::Fixture {
            return false;
        }
        match self {
            Self::ExpiredToken => nature != N::Token,
            Self::Unauthorized | Self::ServerError | Self::SlowAnswer => true,
            // A lost answer of a poll is a dropped poll.
            Self::LostAnswer => nature != N::Poll,
            Self::Forbidden | Self::SecondaryLimit | Self::TooManyRequests => route.is_rest(),
            Self::NotFound => matches!(nature, N::Read | N::Register),
            Self::Conflict => nature == N::Register,
            Self::Unprocessable => route.is_rest() && matches!(nature, N::Register | N::Remove),
            Self::Undecodable => matches!(nature, N::Register | N::Read | N::Token | N::Connection),
            Self::DroppedPoll | Self::Redelivery | Self::Reordering => nature == N::Poll,
            Self::ZeroStatistics => matches!(nature, N::Poll | N::Session),
            Self::SessionConflict => nature == N::Session,
            Self::ClockSkew => nature == N::Token,
        }
    }
}
