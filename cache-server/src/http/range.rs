//! Which part of an object a `Range` header means. Pure.

use crate::reads::Part;

/// The whole where there is no such header, or none that we serve: several ranges, another unit, no range at all.
pub(crate) fn part(header: Option<&str>) -> Part {
    one(header).unwrap_or(Part::Whole)
}

fn one(header: Option<&str>) -> Option<Part> {
    let (first, last) = header?.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", last) => number(last).map(Part::Last),
        (first, "") => number(first).map(Part::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Part::Between(first, last))
        }
    }
}

/// `parse` alone would take a sign. A number behind every end is still a number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(header: &str, expected: Part) {
        assert_eq!(part(Some(header)), expected, "{header}");
    }

    #[test]
    fn one_range_of_bytes_is_served() {
        check("bytes=0-0", Part::Between(0, 0));
        check("bytes=2-5", Part::Between(2, 5));
        check("bytes=2-", Part::From(2));
        check("bytes=-3", Part::Last(3));
        check("bytes=-0", Part::Last(0));
        check(" bytes=0-18446744073709551615", Part::Between(0, u64::MAX));
        check("bytes=0-18446744073709551616", Part::Between(0, u64::MAX));
    }

    #[test]
    fn what_is_no_such_range_is_ignored() {
        assert_eq!(part(None), Part::Whole);
        for header in
            ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=+1-2", "bytes 0-1"]
        {
            check(header, Part::Whole);
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_outside(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", length in 0..2000u64) {
            let range = part(Some(&header)).of(length);
            prop_assert!(range.start <= range.end && range.end <= length);
        }

        #[test]
        fn no_text_makes_it_fail(header in "\\PC{0,40}", length: u64) {
            let _ = part(Some(&header)).of(length);
        }
    }
}
