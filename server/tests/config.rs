//! The real binary refuses what it cannot run with: exit code 2, and a message that names the key,
//! the value, where it came from, and what is allowed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Output};

fn server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickring-server"));
    command.env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Expects a refusal whose message holds every one of `words`.
fn refused(output: &Output, words: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(text(&output.stdout), "", "nothing must be printed where scripts look for the address");
    for word in words {
        assert!(message.contains(word), "{message:?} does not say {word:?}");
    }
}

fn file_with(lines: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    file
}

#[test]
fn a_bad_flag_value_is_refused() {
    let output = server().args(["--tick-hz", "500"]).output().unwrap();
    refused(&output, &["tick_hz", "\"500\"", "flag --tick-hz", "from 20 to 128"]);
    let output = server().args(["--game=chess"]).output().unwrap();
    refused(&output, &["game", "\"chess\"", "flag --game", "allowed: arena, snakes or pulse"]);
    let output = server().args(["--echo=perhaps"]).output().unwrap();
    refused(&output, &["echo", "\"perhaps\"", "flag --echo", "on or off"]);
    let output = server().args(["--gather-us", "-1"]).output().unwrap();
    refused(&output, &["ring.gather_us", "\"-1\"", "flag --gather-us", "from 0 to 1000"]);
}

#[test]
fn an_unknown_flag_is_refused_with_the_one_that_was_meant() {
    let output = server().args(["--tick-hs", "60"]).output().unwrap();
    refused(&output, &["--tick-hs", "--tick-hz"]);
    let output = server().arg("sevre").output().unwrap();
    refused(&output, &["sevre"]);
    let output = server().args(["--echo", "on"]).output().unwrap();
    refused(&output, &["--echo takes no value after a space", "--echo=on"]);
}

#[test]
fn a_bad_variable_is_refused() {
    let output = server().env("TICKRING_ROOM__PLAYERS_MAX", "many").output().unwrap();
    refused(&output, &["room.players_max", "\"many\"", "TICKRING_ROOM__PLAYERS_MAX", "from 1 to 4096"]);
    let output = server().env("TICKRING_LISTNE", "127.0.0.1:1").output().unwrap();
    refused(&output, &["listne", "\"127.0.0.1:1\"", "TICKRING_LISTNE", "did you mean TICKRING_LISTEN?"]);
}

#[test]
fn a_bad_file_is_refused() {
    let file = file_with("[ring]\nbuffers = 1000\n");
    let output = server().arg("--config").arg(file.path()).output().unwrap();
    refused(
        &output,
        &["ring.buffers", "1000", file.path().to_str().unwrap(), "power of two from 8 to 32768"],
    );
    let file = file_with("[ring]\nbufers = 1024\n");
    let output = server().env("TICKRING_CONFIG", file.path()).output().unwrap();
    refused(&output, &["ring.bufers", "1024", file.path().to_str().unwrap(), "did you mean ring.buffers?"]);
    let file = file_with("this is no toml\n");
    let output = server().arg("--config").arg(file.path()).output().unwrap();
    refused(&output, &[file.path().to_str().unwrap(), "not valid TOML", "line 1"]);
    let output = server().args(["--config", "no/such/file.toml"]).output().unwrap();
    refused(&output, &["no/such/file.toml", "No such file", "readable TOML file"]);
    let output = server().args(["check-config", "--config", "/dev/zero"]).output().unwrap();
    refused(&output, &["/dev/zero", "a device, not a regular file", "readable TOML file"]);
    let output = server().env("TICKRING_CONFIG", "").output().unwrap();
    refused(&output, &["TICKRING_CONFIG", "is empty", "unset"]);
}

#[test]
fn settings_that_clash_are_refused_together() {
    let output = server().args(["--tick-hz", "50", "--snapshot-hz", "30"]).output().unwrap();
    refused(
        &output,
        &["snapshot_hz = 30", "tick_hz = 50", "flag --snapshot-hz", "flag --tick-hz", "1, 2, 5, 10, 25, 50"],
    );
    let output = server().args(["--listen", "127.0.0.1:9002"]).output().unwrap();
    refused(&output, &["admin", "listen", "127.0.0.1:9002", "port 0"]);
}

#[test]
fn every_problem_is_told_in_one_run() {
    let output =
        server().args(["--workers", "0", "--seed", "x"]).env("TICKRING_NONSENSE", "1").output().unwrap();
    refused(&output, &["workers", "seed", "nonsense"]);
}

#[test]
fn check_config_prints_what_can_be_loaded_again() {
    let output = server().args(["check-config", "--tick-hz", "128", "--snapshot-hz", "64"]).output().unwrap();
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.contains("tick_hz = 128") && printed.contains("# flag --tick-hz"), "{printed}");
    let file = file_with(&printed);
    let again = server().arg("check-config").arg("--config").arg(file.path()).output().unwrap();
    let values = |printed: &str| -> Vec<String> {
        printed.lines().map(|line| line.split('#').next().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!(values(&text(&again.stdout)), values(&printed));
    refused(&server().args(["check-config", "--tick-hz", "1"]).output().unwrap(), &["tick_hz"]);
}

#[test]
fn check_config_warns_about_what_is_hardly_meant() {
    let output = server().args(["check-config", "--admin", "0.0.0.0:9002"]).output().unwrap();
    assert!(output.status.success());
    let warnings = text(&output.stderr);
    assert!(
        warnings.contains("warning: admin = 0.0.0.0:9002") && warnings.contains("no access control"),
        "{warnings}"
    );
}

#[test]
fn help_teaches_by_examples_and_version_is_short() {
    let help = text(&server().arg("--help").output().unwrap().stdout);
    for words in
        ["Examples:", "check-config", "probe", "--drain-timeout", "TICKRING_ROOM__PLAYERS_MAX", "SIGTERM"]
    {
        assert!(help.contains(words), "{help} does not say {words}");
    }
    let probe = text(&server().args(["probe", "--help"]).output().unwrap().stdout);
    assert!(probe.contains("exit 0 if it can run here") && !probe.contains("--listen"), "{probe}");
    let check = text(&server().args(["check-config", "--help"]).output().unwrap().stdout);
    assert!(check.contains("--listen") && check.contains("--config"), "{check}");
    let version = text(&server().arg("--version").output().unwrap().stdout);
    assert_eq!(version, format!("tickring-server {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn probe_says_whether_this_machine_can_run_it() {
    let output = server().arg("probe").output().unwrap();
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    match output.status.code() {
        Some(0) => assert!(printed.contains("this machine can run tickring-server"), "{printed}"),
        Some(1) => assert!(errors.contains("io_uring") && errors.contains("Remedy"), "{errors}"),
        other => panic!("{other:?}: {printed}{errors}"),
    }
}
