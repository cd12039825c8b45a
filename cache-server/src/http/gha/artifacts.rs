//! The five calls of the artifact service. A run's jobs share its artifacts, which lie in a space of the run's own: the
//! token says which, the request must repeat it, and no other run reaches it, of whatever scope it is. That is why a job
//! that may write no scope (a release) still stores artifacts.

use hearth_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Call;
use super::caches::size_of;
use super::entries::{self, Kept};
use super::grants::{Download, Errand, File, Upload};
use super::twirp::{self, Code, Form, Refusal};
use super::wire::{
    ArtifactIdResponse, ArtifactRequest, CreateArtifactRequest, CreateArtifactResponse, FinalizeArtifactRequest,
    GetSignedArtifactUrlResponse, ListArtifactsRequest, ListArtifactsResponse, ListedArtifact,
};
use crate::access::{self, Act, Caller, Done};
use crate::http::dates::{from_document, in_document};
use crate::http::reply::Reply;
use crate::http::webdav::Removal;
use crate::keys::{Address, ObjectKey, Reserved};

const MAX_NAME_LENGTH: usize = 1024;
/// GitHub refuses them too: they cannot be file names everywhere.
const NOT_IN_NAMES: [char; 9] = ['"', ':', '<', '>', '|', '*', '?', '\\', '/'];
const MAX_MEDIA_TYPE_LENGTH: usize = 200;
const ZIP: &str = "application/zip";

/// What is kept beside an artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attributes {
    /// The first instant at which it is gone, in milliseconds.
    pub(super) expires_at: i64,
    /// The job that made it.
    job: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// An artifact that has not expired.
struct Artifact {
    kept: Kept,
    name: String,
    attributes: Attributes,
}

impl Artifact {
    /// `None` when it has expired.
    fn of(kept: Kept, now: Timestamp) -> Option<Self> {
        let (_, name) = kept.address.key.as_str().rsplit_once('/')?;
        let name = name.to_owned();
        let attributes: Attributes = serde_json::from_str(&kept.attributes).ok()?;
        (now.as_millis() < attributes.expires_at).then_some(Self { kept, name, attributes })
    }
}

/// The first instant at which an artifact with these attributes is gone; `None` where they do not say.
pub(super) fn end(attributes: &str) -> Option<Timestamp> {
    let attributes: Attributes = serde_json::from_str(attributes).ok()?;
    Some(Timestamp::from_millis(attributes.expires_at))
}

/// The caller's run.
struct Run<'a> {
    caller: &'a Caller,
    run: &'a access::Run,
}

pub(super) async fn call(call: &Call<'_>, method: &str, form: Form, message: &[u8]) -> Result<Reply, Refusal> {
    if form != Form::Json {
        return Err(Refusal::new(Code::BadRoute, "the artifact service speaks JSON"));
    }
    match method {
        "CreateArtifact" => create(call, &twirp::read_json(message)?).await.map(|answer| twirp::reply_json(&answer)),
        "FinalizeArtifact" => {
            finalize(call, &twirp::read_json(message)?).await.map(|answer| twirp::reply_json(&answer))
        }
        "ListArtifacts" => list(call, &twirp::read_json(message)?).await.map(|answer| twirp::reply_json(&answer)),
        "GetSignedArtifactURL" => {
            sign(call, &twirp::read_json(message)?).await.map(|answer| twirp::reply_json(&answer))
        }
        "DeleteArtifact" => delete(call, &twirp::read_json(message)?).await.map(|answer| twirp::reply_json(&answer)),
        _ => Err(Refusal::new(Code::BadRoute, format!("the artifact service has no method {method:.100}"))),
    }
}

impl<'a> Run<'a> {
    /// The run that the request names, which must be the caller's own.
    fn of(call: &'a Call<'_>, run: &str, job: &str) -> Result<Self, Refusal> {
        let caller = call.caller()?;
        let Some(own) = &caller.run else {
            return Err(Refusal::new(Code::PermissionDenied, "artifacts belong to a run, and this token to none"));
        };
        // A job names itself when it stores an artifact and the one that did when it asks for it; any of the run will do.
        if run != &*own.backend || job.is_empty() || job.len() > MAX_NAME_LENGTH {
            return Err(Refusal::new(Code::PermissionDenied, "the request is about another run than the token"));
        }
        Ok(Self { caller, run: own })
    }

    /// Where an artifact of this name is; all of the run's, for the empty name.
    fn place(&self, name: &str) -> Result<Address, Refusal> {
        let key = ObjectKey::reserved(Reserved::Artifacts, &format!("{}/{name}", self.run.backend));
        let key = key.map_err(|_| Refusal::new(Code::InvalidArgument, "this cannot be the name of an artifact"))?;
        Ok(Address { space: self.run.space.clone(), key })
    }

    fn address(&self, name: &str) -> Result<Address, Refusal> {
        if name.is_empty() || name.len() > MAX_NAME_LENGTH || name.contains(NOT_IN_NAMES) {
            return Err(Refusal::new(Code::InvalidArgument, "this cannot be the name of an artifact"));
        }
        self.place(name)
    }

    /// The artifacts that have not expired.
    async fn artifacts(&self, call: &Call<'_>) -> Result<Vec<Artifact>, Refusal> {
        let Address { space, key } = self.place("")?;
        let all = entries::list(call.around.store, &space, &key).await?;
        Ok(all.into_iter().filter_map(|kept| Artifact::of(kept, call.now)).collect())
    }

    async fn named(&self, call: &Call<'_>, name: &str) -> Result<Artifact, Refusal> {
        let kept = entries::look(call.around.store, &self.address(name)?).await?;
        let artifact = kept.and_then(|kept| Artifact::of(kept, call.now));
        artifact.ok_or_else(|| Refusal::new(Code::NotFound, format!("the run has no artifact {name}")))
    }
}

async fn create(call: &Call<'_>, request: &CreateArtifactRequest) -> Result<CreateArtifactResponse, Refusal> {
    let run = Run::of(call, &request.workflow_run_backend_id, &request.workflow_job_run_backend_id)?;
    let address = run.address(&request.name)?;
    let asked = match &request.expires_at {
        Some(text) => Some(from_document(text).ok_or_else(|| {
            Refusal::new(Code::InvalidArgument, "`expires_at` is not an instant as RFC 3339 writes it")
        })?),
        None => None,
    };
    let media_type = request.mime_type.clone().filter(|text| is_media_type(text));
    if let Some(kept) = entries::look(call.around.store, &address).await? {
        let name = kept.name;
        if Artifact::of(kept, call.now).is_some() {
            return Err(Refusal::new(Code::AlreadyExists, "the run has an artifact of this name already"));
        }
        // It has expired, and nobody has needed its room so far.
        entries::remove(call.around.store, name).await?;
    }
    let life = call.around.store.config.artifacts;
    let note = Attributes {
        expires_at: life.end(&run.caller.who, asked, call.now).as_millis(),
        job: request.workflow_job_run_backend_id.clone(),
        media_type,
        digest: None,
    };
    let upload = Upload::new(run.caller, &address);
    entries::begin(call.around.store, &upload, to_text(&note)).await?;
    let signed_upload_url = call.address(Reserved::Artifacts, &Errand::Upload(upload))?;
    Ok(CreateArtifactResponse { ok: true, signed_upload_url })
}

async fn finalize(call: &Call<'_>, request: &FinalizeArtifactRequest) -> Result<ArtifactIdResponse, Refusal> {
    let run = Run::of(call, &request.workflow_run_backend_id, &request.workflow_job_run_backend_id)?;
    let address = run.address(&request.name)?;
    let size = size_of(request.size)?;
    if request.hash.as_ref().is_some_and(|hash| !is_digest(hash)) {
        return Err(Refusal::new(Code::InvalidArgument, "`hash` is `sha256:` and 64 hexadecimal digits"));
    }
    let upload = Upload::new(run.caller, &address);
    let note = entries::note(call.around.store, &upload).await?;
    let note = note.and_then(|note| serde_json::from_str::<Attributes>(&note).ok());
    // Without a note this may be the second time that somebody asks, because the first answer was lost.
    let attributes = note.map(|note| to_text(&Attributes { digest: request.hash.clone(), ..note }));
    let attributes = attributes.unwrap_or_default();
    let kept = entries::commit(call, run.caller, &upload, size, &attributes).await?;
    Ok(ArtifactIdResponse { ok: true, artifact_id: kept.id() })
}

async fn list(call: &Call<'_>, request: &ListArtifactsRequest) -> Result<ListArtifactsResponse, Refusal> {
    let run = Run::of(call, &request.workflow_run_backend_id, &request.workflow_job_run_backend_id)?;
    let mut artifacts = run.artifacts(call).await?;
    if let Some(name) = &request.name_filter {
        artifacts.retain(|artifact| artifact.name == *name);
    }
    if let Some(id) = request.id_filter {
        artifacts.retain(|artifact| artifact.kept.id() == id);
    }
    let listed = artifacts.into_iter().map(|artifact| ListedArtifact {
        workflow_run_backend_id: run.run.backend.to_string(),
        workflow_job_run_backend_id: artifact.attributes.job,
        database_id: artifact.kept.id(),
        name: artifact.name,
        size: i64::try_from(artifact.kept.length).unwrap_or(i64::MAX),
        created_at: in_document(artifact.kept.stored_at),
        digest: artifact.attributes.digest,
    });
    Ok(ListArtifactsResponse { artifacts: listed.collect() })
}

async fn sign(call: &Call<'_>, request: &ArtifactRequest) -> Result<GetSignedArtifactUrlResponse, Refusal> {
    let run = Run::of(call, &request.workflow_run_backend_id, &request.workflow_job_run_backend_id)?;
    let artifact = run.named(call, &request.name).await?;
    let file = match artifact.attributes.media_type {
        // A file that was uploaded as it is; its name is the artifact's.
        Some(media_type) if media_type != ZIP => File { name: artifact.name, media_type },
        _ => File { name: format!("{}.zip", artifact.name), media_type: ZIP.to_owned() },
    };
    let errand = Errand::Download(Download { name: artifact.kept.name, file: Some(file) });
    Ok(GetSignedArtifactUrlResponse { signed_url: call.address(Reserved::Artifacts, &errand)? })
}

async fn delete(call: &Call<'_>, request: &ArtifactRequest) -> Result<ArtifactIdResponse, Refusal> {
    let run = Run::of(call, &request.workflow_run_backend_id, &request.workflow_job_run_backend_id)?;
    let artifact = run.named(call, &request.name).await?;
    entries::remove(call.around.store, artifact.kept.name).await?;
    call.note(Act::Remove, &artifact.kept.address.key, Done { outcome: Removal::Removed.as_str(), size: None });
    Ok(ArtifactIdResponse { ok: true, artifact_id: artifact.kept.id() })
}

fn to_text(attributes: &Attributes) -> String {
    serde_json::to_string(attributes).expect("texts and integers")
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether a text may stand in a header as a media type.
fn is_media_type(text: &str) -> bool {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    let parts = text.split_once('/');
    text.len() <= MAX_MEDIA_TYPE_LENGTH
        && parts.is_some_and(|(kind, sub)| [kind, sub].iter().all(|part| !part.is_empty() && part.bytes().all(in_name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_media_types_are_known() {
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert!(is_digest(&format!("sha256:{digits}")));
        for text in [digits.as_str(), "sha256:", &format!("sha1:{digits}"), &format!("sha256:{digits}0"), "sha256:é"] {
            assert!(!is_digest(text), "{text}");
        }
        for text in ["application/zip", "text/plain", "image/svg+xml"] {
            assert!(is_media_type(text), "{text}");
        }
        for text in ["", "zip", "/", "a/", "text/plain; charset=utf-8", "a/b/c", "a/b\r\nx: y", "a/é"] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
