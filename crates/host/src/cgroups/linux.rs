//! Linux: disks by their numbers.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{major, minor};

/// The numbers of the whole disk under a device or file, like `8:0`: the kernel limits no partitions.
pub(super) fn disk_of(path: &Path) -> io::Result<String> {
    let metadata = path.metadata()?;
    let number = if metadata.file_type().is_block_device() { metadata.rdev() } else { metadata.dev() };
    // File systems that span disks, or are on none, have numbers of their own, which are not found here.
    let device = fs::canonicalize(format!("/sys/dev/block/{}:{}", major(number), minor(number)))?;
    let disk = match device.parent() {
        Some(disk) if device.join("partition").exists() => disk,
        _ => &device,
    };
    Ok(fs::read_to_string(disk.join("dev"))?.trim().to_owned())
}
