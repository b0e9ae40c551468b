use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::budget::Demand;
use crate::doctor::knobs::{self, Role};
use crate::doctor::{Examined, Readings};
use crate::sources::Sources;

/// Makes a file of a made-up machine.
fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn lines_are_read_as_sysctl_reads_them() {
    let text =
        "# a.b = 1\n ; a.b = 2\n- net/ipv4/conf/eth0.1/x =\t1  2\t3 \r\n-a.b=4\nnonsense\nnet.core/x = 5\n";
    let found: Vec<_> = settings(text).collect();
    let line = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(found, [line("net.ipv4.conf.eth0.1.x", "1 2 3"), line("a.b", "4"), line("net.core/x", "5")]);
}

#[test]
fn a_file_replaces_those_of_its_name_in_later_folders() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for folder in FOLDERS.iter().rev() {
        put(root, &format!("{folder}/sysctl.d/50-a.conf"), &format!("a = {}\n", folder.len()));
    }
    put(root, "lib/sysctl.d/60-b.conf", "a = 1\n");
    put(root, "usr/lib/sysctl.d/10-masked.conf", "a = 99999\n");
    symlink("/dev/null", root.join("run/sysctl.d/10-masked.conf")).unwrap();
    put(root, "etc/sysctl.conf", "a = 3 200 300\nnet.ipv4.tcp_mem = 3 200 300 400\n");
    put(root, "etc/sysctl.d/README", "a = 7\n");
    let asked = Asked::below(root);
    assert_eq!(asked.values("a").collect::<Vec<_>>(), ["3", "1", "3"]);
    assert_eq!(asked.highest("net.ipv4.tcp_mem", Some(3), "250".to_owned()), "300");
    assert_eq!(asked.highest("a", Some(2), "2".to_owned()), "2");
    assert_eq!(asked.highest("b", None, "12".to_owned()), "12");
    assert!(asked.unread.is_empty());
}

/// The settings that are to be typed, and the workers that are advised, of `tune.sh plan --json`, or of the doctor.
fn typed<'a>(commands: impl Iterator<Item = &'a str>) -> Vec<String> {
    let told =
        |command: &&str| ["sysctl", "--workers", "# no number"].iter().any(|word| command.starts_with(word));
    commands.filter(told).map(|command| command.split("    # ").next().unwrap().to_owned()).collect()
}

/// A machine on which nearly everything is too little, and files that ask for more than is wanted.
fn lay_out(root: &Path) {
    for (name, value) in [
        ("kernel.osrelease", "6.8.0"),
        ("fs.nr_open", "10000"),
        ("fs.file-max", "20000"),
        ("net.core.somaxconn", "128"),
        ("net.core.netdev_max_backlog", "1000"),
        ("net.ipv4.tcp_max_syn_backlog", "512"),
        ("net.ipv4.tcp_max_tw_buckets", "5000"),
        ("net.ipv4.tcp_mem", "100\t200\t300"),
        ("net.ipv4.tcp_rmem", "4096\t16384\t100000"),
        ("net.ipv4.tcp_wmem", "4096\t16384\t100000"),
        ("net.ipv4.tcp_tw_reuse", "0"),
        ("net.ipv4.ip_local_port_range", "32768\t60999"),
        ("net.ipv4.ip_local_reserved_ports", "80"),
        ("net.ipv4.ip_unprivileged_port_start", "0"),
    ] {
        put(root, &format!("proc/sys/{}", name.replace('.', "/")), &format!("{value}\n"));
    }
    put(root, "proc/self/smaps", "KernelPageSize:        4 kB\n");
    put(root, "proc/meminfo", "MemTotal:       8000000 kB\n");
    put(
        root,
        "etc/sysctl.d/10-x.conf",
        "net.core.somaxconn = 20000\nnet.ipv4.tcp_max_tw_buckets = 300000\nnet.ipv4.tcp_rmem = 1 2 8388608\n\
         net.ipv4.tcp_max_syn_backlog = 0x7530\nnet.core.netdev_max_backlog = 0000000010\n\
         net.core.some?onn = 40000\nnet.core.s*max??nn = 30000\nnet.*conn = 50000\n\
         fs.file-max = 0x7FFFFFFFFFFFFFFF 1\nnet.ipv4.ip_local_reserved_ports = 7000-7010,0x1F90, 017650,65536,80-70000\n\
         net.core.somaxconn = 2147483648\nnet.ipv4.tcp_rmem = 1 2 9388608 99999999 # of somebody\n\
         net.ipv4.ip_local_port_range = 900 65000\n",
    );
    put(root, "usr/local/lib/sysctl.d/20-y.conf", "net.ipv4.tcp_wmem = 9999999\nnet.ipv4.tcp_mem = 1\n");
}

/// As the doctor reads it.
fn readings(root: &Path, limit: u64) -> Readings {
    let sysctl = |name: &str| {
        let text = fs::read_to_string(root.join(format!("proc/sys/{}", name.replace('.', "/")))).ok()?;
        Some((name.to_owned(), text.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    Readings {
        kernel: "6.8.0".to_owned(),
        page_bytes: 4_096,
        memory_bytes: 8_000_000 << 10,
        descriptors_hard: Some(limit),
        sysctls: knobs::sysctls().filter_map(sysctl).collect(),
        asked: Asked::below(root),
        ..Readings::default()
    }
}

#[test]
fn what_is_to_be_typed_is_what_the_script_says() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    lay_out(root);
    let mut compared = 0;
    for (role, conns, limit, reserved) in [
        (Role::Both, 50_000, 1_024, "80"),
        (Role::Server, 2_000_000, 1_024, ""),
        (Role::Client, 60_000, 1_024, "7000-7010,9001-9002"),
        // More workers than so few descriptors start, who have enough without a quarter to spare, and who have not.
        (Role::Server, 80_000, 512, "80"),
        (Role::Server, 84_000, 512, "80"),
        (Role::Client, 86_016, 512, "80"),
        (Role::Client, 86_017, 512, "80"),
        // More than is surely written in one piece.
        (
            Role::Client,
            60_000,
            1_024,
            &(11_000..15_000).step_by(2).map(|port| format!("{port},")).collect::<String>(),
        ),
    ] {
        put(root, "proc/sys/net/ipv4/ip_local_reserved_ports", reserved);
        let limits =
            format!("Max open files            {limit}                 {limit}                 files\n");
        put(root, "proc/self/limits", &limits);
        let here = readings(root, limit);
        let demand = Demand {
            conns,
            workers: 1,
            is_loopback: role == Role::Both,
            targets: 1,
            sources: Sources::Kernel,
            service: None,
            rooms: None,
            connect_rate: 2_000,
            messages_bytes: 0,
        };
        let examined = Examined::new(role, &demand, false, 1, &here);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tuning/tune.sh");
        let mut tune = Command::new("sh");
        tune.args([script, "plan", "--json"]).args(examined.tune_words.split(' ')).env("TUNE_ROOT", root);
        let plan: serde_json::Value = serde_json::from_slice(&tune.output().unwrap().stdout).unwrap();
        let knobs = plan["knobs"].as_array().unwrap().iter();
        let theirs = typed(
            knobs.flat_map(|knob| knob["commands"].as_array().unwrap()).map(|word| word.as_str().unwrap()),
        );
        let ours = typed(examined.knobs.iter().flat_map(|knob| &knob.commands).map(String::as_str));
        assert_eq!(ours, theirs, "{}", examined.tune_words);
        compared += ours.len();
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn numbers_are_what_the_kernel_reads() {
    for (said, read) in [
        ("00128", None),
        ("00127", Some("87")),
        ("0x80", Some("128")),
        ("0x", Some("0x")),
        ("0", Some("0")),
        ("-1", Some("-1")),
        ("128 # was 65535", Some("128")),
        ("2147483647", Some("2147483647")),
        ("0x80000000", None),
        ("", None),
    ] {
        assert_eq!(taken("net.core.somaxconn", said).as_deref(), read, "{said}");
    }
    assert_eq!(taken("net.ipv4.tcp_wmem", "1 2 0x10 4").as_deref(), Some("1 2 16"));
    assert_eq!(taken("net.ipv4.tcp_wmem", "1 2"), None);
    assert_eq!(taken("net.ipv4.ip_local_reserved_ports", "80, 010").as_deref(), Some("80,,8"));
    assert_eq!(taken("net.ipv4.ip_local_port_range", "010").as_deref(), Some("8"));
    assert_eq!(ports("0x1F90,017650,089,0x20-041,65536"), "8080,8104,,32-33,");
}

#[test]
fn keys_with_stars_mean_settings_of_one_folder() {
    for (key, is_meant) in [
        ("net.core.*", true),
        ("net.core.**************************************************", true),
        ("net.core.**************************************************x", false),
        ("net.*", false),
        ("net.core.some*", false),
        ("*.*.soma?con?", true),
        ("", false),
    ] {
        let asked = Asked { settings: vec![(key.to_owned(), "1".to_owned())], ..Asked::default() };
        assert_eq!(asked.values("net.core.somaxconn").count(), usize::from(is_meant), "{key}");
    }
}
