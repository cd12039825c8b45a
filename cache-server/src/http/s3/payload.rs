//! The body of a PUT, as its signed head describes it: how long it is, how it is framed, what its checksums must be.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::CONTENT_LENGTH;

use super::chunked::{Covered, Unframed};
use super::error::Code;
use super::signature::{Seal, UNSIGNED};
use super::sums::Sums;
use crate::http::inflow::{Cut, Screen};

/// A body that is about to come.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Bytes of the object, without framing.
    pub(crate) length: u64,
    pub(crate) checks: Checks,
}

/// What is done to a body as it comes in. The first thing that is wrong with it is told to whoever holds the verdict.
#[derive(Debug)]
pub(crate) struct Checks {
    framed: Option<Unframed>,
    sums: Sums,
    verdict: Verdict,
}

/// Why a body was cut, when the reason lies in what it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict(Arc<OnceLock<Code>>);

impl Verdict {
    /// The reason, or that the body just did not come.
    pub(crate) fn code(&self) -> Code {
        self.0.get().copied().unwrap_or(Code::IncompleteBody)
    }
}

impl Payload {
    /// `signed` is what the signature says of the body.
    pub(crate) fn of(headers: &HeaderMap, signed: &str, seal: Seal) -> Result<Self, Code> {
        let mut sums = Sums::announced(headers)?;
        let covered = match signed {
            UNSIGNED => None,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Covered::Nothing),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Some(Covered::Chunks(seal)),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Some(Covered::ChunksAndTrailer(seal)),
            _ if signed.starts_with("STREAMING-") => return Err(Code::NotImplemented),
            digits => {
                sums.expect_sha256(digits)?;
                None
            }
        };
        if covered.is_none() && headers.contains_key("x-amz-trailer") {
            return Err(Code::InvalidArgument);
        }
        let said = if covered.is_some() { "x-amz-decoded-content-length" } else { CONTENT_LENGTH.as_str() };
        let length = number(headers, said)?;
        let framed = covered.map(|covered| Unframed::new(length, covered));
        Ok(Self { length, checks: Checks { framed, sums, verdict: Verdict::default() } })
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.checks.verdict.clone()
    }
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Code> {
    let mut all = headers.get_all(name).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Err(Code::MissingContentLength) };
    let text = value.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or(Code::InvalidArgument)
}

impl Checks {
    fn say<T>(&self, result: Result<T, Code>) -> Result<T, Cut> {
        result.map_err(|code| {
            // The first reason stays.
            let _ = self.verdict.0.set(code);
            Cut
        })
    }
}

impl Screen for Checks {
    fn pass(&mut self, wire: &mut Bytes) -> Result<Option<Bytes>, Cut> {
        if let Some(framed) = &mut self.framed {
            let passed = framed.pass(wire, &mut self.sums);
            return self.say(passed);
        }
        let bytes = std::mem::take(wire);
        self.sums.update(&bytes);
        Ok(Some(bytes))
    }

    fn end(&mut self) -> Result<(), Cut> {
        let ended = self.framed.as_ref().map_or(Ok(()), Unframed::end).and_then(|()| self.sums.check());
        self.say(ended)
    }
}
