//! Answers that GitHub may confirm instead of sending again, which costs none of an hour's calls. An ETag is only good
//! for the credentials that it was given to.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, LINK};

use super::answer::Answer;

/// A polled repository has a page of runs and one of jobs for each run.
const COUNT_LIMIT: usize = 512;
const BYTES_LIMIT: usize = 16 << 20;

/// Answers by URL, of one generation of credentials.
#[derive(Debug, Default)]
pub(crate) struct Etags(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    generation: u64,
    answers: HashMap<Url, Entry>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    etag: HeaderValue,
    link: Option<HeaderValue>,
    body: Vec<u8>,
    used: u64,
}

impl Etags {
    /// What to send as `If-None-Match`.
    pub(crate) fn tag(&self, url: &Url, generation: u64) -> Option<HeaderValue> {
        let kept = self.lock();
        (kept.generation == generation).then(|| kept.answers.get(url).map(|entry| entry.etag.clone()))?
    }

    /// Keeps a full answer. Half a body would be confirmed for as long as nothing changes.
    pub(crate) fn keep(&self, url: &Url, generation: u64, answer: &Answer) {
        let mut kept = self.lock();
        if kept.generation != generation {
            *kept = Kept { generation, ..Kept::default() };
        }
        kept.forget(url);
        let is_good = answer.body.len() <= BYTES_LIMIT && answer.is_whole();
        let Some(etag) = answer.headers.get(ETAG).filter(|_| is_good) else { return };
        kept.uses += 1;
        kept.bytes += answer.body.len();
        let (link, used) = (answer.headers.get(LINK).cloned(), kept.uses);
        let entry = Entry { etag: etag.clone(), link, body: answer.body.to_vec(), used };
        kept.answers.insert(url.clone(), entry);
        while kept.answers.len() > COUNT_LIMIT || kept.bytes > BYTES_LIMIT {
            let oldest = kept.answers.iter().min_by_key(|(_, entry)| entry.used).map(|(url, _)| url.clone());
            let Some(oldest) = oldest else { break };
            kept.forget(&oldest);
        }
    }

    /// Fills in what GitHub only confirmed. False when it is not here any more.
    pub(crate) fn complete(&self, url: &Url, answer: &mut Answer) -> bool {
        let mut kept = self.lock();
        kept.uses += 1;
        let uses = kept.uses;
        let Some(entry) = kept.answers.get_mut(url) else { return false };
        entry.used = uses;
        (*answer.body).clone_from(&entry.body);
        set_link(&mut answer.headers, entry.link.as_ref());
        true
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, url: &Url) {
        if let Some(entry) = self.answers.remove(url) {
            self.bytes -= entry.body.len();
        }
    }
}

fn set_link(headers: &mut HeaderMap, link: Option<&HeaderValue>) {
    if let Some(link) = link {
        headers.insert(LINK, link.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::tests::answer;
    use super::*;

    fn url(n: usize) -> Url {
        Url::parse(&format!("https://api.github.com/{n}")).unwrap()
    }

    #[test]
    fn a_confirmed_answer_is_completed_from_what_was_kept() {
        let etags = Etags::default();
        let full = answer(200, &[("etag", "W/\"1\""), ("link", "<x>; rel=\"next\"")], "[1]");
        etags.keep(&url(1), 7, &full);
        assert_eq!(etags.tag(&url(1), 7).unwrap(), "W/\"1\"");
        let mut confirmed = answer(304, &[], "");
        assert!(etags.complete(&url(1), &mut confirmed));
        assert!(confirmed.has_next() && confirmed.body.as_slice() == b"[1]");
        assert!(!etags.complete(&url(2), &mut confirmed));
    }

    #[test]
    fn half_an_answer_is_not_kept() {
        let etags = Etags::default();
        let tag = [("etag", "\"a\"")];
        etags.keep(&url(1), 0, &answer(200, &tag, "\u{feff}[1]"));
        assert!(etags.tag(&url(1), 0).is_some());
        etags.keep(&url(1), 0, &answer(200, &tag, "[1, {\"id\": "));
        assert_eq!(etags.tag(&url(1), 0), None);
        assert_eq!(etags.lock().bytes, 0);
    }

    #[test]
    fn other_credentials_start_anew() {
        let etags = Etags::default();
        etags.keep(&url(1), 1, &answer(200, &[("etag", "\"a\"")], "[]"));
        assert_eq!(etags.tag(&url(1), 2), None);
        etags.keep(&url(2), 2, &answer(200, &[("etag", "\"b\"")], "[]"));
        assert_eq!(etags.lock().answers.len(), 1);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let etags = Etags::default();
        for n in 0..COUNT_LIMIT {
            etags.keep(&url(n), 0, &answer(200, &[("etag", "\"a\"")], "[1]"));
        }
        assert!(etags.complete(&url(0), &mut answer(304, &[], "")));
        etags.keep(&url(COUNT_LIMIT), 0, &answer(200, &[("etag", "\"a\"")], "[1]"));
        assert!(etags.tag(&url(0), 0).is_some() && etags.tag(&url(1), 0).is_none());
        let kept = etags.lock();
        assert_eq!((kept.answers.len(), kept.bytes), (COUNT_LIMIT, 3 * COUNT_LIMIT));
    }

    #[test]
    fn large_answers_do_not_fill_the_memory() {
        let etags = Etags::default();
        let large = format!("\"{}\"", "x".repeat(BYTES_LIMIT / 2 - 2));
        for n in 0..5 {
            etags.keep(&url(n), 0, &answer(200, &[("etag", "\"a\"")], &large));
        }
        assert!(etags.lock().bytes <= BYTES_LIMIT && etags.lock().answers.len() == 2);
    }
}
