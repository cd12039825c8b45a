//! An object store: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage. opendal speaks to them; records
//! lie at `<prefix>/v1/<2 digits>/<62 digits>`.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use opendal::{ErrorKind, Operator};
use tokio::time::timeout;

use super::{Pieces, Remote, RemoteError};
use crate::keys::ObjectName;

/// Bigger records go up in parts of this size; each upload holds one of them in memory.
const PART: usize = 8 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct ObjectStore {
    operator: Operator,
}

impl ObjectStore {
    pub(crate) fn new(operator: Operator) -> Self {
        Self { operator }
    }

    /// Whether it can keep what is there. Where it cannot, one good record replaces another.
    fn knows_absence(&self) -> bool {
        self.operator.info().capability().write_with_if_not_exists
    }
}

fn path(name: ObjectName) -> String {
    let hex = name.to_hex().to_hex();
    let (shelf, rest) = hex.as_str().split_at(2);
    format!("v1/{shelf}/{rest}")
}

fn name(path: &str) -> Option<ObjectName> {
    let (shelf, rest) = path.strip_prefix("v1/")?.split_once('/')?;
    ObjectName::from_hex(&format!("{shelf}{rest}"))
}

fn error(cause: opendal::Error) -> RemoteError {
    match cause.kind() {
        ErrorKind::PermissionDenied => RemoteError::Declined { status: 403 },
        _ => RemoteError::failed(cause),
    }
}

/// A store that lets nobody in says nothing about one record: what was to be kept there may be wanted the next day.
fn first_one_stays<T>(written: opendal::Result<T>) -> Result<(), RemoteError> {
    match written {
        Err(cause) if cause.kind() == ErrorKind::ConditionNotMatch => Ok(()),
        written => written.map(drop).map_err(RemoteError::failed),
    }
}

impl Remote for ObjectStore {
    async fn get(&self, name: ObjectName, patience: Duration) -> Result<Option<Pieces>, RemoteError> {
        let begin = async {
            let reader = self.operator.reader(&path(name)).await?;
            let mut pieces = reader.into_bytes_stream(..).await?;
            // The request is made here and not before.
            let first = pieces.next().await;
            Ok::<_, opendal::Error>((first, pieces))
        };
        let (first, pieces) = match timeout(patience, begin).await.map_err(|_| RemoteError::TooSlow)? {
            Ok(begun) => begun,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(error(cause)),
        };
        match first {
            Some(Err(cause)) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Some(Err(cause)) if cause.kind() == io::ErrorKind::PermissionDenied => {
                Err(RemoteError::Declined { status: 403 })
            }
            Some(Err(cause)) => Err(RemoteError::Failed { cause }),
            Some(Ok(first)) => Ok(Some(futures_util::stream::iter([Ok(first)]).chain(pieces).boxed())),
            None => Ok(Some(futures_util::stream::empty().boxed())),
        }
    }

    async fn put(&self, name: ObjectName, size: u64, mut record: Pieces) -> Result<(), RemoteError> {
        let path = path(name);
        let lost = |cause| RemoteError::Failed { cause };
        if size <= PART as u64 {
            let mut all: Vec<Bytes> = Vec::new();
            while let Some(piece) = record.try_next().await.map_err(lost)? {
                all.push(piece);
            }
            let write = self.operator.write_with(&path, all).if_not_exists(self.knows_absence());
            return first_one_stays(write.await);
        }
        let writer = self.operator.writer_with(&path).if_not_exists(self.knows_absence());
        let mut writer = writer.await.map_err(RemoteError::failed)?;
        let mut part = BytesMut::with_capacity(PART);
        while let Some(piece) = record.try_next().await.map_err(lost)? {
            part.extend_from_slice(&piece);
            if part.len() >= PART {
                writer.write(part.split().freeze()).await.map_err(RemoteError::failed)?;
            }
        }
        if !part.is_empty() {
            writer.write(part.freeze()).await.map_err(RemoteError::failed)?;
        }
        first_one_stays(writer.close().await)
    }

    async fn list(&self, after: Option<ObjectName>, most: usize) -> Result<Vec<ObjectName>, RemoteError> {
        let lister = self.operator.lister_with("v1/").recursive(true);
        let lister = match after {
            Some(after) => lister.start_after(&path(after)),
            None => lister,
        };
        let mut lister = lister.await.map_err(error)?;
        let mut names = Vec::new();
        while let Some(entry) = lister.try_next().await.map_err(error)? {
            // A store that does not know where to begin begins at the beginning.
            names.extend(name(entry.path()).filter(|name| after.is_none_or(|after| *name > after)));
            if names.len() >= most {
                break;
            }
        }
        names.sort();
        Ok(names)
    }
}
