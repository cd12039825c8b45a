//! The section `[slots.limits]`: what the jobs of one slot may use together.

use std::borrow::Cow;
use std::path::PathBuf;

use hearth_daemon::config::ByteSize;
use hearth_host::cgroups::{Cpus, IoLimit, Limits, OnOutOfMemory, Weight};
use hearth_model::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A runner and a shell need this much before they have done anything.
const LEAST_MEMORY: Bytes = Bytes::mib(64);
const LEAST_PROCESSES: u64 = 32;

#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    #[error("slots.limits.{key} is {value}; it must be between 1 and 10000")]
    Weight { key: &'static str, value: u16 },
    #[error("slots.limits.memory is {0}; a job needs at least {LEAST_MEMORY}")]
    Memory(ByteSize),
    #[error("slots.limits.processes is {0}; a job needs at least {LEAST_PROCESSES}")]
    Processes(u64),
    #[error("slots.limits.disks has {device} without any limit above zero; name one, like write = \"200MiB\"")]
    Disk { device: PathBuf },
}

/// The section `[slots.limits]`. What is unset is not limited. Linux with control groups of version 2.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsFile {
    /// The time of so many CPUs, like 2.5.
    pub cpus: Option<CpuCount>,
    /// The share of CPU time when there is not enough for all, from 1 to 10000. Everybody has 100 by default.
    #[schemars(range(min = 1, max = 10_000))]
    pub cpu_weight: Option<u16>,
    /// Memory of all processes together, the files that the kernel keeps for them included.
    pub memory: Option<ByteSize>,
    /// What may go to swap beside that.
    pub swap: Option<ByteSize>,
    /// Whom the kernel kills when the memory is at its limit.
    pub out_of_memory: OutOfMemory,
    /// Processes and threads.
    #[schemars(range(min = 32))]
    pub processes: Option<u64>,
    /// The share of input and output when there is not enough for all, from 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub io_weight: Option<u16>,
    pub disks: Vec<DiskLimitFile>,
}

/// Whom the kernel kills when a slot's memory is at its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfMemory {
    /// The largest process: its step fails, with its log.
    #[default]
    KillLargest,
    /// Everything: the forge only hears that the runner is gone.
    KillAll,
}

/// Limits of one disk, for each second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiskLimitFile {
    /// The device, or any file on it.
    pub device: PathBuf,
    pub read: Option<ByteSize>,
    pub write: Option<ByteSize>,
    pub read_operations: Option<u64>,
    pub write_operations: Option<u64>,
}

/// A number of CPUs in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuCount(pub Cpus);

impl Serialize for CpuCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.count())
    }
}

impl<'de> Deserialize<'de> for CpuCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = f64::deserialize(deserializer)?;
        Cpus::new(count).map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for CpuCount {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "CpuCount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": Cpus::LEAST, "maximum": Cpus::MOST, "examples": [2.5] })
    }
}

impl LimitsFile {
    pub fn check(&self) -> Result<Limits, LimitsError> {
        let weight = |key, value: Option<u16>| {
            value.map(|value| Weight::new(value).ok_or(LimitsError::Weight { key, value })).transpose()
        };
        if let Some(memory) = self.memory.filter(|memory| memory.0 < LEAST_MEMORY) {
            return Err(LimitsError::Memory(memory));
        }
        if let Some(processes) = self.processes.filter(|processes| *processes < LEAST_PROCESSES) {
            return Err(LimitsError::Processes(processes));
        }
        Ok(Limits {
            cpus: self.cpus.map(|count| count.0),
            cpu_weight: weight("cpu_weight", self.cpu_weight)?,
            memory: self.memory.map(|size| size.0),
            swap: self.swap.map(|size| size.0),
            on_out_of_memory: match self.out_of_memory {
                OutOfMemory::KillLargest => OnOutOfMemory::KillLargest,
                OutOfMemory::KillAll => OnOutOfMemory::KillAll,
            },
            processes: self.processes,
            io_weight: weight("io_weight", self.io_weight)?,
            io: self.disks.iter().map(DiskLimitFile::check).collect::<Result<_, _>>()?,
        })
    }
}

impl DiskLimitFile {
    fn check(&self) -> Result<IoLimit, LimitsError> {
        let sizes = [self.read, self.write].map(|size| size.map(|size| size.0.0));
        let limits = sizes.into_iter().chain([self.read_operations, self.write_operations]).flatten();
        if limits.clone().next().is_none() || limits.into_iter().any(|limit| limit == 0) {
            return Err(LimitsError::Disk { device: self.device.clone() });
        }
        Ok(IoLimit {
            device: self.device.clone(),
            read: self.read.map(|size| size.0),
            write: self.write.map(|size| size.0),
            read_operations: self.read_operations,
            write_operations: self.write_operations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Limits, String> {
        let file: LimitsFile = toml::from_str(text).map_err(|error| error.to_string())?;
        file.check().map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_read_as_people_write_them() {
        assert_eq!(read("").unwrap(), Limits::default());
        let text = "cpus = 2.5\nmemory = \"8GiB\"\nswap = \"0B\"\nprocesses = 4096\nout_of_memory = \"kill-all\"\n\
                    [[disks]]\ndevice = \"/\"\nwrite = \"200MiB\"\n";
        let disk = IoLimit {
            device: "/".into(),
            read: None,
            write: Some(Bytes::mib(200)),
            read_operations: None,
            write_operations: None,
        };
        let expected = Limits {
            cpus: Cpus::new(2.5).ok(),
            memory: Some(Bytes::gib(8)),
            swap: Some(Bytes(0)),
            processes: Some(4096),
            on_out_of_memory: OnOutOfMemory::KillAll,
            io: vec![disk],
            ..Limits::default()
        };
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read("cpus = 2").unwrap().cpus, Cpus::new(2.0).ok());
        let written = toml::to_string(&toml::from_str::<LimitsFile>(text).unwrap()).unwrap();
        assert_eq!(read(&written).unwrap(), expected);
    }

    #[test]
    fn a_limit_under_which_no_job_can_live_is_refused_by_its_key() {
        for (text, key) in [
            ("cpus = 0", "CPUs"),
            ("cpu_weight = 0", "slots.limits.cpu_weight"),
            ("io_weight = 10001", "slots.limits.io_weight"),
            ("memory = \"1MiB\"", "slots.limits.memory"),
            ("processes = 1", "slots.limits.processes"),
            ("[[disks]]\ndevice = \"/data\"", "/data"),
            ("[[disks]]\ndevice = \"/data\"\nread = \"0B\"", "/data"),
            ("memroy = \"8GiB\"", "memroy"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
