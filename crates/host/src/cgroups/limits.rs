//! What a slot's processes may use together.

use std::io;
use std::path::PathBuf;

use hearth_model::Bytes;

use super::Controller;

/// The period over which CPU time is shared out, the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Limits of one slot. What is `None` is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub cpus: Option<Cpus>,
    /// The share of CPU time when there is not enough; 100 by default.
    pub cpu_weight: Option<Weight>,
    pub memory: Option<Bytes>,
    pub swap: Option<Bytes>,
    pub on_out_of_memory: OnOutOfMemory,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// The share of input and output when there is not enough; 100 by default.
    pub io_weight: Option<Weight>,
    pub io: Vec<IoLimit>,
}

/// Whom the kernel kills when the slot's memory is at its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnOutOfMemory {
    /// The largest process: the step that started it fails, and the job's log says so.
    #[default]
    KillLargest,
    /// Everything in the slot. The forge then only hears that the runner is gone.
    KillAll,
}

/// The time of so many CPUs, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpus {
    milli: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no number of CPUs; write one between {least} and {most}, like 2.5", least = Cpus::LEAST, most = Cpus::MOST)]
pub struct InvalidCpus(f64);

impl Cpus {
    /// The kernel's own bound: a millisecond of each period.
    pub const LEAST: f64 = 0.01;
    pub const MOST: f64 = 4096.0;

    pub fn new(cpus: f64) -> Result<Self, InvalidCpus> {
        if !(Self::LEAST..=Self::MOST).contains(&cpus) {
            return Err(InvalidCpus(cpus));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range leaves no room for either"
        )]
        let milli = (cpus * 1000.0).round() as u32;
        Ok(Self { milli })
    }

    pub fn count(self) -> f64 {
        f64::from(self.milli) / 1000.0
    }
}

/// A share, from 1 to 10,000; everybody has 100 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight(u16);

impl Weight {
    pub fn new(weight: u16) -> Option<Self> {
        (1..=10_000).contains(&weight).then_some(Self(weight))
    }
}

/// Limits of one disk, for each second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoLimit {
    /// The device, or any file on it.
    pub device: PathBuf,
    pub read: Option<Bytes>,
    pub write: Option<Bytes>,
    pub read_operations: Option<u64>,
    pub write_operations: Option<u64>,
}

/// A limit that was asked for and that the machine does not hold.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    #[error("{file} = {value} is not held: the {controller} controller is not ours to use")]
    NoController { file: &'static str, value: String, controller: Controller },
    #[error("{file} = {value} is not held")]
    Refused {
        file: &'static str,
        value: String,
        #[source]
        cause: io::Error,
    },
    #[error("the limit of {device} is not held: it is on no disk that can be limited")]
    Device {
        device: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// One text for one control file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: Controller,
    pub(super) file: &'static str,
    pub(super) value: String,
}

impl Limits {
    pub fn is_unlimited(&self) -> bool {
        *self == Self { on_out_of_memory: self.on_out_of_memory, ..Self::default() }
    }

    /// The texts for all limits but those of single disks.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let set = |controller, file, value: Option<String>| value.map(|value| Setting { controller, file, value });
        let quota = |cpus: Cpus| format!("{} {CPU_PERIOD_US}", u64::from(cpus.milli) * CPU_PERIOD_US / 1000);
        let group = match self.on_out_of_memory {
            OnOutOfMemory::KillLargest => "0",
            OnOutOfMemory::KillAll => "1",
        };
        let all = [
            set(Controller::Cpu, "cpu.max", self.cpus.map(quota)),
            set(Controller::Cpu, "cpu.weight", self.cpu_weight.map(|weight| weight.0.to_string())),
            set(Controller::Memory, "memory.max", self.memory.map(|bytes| bytes.0.to_string())),
            set(Controller::Memory, "memory.swap.max", self.swap.map(|bytes| bytes.0.to_string())),
            set(Controller::Memory, "memory.oom.group", self.memory.map(|_| group.to_owned())),
            set(Controller::Pids, "pids.max", self.processes.map(|count| count.to_string())),
            set(Controller::Io, "io.weight", self.io_weight.map(|weight| format!("default {}", weight.0))),
        ];
        all.into_iter().flatten().collect()
    }
}

impl IoLimit {
    /// The text for this disk.
    pub(super) fn setting(&self) -> Result<Setting, NotApplied> {
        let disk = super::platform::disk_of(&self.device)
            .map_err(|cause| NotApplied::Device { device: self.device.clone(), cause })?;
        Ok(Setting { controller: Controller::Io, file: "io.max", value: self.value(&disk) })
    }

    fn value(&self, disk: &str) -> String {
        let pairs = [
            ("rbps", self.read.map(|bytes| bytes.0)),
            ("wbps", self.write.map(|bytes| bytes.0)),
            ("riops", self.read_operations),
            ("wiops", self.write_operations),
        ];
        let pairs = pairs.iter().filter_map(|(name, limit)| limit.map(|limit| format!(" {name}={limit}")));
        format!("{disk}{}", pairs.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_the_texts_that_the_kernel_reads() {
        let check = |limits: Limits, expected: &[(&str, &str)]| {
            let settings = limits.settings();
            let found: Vec<_> = settings.iter().map(|one| (one.file, one.value.as_str())).collect();
            assert_eq!(found, expected, "{limits:?}");
            assert_eq!(limits.is_unlimited(), expected.is_empty(), "{limits:?}");
            for one in &settings {
                assert!(one.file.starts_with(one.controller.name()), "{one:?}");
            }
        };
        check(Limits::default(), &[]);
        check(Limits { on_out_of_memory: OnOutOfMemory::KillAll, ..Limits::default() }, &[]);
        check(
            Limits { cpus: Cpus::new(2.5).ok(), cpu_weight: Weight::new(50), ..Limits::default() },
            &[("cpu.max", "250000 100000"), ("cpu.weight", "50")],
        );
        check(
            Limits { memory: Some(Bytes::gib(4)), swap: Some(Bytes(0)), ..Limits::default() },
            &[("memory.max", "4294967296"), ("memory.swap.max", "0"), ("memory.oom.group", "0")],
        );
        let all = OnOutOfMemory::KillAll;
        check(
            Limits { memory: Some(Bytes::mib(1)), on_out_of_memory: all, ..Limits::default() },
            &[("memory.max", "1048576"), ("memory.oom.group", "1")],
        );
        check(
            Limits { processes: Some(4096), io_weight: Weight::new(10), ..Limits::default() },
            &[("pids.max", "4096"), ("io.weight", "default 10")],
        );
    }

    #[test]
    fn a_number_of_cpus_is_one_that_the_kernel_accepts() {
        let quota =
            |cpus| Limits { cpus: Some(Cpus::new(cpus).unwrap()), ..Limits::default() }.settings()[0].value.clone();
        assert_eq!([quota(0.01), quota(1.0), quota(4096.0)], ["1000 100000", "100000 100000", "409600000 100000"]);
        for invalid in [0.0, -1.0, 0.009, 4097.0, f64::NAN, f64::INFINITY] {
            assert!(Cpus::new(invalid).is_err(), "{invalid}");
        }
        assert_eq!([Weight::new(0), Weight::new(10_001)], [None, None]);
    }

    #[test]
    fn a_limit_of_a_disk_names_what_is_limited_only() {
        let limit = IoLimit {
            device: PathBuf::from("/"),
            read: Some(Bytes::mib(1)),
            write: None,
            read_operations: None,
            write_operations: Some(300),
        };
        assert_eq!(limit.value("254:0"), "254:0 rbps=1048576 wiops=300");
        let nowhere = IoLimit { device: PathBuf::from("/proc/self"), ..limit };
        let error = nowhere.setting().unwrap_err();
        assert!(error.to_string().contains("/proc/self"), "{error}");
    }
}
