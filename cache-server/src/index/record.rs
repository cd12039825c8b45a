//! What the index log is made of. Pure: no file is touched here.
//!
//! ```text
//! record   mark 4 · kind 2 · size of the body 2 · checksum of kind, size and body 8 · body
//! ```
//!
//! The mark has bytes that no text of ours can have, so a reader that meets damage finds the next record by searching
//! for it; what was damaged is lost, and nothing else. Facts can be read in any order: a place in a segment never holds
//! a second record, so a removal of a place holds whenever it is read.

use std::collections::VecDeque;

use hearth_model::{Timestamp, WriterId};
use twox_hash::XxHash3_64;

use crate::keys::{Address, ObjectKey, ObjectName, Space};
use crate::segments::{Damaged, Fields, Layout, SegmentId};

const MARK: &[u8; 4] = b"\x01\x1e\x02\x05";
/// The last byte of every body: a record torn just before it cannot take the mark that follows for it.
const END: u8 = 0;
const FRAME: usize = 4 + 2 + 2 + 8;
/// No body is longer, so that a damaged size is not believed.
const MAX_BODY: usize = 8 * 1024;
/// Uses in one record.
pub(crate) const USES: usize = 64;

/// Where a record of a segment lies, as it stays true over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u32,
}

/// An object as the log tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) site: Site,
    pub(crate) layout: Layout,
    pub(crate) name: ObjectName,
    pub(crate) address: Address,
    pub(crate) writer: WriterId,
    pub(crate) stored_at: Timestamp,
    pub(crate) used_at: Timestamp,
    pub(crate) cost_ms: u32,
    pub(crate) pinned: bool,
}

/// Two writers gave different bytes for one name. The first ones were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Divergence {
    pub(crate) name: ObjectName,
    pub(crate) kept: WriterId,
    pub(crate) refused: WriterId,
    pub(crate) at: Timestamp,
    /// Length and digest of the bytes that were refused.
    pub(crate) length: u64,
    pub(crate) digest: u64,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Added(Box<Added>),
    Removed {
        site: Site,
        name: ObjectName,
    },
    /// What lay at `from` lies elsewhere now. One fact, so that a torn log never has half of it.
    Moved {
        from: Site,
        to: Box<Added>,
    },
    Used(Vec<(ObjectName, Timestamp)>),
    Pinned {
        name: ObjectName,
        pinned: bool,
    },
    Cost {
        name: ObjectName,
        cost_ms: u32,
    },
    Diverged(Divergence),
}

impl Fact {
    fn kind(&self) -> u16 {
        match self {
            Self::Added(_) => 1,
            Self::Removed { .. } => 2,
            Self::Used(_) => 3,
            Self::Pinned { .. } => 4,
            Self::Cost { .. } => 5,
            Self::Diverged(_) => 6,
            Self::Moved { .. } => 7,
        }
    }

    /// Appends the record to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend(MARK);
        out.extend(self.kind().to_le_bytes());
        out.extend([0; FRAME - 6]);
        self.encode_body(out);
        out.push(END);
        let size = u16::try_from(out.len() - begin - FRAME).expect("texts and numbers of uses are bounded");
        out[begin + 6..begin + 8].copy_from_slice(&size.to_le_bytes());
        let checksum = checksum(&out[begin + 4..begin + 8], &out[begin + FRAME..]);
        out[begin + 8..begin + FRAME].copy_from_slice(&checksum.to_le_bytes());
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Added(added) => added.encode(out),
            Self::Removed { site, name } => {
                site.encode(out);
                out.extend(name.as_bytes());
            }
            Self::Moved { from, to } => {
                from.encode(out);
                to.encode(out);
            }
            Self::Used(uses) => {
                for (name, at) in uses {
                    out.extend(name.as_bytes());
                    out.extend(at.as_millis().to_le_bytes());
                }
            }
            Self::Pinned { name, pinned } => {
                out.extend(name.as_bytes());
                out.push(u8::from(*pinned));
            }
            Self::Cost { name, cost_ms } => {
                out.extend(name.as_bytes());
                out.extend(cost_ms.to_le_bytes());
            }
            Self::Diverged(divergence) => {
                out.extend(divergence.name.as_bytes());
                out.extend(divergence.kept.to_bytes());
                out.extend(divergence.refused.to_bytes());
                out.extend(divergence.at.as_millis().to_le_bytes());
                out.extend(divergence.length.to_le_bytes());
                out.extend(divergence.digest.to_le_bytes());
            }
        }
    }

    fn decode(kind: u16, body: &[u8], spaces: &mut Spaces) -> Result<Self, Damaged> {
        let (&END, body) = body.split_last().ok_or(Damaged)? else { return Err(Damaged) };
        let mut body = Fields(body);
        let name = |body: &mut Fields<'_>| body.array().map(ObjectName::from_bytes);
        let fact = match kind {
            1 => Self::Added(Box::new(Added::decode(&mut body, spaces)?)),
            2 => Self::Removed { site: Site::decode(&mut body)?, name: name(&mut body)? },
            3 => {
                let mut uses = Vec::new();
                while !body.0.is_empty() {
                    uses.push((name(&mut body)?, time(&mut body)?));
                }
                Self::Used(uses)
            }
            4 => Self::Pinned { name: name(&mut body)?, pinned: body.take(1)? != [0] },
            5 => Self::Cost { name: name(&mut body)?, cost_ms: u32::from_le_bytes(body.array()?) },
            6 => Self::Diverged(Divergence {
                name: name(&mut body)?,
                kept: WriterId::from_bytes(body.array()?),
                refused: WriterId::from_bytes(body.array()?),
                at: time(&mut body)?,
                length: u64::from_le_bytes(body.array()?),
                digest: u64::from_le_bytes(body.array()?),
            }),
            7 => Self::Moved { from: Site::decode(&mut body)?, to: Box::new(Added::decode(&mut body, spaces)?) },
            _ => return Err(Damaged),
        };
        if body.0.is_empty() { Ok(fact) } else { Err(Damaged) }
    }
}

fn time(body: &mut Fields<'_>) -> Result<Timestamp, Damaged> {
    Ok(Timestamp::from_millis(i64::from_le_bytes(body.array()?)))
}

/// A record of any kind with any body, as nobody writes it.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn framed(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut head = kind.to_le_bytes().to_vec();
    head.extend(u16::try_from(body.len()).expect("a body is short").to_le_bytes());
    [MARK, &*head, &checksum(&head, body).to_le_bytes(), body].concat()
}

fn checksum(head: &[u8], body: &[u8]) -> u64 {
    let seed = head.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    XxHash3_64::oneshot_with_seed(seed, body)
}

impl Site {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.segment.to_u64().to_le_bytes());
        out.extend(self.offset.to_le_bytes());
    }

    fn decode(body: &mut Fields<'_>) -> Result<Self, Damaged> {
        let segment = SegmentId::from_u64(u64::from_le_bytes(body.array()?));
        Ok(Self { segment, offset: u32::from_le_bytes(body.array()?) })
    }
}

impl Added {
    fn encode(&self, out: &mut Vec<u8>) {
        let Address { space, key } = &self.address;
        let scope = space.scope.to_string();
        self.site.encode(out);
        out.extend(self.name.as_bytes());
        out.extend(self.writer.to_bytes());
        out.extend(self.stored_at.as_millis().to_le_bytes());
        out.extend(self.used_at.as_millis().to_le_bytes());
        out.extend(self.layout.length.to_le_bytes());
        out.extend(short(self.layout.head).to_le_bytes());
        out.extend(self.cost_ms.to_le_bytes());
        out.push(u8::from(self.pinned));
        let texts = [&*space.realm, &scope, key.as_str()];
        out.extend(texts.iter().flat_map(|text| short(text.len() as u64).to_le_bytes()));
        out.extend(texts.iter().flat_map(|text| text.as_bytes()));
    }

    fn decode(body: &mut Fields<'_>, spaces: &mut Spaces) -> Result<Self, Damaged> {
        let site = Site::decode(body)?;
        let name = ObjectName::from_bytes(body.array()?);
        let writer = WriterId::from_bytes(body.array()?);
        let (stored_at, used_at) = (time(body)?, time(body)?);
        let length = u64::from_le_bytes(body.array()?);
        let head = u64::from(u16::from_le_bytes(body.array()?));
        let cost_ms = u32::from_le_bytes(body.array()?);
        let pinned = body.take(1)? != [0];
        let mut sizes = [0; 3];
        for size in &mut sizes {
            *size = usize::from(u16::from_le_bytes(body.array()?));
        }
        let space = spaces.read(body.text(sizes[0])?, body.text(sizes[1])?)?;
        let key = ObjectKey::stored(body.text(sizes[2])?);
        let address = Address { space, key };
        let layout = Layout { head, length };
        if layout.checked_size().is_none() || length > super::table::MAX_LENGTH {
            return Err(Damaged);
        }
        Ok(Self { site, layout, name, address, writer, stored_at, used_at, cost_ms, pinned })
    }
}

/// The spaces that were read last, and their scopes as texts: a log tells of the same few again and again.
#[derive(Debug, Default)]
struct Spaces(VecDeque<(Box<str>, Space)>);

impl Spaces {
    const KEPT: usize = 16;

    fn read(&mut self, realm: &str, scope: &str) -> Result<Space, Damaged> {
        let known = self.0.iter().find(|(text, space)| **text == *scope && *space.realm == *realm);
        if let Some((_, space)) = known {
            return Ok(space.clone());
        }
        let space = Space { realm: realm.into(), scope: scope.parse().map_err(|_| Damaged)? };
        self.0.truncate(Self::KEPT - 1);
        self.0.push_front((scope.into(), space.clone()));
        Ok(space)
    }
}

fn short(length: u64) -> u16 {
    u16::try_from(length).expect("texts and heads are bounded")
}

/// Takes records off the front of what was read of a log.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes that belonged to no good record.
    damaged: u64,
    spaces: Spaces,
}

impl Records {
    /// Adds what was read next.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.at));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next good record; `None` when more has to be read, or nothing more comes.
    pub(crate) fn next(&mut self) -> Option<Fact> {
        loop {
            let rest = &self.bytes[self.at..];
            match parse(rest, &mut self.spaces) {
                Parsed::Fact(fact, size) => {
                    self.at += size;
                    return Some(fact);
                }
                Parsed::More => {
                    // A size that damage has made too long would hide what follows.
                    let spaces = &mut self.spaces;
                    let skip = marks(rest).find(|at| matches!(parse(&rest[*at..], spaces), Parsed::Fact(..)))?;
                    self.skip(skip);
                }
                Parsed::Damaged => {
                    let skip = marks(rest).next().unwrap_or(rest.len());
                    self.skip(skip);
                }
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.damaged += bytes as u64;
    }

    /// What was not a record. What is still open at the end of a log is a torn tail, and counted when something follows.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }
}

enum Parsed {
    Fact(Fact, usize),
    More,
    Damaged,
}

fn parse(bytes: &[u8], spaces: &mut Spaces) -> Parsed {
    let Some(frame) = bytes.first_chunk::<FRAME>() else {
        return if MARK.starts_with(&bytes[..bytes.len().min(4)]) || bytes.starts_with(MARK) {
            Parsed::More
        } else {
            Parsed::Damaged
        };
    };
    let size = usize::from(u16::from_le_bytes([frame[6], frame[7]]));
    if !frame.starts_with(MARK) || size > MAX_BODY {
        return Parsed::Damaged;
    }
    let Some(body) = bytes.get(FRAME..FRAME + size) else { return Parsed::More };
    if checksum(&frame[4..8], body).to_le_bytes() != frame[8..] {
        return Parsed::Damaged;
    }
    match Fact::decode(u16::from_le_bytes([frame[4], frame[5]]), body, spaces) {
        Ok(fact) => Parsed::Fact(fact, FRAME + size),
        Err(Damaged) => Parsed::Damaged,
    }
}

/// Where marks are behind the first byte, or could begin.
fn marks(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let begins = move |at: &usize| MARK.starts_with(&bytes[*at..bytes.len().min(*at + MARK.len())]);
    (1..bytes.len()).filter(begins)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
