//! What a slot's processes have used together, and what they waited for.

use std::fs;
use std::path::Path;

use hearth_model::{Bytes, MeasuredBy, UsageReading};

use super::files::{keyed, number, stalled_us, sum_over_devices};
use crate::guard::Usage;

/// Counts since the control group was made. What the machine does not count is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    pub cpu_us: Option<u64>,
    /// Time in which something wanted to run and the limit was used up.
    pub throttled_us: Option<u64>,
    /// Of all processes together, with the files that the kernel kept in memory for them.
    pub memory_peak: Option<Bytes>,
    /// Processes that were killed because the memory was at its limit.
    pub memory_kills: Option<u64>,
    pub process_peak: Option<u64>,
    /// How often a process could not be started because of their number.
    pub process_refusals: Option<u64>,
    pub read: Option<Bytes>,
    pub written: Option<Bytes>,
    pub cpu_pressure: Option<Pressure>,
    pub memory_pressure: Option<Pressure>,
    pub io_pressure: Option<Pressure>,
}

/// Time in which processes waited for something that was short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// At least one waited.
    pub some_us: u64,
    /// All waited.
    pub full_us: u64,
}

impl Reading {
    pub(super) fn of(directory: &Path) -> Self {
        let file = |name: &str| fs::read_to_string(directory.join(name)).ok();
        let keyed_in = |name: &str, key: &str| file(name).and_then(|text| keyed(&text, key));
        let number_in = |name: &str| file(name).and_then(|text| number(&text));
        let bytes_in = |key: &str| file("io.stat").map(|text| Bytes(sum_over_devices(&text, key)));
        let pressure = |name: &str| {
            let text = file(name)?;
            Some(Pressure {
                some_us: stalled_us(&text, "some")?,
                full_us: stalled_us(&text, "full").unwrap_or_default(),
            })
        };
        Self {
            cpu_us: keyed_in("cpu.stat", "usage_usec"),
            throttled_us: keyed_in("cpu.stat", "throttled_usec"),
            memory_peak: number_in("memory.peak").map(Bytes),
            memory_kills: keyed_in("memory.events", "oom_kill"),
            process_peak: number_in("pids.peak"),
            process_refusals: keyed_in("pids.events", "max"),
            read: bytes_in("rbytes"),
            written: bytes_in("wbytes"),
            cpu_pressure: pressure("cpu.pressure"),
            memory_pressure: pressure("memory.pressure"),
            io_pressure: pressure("io.pressure"),
        }
    }

    /// One reading of this and of what was counted process by process. The group's own counts stand where it has those
    /// of CPU time and of memory: they miss nobody, and memory is that of all together.
    pub fn usage(&self, counted: Usage) -> UsageReading {
        let counted = counted.reading();
        if self.cpu_us.is_none() || self.memory_peak.is_none() {
            return counted;
        }
        UsageReading {
            cpu_us: self.cpu_us,
            peak_rss: self.memory_peak,
            read: self.read.or(counted.read),
            written: self.written.or(counted.written),
            measured_by: MeasuredBy::Cgroup2,
            ..counted
        }
    }
}

/// Whether the kernel killed something for want of memory between two readings of one group.
pub fn has_run_out_of_memory(before: &Reading, after: &Reading) -> bool {
    after.memory_kills.unwrap_or_default() > before.memory_kills.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn every_count_is_read_from_its_file() {
        let dir = directory(&[
            ("cpu.stat", "usage_usec 900\nuser_usec 600\nsystem_usec 300\nnr_throttled 1\nthrottled_usec 40\n"),
            ("memory.peak", "1048576\n"),
            ("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n"),
            ("pids.peak", "17\n"),
            ("pids.events", "max 4\n"),
            ("io.stat", "254:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n"),
            (
                "memory.pressure",
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
            ),
            ("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
        ]);
        let reading = Reading::of(dir.path());
        assert_eq!(
            reading,
            Reading {
                cpu_us: Some(900),
                throttled_us: Some(40),
                memory_peak: Some(Bytes::mib(1)),
                memory_kills: Some(1),
                process_peak: Some(17),
                process_refusals: Some(4),
                read: Some(Bytes(10)),
                written: Some(Bytes(20)),
                memory_pressure: Some(Pressure { some_us: 5, full_us: 3 }),
                cpu_pressure: Some(Pressure { some_us: 7, full_us: 0 }),
                io_pressure: None,
            }
        );
        let counted = Usage { cpu_us: 1, peak_rss: 2, read_bytes: 3, written_bytes: 4 };
        let usage = reading.usage(counted);
        assert_eq!((usage.cpu_us, usage.peak_rss), (Some(900), Some(Bytes::mib(1))));
        assert_eq!((usage.written, usage.measured_by), (Some(Bytes(20)), MeasuredBy::Cgroup2));
    }

    #[test]
    fn what_is_not_counted_is_unknown_and_the_processes_own_counts_stand() {
        // A hierarchy without controllers.
        let dir = directory(&[("cpu.stat", "usage_usec 900\nuser_usec 600\nsystem_usec 300\n")]);
        let reading = Reading::of(dir.path());
        assert_eq!(reading, Reading { cpu_us: Some(900), ..Reading::default() });
        let counted = Usage { cpu_us: 1, peak_rss: 2, read_bytes: 3, written_bytes: 4 };
        assert_eq!(reading.usage(counted), counted.reading());
    }

    #[test]
    fn running_out_of_memory_is_seen_by_a_new_kill() {
        let with = |memory_kills| Reading { memory_kills, ..Reading::default() };
        for (before, after, expected) in [
            (Some(0), Some(0), false),
            (Some(0), Some(1), true),
            (Some(2), Some(2), false),
            (None, None, false),
            (None, Some(1), true),
        ] {
            assert_eq!(has_run_out_of_memory(&with(before), &with(after)), expected, "{before:?} {after:?}");
        }
    }
}
