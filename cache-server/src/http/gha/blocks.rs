//! The block dialect of Azure's blobs, as far as it is text: what a PUT wants by its query, the ids of blocks, and the
//! list that puts blocks in order. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::Event;

/// In Azure a decoded id has at most 64 bytes.
const MAX_ID_LENGTH: usize = 64;
/// Blocks of one upload. GitHub's clients make blocks of 8 MiB and more.
pub(super) const MAX_BLOCKS: usize = 10_000;
/// A list of so many of the longest ids, with room for line ends.
pub(super) const MAX_LIST_LENGTH: u64 = 2 * 1024 * 1024;

/// A block of an upload, decoded: two spellings of one id are one block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BlockId(Box<[u8]>);

/// What a PUT on an upload's address wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Put {
    /// The whole blob at once.
    Whole,
    Block(BlockId),
    /// Which blocks the blob is made of, and in what order.
    List,
}

/// What is wrong with a PUT, for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPut {
    #[error("the value of `comp` is neither `block` nor `blocklist`")]
    Comp,
    #[error("a block's id is the base64 of 1 to {MAX_ID_LENGTH} bytes")]
    BlockId,
    #[error("the block list cannot be read as XML")]
    Xml,
    #[error("a blob has at most {MAX_BLOCKS} blocks")]
    TooMany,
    #[error("a block stands in the list twice")]
    Twice,
}

impl BlockId {
    fn new(text: &str) -> Result<Self, InvalidPut> {
        let id = STANDARD.decode(text).map_err(|_| InvalidPut::BlockId)?;
        if id.is_empty() || id.len() > MAX_ID_LENGTH { Err(InvalidPut::BlockId) } else { Ok(Self(id.into())) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the query of an address says that its client has appended to.
pub(super) fn put(query: &str) -> Result<Put, InvalidPut> {
    match parameter(query, "comp") {
        None => Ok(Put::Whole),
        Some("blocklist") => Ok(Put::List),
        Some("block") => {
            let id = parameter(query, "blockid").ok_or(InvalidPut::BlockId)?;
            // Not as in a form: a plus sign is a digit of base64.
            let id = percent_decode_str(id).decode_utf8().map_err(|_| InvalidPut::BlockId)?;
            BlockId::new(&id).map(Put::Block)
        }
        Some(_) => Err(InvalidPut::Comp),
    }
}

/// The parameter's value as it stands in the query; `None` unless it stands there once.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
    let (_, value) = values.next()?;
    values.next().is_none().then_some(value)
}

/// The blocks of a list, in its order. A list may say where to look for a block (`Latest`, `Committed`,
/// `Uncommitted`); here there is one place.
pub(super) fn list(xml: &[u8]) -> Result<Vec<BlockId>, InvalidPut> {
    let mut reader = Reader::from_str(std::str::from_utf8(xml).map_err(|_| InvalidPut::Xml)?);
    let mut ids = Vec::new();
    let mut seen = std::collections::HashSet::new();
    // 0 outside, 1 in the list, 2 in an entry of it.
    let mut depth = 0;
    let mut text = String::new();
    let mut closed = false;
    loop {
        match reader.read_event().map_err(|_| InvalidPut::Xml)? {
            Event::Start(tag) => {
                let expected = match depth {
                    0 => !closed && tag.name().as_ref() == "BlockList",
                    1 => matches!(tag.name().as_ref(), "Latest" | "Committed" | "Uncommitted"),
                    _ => false,
                };
                if !expected {
                    return Err(InvalidPut::Xml);
                }
                depth += 1;
                text.clear();
            }
            Event::Text(more) if depth == 2 => text.push_str(&more),
            Event::Text(more) if more.trim().is_empty() => {}
            Event::End(_) => {
                if depth == 2 {
                    let id = BlockId::new(text.trim())?;
                    if ids.len() == MAX_BLOCKS {
                        return Err(InvalidPut::TooMany);
                    }
                    if !seen.insert(id.clone()) {
                        return Err(InvalidPut::Twice);
                    }
                    ids.push(id);
                }
                depth -= 1;
                closed = depth == 0;
            }
            Event::Empty(tag) if depth == 0 && !closed && tag.name().as_ref() == "BlockList" => closed = true,
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof if closed && depth == 0 => return Ok(ids),
            // No document type, no entity, no processing instruction: nothing that could expand.
            _ => return Err(InvalidPut::Xml),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(bytes: &[u8]) -> BlockId {
        BlockId(bytes.into())
    }

    fn document(ids: &[&str]) -> String {
        let entries = ids.iter().fold(String::new(), |all, id| all + "<Latest>" + id + "</Latest>");
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><BlockList>{entries}</BlockList>")
    }

    #[track_caller]
    fn check_put(query: &str, expected: &Result<Put, InvalidPut>) {
        assert_eq!(&put(query), expected, "{query:.80}");
    }

    #[test]
    fn a_put_says_by_its_query_what_it_wants() {
        check_put("se=1&sp=w&sig=x", &Ok(Put::Whole));
        check_put("se=1&comp=blocklist", &Ok(Put::List));
        check_put("comp=block&blockid=AQID", &Ok(Put::Block(id(&[1, 2, 3]))));
        check_put("comp=block&blockid=AQ%3D%3D", &Ok(Put::Block(id(&[1]))));
        check_put("comp=block&blockid=AQ==", &Ok(Put::Block(id(&[1]))));
        check_put("comp=block&blockid=%2B%2F%2B%2F", &Ok(Put::Block(id(&[0xfb, 0xff, 0xbf]))));
        check_put("comp=block&blockid=+/+/", &Ok(Put::Block(id(&[0xfb, 0xff, 0xbf]))));
        check_put("comp=page", &Err(InvalidPut::Comp));
        for query in ["comp=block", "comp=block&blockid=", "comp=block&blockid=!!", "comp=block&blockid=A&blockid=A"] {
            check_put(query, &Err(InvalidPut::BlockId));
        }
        let longest = STANDARD.encode([7; 64]);
        check_put(&format!("comp=block&blockid={longest}"), &Ok(Put::Block(id(&[7; 64]))));
        let longer = STANDARD.encode([7; 65]);
        check_put(&format!("comp=block&blockid={longer}"), &Err(InvalidPut::BlockId));
    }

    #[test]
    fn the_order_of_a_list_is_kept() {
        let mixed = "<BlockList>\n <Uncommitted>Aw==</Uncommitted>\n <Latest> AQ== </Latest><Committed>Ag==</Committed></BlockList>";
        assert_eq!(list(mixed.as_bytes()), Ok(vec![id(&[3]), id(&[1]), id(&[2])]));
        assert_eq!(list(document(&["Ag==", "AQ=="]).as_bytes()), Ok(vec![id(&[2]), id(&[1])]));
        for empty in [document(&[]), "<BlockList/>".to_owned()] {
            assert_eq!(list(empty.as_bytes()), Ok(Vec::new()), "{empty}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for xml in [
            "",
            "<BlockList>",
            "<BlockList><Latest>AQ==</BlockList>",
            "<BlockList><Other>AQ==</Other></BlockList>",
            "<BlockList><Latest><Latest>AQ==</Latest></Latest></BlockList>",
            "<List><Latest>AQ==</Latest></List>",
            "<BlockList>text</BlockList>",
            "<BlockList/><BlockList/>",
            "<!DOCTYPE b [<!ENTITY a \"AQ==\">]><BlockList><Latest>&a;</Latest></BlockList>",
            "<BlockList><Latest>&amp;</Latest></BlockList>",
            "<BlockList><?pi?></BlockList>",
        ] {
            assert_eq!(list(xml.as_bytes()), Err(InvalidPut::Xml), "{xml}");
        }
        for bad in ["", "!", "AQ"] {
            assert_eq!(list(document(&[bad]).as_bytes()), Err(InvalidPut::BlockId), "{bad}");
        }
        assert_eq!(list(document(&["AQ==", "Ag==", "AQ=="]).as_bytes()), Err(InvalidPut::Twice));
    }

    #[test]
    fn a_list_is_bounded() {
        let ids: Vec<String> = (0..=MAX_BLOCKS as u64).map(|n| STANDARD.encode(n.to_be_bytes())).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!(list(document(&ids[1..]).as_bytes()).map(|ids| ids.len()), Ok(MAX_BLOCKS));
        assert_eq!(list(document(&ids).as_bytes()), Err(InvalidPut::TooMany));
        let longest = format!("<Uncommitted>{}</Uncommitted>\r\n", STANDARD.encode([7; MAX_ID_LENGTH]));
        assert!(((longest.len() + 1) * MAX_BLOCKS) as u64 <= MAX_LIST_LENGTH);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200), query in "\\PC{0,80}") {
            let _ = list(&bytes);
            let _ = put(&query);
        }
    }
}
