//! Figures as people read them. Exact figures come in; they are rounded here and go nowhere but onto a page.

use hearth_ledger::{Amount, MicroUsd};
use hearth_model::Millis;

pub(super) const NOT_MEASURED: &str = "not measured";

pub(super) fn minutes(time: Millis) -> String {
    Amount::Time(time).to_string()
}

/// A share, or that there is nothing to be a share of.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 { NOT_MEASURED.to_owned() } else { Amount::Ratio { part, whole }.to_string() }
}

/// To the cent; something that is less than one is not shown as nothing.
pub(super) fn dollars(money: MicroUsd) -> String {
    match money.0 {
        1..=9_999 => "< $0.01".to_owned(),
        micro => {
            let cents = (micro + 5_000) / 10_000;
            format!("${}.{:02}", cents / 100, cents % 100)
        }
    }
}

/// Thousandths, with as many decimals as they have, at most two.
pub(super) fn thousandths(milli: u64) -> String {
    let hundredths = (milli + 5) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_the_cent_and_never_to_nothing() {
        for (micro, text) in [
            (0, "$0.00"),
            (1, "< $0.01"),
            (9_999, "< $0.01"),
            (14_999, "$0.01"),
            (15_000, "$0.02"),
            (10_500_000, "$10.50"),
        ] {
            assert_eq!(dollars(MicroUsd(micro)), text);
        }
    }

    #[test]
    fn a_share_of_nothing_is_not_measured() {
        assert_eq!(share(0, 0), "not measured");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(thousandths(1_750), "1.75");
    }
}
