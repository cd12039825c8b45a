//! The daemon of this state directory and what it needs of the machine: addresses, open files, a clock that goes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use hearth_cache_server::{RemoteError, Unreachable, UpstreamSettings, probe_upstream};
use hearth_host::open_files;
use hearth_ledger::{Period, civil_time};
use hearth_model::Timestamp;
use tokio::net::UnixStream;

use super::finding::Finding;
use crate::journey::chain;
use crate::places::Places;
use crate::settings::Settings;
use crate::up::Running;

const DAEMON: &str = "daemon";
const FILES: &str = "open files";
const CLOCK: &str = "clock";
const ZONE: &str = "months";
const UPSTREAM: &str = "behind the cache";
/// Patience with what stands behind the cache; builds have less.
const UPSTREAM_LIMIT: Duration = Duration::from_secs(5);
/// A daemon that is awake takes a connection at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// 2026-01-01: older than this program.
const EARLIEST: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// 2100-01-01: a clock that nobody has set.
const LATEST: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// Whether the daemon of this state directory is up: somebody takes its connections.
pub(crate) async fn is_up(places: &Places) -> bool {
    let connected = tokio::time::timeout(CONNECT_LIMIT, UnixStream::connect(places.daemon_socket())).await;
    matches!(connected, Ok(Ok(_)))
}

pub(super) async fn look(settings: &Settings, places: &Places, now: Timestamp) -> Vec<Finding> {
    let running = if is_up(places).await { Running::read(&places.announcement()).ok() } else { None };
    let running = running.as_ref();
    let file = &settings.file;
    vec![
        judge_daemon(running),
        port("address of pages", "admin.listen", &file.admin.listen, running.map(|daemon| daemon.admin)),
        port("address of the cache", "cache.listen", &file.cache.listen, running.map(|daemon| daemon.cache)),
        judge_files(open_files::limit(), hearth_cache_server::Limits::default().connections),
        judge_clock(now, &file.report.zone),
        judge_zone(now, &file.report.zone),
        upstream(settings.upstream.as_ref()).await,
    ]
}

/// Whether what stands behind the cache answers and lets us in.
async fn upstream(settings: Option<&UpstreamSettings>) -> Finding {
    let Some(settings) = settings else {
        return Finding::not_checked(UPSTREAM, "there is none; [cache.upstream] names one");
    };
    let opened = settings.clone();
    let opened = tokio::task::spawn_blocking(move || opened.open()).await;
    let asked = match opened {
        Ok(Ok(config)) => probe_upstream(&config, UPSTREAM_LIMIT).await,
        Ok(Err(error)) => Err(Unreachable::Place(error)),
        Err(stumbled) => return Finding::not_checked(UPSTREAM, stumbled.to_string()),
    };
    judge_upstream(&settings.place(), asked)
}

fn judge_upstream(place: &str, asked: Result<(), Unreachable>) -> Finding {
    let why = "what other machines have built is built once more here, and what is built here waits";
    match asked {
        Ok(()) => Finding::good(UPSTREAM, format!("{place} answers")),
        Err(Unreachable::Place(error)) => {
            let fix = "correct [cache.upstream]; the daemon does not start with it";
            Finding::bad(UPSTREAM, chain(&error), "the daemon does not start without its cache", fix)
        }
        Err(Unreachable::Remote(error @ (RemoteError::Declined { .. } | RemoteError::Shut { .. }))) => {
            let fix = "make a token there that has the right of a peer, or correct the credentials of the store";
            Finding::warning(UPSTREAM, format!("{place}: {}", chain(&error)), why, fix)
        }
        Err(Unreachable::Remote(error)) => {
            let fix = "look whether it is up, and whether its address and certificate are those in [cache.upstream]";
            Finding::warning(UPSTREAM, format!("{place}: {}", chain(&error)), why, fix)
        }
    }
}

fn judge_daemon(running: Option<&Running>) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    match running {
        None => Finding::not_checked(DAEMON, "none is up; `hearth up` starts one"),
        Some(daemon) if daemon.version == ours => {
            Finding::good(DAEMON, format!("version {ours} is up as process {}", daemon.pid))
        }
        Some(daemon) => {
            let found = format!("version {} is up, and this is {ours}", daemon.version);
            Finding::warning(DAEMON, found, "its commands and jobs speak another language", "restart the daemon")
        }
    }
}

/// Whether the daemon can listen there. `held`: where the one that is up listens.
fn port(name: &'static str, key: &str, value: &str, held: Option<SocketAddr>) -> Finding {
    match value.parse::<SocketAddr>() {
        Ok(address) => judge_port(name, key, address, held, TcpListener::bind(address).map(drop)),
        Err(error) => Finding::not_checked(name, format!("{key} is `{value}`: {error}")),
    }
}

fn judge_port(
    name: &'static str,
    key: &str,
    address: SocketAddr,
    held: Option<SocketAddr>,
    bound: io::Result<()>,
) -> Finding {
    let why = "the daemon does not start without it";
    match bound {
        Ok(()) if address.port() == 0 => Finding::good(name, format!("any free port of {}", address.ip())),
        Ok(()) => Finding::good(name, format!("{address} is free")),
        Err(_) if held == Some(address) => Finding::good(name, format!("{address} is our daemon's")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let found = format!("{address} is held by another program");
            Finding::bad(name, found, why, format!("set {key} to another port, or stop the other program"))
        }
        Err(error) => {
            let found = format!("nobody of ours can listen on {address}: {error}");
            Finding::bad(name, found, why, format!("set {key} to an address of this machine and a port above 1023"))
        }
    }
}

/// `connections`: as many as the cache node takes.
fn judge_files(limit: Option<u64>, connections: usize) -> Finding {
    let connections = u64::try_from(connections).unwrap_or(u64::MAX);
    match limit {
        None => Finding::good(FILES, "any number"),
        Some(limit) if limit > connections => Finding::good(FILES, format!("{limit} at a time")),
        Some(limit) => {
            let found =
                format!("{limit} at a time, as this shell is allowed; the cache takes {connections} connections");
            let why = "a daemon that can open no more files refuses jobs their cache";
            let fix = "LimitNOFILE=65536 in the service unit, or `ulimit -n 65536` before `hearth up`";
            Finding::warning(FILES, found, why, fix)
        }
    }
}

fn judge_clock(now: Timestamp, zone: &str) -> Finding {
    let found = format!("it says {}", civil_time(now, zone).unwrap_or_else(|error| chain(&error)));
    if (EARLIEST..LATEST).contains(&now) {
        return Finding::good(CLOCK, found);
    }
    let why = "certificates and tokens are taken for expired, and the books for those of another year";
    Finding::bad(CLOCK, found, why, "let NTP set the clock")
}

fn judge_zone(now: Timestamp, zone: &str) -> Finding {
    match Period::month_of(now, zone) {
        Ok(month) => Finding::good(ZONE, format!("they begin and end as in {zone}; this is {}", month.label)),
        Err(error) => {
            Finding::bad(ZONE, chain(&error), "no report can be made", "set report.zone, like `Europe/Berlin`")
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_cache_server::UpstreamError;

    use super::super::finding::State;
    use super::*;

    #[test]
    fn an_address_is_free_ours_or_in_the_way() {
        let address: SocketAddr = "127.0.0.1:7788".parse().unwrap();
        let check = |address, held, bound| judge_port("p", "admin.listen", address, held, bound);
        let in_use = || Err(io::ErrorKind::AddrInUse.into());
        assert_eq!(check(address, None, Ok(())).found, "127.0.0.1:7788 is free");
        assert_eq!(check("127.0.0.1:0".parse().unwrap(), None, Ok(())).found, "any free port of 127.0.0.1");
        assert_eq!(check(address, Some(address), in_use()).state, State::Good);
        let other = check(address, Some("127.0.0.1:1".parse().unwrap()), in_use());
        assert_eq!(other.state, State::Bad);
        assert!(other.fix.contains("admin.listen"), "{other:?}");
        assert_eq!(check(address, None, Err(io::ErrorKind::AddrNotAvailable.into())).state, State::Bad);
    }

    #[test]
    fn a_held_address_is_found_by_trying() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        assert_eq!(port("p", "admin.listen", &address.to_string(), None).state, State::Bad);
        assert_eq!(port("p", "admin.listen", &address.to_string(), Some(address)).state, State::Good);
        assert_eq!(port("p", "admin.listen", "127.0.0.1:0", None).state, State::Good);
    }

    #[test]
    fn a_clock_of_another_age_is_bad() {
        for (millis, state) in [
            (0, State::Bad),
            (EARLIEST.as_millis() - 1, State::Bad),
            (EARLIEST.as_millis(), State::Good),
            (LATEST.as_millis(), State::Bad),
        ] {
            assert_eq!(judge_clock(Timestamp::from_millis(millis), "UTC").state, state, "{millis}");
        }
        assert!(judge_clock(EARLIEST, "UTC").found.contains("2026-01-01"));
        assert_eq!(judge_zone(EARLIEST, "UTC").state, State::Good);
        assert_eq!(judge_zone(EARLIEST, "Mars/Olympus").state, State::Bad);
    }

    #[test]
    fn a_daemon_of_another_version_is_told_of() {
        let daemon = |version: &str| Running {
            version: version.to_owned(),
            pid: 7,
            admin: "127.0.0.1:1".parse().unwrap(),
            cache: "127.0.0.1:2".parse().unwrap(),
        };
        assert_eq!(judge_daemon(None).state, State::NotChecked);
        assert_eq!(judge_daemon(Some(&daemon(env!("CARGO_PKG_VERSION")))).state, State::Good);
        assert_eq!(judge_daemon(Some(&daemon("0.0.1"))).state, State::Warning);
    }

    #[test]
    fn an_upstream_that_is_not_there_is_a_warning_and_one_that_cannot_be_used_is_bad() {
        let refused = RemoteError::Shut { status: 401 };
        let cases = [
            (Ok(()), State::Good, "https://c/ answers"),
            (Err(Unreachable::Remote(RemoteError::TooSlow)), State::Warning, "did not answer in time"),
            (Err(Unreachable::Remote(refused)), State::Warning, "does not let this node in, and answered 401"),
            (
                Err(Unreachable::Place(UpstreamError::Address { endpoint: "c".to_owned() })),
                State::Bad,
                "`c` is not the address",
            ),
        ];
        for (asked, state, found) in cases {
            let finding = judge_upstream("https://c/", asked);
            assert_eq!(finding.state, state, "{finding:?}");
            assert!(finding.found.contains(found), "{finding:?}");
        }
    }

    #[test]
    fn a_daemon_needs_more_files_than_it_takes_connections() {
        assert_eq!(judge_files(None, 1024).state, State::Good);
        assert_eq!(judge_files(Some(4096), 1024).state, State::Good);
        assert_eq!(judge_files(Some(1024), 1024).state, State::Warning);
    }
}
