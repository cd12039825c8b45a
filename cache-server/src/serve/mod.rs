//! `hearth-cache-server serve`: the running server. Takes its directory, opens the node, then the sockets, and starts
//! the tasks last; stops them in order.
//!
//! ```text
//!  lock ─▶ key ─▶ node ─▶ cache port, admin port ─▶ tasks ─▶ READY
//!                            signal ─▶ STOPPING ─▶ requests under way end ─▶ node stops
//! ```

mod changes;
mod doors;
mod readiness;
mod reload;
mod running;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::admin::{Admin, AdminError};
use hearth_daemon::key_file::{self, KeyError};
use hearth_daemon::main_loop;
use hearth_daemon::metrics::{BuildInfo, Metrics};
use hearth_daemon::service_manager::ServiceManager;
use hearth_daemon::stop::{Stop, StopReason};
use hearth_daemon::tasks::{Finish, Tasks};
use hearth_host::clock::SystemClock;
use hearth_host::lock::FileLock;
use hearth_host::{service_manager, signals};
use hearth_model::Clock;
use hearth_trust::Signer;
use tokio::sync::Notify;

use crate::control::{Desk, SOCKET};
use crate::dashboard::pages;
use crate::environment::Environment;
use crate::error::NodeError;
use crate::metrics::CertificatesCollector;
use crate::node::Node;
use crate::settings::{Origin, ServerFile, Settings};
use crate::transport::{Certificates, SocketError};
use doors::{DoorError, Doors};
use readiness::Server;
use running::Running;

/// What the tasks beside the node may take for their end, after the node's own time for requests.
const BESIDE_THE_NODE: Duration = Duration::from_secs(5);

/// Serve the cache
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The server runs in the foreground until SIGINT or SIGTERM, then lets requests under way finish; a second signal does \
not wait for them. Where it listens stands in server.json in its directory.

Without a configuration file, flags alone are enough:

  hearth-cache-server serve --dir /srv/cache --listen 127.0.0.1:4227 --budget 50GiB

SIGHUP reads the configuration once more: what callers may do (`[access]`) and `upstream.mode` are so from then on, \
other changes take a restart. Certificates are read anew too.

  /healthz   the process lives      /readyz   it can serve, or says why not
  /metrics   OpenMetrics            /         a page for people; all on the admin address")]
pub(crate) struct ServeArgs {
    /// Where to serve without encryption, or "off"; port 0 takes a free one [default: 127.0.0.1:4227]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Disk for objects [default: 20GiB]
    #[arg(long, value_name = "SIZE")]
    budget: Option<String>,
    /// Where to serve health, readiness and metrics; port 0 takes a free one [default: 127.0.0.1:7789]
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<String>,
}

impl ServeArgs {
    /// The flags with the keys that they set.
    pub(crate) fn values(&self) -> Vec<(&'static str, &'static str, String)> {
        let all = [
            ("--listen", "http.listen", &self.listen),
            ("--budget", "store.budget", &self.budget),
            ("--admin", "admin.listen", &self.admin),
        ];
        all.into_iter().filter_map(|(flag, key, text)| Some((flag, key, text.clone()?))).collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot make or see the directory {path}")]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot lock {path}")]
    Lock {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("another server (process {holder}) uses {path}; stop it, or name another directory with --dir")]
    Taken { path: PathBuf, holder: String },
    #[error("cannot have a key for tokens")]
    Key(#[source] KeyError),
    #[error("cannot open the store")]
    Node(#[source] NodeError),
    #[error(transparent)]
    Door(Box<DoorError>),
    #[error("cannot listen for commands")]
    Control(#[source] SocketError),
    #[error(transparent)]
    Admin(AdminError),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot use the notification socket {name}")]
    Notify {
        name: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {path}")]
    Announce {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the tasks {0} did not end in time")]
    Unfinished(String),
    #[error("the task {0} panicked")]
    Panicked(&'static str),
}

/// Runs until it is told to stop.
pub(crate) async fn run(mut settings: Settings, file: ServerFile, origin: Origin) -> Result<(), ServeError> {
    let environment = origin.environment.clone();
    let stop = Stop::default();
    let asked = stop.clone();
    let hangups: [Arc<Notify>; 2] = Default::default();
    let bells = hangups.clone();
    signals::on_service_signals(
        move |signal| asked.signal(signal.number),
        move || bells.iter().for_each(|bell| bell.notify_one()),
    )
    .map_err(ServeError::Signals)?;
    let [newer_certificates, newer_configuration] = hangups;
    let manager = service_manager(&environment)?;
    make_directory(&settings.dir)?;
    let _lock = take_lock(&settings.dir)?;
    let key = key_file::read_or_make(&settings.key_file).map_err(ServeError::Key)?;
    let (signer, clock) = (Signer::from_key(*key), Arc::new(SystemClock::default()) as Arc<dyn Clock>);
    doors::fit_to_descriptors(&mut settings.node.limits);
    if let Some(upstream) = &settings.upstream {
        let opened = upstream.open().map_err(|cause| ServeError::Node(NodeError::Upstream(cause)))?;
        settings.node.upstream = Some(opened);
        tracing::info!("behind the disk: {}", upstream.place());
    }
    let patience = settings.node.limits.stop + BESIDE_THE_NODE;
    let node = Node::open(settings.node.clone(), signer, Arc::clone(&clock)).await.map_err(ServeError::Node)?;

    let doors = Doors::open(&settings).map_err(|error| ServeError::Door(Box::new(error)))?;
    let certificates = doors.certificates.as_ref().map(|(certificates, _)| Arc::clone(certificates));
    let numbers = numbers(&node, certificates.clone());
    let server = Server { dir: settings.dir.clone(), node: node.clone(), certificates, clock };
    let readiness = readiness::readiness(stop.clone(), server);
    let readiness = readiness.map_err(|cause| ServeError::Directory { path: settings.dir.clone(), cause })?;
    let control = Desk::listen(&settings.dir).map_err(ServeError::Control)?;
    let admin = Admin::new(settings.admin, numbers, readiness)
        .with_pages(pages(node.clone()))
        .listen()
        .await
        .map_err(ServeError::Admin)?;

    let running = Running::of_this_process(admin.address(), &doors);
    let socket = settings.socket.map(|socket| socket.path);
    let tasks = Tasks::new(stop.clone());
    if let Some((certificates, period)) = doors.certificates {
        tasks.spawn("certificates", reload::follow(certificates, period, newer_certificates, stop.clone()));
    }
    let changes = changes::follow(node.clone(), file, origin, newer_configuration, stop.clone());
    tasks.spawn("configuration", changes);
    for (name, listener) in doors.listeners {
        let (serving, until) = (node.clone(), stop.clone());
        tasks.spawn(name, async move { serving.serve(listener, async move { until.requested().await }).await });
    }
    let (desk, until) = (Desk::new(node.clone()), stop.clone());
    tasks.spawn("control", async move { desk.serve(control, async move { until.requested().await }).await });
    tasks.spawn("admin", admin.serve(stop.clone()));
    let announcement = running::path(&settings.dir);
    running.write(&announcement).map_err(|cause| ServeError::Announce { path: announcement.clone(), cause })?;
    manager.ready();
    manager.status(&running.to_string());
    tracing::info!("{running}; objects in {}", settings.dir.display());

    let watchdog =
        manager.watchdog(environment.text("WATCHDOG_USEC"), environment.text("WATCHDOG_PID"), std::process::id());
    let finish = main_loop::run(&tasks, &manager, watchdog, patience).await;
    for path in socket.iter().chain([&announcement, &settings.dir.join(SOCKET)]) {
        let _already_gone = fs::remove_file(path);
    }
    node.stop().await;
    if let Some(StopReason::TaskPanicked(name)) = stop.reason() {
        return Err(ServeError::Panicked(name));
    }
    match finish {
        Finish::Orderly | Finish::Hurried(_) => {
            tracing::info!("stopped");
            Ok(())
        }
        Finish::DeadlinePassed(names) => Err(ServeError::Unfinished(names.join(", "))),
    }
}

fn service_manager(environment: &Environment) -> Result<ServiceManager, ServeError> {
    let Some(name) = environment.text("NOTIFY_SOCKET") else { return Ok(ServiceManager::default()) };
    let send = service_manager::notifier(name).map_err(|cause| ServeError::Notify { name: name.to_owned(), cause })?;
    Ok(ServiceManager::new(send))
}

/// What is in there is for nobody else's eyes: the key first of all.
fn make_directory(path: &Path) -> Result<(), ServeError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|cause| ServeError::Directory { path: path.to_owned(), cause })
}

/// The directory is this process's until the lock is dropped.
pub(crate) fn take_lock(dir: &Path) -> Result<FileLock, ServeError> {
    let path = dir.join("server.lock");
    let failed = |cause| ServeError::Lock { path: path.clone(), cause };
    let Some(mut lock) = FileLock::try_exclusive(&path).map_err(failed)? else {
        let holder = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
        return Err(ServeError::Taken { path: dir.to_owned(), holder });
    };
    lock.sign(&format!("{}\n", std::process::id())).map_err(failed)?;
    Ok(lock)
}

fn numbers(node: &Node, certificates: Option<Arc<Certificates>>) -> Metrics {
    let numbers = Metrics::new(BuildInfo {
        program: "hearth-cache-server",
        version: env!("CARGO_PKG_VERSION"),
        // Set by whoever builds a release.
        commit: option_env!("HEARTH_COMMIT").unwrap_or("unknown"),
    });
    numbers.register(|registry| {
        node.register_metrics(registry);
        if let Some(certificates) = certificates {
            registry.register_collector(Box::new(CertificatesCollector(certificates)));
        }
    });
    numbers
}
