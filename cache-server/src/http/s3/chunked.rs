//! Bodies in the framing of `aws-chunked`, which SDKs use when they learn a checksum or a signature only as they send:
//!
//! ```text
//! Head ─size[;chunk-signature=…]─▶ Data ─▶ Gap ─▶ Head ─ size 0 ─▶ Trailer ─ line … empty line ─▶ Done
//! ```
//!
//! Pure: bytes go in as they come, and those of the object come out. Nothing is held but a line. What comes out is not
//! checked yet; the object is published only when all of it is.

use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};

use super::error::Code;
use super::signature::Seal;
use super::sums::Sums;

/// A chunk's head, or a line of the trailer.
const MAX_LINE: usize = 256;
const MAX_TRAILER_LINES: usize = 8;

/// What the signature covers beyond the head.
#[derive(Debug)]
pub(crate) enum Covered {
    Nothing,
    Chunks(Seal),
    ChunksAndTrailer(Seal),
}

#[derive(Debug)]
pub(crate) struct Unframed {
    state: State,
    line: Vec<u8>,
    /// Bytes of the object that must still come.
    left: u64,
    covered: Covered,
    trailer: Trailer,
}

#[derive(Debug)]
enum State {
    Head,
    Data {
        left: u64,
        signed: Option<(Sha256, String)>,
    },
    /// The line's end behind a chunk's data.
    Gap,
    Trailer,
    Done,
}

#[derive(Debug, Default)]
struct Trailer {
    lines: usize,
    /// As it is signed.
    canonical: Sha256,
    signature: Option<String>,
}

impl Unframed {
    pub(crate) fn new(length: u64, covered: Covered) -> Self {
        Self { state: State::Head, line: Vec::new(), left: length, covered, trailer: Trailer::default() }
    }

    /// Takes bytes from the front of `wire`, and gives the next ones of the object, if there are any among them.
    pub(crate) fn pass(&mut self, wire: &mut Bytes, sums: &mut Sums) -> Result<Option<Bytes>, Code> {
        while !wire.is_empty() {
            match &mut self.state {
                State::Data { left, signed } => {
                    let length = usize::try_from(*left).map_or(wire.len(), |left| left.min(wire.len()));
                    let data = wire.split_to(length);
                    *left -= length as u64;
                    self.left -= length as u64;
                    if let Some((digest, _)) = signed {
                        digest.update(&data);
                    }
                    if *left == 0 {
                        if let Some((digest, signature)) = signed.take() {
                            self.sealed(&digest.finalize(), &signature)?;
                        }
                        self.state = State::Gap;
                    }
                    sums.update(&data);
                    return Ok(Some(data));
                }
                State::Done => return Err(Code::IncompleteBody),
                State::Head | State::Gap | State::Trailer => {
                    if let Some(line) = self.line(wire)? {
                        self.take_line(&line, sums)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether everything came that should.
    pub(crate) fn end(&self) -> Result<(), Code> {
        if matches!(self.state, State::Done) { Ok(()) } else { Err(Code::IncompleteBody) }
    }

    /// The next line, once it is whole.
    fn line(&mut self, wire: &mut Bytes) -> Result<Option<String>, Code> {
        let end = wire.iter().position(|b| *b == b'\n');
        let taken = end.map_or(wire.len(), |end| end + 1);
        if self.line.len() + taken > MAX_LINE {
            return Err(Code::IncompleteBody);
        }
        self.line.extend_from_slice(&wire[..taken]);
        wire.advance(taken);
        if end.is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or(Code::IncompleteBody)?;
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| Code::IncompleteBody)
    }

    fn take_line(&mut self, line: &str, sums: &mut Sums) -> Result<(), Code> {
        match self.state {
            State::Gap if line.is_empty() => self.state = State::Head,
            State::Head => self.begin_chunk(line)?,
            State::Trailer if line.is_empty() => {
                self.end_trailer()?;
                self.state = State::Done;
            }
            State::Trailer => self.trailer_line(line, sums)?,
            State::Gap | State::Data { .. } | State::Done => return Err(Code::IncompleteBody),
        }
        Ok(())
    }

    fn begin_chunk(&mut self, line: &str) -> Result<(), Code> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let digits = (1..=16).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        let left = u64::from_str_radix(size, 16).ok().filter(|_| digits).ok_or(Code::IncompleteBody)?;
        // A chunk that would exceed what the head promised, or an end before it is there.
        if left > self.left || (left == 0 && self.left > 0) {
            return Err(Code::IncompleteBody);
        }
        let signature = extension.strip_prefix("chunk-signature=");
        let signed = match (&self.covered, signature) {
            (Covered::Nothing, _) => None,
            (_, Some(signature)) => Some((Sha256::new(), signature.to_owned())),
            (_, None) => return Err(Code::SignatureDoesNotMatch),
        };
        if left > 0 {
            self.state = State::Data { left, signed };
            return Ok(());
        }
        if let Some((digest, signature)) = signed {
            self.sealed(&digest.finalize(), &signature)?;
        }
        self.state = State::Trailer;
        Ok(())
    }

    fn sealed(&mut self, digest: &[u8], signature: &str) -> Result<(), Code> {
        match &mut self.covered {
            Covered::Nothing => Ok(()),
            Covered::Chunks(seal) | Covered::ChunksAndTrailer(seal) => seal.chunk(digest, signature),
        }
    }

    fn trailer_line(&mut self, line: &str, sums: &mut Sums) -> Result<(), Code> {
        self.trailer.lines += 1;
        let (name, value) = line.split_once(':').ok_or(Code::IncompleteBody)?;
        let (name, value) = (name.trim(), value.trim());
        if self.trailer.lines > MAX_TRAILER_LINES {
            return Err(Code::IncompleteBody);
        }
        if name == "x-amz-trailer-signature" {
            self.trailer.signature = Some(value.to_owned());
            return Ok(());
        }
        self.trailer.canonical.update(format!("{name}:{value}\n"));
        sums.trailer(name, value)
    }

    fn end_trailer(&mut self) -> Result<(), Code> {
        let Covered::ChunksAndTrailer(seal) = &mut self.covered else { return Ok(()) };
        let signature = self.trailer.signature.take().ok_or(Code::SignatureDoesNotMatch)?;
        seal.trailer(&std::mem::take(&mut self.trailer.canonical).finalize(), &signature)
    }
}
