//! Who may do what: a token and an address give a caller or the refusal that GitHub gives. Decides; changes nothing.

use hyper::StatusCode;

use super::{Caller, Grant, Level, Permissions, Scope, State};
use crate::server::answer::Answer;
use crate::server::clock::Now;
use crate::server::jwt;
use crate::server::route::Access;

/// What `Authorization` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    Nothing,
    Bearer(&'a str),
    RemoteAuth(&'a str),
    Unknown,
}

impl<'a> Presented<'a> {
    pub(crate) fn read(header: Option<&'a str>) -> Self {
        let Some(header) = header else { return Self::Nothing };
        match header.split_once(' ') {
            Some(("Bearer" | "bearer" | "token", token)) => Self::Bearer(token),
            Some(("RemoteAuth", token)) => Self::RemoteAuth(token),
            _ => Self::Unknown,
        }
    }
}

/// What an operation asks of the caller: a permission of an App, a scope of a personal token.
struct Needs {
    permission: Option<(&'static str, Level)>,
    scope: &'static str,
}

impl State {
    /// The caller, when it may call this.
    pub(crate) fn authorize(
        &self,
        access: Access,
        presented: Presented<'_>,
        scope: &Scope,
        now: Now,
    ) -> Result<Caller, Answer> {
        match access {
            Access::Open => Ok(Caller::Nobody),
            Access::Anyone if presented == Presented::Nothing => Ok(Caller::Nobody),
            Access::Anyone => self.holder(presented, now),
            Access::App => self.app(presented, now),
            Access::Registration => match presented {
                Presented::RemoteAuth(token) => {
                    self.of_kind(token, now, |grant| matches!(grant, Grant::Registration(_)))
                }
                _ => Err(Answer::unauthorized()),
            },
            Access::Admin => self.service(presented, now, |grant| matches!(grant, Grant::Admin(_))),
            Access::Queue => self.service(presented, now, |grant| matches!(grant, Grant::Queue { .. })),
            Access::Installation => {
                let caller = self.holder(presented, now)?;
                match &caller {
                    Caller::Holder { grant: Grant::Installation { .. }, .. } => Ok(caller),
                    _ => Err(Answer::lacks("an installation of an App")),
                }
            }
            Access::ReadRunners => self.permitted(presented, scope, &runners(scope, Level::Read), now),
            Access::WriteRunners => self.permitted(presented, scope, &runners(scope, Level::Write), now),
            Access::ReadActions => self.permitted(
                presented,
                scope,
                &Needs { permission: Some(("actions", Level::Read)), scope: "repo" },
                now,
            ),
            Access::ReadRepository => {
                let needs = Needs { permission: Some(("metadata", Level::Read)), scope: "repo" };
                self.permitted(presented, scope, &needs, now)
            }
        }
    }

    fn holder(&self, presented: Presented<'_>, now: Now) -> Result<Caller, Answer> {
        match presented {
            Presented::Bearer(token) => {
                self.of_kind(token, now, |grant| matches!(grant, Grant::Personal { .. } | Grant::Installation { .. }))
            }
            Presented::Nothing => Err(Answer::error(StatusCode::UNAUTHORIZED, "Requires authentication")),
            _ => Err(Answer::unauthorized()),
        }
    }

    fn of_kind(&self, token: &str, now: Now, is: impl Fn(&Grant) -> bool) -> Result<Caller, Answer> {
        let grant = self.credentials.find(token, now.instant).filter(|grant| is(grant));
        let grant = grant.ok_or_else(Answer::unauthorized)?.clone();
        Ok(Caller::Holder { token: token.to_owned(), grant })
    }

    fn service(&self, presented: Presented<'_>, now: Now, is: impl Fn(&Grant) -> bool) -> Result<Caller, Answer> {
        let refused = |_| {
            let message = "The user is not authorized to access this resource.";
            Answer::exception(StatusCode::UNAUTHORIZED, "VssUnauthorizedException", message)
        };
        match presented {
            Presented::Bearer(token) => self.of_kind(token, now, is).map_err(refused),
            _ => Err(refused(Answer::unauthorized())),
        }
    }

    fn app(&self, presented: Presented<'_>, now: Now) -> Result<Caller, Answer> {
        let refused = |bad: jwt::BadToken| match bad {
            jwt::BadToken::Unknown => Answer::error(StatusCode::NOT_FOUND, &bad.to_string()),
            _ => Answer::error(StatusCode::UNAUTHORIZED, &bad.to_string()),
        };
        match presented {
            Presented::Bearer(token) => {
                let app = jwt::check(token, &self.accounts.apps, now.time).map_err(refused)?;
                Ok(Caller::App(app.id))
            }
            _ => Err(refused(jwt::BadToken::Undecodable)),
        }
    }

    /// A token that is good, sees the scope and has what the operation needs, asked in this order.
    fn permitted(&self, presented: Presented<'_>, scope: &Scope, needs: &Needs, now: Now) -> Result<Caller, Answer> {
        let caller = self.holder(presented, now)?;
        let scope = self.accounts.known(scope).ok_or_else(Answer::not_found)?;
        let Caller::Holder { grant, .. } = &caller else { return Err(Answer::unauthorized()) };
        match grant {
            Grant::Personal { scopes } if scopes.iter().any(|held| held == needs.scope) => Ok(caller),
            Grant::Personal { scopes } => {
                let message = "Must have admin rights.";
                let refusal = Answer::error(StatusCode::FORBIDDEN, message).header("x-oauth-scopes", scopes.join(", "));
                Err(refusal.header("x-accepted-oauth-scopes", needs.scope))
            }
            Grant::Installation { installation, permissions, repositories } => {
                let (_, installation) = self.accounts.installation(*installation).ok_or_else(Answer::unauthorized)?;
                if installation.suspended {
                    return Err(Answer::error(StatusCode::FORBIDDEN, "This installation has been suspended"));
                }
                let listed = |names: &Vec<String>| match &scope {
                    Scope::Repository(name) => names.iter().any(|listed| listed.eq_ignore_ascii_case(name)),
                    _ => true,
                };
                if !installation.sees(&scope) || !repositories.as_ref().is_none_or(listed) {
                    return Err(Answer::not_found());
                }
                let Some((name, level)) = needs.permission else {
                    return Err(Answer::error(StatusCode::FORBIDDEN, "Resource not accessible by integration"));
                };
                let has = |held: &Permissions| held.get(name).is_some_and(|held| *held >= level);
                if has(permissions) && has(&installation.permissions) {
                    return Ok(caller);
                }
                Err(Answer::lacks(&format!("{name}={}", level.name())))
            }
            _ => Err(Answer::unauthorized()),
        }
    }
}

/// Runners of an enterprise are not open to Apps.
fn runners(scope: &Scope, level: Level) -> Needs {
    match scope {
        Scope::Repository(_) => Needs { permission: Some(("administration", level)), scope: "repo" },
        Scope::Organization(_) => {
            Needs { permission: Some(("organization_self_hosted_runners", level)), scope: "admin:org" }
        }
        Scope::Enterprise(_) => Needs { permission: None, scope: "manage_runners:enterprise" },
    }
}
