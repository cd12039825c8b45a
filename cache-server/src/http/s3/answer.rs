//! One request of S3 from its head to its answer: who signed it, what it asks for, whether both go together.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode};
use tokio::time::timeout;

use super::copies;
use super::error::Code;
use super::lists;
use super::multipart;
use super::objects;
use super::operation::{Operation, operation};
use super::payload::Payload;
use super::query::{Query, decoded};
use super::signature::{Seal, Signable, claim};
use super::xml::Document;
use crate::access::Refusal;
use crate::http::inflow::{Cut, Inflow};
use crate::http::reply::{self, Reply, ReplyBody};
use crate::http::webdav::{Around, CHECK_BODY};
use crate::keys::{Place, place};
use crate::node::Node;
use crate::objects::NodeObjects;

/// How much of a body is read for the sake of an answer that refuses it.
const REFUSED_BODY: u64 = 1024 * 1024;
/// Enough for the longest list of parts, or of keys.
const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;
const REGION: &str = "us-east-1";

/// What a good signature stands for.
struct Admitted {
    operation: Operation,
    objects: NodeObjects,
    query: Query,
    /// What the signature says of the body.
    payload: String,
    seal: Seal,
}

pub(crate) async fn answer(request: Request<Incoming>, node: &Node, around: Around<'_>) -> Reply {
    let (head, body) = request.into_parts();
    // Whoever asks: any other word makes sccache refuse to start, or to write.
    if place(head.uri.path()) == Ok(Place::Check) {
        return check(&head.method, body, around).await;
    }
    let refused = match admit(&head, node) {
        Ok(admitted) => match carry_out(admitted, &head, body, around).await {
            Ok(reply) => return reply,
            Err(code) => code,
        },
        Err(code) => {
            node.count_refused();
            if !head.headers.contains_key(EXPECT) {
                skip(body, around).await;
            }
            code
        }
    };
    let mut reply = if head.method == Method::HEAD { refused.head() } else { refused.reply(head.uri.path()) };
    if head.headers.contains_key(EXPECT) {
        // Whether the body still comes, only the client knows. What comes next must not be taken for it.
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn admit(head: &Parts, node: &Node) -> Result<Admitted, Code> {
    let path = decoded(head.uri.path()).map_err(|_| Code::InvalidKey)?;
    let query = Query::parse(head.uri.query().unwrap_or_default()).map_err(|_| Code::InvalidArgument)?;
    let authority = head.uri.authority().map(Authority::as_str);
    let request = Signable { method: &head.method, path: &path, query: &query, headers: &head.headers, authority };
    let claim = claim(request, node.now())?;
    let admitted = node.admit_s3(claim.access_key).map_err(|refusal| match refusal {
        Refusal::Nobody | Refusal::Forged => Code::InvalidAccessKeyId,
        Refusal::Expired | Refusal::Revoked => Code::ExpiredToken,
    });
    let (objects, secret) = admitted.map_err(|code| softened(code, request))?;
    let seal = claim.verified(request, &secret)?;
    let operation = operation(request.method, request.path, request.query, request.headers)?;
    let payload = claim.payload.to_owned();
    Ok(Admitted { operation, objects, query, payload, seal })
}

/// A token that has had its day reads nothing any more: to a build that is a miss, not an error.
fn softened(code: Code, request: Signable<'_>) -> Code {
    let reads = operation(request.method, request.path, request.query, request.headers);
    match (code, reads) {
        (Code::ExpiredToken, Ok(Operation::Get(_) | Operation::Head(_))) => Code::NoSuchKey,
        _ => code,
    }
}

async fn carry_out(admitted: Admitted, head: &Parts, body: Incoming, around: Around<'_>) -> Result<Reply, Code> {
    let Admitted { operation, objects, query, payload, seal } = admitted;
    match operation {
        Operation::Get(key) => objects::get(&objects, &key, &head.headers, around).await,
        Operation::Head(key) => objects::head(&objects, &key, &head.headers).await,
        Operation::Put(key) => {
            let payload = Payload::of(&head.headers, &payload, seal)?;
            objects::put(&objects, &key, &head.headers, payload, body, around).await
        }
        Operation::Delete(key) => objects::delete(&objects, &key).await,
        Operation::DeleteObjects(bucket) => {
            let list = document(Payload::of(&head.headers, &payload, seal)?, body, around).await?;
            objects::delete_all(&objects, &bucket, &list).await
        }
        Operation::HeadBucket(_) | Operation::CreateBucket(_) => {
            skip(body, around).await;
            let mut reply = reply::status(StatusCode::OK);
            reply.headers_mut().insert("x-amz-bucket-region", REGION.parse().expect("a region is a text"));
            Ok(reply)
        }
        Operation::BucketLocation(_) => Ok(Document::new("LocationConstraint").reply()),
        Operation::ListBuckets => lists::buckets(&objects, around).await,
        Operation::ListObjects(bucket, style) => lists::objects(&objects, &bucket, style, &query, around).await,
        Operation::Copy { key, source } => {
            skip(body, around).await;
            copies::object(&objects, &key, &source, &head.headers).await
        }
        // Nothing that has tags is stored, so nothing has any.
        Operation::Tags(key) => {
            objects.look(&key).await.ok_or(Code::NoSuchKey)?;
            let mut tagging = Document::new("Tagging");
            tagging.within("TagSet", |_| {});
            Ok(tagging.reply())
        }
        Operation::CreateUpload(key) => {
            skip(body, around).await;
            multipart::create(&objects, &key, &head.headers).await
        }
        Operation::PutPart { key, upload, number } => {
            let payload = Payload::of(&head.headers, &payload, seal)?;
            multipart::put_part(&objects, (&key, &upload, number), payload, body, around).await
        }
        Operation::CopyPart { key, upload, number, source } => {
            skip(body, around).await;
            copies::part_of_upload(&objects, (&key, &upload, number), &source, &head.headers).await
        }
        Operation::CompleteUpload { key, upload } => {
            multipart::refuse_whole_sums(&head.headers)?;
            let list = document(Payload::of(&head.headers, &payload, seal)?, body, around).await?;
            multipart::complete(&objects, &key, &upload, &head.headers, &list).await
        }
        Operation::AbortUpload { key, upload } => multipart::abort(&objects, &key, &upload).await,
        Operation::ListParts { key, upload } => multipart::list_parts(&objects, &key, &upload, &query).await,
        Operation::ListUploads(bucket) => multipart::list_uploads(&objects, &bucket, &query).await,
    }
}

/// The object with which sccache tests the server when it starts.
async fn check(method: &Method, body: Incoming, around: Around<'_>) -> Reply {
    match *method {
        Method::GET => reply::object(ReplyBody::text(CHECK_BODY)),
        Method::HEAD => reply::head(CHECK_BODY.len() as u64),
        _ => {
            skip(body, around).await;
            reply::status(if method == Method::DELETE { StatusCode::NO_CONTENT } else { StatusCode::OK })
        }
    }
}

/// Reads a body that is not wanted, within bounds: a client that still sends does not hear the answer.
async fn skip(mut body: Incoming, around: Around<'_>) {
    let mut skipped = 0;
    while skipped < REFUSED_BODY {
        match timeout(around.limits.client_stall, body.frame()).await {
            Ok(Some(Ok(frame))) => skipped += frame.data_ref().map_or(0, |bytes| bytes.len() as u64),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

/// A body that is a document, whole.
async fn document(payload: Payload, body: Incoming, around: Around<'_>) -> Result<Vec<u8>, Code> {
    if payload.length > MAX_DOCUMENT {
        return Err(Code::MalformedXml);
    }
    let verdict = payload.verdict();
    let mut inflow = inflow(payload, body, around);
    let mut bytes = Vec::new();
    while let Some(more) = inflow.next().await.map_err(|Cut| verdict.code())? {
        bytes.extend_from_slice(&more);
    }
    Ok(bytes)
}

/// The body of a write, behind its checks.
pub(super) fn inflow(payload: Payload, body: Incoming, around: Around<'_>) -> Inflow {
    let inflow = Inflow::new(body, payload.length, around.limits, std::sync::Arc::clone(around.traffic));
    inflow.screened(Box::new(payload.checks))
}
