//! A bar for each day of the month, as SVG made of numbers only. Colors come from the style sheet.

use hearth_daemon::pages::{Screen, counted};
use maud::{Markup, html};

use super::month::DayMinutes;

const HEIGHT: u32 = 196;
const TOP: u32 = 26;
const BOTTOM: u32 = 34;
const LEFT: u32 = 44;
const RIGHT: u32 = 8;
/// Lines across at most, the base line not counted.
const LINES: u64 = 4;

/// The plot for one kind of screen.
pub(super) fn minutes_by_day(days: &[DayMinutes], month: &str, screen: Screen) -> Markup {
    let (name, width) = (screen.name(), screen.width());
    let most = days.iter().map(|day| day.billable_minutes).max().unwrap_or(0);
    let step = step_for(most);
    let top = step * most.div_ceil(step).max(1);
    let base = f64::from(HEIGHT - BOTTOM);
    let height = |minutes: f64| (base - f64::from(TOP)) * minutes / top as f64;
    let room = f64::from(width - LEFT - RIGHT) / days.len().max(1) as f64;
    let bar = room * 0.7;
    let number = |n: f64| format!("{n:.1}");
    html! {
        svg class={ "plot " (name) } viewBox={ "0 0 " (width) " " (HEIGHT) } role="img"
            aria-labelledby={ "plot-" (name) "-title plot-" (name) "-text" } {
            title id={ "plot-" (name) "-title" } { "Job-minutes by day, " (month) }
            desc id={ "plot-" (name) "-text" } { (in_words(days)) }
            text.axis x="0" y="11" { "minutes charged" }
            @for line in (0..=top).step_by(usize::try_from(step).unwrap_or(1)) {
                @let y = base - height(line as f64);
                line.grid x1=(LEFT) x2=(width - RIGHT) y1=(number(y)) y2=(number(y)) {}
                text.axis.end x=(LEFT - 6) y=(number(y + 4.0)) { (line) }
            }
            @for (index, day) in days.iter().enumerate() {
                @let x = f64::from(LEFT) + room * index as f64 + (room - bar) / 2.0;
                @let charged = height(day.billable_minutes as f64);
                @let ran = height(day.ran.0 as f64 / 60_000.0);
                @if day.billable_minutes > 0 {
                    g {
                        title { (day_in_words(day)) }
                        rect.charged x=(number(x)) y=(number(base - charged)) width=(number(bar)) height=(number(charged)) {}
                        rect.ran x=(number(x)) y=(number(base - ran)) width=(number(bar)) height=(number(ran)) {}
                    }
                }
                @if is_labeled(index, days.len()) {
                    text.axis.middle x=(number(x + bar / 2.0)) y=(HEIGHT - BOTTOM + 15) { (day_of_month(day)) }
                }
            }
            text.axis.middle x=((LEFT + width - RIGHT) / 2) y=(HEIGHT - 3) { "day of the month, UTC" }
        }
    }
}

/// The distance between two lines: 1, 2 or 5 and zeros.
fn step_for(most: u64) -> u64 {
    let mut decade = 1;
    loop {
        for step in [1, 2, 5].map(|n| n * decade) {
            if most <= step * LINES {
                return step;
            }
        }
        decade *= 10;
    }
}

/// The first, every fifth, and the last when nothing is near it.
fn is_labeled(index: usize, days: usize) -> bool {
    let day = index + 1;
    day == 1 || day.is_multiple_of(5) && day + 1 < days || day == days
}

fn day_of_month(day: &DayMinutes) -> &str {
    day.date.rsplit('-').next().unwrap_or_default().trim_start_matches('0')
}

fn day_in_words(day: &DayMinutes) -> String {
    let charged = counted(day.billable_minutes, "minute", "minutes");
    format!("{}: {charged} charged, {} ran, {}", day.date, day.ran, counted(day.jobs, "job", "jobs"))
}

/// What the drawing shows, for those who do not see it.
fn in_words(days: &[DayMinutes]) -> String {
    let busy: Vec<&DayMinutes> = days.iter().filter(|day| day.billable_minutes > 0).collect();
    let Some(most) = busy.iter().max_by_key(|day| day.billable_minutes) else {
        return "No job ended on any day.".to_owned();
    };
    let total: u64 = busy.iter().map(|day| day.billable_minutes).sum();
    format!(
        "{} charged on {}. The most on {}.",
        counted(total, "minute", "minutes"),
        counted(busy.len() as u64, "day", "days"),
        day_in_words(most)
    )
}

#[cfg(test)]
mod tests {
    use hearth_model::Millis;

    use super::*;

    fn days(minutes: &[u64]) -> Vec<DayMinutes> {
        let day = |(index, minutes): (usize, &u64)| DayMinutes {
            date: format!("2026-11-{:02}", index + 1),
            jobs: u64::from(*minutes > 0),
            ran: Millis(minutes * 30_000),
            billable_minutes: *minutes,
        };
        minutes.iter().enumerate().map(day).collect()
    }

    #[test]
    fn the_scale_has_round_numbers_and_few_lines() {
        let cases = [(0, 1), (1, 1), (4, 1), (5, 2), (8, 2), (9, 5), (20, 5), (21, 10), (400, 100), (401, 200)];
        for (most, step) in cases {
            assert_eq!(step_for(most), step, "{most}");
        }
    }

    #[test]
    fn bars_stay_inside_and_stand_on_the_base_line() {
        let mut month = [0; 30];
        (month[0], month[21]) = (3, 10);
        let svg = minutes_by_day(&days(&month), "2026-11", Screen::Narrow).into_string();
        assert_eq!(svg.matches("<rect").count(), 4);
        // 10 of a scale that ends at 10 fills the height; half of it ran.
        assert!(svg.contains(r#"class="charged" x="254.1" y="26.0" width="7.0" height="136.0""#), "{svg}");
        assert!(svg.contains(r#"class="ran" x="254.1" y="94.0" width="7.0" height="68.0""#), "{svg}");
        assert!(svg.contains("2026-11-22: 10 minutes charged, 5 min 00 s ran, 1 job"));
        assert!(svg.contains("13 minutes charged on 2 days."));
    }

    #[test]
    fn a_month_without_jobs_is_drawn_without_bars() {
        let svg = minutes_by_day(&days(&[0; 31]), "2026-12", Screen::Wide).into_string();
        assert!(!svg.contains("<rect") && svg.contains("No job ended on any day."));
    }

    #[test]
    fn labels_of_days_do_not_run_into_each_other() {
        for length in [28, 29, 30, 31] {
            let labeled: Vec<usize> = (0..length).filter(|index| is_labeled(*index, length)).collect();
            assert!(labeled.windows(2).all(|pair| pair[1] - pair[0] >= 3), "{length}: {labeled:?}");
            assert_eq!((labeled[0], labeled[labeled.len() - 1]), (0, length - 1));
        }
    }
}
