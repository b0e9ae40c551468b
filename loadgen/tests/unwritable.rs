//! A report that cannot be written when the run is over costs nothing but the report.

mod support;

use support::{raw_echo, start};

#[test]
fn a_full_disk_leaves_the_summary_and_the_verdict() {
    let server = raw_echo(70, 66);
    let target = server.tcp();
    let words = ["echo", "--raw", "--target", &target, "--conns", "4", "--duration", "300ms"];
    let child = start(&[&words[..], &["--warmup", "100ms", "--out", "csv=/dev/full"]].concat(), "/dev/full");
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("4 of 4 connected") && out.contains("\nverdict: "), "{out}\n{err}");
    assert_eq!(err.matches("cannot write the report /dev/full").count(), 2, "each is told: {err}");
    assert_eq!(output.status.code(), Some(1), "{out}\n{err}");
}
