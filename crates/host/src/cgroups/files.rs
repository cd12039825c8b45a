//! The texts of the kernel's control files. Pure; whatever is not understood reads as not there.

use std::path::{Path, PathBuf};

use super::Controller;

/// The value behind this key in a file of one `key value` to a line.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| *name == key);
    values.next()?.1.trim().parse().ok()
}

/// A file of one number. No limit, `max`, is no number.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The sum of one key over all devices of `io.stat`, whose lines are `8:0 rbytes=1 wbytes=2 …`.
pub(super) fn sum_over_devices(text: &str, key: &str) -> u64 {
    let pairs = text.lines().flat_map(|line| line.split(' ').skip(1)).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

/// Microseconds in which `some` or `full` of the processes waited, from a pressure file.
pub(super) fn stalled_us(text: &str, share: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(share))?;
    line.split(' ').find_map(|pair| pair.strip_prefix("total=")?.parse().ok())
}

/// The controllers that a file names; those that are not ours to use are left out.
pub(super) fn controllers(text: &str) -> Vec<Controller> {
    let names: Vec<_> = text.split_whitespace().collect();
    Controller::ALL.into_iter().filter(|controller| names.contains(&controller.name())).collect()
}

/// Our place in the version 2 hierarchy, from `/proc/self/cgroup`.
pub(super) fn own_place(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Where the directory of this place is, from `/proc/self/mountinfo`: of the mounts of version 2, the one that shows it.
pub(super) fn directory_of(place: &str, mountinfo: &str) -> Option<PathBuf> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        (kind.split(' ').next() == Some("cgroup2")).then_some((root, point))
    });
    mounts.into_iter().find_map(|(root, point)| {
        let below = Path::new(place).strip_prefix(&root).ok()?;
        let point = PathBuf::from(point);
        Some(if below.as_os_str().is_empty() { point } else { point.join(below) })
    })
}

/// Spaces and the like stand in `mountinfo` as a backslash and three octal digits.
fn unescaped(field: &str) -> String {
    let mut pieces = field.split('\\');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&piece[3..]);
            }
            None => text.push_str(piece),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY_EVENTS: &str = "low 0\nhigh 0\nmax 2871\noom 3\noom_kill 2\noom_group_kill 1\n";
    const CPU_STAT: &str = "usage_usec 8217364\nuser_usec 6011873\nsystem_usec 2205491\nnice_usec 0\n\
                            nr_periods 120\nnr_throttled 37\nthrottled_usec 1834562\nnr_bursts 0\nburst_usec 0\n";
    const IO_STAT: &str = "254:0 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n\
                           8:16 rbytes=90112 wbytes=4096 rios=22 wios=1 dbytes=0 dios=0\n7:0 \n";
    const PRESSURE: &str = "some avg10=0.12 avg60=0.05 avg300=0.01 total=182374\n\
                            full avg10=0.00 avg60=0.00 avg300=0.00 total=90871\n";

    #[test]
    fn counts_are_read_by_their_whole_names() {
        for (text, key, expected) in [
            (MEMORY_EVENTS, "oom_kill", Some(2)),
            (MEMORY_EVENTS, "oom", Some(3)),
            (MEMORY_EVENTS, "max", Some(2871)),
            (CPU_STAT, "usage_usec", Some(8_217_364)),
            (CPU_STAT, "throttled_usec", Some(1_834_562)),
            ("populated 1\nfrozen 0\n", "populated", Some(1)),
            ("max 12\n", "max", Some(12)),
            (CPU_STAT, "usec", None),
            ("oom_kill many\n", "oom_kill", None),
            ("", "oom_kill", None),
        ] {
            assert_eq!(keyed(text, key), expected, "{key} in {text}");
        }
        assert_eq!([number("104857600\n"), number("max\n"), number("")], [Some(104_857_600), None, None]);
    }

    #[test]
    fn input_and_output_of_all_devices_are_added_up() {
        assert_eq!(sum_over_devices(IO_STAT, "rbytes"), 1_459_200 + 90_112);
        assert_eq!(sum_over_devices(IO_STAT, "wbytes"), 314_773_504 + 4096);
        assert_eq!(sum_over_devices("", "rbytes"), 0);
    }

    #[test]
    fn pressure_is_read_as_time_lost() {
        assert_eq!((stalled_us(PRESSURE, "some"), stalled_us(PRESSURE, "full")), (Some(182_374), Some(90_871)));
        // Kernels before 5.13 have no `full` line for the CPU.
        assert_eq!(stalled_us(PRESSURE.lines().next().unwrap(), "full"), None);
    }

    #[test]
    fn controllers_that_are_not_ours_to_use_are_left_out() {
        let found = controllers("cpuset cpu io memory hugetlb pids rdma misc\n");
        assert_eq!(found, Controller::ALL);
        assert_eq!(controllers("\n"), []);
    }

    #[test]
    fn our_directory_is_found_in_every_kind_of_hierarchy() {
        let unified = "25 30 0:24 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let hybrid = "33 32 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n34 33 0:29 / /sys/fs/cgroup/unified rw - cgroup2 c rw\n\
                      37 33 0:32 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let inside = "711 690 0:24 /docker/5f1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let spaced = "25 30 0:24 / /mnt/c\\040group rw - cgroup2 cgroup2 rw\n";
        for (own, mounts, expected) in [
            ("0::/system.slice/hearth.service\n", unified, Some("/sys/fs/cgroup/system.slice/hearth.service")),
            ("12:pids:/user\n1:name=systemd:/init\n0::/\n", hybrid, Some("/sys/fs/cgroup/unified")),
            ("0::/docker/5f1/agent\n", inside, Some("/sys/fs/cgroup/agent")),
            ("0::/elsewhere\n", inside, None),
            ("0::/a\n", spaced, Some("/mnt/c group/a")),
            ("4:memory:/\n", hybrid, None),
        ] {
            let found = own_place(own).and_then(|place| directory_of(place, mounts));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{own}");
        }
    }
}
