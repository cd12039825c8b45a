//! Archives of the runner program, served as files are: whole, from where they lie.

use std::fs;

use aws_lc_rs::digest::{SHA256, digest};
use hyper::{Method, StatusCode};

use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::limiting::hex;
use crate::server::options::{Checksum, RunnerApplication};
use crate::server::route::{Nature, Room, Route};
use crate::server::state::{Grant, Presented, State};

pub(crate) fn routes() -> Vec<Route> {
    vec![Route::new(Room::Download, Method::GET, "/{index}/{filename}", serve).nature(Nature::Fixture)]
}

/// Below `/_downloads`.
pub(crate) fn address(index: usize, application: &RunnerApplication) -> String {
    format!("/{index}/{}", filename(application))
}

pub(crate) fn filename(application: &RunnerApplication) -> String {
    let RunnerApplication { os, architecture, version, .. } = application;
    let kind = if os == "win" { "zip" } else { "tar.gz" };
    format!("actions-runner-{os}-{architecture}-{version}.{kind}")
}

/// What the list says about the archive; nothing when it cannot be read either.
pub(crate) fn checksum(application: &RunnerApplication) -> Option<String> {
    match &application.checksum {
        Checksum::Absent => None,
        Checksum::Wrong(text) => Some(text.clone()),
        Checksum::Right => Some(hex(digest(&SHA256, &fs::read(&application.archive).ok()?).as_ref())),
    }
}

fn serve(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let index = usize::try_from(call.id("index")?).map_err(|_| Answer::not_found())?;
    let application = state.options.applications.get(index).ok_or_else(Answer::not_found)?;
    if filename(application) != call.parameter("filename") {
        return Err(Answer::not_found());
    }
    let presented = Presented::read(call.header("authorization"));
    let token = match presented {
        Presented::Bearer(token) => state.credentials.find(token, call.now.instant),
        _ => None,
    };
    if application.needs_token && token != Some(&Grant::Download) {
        return Err(Answer::unauthorized());
    }
    if !application.needs_token && presented != Presented::Nothing {
        // A token that goes where nobody asked for it is a token that leaks.
        state.record.violation(format!("GET {}", call.path), "a token for a download that needs none");
        return Err(Answer::error(StatusCode::BAD_REQUEST, "no token is wanted here"));
    }
    let bytes = fs::read(&application.archive).map_err(|_| Answer::not_found())?;
    Ok(Answer::bytes(bytes.into()))
}
