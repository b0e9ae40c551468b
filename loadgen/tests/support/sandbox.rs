//! Programs begun with less than this machine gives: fewer descriptors, no io_uring, a network of their own.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// `program`, begun by the words of `before`, which end by becoming what follows them.
pub(crate) fn command(before: &[&str], program: &Path) -> Command {
    let Some((first, rest)) = before.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// At most `limit` descriptors, the standard three among them and no other inherited.
pub(crate) fn descriptors(limit: u32) -> [String; 3] {
    let script =
        format!("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -n {limit} || exit 70; exec \"$0\" \"$@\"");
    ["sh".to_owned(), "-c".to_owned(), script]
}

/// A filter on system calls, as container runtimes install them: `io_uring_setup` (425 everywhere) is answered with
/// `EPERM`. The numbers of prctl(2) are those of x86-64 and AArch64; 77: it cannot be installed here.
pub(crate) const NO_IO_URING: [&str; 3] = [
    "perl",
    "-e",
    r#"use POSIX ();
       my $prctl = {x86_64 => 157, aarch64 => 167}->{(POSIX::uname())[4]} or exit 77;
       my $filter = pack "SCCL" x 4,
           0x20, 0, 0, 0,           # load the number of the call
           0x15, 0, 1, 425,         # io_uring_setup: go on, else skip one
           0x06, 0, 0, 0x00050001,  # SECCOMP_RET_ERRNO | EPERM
           0x06, 0, 0, 0x7fff0000;  # SECCOMP_RET_ALLOW
       my $program = pack "Sx6P", 4, $filter;
       syscall($prctl, 38, 1, 0, 0, 0) == 0 or exit 77;     # PR_SET_NO_NEW_PRIVS
       syscall($prctl, 22, 2, $program, 0, 0) == 0 or exit 77;  # PR_SET_SECCOMP, a filter
       exec @ARGV; exit 77"#,
];

/// A copy of `loadgen` in `folder`, begun as another user, who may have `threads` of them: root may have as many as it likes. Nothing
/// where there can be no such user.
pub(crate) fn with_threads(threads: u32, folder: &Path) -> Option<Command> {
    let copy = folder.join("loadgen");
    std::fs::copy(env!("CARGO_BIN_EXE_loadgen"), &copy).unwrap();
    std::fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    // One of this process's own, so that nobody else's are counted.
    let user = (64_000 + std::process::id() % 1_000).to_string();
    let become_it = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    let tried = Command::new(become_it[0]).args(&become_it[1..]).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        skipped("no `setpriv` to another user");
        return None;
    }
    let limit = format!("--nproc={threads}:{threads}");
    Some(command(&[&["prlimit", &limit], &become_it[..]].concat(), &copy))
}

/// What `script` ends with in a network of its own, where it is root and `$0` and `$@` are `words`; nothing where
/// there can be no such network.
pub(crate) fn in_a_network(script: &str, words: &[&str]) -> Option<Output> {
    let enter = ["unshare", "--net", "--user", "--map-root-user", "--kill-child", "--fork"];
    let tried = Command::new(enter[0]).args(&enter[1..]).args(["ip", "link", "set", "lo", "up"]).output();
    match tried {
        Ok(output) if output.status.success() => {}
        other => {
            skipped(&format!("no network namespace with `unshare` and `ip`: {other:?}"));
            return None;
        }
    }
    let script = format!("set -eu\nip link set lo up\n{script}");
    Some(Command::new(enter[0]).args(&enter[1..]).args(["sh", "-c", &script]).args(words).output().unwrap())
}

/// Says that a test does not run, past the test runner, which shows nothing of a test that passes.
pub(crate) fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
