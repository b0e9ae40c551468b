//! What bounds this process's memory besides the machine's: limits of the process, and those of its control group.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// A bound of this process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) of: BoundOf,
    /// In words, with its value.
    pub(crate) name: String,
    pub(crate) limit_bytes: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoundOf {
    /// Addresses, touched or not: stacks of threads, and what the allocator reserves.
    Addresses,
    /// Pages in memory, those of the kernel for its sockets among them.
    Pages {
        /// What is in use already.
        used_bytes: u64,
    },
}

/// All that there are.
pub(crate) fn bounds() -> Vec<Bound> {
    let own = [("RLIMIT_AS", Resource::As), ("RLIMIT_DATA", Resource::Data)];
    let own = own.into_iter().filter_map(|(name, resource)| {
        let limit_bytes = getrlimit(resource).current?;
        Some(Bound { of: BoundOf::Addresses, name: format!("{name} = {limit_bytes}"), limit_bytes })
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    own.chain(group_bounds(Path::new("/sys/fs/cgroup"), &groups)).collect()
}

/// Of the groups that `/proc/self/cgroup` names, and of all above them, below `root`.
fn group_bounds(root: &Path, groups: &str) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let relative = path.trim_start_matches('/');
        if controllers.is_empty() {
            for mount in [root.to_owned(), root.join("unified")] {
                for group in upwards(&mount, relative) {
                    let used = ("memory.current", "inactive_file");
                    bounds.extend(
                        ["memory.max", "memory.high"].iter().filter_map(|limit| bound(&group, limit, used)),
                    );
                }
            }
        } else if controllers.split(',').any(|name| name == "memory") {
            for group in upwards(&root.join("memory"), relative) {
                let used = ("memory.usage_in_bytes", "total_inactive_file");
                bounds.extend(bound(&group, "memory.limit_in_bytes", used));
            }
        }
    }
    bounds
}

/// The folder of a group, and those of the groups that it is in. In a container the path may be the host's, and only the
/// top is there.
fn upwards(mount: &Path, relative: &str) -> Vec<PathBuf> {
    let group = mount.join(relative);
    group.ancestors().take_while(|folder| folder.starts_with(mount)).map(Path::to_owned).collect()
}

/// What one file of a group limits; `None`: nothing.
fn bound(group: &Path, limit: &str, (used, reclaimable): (&str, &str)) -> Option<Bound> {
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    // The first version says "no limit" with the largest number of pages there is.
    let limit_bytes = number(limit).filter(|bytes| *bytes < 1 << 60)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    // What is only kept of files makes room.
    let cached = stat.lines().find_map(|line| line.strip_prefix(reclaimable)?.trim().parse::<u64>().ok());
    Some(Bound {
        of: BoundOf::Pages { used_bytes: number(used)?.saturating_sub(cached.unwrap_or(0)) },
        name: format!("{limit} = {limit_bytes} of the control group {}", group.display()),
        limit_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
    }

    #[test]
    fn groups_above_bound_as_well() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("a/memory.max", "1000000\n"),
                ("a/memory.current", "300000\n"),
                ("a/memory.stat", "anon 5\ninactive_file 100000\n"),
                ("a/b/memory.max", "max\n"),
                ("a/b/memory.high", "900000\n"),
                ("a/b/memory.current", "1\n"),
                ("memory/c/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/memory.limit_in_bytes", "5000\n"),
                ("memory/memory.usage_in_bytes", "6000\n"),
            ],
        );
        let found = |groups: &str| -> Vec<(u64, BoundOf)> {
            group_bounds(root.path(), groups).iter().map(|bound| (bound.limit_bytes, bound.of)).collect()
        };
        let pages = |used_bytes| BoundOf::Pages { used_bytes };
        assert_eq!(found("0::/a/b\n"), [(900_000, pages(1)), (1_000_000, pages(200_000))]);
        assert_eq!(
            found("4:cpu,memory:/c/gone\n3:cpu:/a\n"),
            [(5_000, pages(6_000))],
            "the top of a container is another group's"
        );
        assert_eq!(found("0::/\nnonsense\n"), []);
        let named = group_bounds(root.path(), "0::/a\n");
        assert!(named[0].name.starts_with("memory.max = 1000000 of the control group "), "{named:?}");
    }

    #[test]
    fn what_this_process_may_is_read() {
        assert!(bounds().iter().all(|bound| bound.limit_bytes > 0 && !bound.name.is_empty()));
    }
}
