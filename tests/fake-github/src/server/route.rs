//! What can be called: rooms of addresses, templates with their parameters, who may call, which function answers. A
//! route is data; nothing happens here.

use hyper::Method;

use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::state::State;

/// The four servers that real GitHub has under different names; here they share a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Below `/api/v3`, as on GHES.
    Rest,
    /// The Actions service of a tenant, which scale sets talk to.
    Service,
    /// The fakes' own protocol.
    Runner,
    /// Archives of the runner program.
    Download,
}

/// What kind of call it is, as far as faults and limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Read,
    Write,
    /// Registers a runner.
    Register,
    /// Removes a runner.
    Remove,
    /// Mints an installation's token.
    Token,
    /// A step on the way to the Actions service.
    Connection,
    /// Opens a message session.
    Session,
    /// Waits for messages.
    Poll,
    /// The tests' own scaffolding: nothing fails here.
    Fixture,
}

/// Who may call. REST tells permissions of Apps from scopes of personal tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, with or without a token.
    Anyone,
    /// An App, by a token that it signed itself.
    App,
    /// An installation of an App.
    Installation,
    /// Whoever may read the runners of the scope in the address.
    ReadRunners,
    /// Whoever may change them.
    WriteRunners,
    /// Whoever may read the repository's runs.
    ReadActions,
    /// Whoever sees the repository.
    ReadRepository,
    /// `RemoteAuth` and a registration token.
    Registration,
    /// The admin token of the Actions service.
    Admin,
    /// The token of a message queue.
    Queue,
    /// What is in the request itself proves it.
    Open,
}

pub(crate) type AtOnce = fn(&mut State, &Call) -> Result<Answer, Answer>;
/// `None`: nothing yet, ask again when something has changed.
pub(crate) type InTime = fn(&mut State, &Call) -> Result<Option<Answer>, Answer>;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Handler {
    AtOnce(AtOnce),
    /// A long poll, which ends with 202.
    InTime(InTime),
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) room: Room,
    pub(crate) method: Method,
    /// Below the room: `/orgs/{org}/actions/runners`. For REST as GitHub's description writes it.
    pub(crate) template: String,
    /// The parameters that may stand behind the question mark.
    pub(crate) query: &'static [&'static str],
    pub(crate) access: Access,
    pub(crate) nature: Nature,
    pub(crate) handler: Handler,
    /// Whether GitHub describes it; `runner-registration` for one is real and not described.
    pub(crate) described: bool,
}

impl Route {
    pub(crate) fn new(room: Room, method: Method, template: impl Into<String>, handler: AtOnce) -> Self {
        let nature = if method == Method::GET { Nature::Read } else { Nature::Write };
        let access = Access::Open;
        let (template, handler) = (template.into(), Handler::AtOnce(handler));
        Self { room, method, template, query: &[], access, nature, handler, described: room == Room::Rest }
    }

    pub(crate) fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    pub(crate) fn nature(self, nature: Nature) -> Self {
        Self { nature, ..self }
    }

    pub(crate) fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    pub(crate) fn polls(self, handler: InTime) -> Self {
        Self { handler: Handler::InTime(handler), ..self }
    }

    pub(crate) fn undescribed(self) -> Self {
        Self { described: false, ..self }
    }

    pub(crate) fn is_rest(&self) -> bool {
        self.room == Room::Rest
    }

    /// `POST /orgs/{org}/actions/runners/generate-jitconfig`: its name in lists.
    pub(crate) fn operation(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// The parameters in an address below the room, when it is one of this template.
    pub(crate) fn parameters(&self, path: &str) -> Option<Vec<(String, String)>> {
        let (mut template, mut path) = (self.template.split('/'), path.split('/'));
        let mut parameters = Vec::new();
        loop {
            match (template.next(), path.next()) {
                (None, None) => return Some(parameters),
                (Some(expected), Some(found)) => {
                    let name = expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                    match name {
                        Some(name) if !found.is_empty() => parameters.push((name.to_owned(), decode(found)?)),
                        None if expected == found => {}
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }
}

/// A part of an address with its `%41` resolved; none when that is no text.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_its_parameters_or_is_another_route() {
        let route =
            Route::new(Room::Rest, Method::GET, "/orgs/{org}/actions/runners/{runner_id}", |_, _| unreachable!());
        let check = |path: &str, expected: Option<&[&str]>| {
            let found = route.parameters(path);
            let values = found.as_ref().map(|found| found.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>());
            assert_eq!(values.as_deref(), expected, "{path}");
        };
        check("/orgs/acme/actions/runners/7", Some(&["acme", "7"]));
        check("/orgs/a%20b/actions/runners/7", Some(&["a b", "7"]));
        check("/orgs/acme/actions/runners", None);
        check("/orgs//actions/runners/7", None);
        check("/orgs/acme/actions/runners/7/labels", None);
        check("/orgs/%zz/actions/runners/7", None);
    }
}
