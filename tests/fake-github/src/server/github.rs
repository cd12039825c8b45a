//! The fake in a test's hands: started, asked, told, waited for, and gone with its value.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::faults::{FaultKind, Faults, Injection};
use crate::server::job::Job;
use crate::server::key::AppKey;
use crate::server::openapi::OpenApi;
use crate::server::options::Options;
use crate::server::record::Violation;
use crate::server::route::Route;
use crate::server::state::{Accounts, Grant, JobId, JobRecord, QueueNames, RunnerRecord, Scope, State, random_token};
use crate::server::world::World;
use crate::server::{downloads, rest, runner_service, service, socket};

/// What a classic token needs for everything that runners are about.
pub const ALL_SCOPES: [&str; 3] = ["repo", "admin:org", "manage_runners:enterprise"];

/// A GitHub that listens on a port of this machine until it is dropped.
pub struct FakeGithub {
    world: Arc<World>,
    /// Dropped, it stops the server.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for FakeGithub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeGithub({})", self.url())
    }
}

impl FakeGithub {
    /// Listens from now on, in a thread with a runtime of its own, so that a test's paused clock is not its clock.
    pub fn start(options: Options) -> io::Result<Self> {
        let openapi = options.openapi.as_deref().map(OpenApi::load).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let base = format!("http://{}", listener.local_addr()?);
        let rooms = [rest::routes(), service::routes(), runner_service::routes(), downloads::routes()];
        let routes = rooms.into_iter().flatten().collect();
        let world = Arc::new(World::new(State::new(options, base), routes, openapi));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&world);
        let thread = std::thread::Builder::new().name("fake-github".to_owned());
        let thread = thread.spawn(move || runtime.block_on(socket::run(listener, serving, stopped)))?;
        Ok(Self { world, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`: what an operator of an own server would write, without the owner.
    pub fn url(&self) -> String {
        self.world.state().base.clone()
    }

    /// The URL of an organization, a repository or an enterprise.
    pub fn url_of(&self, scope: &Scope) -> String {
        format!("{}/{scope}", self.url())
    }

    /// The first App's key.
    pub fn app_key(&self) -> AppKey {
        self.world.state().accounts.apps[0].key.clone()
    }

    /// A new classic token of a person who sees everything and may do what these scopes allow.
    pub fn personal_token(&self, scopes: &[&str]) -> String {
        let token = random_token("ghp_", 40);
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.world.state().credentials.add(token.clone(), Grant::Personal { scopes }, None);
        token
    }

    /// Forgets a token, as when its owner revokes it.
    pub fn revoke(&self, token: &str) {
        self.world.change(|state| state.credentials.forget(token));
    }

    /// Forgets every token of every installation; how many that were.
    pub fn revoke_installation_tokens(&self) -> usize {
        self.world.change(|state| state.credentials.forget_all(|grant| matches!(grant, Grant::Installation { .. })))
    }

    /// Forgets every token of every message queue; how many that were.
    pub fn revoke_queue_tokens(&self) -> usize {
        self.world.change(|state| state.credentials.forget_all(|grant| matches!(grant, Grant::Queue { .. })))
    }

    /// Changes who there is and what they may: permissions, groups, names, suspensions.
    pub fn change_accounts(&self, change: impl FnOnce(&mut Accounts)) {
        self.world.change(|state| change(&mut state.accounts));
    }

    /// Names a repository anew, or gives it to another owner: `owner/name` each.
    pub fn rename_repository(&self, from: &str, to: &str, names: QueueNames) {
        self.world.change(|state| state.rename_repository(from, to, names));
    }

    /// Changes times and limits from now on. Accounts and faults have commands of their own.
    pub fn change_options(&self, change: impl FnOnce(&mut Options)) {
        self.world.change(|state| change(&mut state.options));
    }

    /// Puts GitHub's clock forward or back.
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        self.world.clock.set_skew(skew);
    }

    /// Queues a job, in a run of its own.
    pub fn offer(&self, job: Job) -> JobId {
        self.offer_run([job])[0]
    }

    /// Queues the jobs of one run.
    pub fn offer_run(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<JobId> {
        let (jobs, now) = (jobs.into_iter().collect(), self.world.clock.now());
        self.world.change(|state| state.jobs.add_run(jobs, now.time))
    }

    /// Queues a job once more, as the next attempt of its run. None for a job that there is not.
    pub fn rerun(&self, job: JobId) -> Option<JobId> {
        let now = self.world.clock.now();
        self.world.change(|state| state.jobs.add_attempt(job, now.time))
    }

    pub fn cancel(&self, job: JobId) {
        let now = self.world.clock.now();
        self.world.change(|state| state.cancel(job, now));
    }

    /// Follows another random plan from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.world.change(|state| state.plan.replace(faults));
    }

    /// Lets single calls fail.
    pub fn inject(&self, injection: Injection) {
        self.world.change(|state| state.plan.inject(injection));
    }

    /// How many faults of each kind have struck.
    pub fn faults(&self) -> BTreeMap<FaultKind, u64> {
        self.read(|state| state.faults().clone())
    }

    pub fn jobs(&self) -> Vec<JobRecord> {
        self.read(|state| state.jobs().cloned().collect())
    }

    pub fn job(&self, id: JobId) -> Option<JobRecord> {
        self.read(|state| state.job(id).cloned())
    }

    /// Runners that are registered now.
    pub fn runners(&self) -> Vec<RunnerRecord> {
        self.read(|state| state.runners().cloned().collect())
    }

    /// What nobody should have said.
    pub fn violations(&self) -> Vec<Violation> {
        self.read(|state| state.violations().to_vec())
    }

    /// How many calls each operation had.
    pub fn operations(&self) -> BTreeMap<String, u64> {
        self.read(|state| state.operations().clone())
    }

    /// All operations of REST that there are here.
    pub fn rest_operations(&self) -> Vec<String> {
        self.world.routes.iter().filter(|route| route.is_rest()).map(Route::operation).collect()
    }

    /// How many calls came from somebody who had been told to wait.
    pub fn impatient_calls(&self) -> u64 {
        self.read(|state| state.limits.impatient())
    }

    /// Looks at everything at one moment.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.world.state())
    }

    /// Waits until the state is such; whether it was within that time. Blocks the thread, as tests of processes do.
    pub fn until(&self, condition: impl FnMut(&State) -> bool, patience: Duration) -> bool {
        self.world.wait(patience, condition)
    }
}

impl Drop for FakeGithub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has made its test fail already.
            let _ = thread.join();
        }
    }
}
