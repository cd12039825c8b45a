//! The price book: what a forge's own runners would have charged, by day, and how a minute weighs. Dated data that is
//! shipped with the program; looking something up is pure. Money is whole millionths of a dollar, weights thousandths.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

use hearth_model::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Whole days since 1970-01-01, UTC: prices change at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    pub fn of(instant: Timestamp) -> Self {
        Self(instant.as_millis().div_euclid(DAY_MS))
    }

    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0 * DAY_MS)
    }

    fn from_date(date: Date) -> Self {
        let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second());
        Self(seconds.div_euclid(DAY_MS / 1_000))
    }
}

/// Millionths of a dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroUsd(pub u64);

/// Whether a price counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceStatus {
    InForce,
    Announced,
    Postponed,
    Withdrawn,
}

/// One price of one kind of runner, for a stretch of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub sku: String,
    pub what: String,
    pub per_minute: MicroUsd,
    pub from: Day,
    pub until: Option<Day>,
    pub status: PriceStatus,
}

impl Price {
    fn holds_on(&self, day: Day) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }
}

/// How much of the included minutes one minute of each kind of runner draws, in thousandths.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    pub name: String,
    pub what: String,
    milli: BTreeMap<String, u64>,
}

impl Weights {
    /// `None` when the table does not know the kind of runner; that is not a weight of one.
    pub fn milli(&self, sku: &str) -> Option<u64> {
        self.milli.get(sku).copied()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    architectures: Vec<String>,
    system: String,
    sku: String,
}

/// All prices, weights and the mapping from a platform to the runner that it stands for.
#[derive(Debug, Clone)]
pub struct PriceBook {
    pub name: String,
    pub checked_on: String,
    pub rounding: String,
    prices: Vec<Price>,
    weights: Vec<Weights>,
    platforms: Vec<Platform>,
}

/// The runner kind of a self-hosted minute.
const SELF_HOSTED: &str = "actions_self_hosted";
/// The table that the documented free tier is judged with.
const DEFAULT_WEIGHTS: &str = "classic";

static SHIPPED: LazyLock<PriceBook> = LazyLock::new(|| {
    PriceBook::parse(include_str!("../data/prices.toml")).expect("a test loads the shipped price book")
});

impl PriceBook {
    /// The book that comes with this program.
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: PriceFile = toml::from_str(text)?;
        Ok(Self {
            name: file.book,
            checked_on: file.checked_on,
            rounding: file.rounding,
            prices: file.price.into_iter().map(PriceLine::into_price).collect(),
            weights: file.weights,
            platforms: file.platform,
        })
    }

    /// The standard hosted runner that a platform stands for, by its target triple. `None`: nobody offers one.
    pub fn sku(&self, platform: &str) -> Option<&str> {
        let parts: Vec<&str> = platform.split('-').collect();
        self.platforms
            .iter()
            .find(|rule| {
                rule.architectures.iter().any(|name| parts.first() == Some(&name.as_str()))
                    && parts[1..].contains(&rule.system.as_str())
            })
            .map(|rule| rule.sku.as_str())
    }

    /// The price that counts on `day`.
    pub fn price(&self, sku: &str, day: Day) -> Option<MicroUsd> {
        self.prices
            .iter()
            .find(|price| price.sku == sku && price.status == PriceStatus::InForce && price.holds_on(day))
            .map(|price| price.per_minute)
    }

    /// What a self-hosted minute would cost if everything that was ever announced for it were in force.
    pub fn simulated_self_hosted(&self, day: Day) -> Option<&Price> {
        self.prices
            .iter()
            .find(|price| price.sku == SELF_HOSTED && price.status != PriceStatus::InForce && price.holds_on(day))
    }

    pub fn weights(&self, name: &str) -> Option<&Weights> {
        self.weights.iter().find(|table| table.name == name)
    }

    pub fn default_weights(&self) -> &Weights {
        self.weights(DEFAULT_WEIGHTS).expect("a test finds the default weights in the shipped price book")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    book: String,
    checked_on: String,
    rounding: String,
    price: Vec<PriceLine>,
    weights: Vec<Weights>,
    platform: Vec<Platform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceLine {
    sku: String,
    what: String,
    micro_usd_per_minute: u64,
    #[serde(deserialize_with = "day")]
    from: Day,
    #[serde(default, deserialize_with = "optional_day")]
    until: Option<Day>,
    status: PriceStatus,
}

impl PriceLine {
    fn into_price(self) -> Price {
        Price {
            sku: self.sku,
            what: self.what,
            per_minute: MicroUsd(self.micro_usd_per_minute),
            from: self.from,
            until: self.until,
            status: self.status,
        }
    }
}

fn day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Day::from_date).map_err(serde::de::Error::custom)
}

fn optional_day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Day>, D::Error> {
    day(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(date: &str) -> Day {
        Day::from_date(date.parse().unwrap())
    }

    #[test]
    fn the_shipped_book_is_complete_and_unambiguous() {
        let book = PriceBook::shipped();
        for platform in &book.platforms {
            assert!(book.price(&platform.sku, on("2026-11-22")).is_some(), "{platform:?}");
            for weights in &book.weights {
                assert!(weights.milli(&platform.sku).is_some(), "{platform:?} in {}", weights.name);
            }
        }
        assert_eq!(book.default_weights().name, "classic");
        for (at, price) in book.prices.iter().enumerate() {
            let twins = book.prices[at + 1..].iter().filter(|other| {
                other.sku == price.sku
                    && other.status == price.status
                    && (other.holds_on(price.from) || price.holds_on(other.from))
            });
            assert_eq!(twins.count(), 0, "two prices at once: {price:?}");
        }
    }

    #[test]
    fn a_price_is_the_one_of_its_day() {
        let book = PriceBook::shipped();
        let ten_minutes = |sku, date| book.price(sku, on(date)).map(|price| price.0 * 10);
        assert_eq!(ten_minutes("actions_linux", "2025-12-31"), Some(80_000));
        assert_eq!(ten_minutes("actions_linux", "2026-01-01"), Some(60_000));
        assert_eq!(ten_minutes("actions_macos", "2026-11-22"), Some(620_000));
        assert_eq!(ten_minutes("linux_96_core", "2026-11-22"), Some(2_520_000));
        assert_eq!(ten_minutes("actions_linux_arm", "2025-12-31"), None, "no price is known for that day");
    }

    #[test]
    fn a_postponed_charge_costs_nothing_and_is_simulated_apart() {
        let book = PriceBook::shipped();
        assert_eq!(book.price(SELF_HOSTED, on("2026-11-22")), Some(MicroUsd(0)));
        let simulated = book.simulated_self_hosted(on("2026-11-22")).unwrap();
        assert_eq!((simulated.per_minute, simulated.status), (MicroUsd(2_000), PriceStatus::Postponed));
        assert_eq!(book.simulated_self_hosted(on("2026-02-28")), None);
    }

    #[test]
    fn platforms_stand_for_runners() {
        let book = PriceBook::shipped();
        let cases = [
            ("x86_64-unknown-linux-gnu", Some("actions_linux")),
            ("x86_64-unknown-linux-musl", Some("actions_linux")),
            ("aarch64-unknown-linux-gnu", Some("actions_linux_arm")),
            ("x86_64-apple-darwin", Some("actions_macos")),
            ("aarch64-apple-darwin", Some("actions_macos")),
            ("x86_64-pc-windows-msvc", Some("actions_windows")),
            ("aarch64-pc-windows-msvc", Some("actions_windows_arm")),
            ("riscv64gc-unknown-linux-gnu", None),
            ("x86_64-unknown-freebsd", None),
            ("", None),
        ];
        for (platform, sku) in cases {
            assert_eq!(book.sku(platform), sku, "{platform}");
        }
    }
}
