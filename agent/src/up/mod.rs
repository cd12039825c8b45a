//! `hearth up`: the running daemon. Takes the state directory, opens the parts, then the sockets, and starts the tasks
//! last; stops them in order.
//!
//! ```text
//!  lock ─▶ app ─▶ recover ─▶ node ─▶ cache port, desk socket, admin port ─▶ tasks ─▶ READY
//!                                                                 signal ─▶ STOPPING ─▶ tasks end ─▶ node stops
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_cache_server::{Node, NodeError, Ownership};
use hearth_daemon::admin::{Admin, AdminError, AdminSettings, Reach, Readiness};
use hearth_daemon::main_loop;
use hearth_daemon::metrics::{BuildInfo, Metrics};
use hearth_daemon::service_manager::ServiceManager;
use hearth_daemon::stop::{Stop, StopReason};
use hearth_daemon::tasks::{Finish, Tasks};
use hearth_daemon::upkeep::Upkeep;
use hearth_host::lock::FileLock;
use hearth_host::{service_manager, signals};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::app::{App, AppError};
use crate::dashboard;
use crate::desk::{DeskServer, ServerError};
use crate::dispatch::{Control, Dispatch, DispatchError, Keepers};
use crate::environment::Environment;
use crate::journey::chain;
use crate::metrics;
use crate::places::{Places, PlacesError};
use crate::runner::{self, VersionsError};
use crate::settings::Settings;
use crate::upkeep;

mod running;

pub use running::{Running, RunningError};

/// Requests of jobs and uploads get this long to end.
const STOP_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum UpError {
    #[error(transparent)]
    Places(PlacesError),
    #[error(transparent)]
    App(AppError),
    #[error(
        "another daemon ({holder}) uses the state directory {path}; stop it, or name another directory with --state"
    )]
    Taken { path: PathBuf, holder: String },
    #[error("cannot lock {path}")]
    Lock {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("what a crash left open cannot be closed in the ledger")]
    Recover(#[source] hearth_ledger::LedgerError),
    #[error("cannot open the cache node")]
    Node(#[source] NodeError),
    #[error("cannot serve the cache node on {address}")]
    CacheListen {
        address: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot find this program's own file")]
    Own(#[source] io::Error),
    #[error(transparent)]
    Versions(VersionsError),
    #[error(transparent)]
    Dispatch(DispatchError),
    #[error(transparent)]
    Desk(ServerError),
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

/// Who may ask for the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    ThisMachine,
    Network,
}

/// Start the daemon of this machine: cache node, desk for jobs, health, metrics and dashboard
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The daemon runs in the foreground until SIGINT or SIGTERM; a second signal does not wait for requests under way. Jobs \
that run meanwhile go on, and book themselves when they end.

  /          the dashboard         /healthz   the process lives
  /metrics   OpenMetrics           /readyz    it can take jobs, or says why not")]
pub struct UpArgs {
    /// Where to serve health, metrics and dashboard; port 0 takes a free one [default: 127.0.0.1:7788]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin: Option<SocketAddr>,
    /// Where to serve the cache node to jobs; port 0 takes a free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub cache: Option<SocketAddr>,
    /// Allow an admin address that other machines can reach; the pages have no password
    #[arg(long)]
    pub admin_on_network: bool,
}

/// Runs until it is told to stop.
pub async fn run(args: UpArgs, mut settings: Settings, environment: &Environment) -> Result<(), UpError> {
    if let Some(address) = args.admin {
        settings.file.admin.listen = address.to_string();
    }
    if let Some(address) = args.cache {
        settings.file.cache.listen = address.to_string();
    }
    let pages = if args.admin_on_network { Pages::Network } else { Pages::ThisMachine };
    let stop = Stop::default();
    let asked = stop.clone();
    signals::on_stop_signals(move |signal| asked.signal(signal.number)).map_err(UpError::Signals)?;
    let manager = service_manager(environment)?;

    let places = Places::open(&settings.state).map_err(UpError::Places)?;
    let _lock = take_lock(&places)?;
    let app = Arc::new(App::open(settings).map_err(UpError::App)?);
    for warning in &app.warnings {
        tracing::warn!("{warning}");
    }
    for execution in app.recover().map_err(UpError::Recover)? {
        tracing::warn!(job.execution = %execution, "job {execution} had lost its process and is booked as lost");
    }
    let dispatch = open_dispatch(&app, environment).await?;
    let node = app.open_node(Ownership::Alone).await.map_err(UpError::Node)?;

    let cache_address = app.settings.file.cache.listen.clone();
    let cache = TcpListener::bind(&cache_address).await;
    let cache = cache.map_err(|cause| UpError::CacheListen { address: cache_address, cause })?;
    let cache_address = cache.local_addr().map_err(|cause| UpError::CacheListen { address: String::new(), cause })?;
    let desk = DeskServer::listen(&places.daemon_socket()).map_err(UpError::Desk)?;
    let numbers = numbers(&app, &node, dispatch.control.clone());
    let admin = admin(&app, pages, &stop, &numbers);
    let pages = dashboard::pages(Arc::clone(&app), node.clone(), dispatch.control.clone());
    let admin = admin.with_pages(pages).listen().await.map_err(UpError::Admin)?;
    let admin_address = admin.address();

    let tasks = Tasks::new(stop.clone());
    let serving = node.clone();
    let until = stop.clone();
    tasks.spawn("cache", async move { serving.serve(cache, async move { until.requested().await }).await });
    let wake = Arc::new(Notify::new());
    let board = dispatch.control.clone();
    start_desk(&tasks, DeskServer::new(Arc::clone(&app), cache_address, Arc::clone(&wake), board), desk);
    tasks.spawn("admin", admin.serve(stop.clone()));
    tasks.spawn("clones", upkeep::when_rung(Arc::clone(&app), wake, stop.clone()));
    let regular = Upkeep::new(upkeep::tasks(&app), &numbers, Arc::clone(&app.clock));
    tasks.spawn("upkeep", regular.run(stop.clone()));
    if !dispatch.forges.is_empty() || app.settings.runner.archive.is_some() {
        // Any place will do: they all offer the same.
        let (versions, github) = (app.runner_versions().map_err(UpError::Versions)?, dispatch.forges.first().cloned());
        tasks.spawn("runner versions", runner::follow(versions, github, stop.clone()));
    }
    dispatch.start(&tasks, &stop);

    let running = Running::new(admin_address, cache_address);
    let announcement = places.announcement();
    running.write(&announcement).map_err(|cause| UpError::Announce { path: announcement.clone(), cause })?;
    manager.ready();
    manager.status(&format!("dashboard at http://{admin_address}/"));
    tracing::info!(
        admin.address = %admin_address,
        cache.address = %cache_address,
        "hearth is up: dashboard at http://{admin_address}/, state in {}",
        places.root().display()
    );
    let watchdog =
        manager.watchdog(environment.text("WATCHDOG_USEC"), environment.text("WATCHDOG_PID"), std::process::id());
    let finish = main_loop::run(&tasks, &manager, watchdog, STOP_LIMIT).await;
    let _already_gone = std::fs::remove_file(&announcement);
    let _already_gone = std::fs::remove_file(places.daemon_socket());
    node.stop().await;
    if let Some(StopReason::TaskPanicked(name)) = stop.reason() {
        return Err(UpError::Panicked(name));
    }
    match finish {
        Finish::Orderly | Finish::Hurried(_) => {
            tracing::info!("stopped");
            Ok(())
        }
        Finish::DeadlinePassed(names) => Err(UpError::Unfinished(names.join(", "))),
    }
}

/// Everything that listens to forges. Sends nothing yet.
async fn open_dispatch(app: &Arc<App>, environment: &Environment) -> Result<Dispatch, UpError> {
    let own = std::env::current_exe().map_err(UpError::Own)?;
    let versions = app.runner_versions().map_err(UpError::Versions)?;
    let keepers = Keepers::new(own, versions, environment);
    Dispatch::open(app, keepers).await.map_err(UpError::Dispatch)
}

fn service_manager(environment: &Environment) -> Result<ServiceManager, UpError> {
    let Some(name) = environment.text("NOTIFY_SOCKET") else { return Ok(ServiceManager::default()) };
    let send = service_manager::notifier(name).map_err(|cause| UpError::Notify { name: name.to_owned(), cause })?;
    Ok(ServiceManager::new(send))
}

fn take_lock(places: &Places) -> Result<FileLock, UpError> {
    let path = places.daemon_lock();
    let failed = |cause| UpError::Lock { path: path.clone(), cause };
    let Some(mut lock) = FileLock::try_exclusive(&path).map_err(failed)? else {
        let holder = std::fs::read_to_string(&path).unwrap_or_default();
        let holder = format!("process {}", holder.trim());
        return Err(UpError::Taken { path: places.root().to_owned(), holder });
    };
    lock.sign(&format!("{}\n", std::process::id())).map_err(failed)?;
    Ok(lock)
}

fn numbers(app: &Arc<App>, node: &Node, control: Control) -> Metrics {
    let numbers = Metrics::new(BuildInfo {
        program: "hearth",
        version: env!("CARGO_PKG_VERSION"),
        // Set by whoever builds a release.
        commit: option_env!("HEARTH_COMMIT").unwrap_or("unknown"),
    });
    numbers.register(|registry| node.register_metrics(registry));
    metrics::register(&numbers, Arc::clone(app), control);
    numbers
}

fn admin(app: &Arc<App>, pages: Pages, stop: &Stop, numbers: &Metrics) -> Admin {
    let file = &app.settings.file.admin;
    let listen = file.listen.parse().expect("the settings were checked when they were loaded");
    let reach = match pages {
        Pages::ThisMachine => Reach::ThisMachine,
        Pages::Network => Reach::Network,
    };
    let asked = Arc::clone(app);
    let root = app.places.root().to_owned();
    let readiness = Readiness::new(stop.clone())
        .with("ledger", move || {
            let app = Arc::clone(&asked);
            async move { off_thread(move || app.book.recent(1).map(drop).map_err(|e| chain(&e))).await }
        })
        .with("state", move || {
            let root = root.clone();
            async move {
                let write = move || {
                    let probe = root.join(".ready.partial");
                    let written = std::fs::write(&probe, b"ready").and_then(|()| std::fs::remove_file(&probe));
                    written.map_err(|e| format!("cannot write in {}: {e}", root.display()))
                };
                off_thread(write).await
            }
        });
    let settings = AdminSettings { listen, reach, names: file.host_names.clone() };
    Admin::new(settings, numbers.clone(), readiness)
}

async fn off_thread(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("the check stumbled".to_owned()))
}

fn start_desk(tasks: &Tasks, desk: DeskServer, listener: tokio::net::UnixListener) {
    let (spawner, stop) = (tasks.clone(), tasks.stop().clone());
    tasks.spawn("desk", async move {
        // A question that is being answered has a task of its own and is waited for; only the listening is dropped.
        tokio::select! {
            () = desk.serve(listener, move |answer| drop(spawner.spawn("desk answer", answer))) => {}
            () = stop.requested() => {}
        }
    });
}
