//! What a path leads to, as far as a report can be read there or written: a pipe that nobody has at its other end would
//! be waited for without an end, and a device is no file.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What is there that no report can be written to, if it is that. Terminals, `/dev/null` and the pipes that this process
/// was started with, such as `/dev/stdout`, are written to as they are.
pub(crate) fn unwritable_kind(path: &Path, found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_file() {
        return is_kernels(path).then_some("a file of the kernel's, which keeps no report");
    }
    let name = if kind.is_fifo() {
        "a named pipe, which is waited for until somebody reads it"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() {
        "a disk or another block device, whose contents would be lost"
    } else {
        return None;
    };
    (!is_open_here(found)).then_some(name)
}

/// What is there that no report can be read from, if it is that. What this process was started with, such as
/// `/dev/stdin`, can be read from.
pub(crate) fn unreadable_kind(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    let name = if kind.is_file() {
        return None;
    } else if kind.is_dir() {
        return Some("a directory");
    } else if kind.is_fifo() {
        "a named pipe, which is waited for until somebody writes to it"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    (!is_open_here(found)).then_some(name)
}

/// Whether this process was started with it: nothing has to be waited for to open it.
fn is_open_here(found: &Metadata) -> bool {
    let identity = |found: &Metadata| (found.dev(), found.ino());
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return false };
    open.flatten()
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .any(|entry| identity(&entry) == identity(found))
}

/// In what no new file is made, if a path leads there: folders that are the kernel's, or that hold devices.
pub(crate) fn unwritable_folder(path: &Path) -> Option<&'static str> {
    let folder = fs::canonicalize(path.parent()?).ok()?;
    if ["/proc", "/sys"].iter().any(|kernels| folder.starts_with(kernels)) {
        return Some("in a folder of the kernel's, which keeps no report");
    }
    let is_devices = folder.starts_with("/dev") && !folder.starts_with("/dev/shm");
    is_devices.then_some("in a folder of devices, where no report belongs")
}

/// Whether the kernel answers for a file, so that what is written there is a command and not kept.
fn is_kernels(path: &Path) -> bool {
    let real = fs::canonicalize(path);
    real.is_ok_and(|real| ["/proc", "/sys"].iter().any(|kernels| real.starts_with(kernels)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_that_is_open_here_is_one_to_write_to() {
        let (reader, writer) = std::io::pipe().unwrap();
        for end in [reader.as_raw_fd(), writer.as_raw_fd()] {
            let path = format!("/dev/fd/{end}");
            let found = fs::metadata(&path).unwrap();
            assert_eq!(unwritable_kind(Path::new(&path), &found), None);
            assert_eq!(unreadable_kind(&found), None);
        }
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let found = fs::metadata(&socket).unwrap();
        assert_eq!(
            (unwritable_kind(&socket, &found), unreadable_kind(&found)),
            (Some("a socket"), Some("a socket"))
        );
        let path = Path::new("/dev/full");
        let found = fs::metadata(path).unwrap();
        assert_eq!((unwritable_kind(path, &found), unreadable_kind(&found)), (None, Some("a device")));
        let kind = |path: &str| unwritable_folder(Path::new(path)).is_some();
        assert!(kind("/dev/report.json") && kind("/proc/self/report.json"));
        assert!(!kind("/dev/shm/report.json") && !kind("report.json") && !kind("/tmp/report.json"));
        let path = Path::new("/proc/self/comm");
        assert!(unwritable_kind(path, &fs::metadata(path).unwrap()).unwrap().contains("kernel"));
    }
}
