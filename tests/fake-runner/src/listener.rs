//! The life of a runner: a session at the service, the wait for one job, the job, and an exit code.
//!
//! ```text
//!   session ──409──▶ again, for a while ──▶ 5        job ──▶ 0, or 100 and more with the result
//!      │ ──404──▶ 1    ──426──▶ 1 or 7                │
//!      ▼                                              │
//!   listening ──message, acquired─────────────────────┘
//!      │ ──404──▶ 0    ──426──▶ 1 or 7    ──errors──▶ 2    ──signal──▶ 0 (SIGINT), 143 (SIGTERM)
//! ```

use std::time::Duration;

use fake_github::runner_protocol::{JobMessage, OpenSession};
use reqwest::StatusCode;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::configuration::Configuration;
use crate::diagnostics::{Terminal, chain};
use crate::exit::{RETRYABLE_ERROR, SESSION_CONFLICT, SUCCESS, TERMINATED_ERROR, VERSION_DEPRECATED};
use crate::job::Site;
use crate::service::{Service, ServiceError};
use crate::stop::{Farewell, Stop, Stopped, Stopper, reached};

/// Questions for a job that may go wrong in a row.
const POLLS_WITHOUT_ANSWER: u32 = 10;

pub(crate) struct Listener<'a> {
    pub(crate) site: Site<'a>,
    pub(crate) service: Service,
    pub(crate) stopper: Stopper,
    pub(crate) stopped: Stopped,
    pub(crate) farewell: watch::Receiver<Option<Farewell>>,
    pub(crate) terminal: Terminal,
}

impl Listener<'_> {
    /// Gives the exit code.
    pub(crate) async fn run(&mut self) -> u8 {
        let (mut stopped, patience) = (self.stopped.clone(), self.site.root.release.pace.shutdown());
        let out_of_time = async {
            reached(&mut stopped, Stop::Shutdown).await;
            sleep(patience).await;
        };
        // What is dropped has had its time: a job that does not end, or a service that does not answer.
        let code = tokio::select! {
            code = self.live() => code,
            () = out_of_time => SUCCESS,
        };
        let farewell = *self.farewell.borrow();
        match farewell {
            Some(Farewell::Own) => SUCCESS,
            Some(Farewell::BySignal(code)) => code,
            None => code,
        }
    }

    async fn live(&mut self) -> u8 {
        let mut stopped = self.stopped.clone();
        // A session that is just being opened is lost with its answer, as in the official program.
        let session = tokio::select! {
            session = self.open_session() => session,
            () = reached(&mut stopped, Stop::Shutdown) => Err(SUCCESS),
        };
        match session {
            Err(code) => code,
            Ok(session) => {
                self.terminal.say(&format!("Current runner version: '{}'", self.site.root.release.version));
                self.terminal.say_at("Listening for Jobs");
                self.listen(&session).await
            }
        }
    }

    async fn open_session(&mut self) -> Result<String, u8> {
        let Site { root, configuration, .. } = self.site;
        let of = OpenSession {
            agent_id: configuration.runner.agent_id,
            agent_name: configuration.runner.agent_name.clone(),
            version: root.release.version.clone(),
            os: std::env::consts::OS.to_owned(),
            secret: configuration.key.secret.clone(),
        };
        let pace = &root.release.pace;
        let mut conflict = Duration::ZERO;
        let mut is_connected = true;
        loop {
            self.terminal.say("\n√ Connected to GitHub\n");
            let error = match self.service.open_session(&of).await {
                Ok(session) => {
                    self.reconnected(&mut is_connected);
                    return Ok(session.session_id);
                }
                Err(error) => error,
            };
            self.terminal.trace(&chain(&error));
            if let Some(code) = self.refused(&error) {
                return Err(code);
            }
            match error.status() {
                Some(StatusCode::CONFLICT) => {
                    self.terminal.complain("A session for this runner already exists.");
                    conflict += pace.session_retry();
                    if conflict >= pace.conflict_limit() {
                        return Err(SESSION_CONFLICT);
                    }
                }
                Some(StatusCode::NOT_FOUND) => {
                    self.terminal.complain("No session: the registration of this runner is gone from the service.");
                    return Err(TERMINATED_ERROR);
                }
                _ => {}
            }
            self.lost_connection(&mut is_connected, &error);
            sleep(pace.session_retry()).await;
        }
    }

    /// Waits for a job and runs it; closes the session unless there is none any more.
    async fn listen(&mut self, session: &str) -> u8 {
        let mut stopped = self.stopped.clone();
        // A message that is just arriving is not acquired, so the service gives the job to another runner.
        let job = tokio::select! {
            job = self.next_job(session) => job,
            () = reached(&mut stopped, Stop::Shutdown) => Err(End::Closing(SUCCESS)),
        };
        let end = match job {
            Ok(job) => self.play_job(&job, session).await,
            Err(end) => end,
        };
        let (code, removes_configuration) = match end {
            End::Closing(code) | End::AfterJob(code) => {
                if let Err(error) = self.service.close_session(session).await {
                    self.terminal.trace(&chain(&error));
                }
                (code, matches!(end, End::AfterJob(_)) && self.site.configuration.runner.ephemeral)
            }
            End::Gone => (SUCCESS, true),
        };
        if removes_configuration {
            for name in Configuration::delete(self.site.root) {
                self.terminal.say(&format!("√ Removed {name}"));
            }
        }
        code
    }

    async fn next_job(&mut self, session: &str) -> Result<JobMessage, End> {
        let pace = &self.site.root.release.pace;
        let mut errors = 0;
        let mut is_connected = true;
        loop {
            let error = match self.service.message(session, pace.poll()).await {
                Ok(message) => {
                    errors = 0;
                    self.reconnected(&mut is_connected);
                    if let Some(job) = message
                        && self.acquire(&job, session).await
                    {
                        return Ok(job);
                    }
                    continue;
                }
                Err(error) => error,
            };
            self.terminal.trace(&chain(&error));
            if let Some(code) = self.refused(&error) {
                return Err(End::Closing(code));
            }
            if error.status() == Some(StatusCode::NOT_FOUND) {
                self.terminal
                    .complain("The registration of this runner is gone from the service, and so are its files.");
                return Err(End::Gone);
            }
            errors += 1;
            if errors >= POLLS_WITHOUT_ANSWER {
                self.terminal.complain(&format!("An error occurred: {}", chain(&error)));
                return Err(End::Closing(RETRYABLE_ERROR));
            }
            self.lost_connection(&mut is_connected, &error);
            sleep(pace.poll_retry()).await;
        }
    }

    /// Whether the job is ours. When not, it is somebody else's, or over.
    async fn acquire(&mut self, job: &JobMessage, session: &str) -> bool {
        let acquired = self.service.acquire(&job.job_id, session).await;
        if let Err(error) = &acquired {
            self.terminal.trace(&format!("job {} is not ours: {}", job.job_id, chain(error)));
            sleep(self.site.root.release.pace.poll_retry()).await;
        }
        acquired.is_ok()
    }

    /// The exit code when asking again is of no use.
    fn refused(&mut self, error: &ServiceError) -> Option<u8> {
        let is_too_old = matches!(error, ServiceError::TooOld { .. });
        if !is_too_old && !matches!(error.status(), Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) {
            return None;
        }
        self.terminal.complain(&format!("An error occurred: {}", chain(error)));
        let is_told = is_too_old && self.site.environment.returns_version_deprecated();
        Some(if is_told { VERSION_DEPRECATED } else { TERMINATED_ERROR })
    }

    /// Says so at the first of several errors.
    fn lost_connection(&mut self, is_connected: &mut bool, error: &ServiceError) {
        if std::mem::replace(is_connected, false) {
            let said = format!("Runner connect error: {}. Retrying until reconnected.", chain(error));
            self.terminal.complain_at(&said);
        }
    }

    /// Says so after errors.
    fn reconnected(&mut self, is_connected: &mut bool) {
        if !std::mem::replace(is_connected, true) {
            self.terminal.say_at("Runner reconnected.");
        }
    }
}

/// What is left to do when the runner ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Close the session.
    Closing(u8),
    /// And take the configuration away, when it was for one job.
    AfterJob(u8),
    /// The registration is gone: there is no session, and the configuration is good for nothing.
    Gone,
}
