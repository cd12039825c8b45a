//! The share of hits over the last hours, as SVG made of numbers only. Colors come from the style sheet.

use hearth_daemon::pages::{Screen, counted, percent};
use hearth_model::Timestamp;
use maud::{Markup, html};

use crate::metrics::Minute;

const HEIGHT: u32 = 180;
const TOP: u32 = 22;
const BOTTOM: u32 = 24;
const LEFT: u32 = 44;
const RIGHT: u32 = 8;
/// Minutes that share a bar.
const MINUTES: usize = 5;
/// Bars for the hours that are remembered.
const BARS: usize = 72;

/// What a bar stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stretch {
    hits: u64,
    misses: u64,
}

impl Stretch {
    fn reads(self) -> u64 {
        self.hits + self.misses
    }
}

/// The newest stretch last; those before the first minute are empty.
fn stretches(minutes: &[Minute]) -> Vec<Stretch> {
    let mut all: Vec<_> = minutes
        .rchunks(MINUTES)
        .take(BARS)
        .map(|minutes| Stretch {
            hits: minutes.iter().map(|minute| minute.hits).sum(),
            misses: minutes.iter().map(|minute| minute.misses).sum(),
        })
        .collect();
    all.resize(BARS, Stretch::default());
    all.reverse();
    all
}

pub(super) fn hit_share(minutes: &[Minute], now: Timestamp, screen: Screen) -> Markup {
    let (name, width) = (screen.name(), screen.width());
    let stretches = stretches(minutes);
    let base = f64::from(HEIGHT - BOTTOM);
    let full = base - f64::from(TOP);
    let room = f64::from(width - LEFT - RIGHT) / BARS as f64;
    let bar = room * 0.8;
    let number = |n: f64| format!("{n:.1}");
    let clock = |bars_ago: usize| clock(now, bars_ago * MINUTES);
    html! {
        svg class={ "plot " (name) } viewBox={ "0 0 " (width) " " (HEIGHT) } role="img"
            aria-labelledby={ "plot-" (name) "-title plot-" (name) "-text" } {
            title id={ "plot-" (name) "-title" } { "Share of hits over the last six hours" }
            desc id={ "plot-" (name) "-text" } { (in_words(&stretches)) }
            text.axis x="0" y="11" { "hits in 100 reads" }
            @for line in [0_u32, 25, 50, 75, 100] {
                @let y = base - full * f64::from(line) / 100.0;
                line.grid x1=(LEFT) x2=(width - RIGHT) y1=(number(y)) y2=(number(y)) {}
                text.axis.end x=(LEFT - 6) y=(number(y + 4.0)) { (line) }
            }
            @for (index, stretch) in stretches.iter().enumerate() {
                @if stretch.reads() > 0 {
                    @let x = f64::from(LEFT) + room * index as f64 + (room - bar) / 2.0;
                    @let hit = full * stretch.hits as f64 / stretch.reads() as f64;
                    g {
                        title { (clock(BARS - index)) ": " (words(*stretch)) }
                        rect.charged x=(number(x)) y=(number(base - full)) width=(number(bar)) height=(number(full)) {}
                        rect.ran x=(number(x)) y=(number(base - hit)) width=(number(bar)) height=(number(hit)) {}
                    }
                }
            }
            @for bars_ago in [60, 36, 12] {
                @let x = f64::from(LEFT) + room * (BARS - bars_ago) as f64;
                text.axis.middle x=(number(x)) y=(HEIGHT - 6) { (clock(bars_ago)) }
            }
        }
    }
}

fn words(stretch: Stretch) -> String {
    let share = percent(stretch.hits, stretch.reads()).unwrap_or(0);
    format!("{share} % of {}", counted(stretch.reads(), "read", "reads"))
}

/// What the drawing shows, for those who do not see it.
fn in_words(stretches: &[Stretch]) -> String {
    let sum = Stretch {
        hits: stretches.iter().map(|stretch| stretch.hits).sum(),
        misses: stretches.iter().map(|stretch| stretch.misses).sum(),
    };
    if sum.reads() == 0 { "Nothing was read.".to_owned() } else { format!("Hits were {}.", words(sum)) }
}

/// The time of day in UTC, so many minutes before `now`.
pub(super) fn clock(now: Timestamp, minutes_ago: usize) -> String {
    let minutes = now.as_millis().div_euclid(60_000) - i64::try_from(minutes_ago).unwrap_or(0);
    format!("{:02}:{:02}", minutes.div_euclid(60).rem_euclid(24), minutes.rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use hearth_model::Millis;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn minute(hits: u64, misses: u64) -> Minute {
        Minute { end: NOW, hits, misses, saved: Millis(0) }
    }

    #[test]
    fn bars_are_made_of_five_minutes_from_the_newest_back() {
        let minutes: Vec<_> = (1..=7).map(|n| minute(n, 1)).collect();
        let all = stretches(&minutes);
        assert_eq!(all.len(), BARS);
        assert_eq!(all[71], Stretch { hits: 25, misses: 5 });
        assert_eq!(all[70], Stretch { hits: 3, misses: 2 });
        assert_eq!(all[69], Stretch::default());
    }

    #[test]
    fn a_bar_is_as_high_as_its_share() {
        let svg = hit_share(&[minute(3, 1)], NOW, Screen::Wide).into_string();
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains(r#"height="134.0""#) && svg.contains(r#"height="100.5""#), "{svg}");
        assert!(svg.contains("22:08: 75 % of 4 reads") && svg.contains("Hits were 75 % of 4 reads."), "{svg}");
    }

    #[test]
    fn hours_without_reads_are_drawn_without_bars() {
        let svg = hit_share(&[minute(0, 0)], NOW, Screen::Narrow).into_string();
        assert!(!svg.contains("<rect") && svg.contains("Nothing was read."));
    }
}
