use super::*;

fn machine() -> Readings {
    let sysctls = [
        ("fs.file-max", "9223372036854775807"),
        ("fs.nr_open", "1048576"),
        ("net.core.somaxconn", "4096"),
        ("net.ipv4.ip_local_port_range", "32768 60999"),
        ("net.ipv4.tcp_mem", "287832 383779 575664"),
        ("net.ipv4.tcp_tw_reuse", "2"),
        ("net.ipv4.tcp_fin_timeout", "30"),
        ("net.ipv4.tcp_wmem", "4096 16384 oops"),
    ];
    Readings {
        kernel: "6.18.44".to_owned(),
        page_bytes: 4_096,
        memory_bytes: 24 << 30,
        descriptors_hard: Some(20_000),
        sysctls: sysctls.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..Readings::default()
    }
}

const VARIABLES: Variables = Variables {
    conns: 100_000,
    ends: 200_000,
    workers: 2,
    sources: 4,
    per_source: 25_000,
    page_bytes: 4_096,
    memory_bytes: 24 << 30,
};

fn judged(role: Role, name: &str) -> Judged {
    judge_all(role, &VARIABLES, &machine()).into_iter().find(|knob| knob.name == name).unwrap()
}

#[test]
fn every_row_is_read_and_every_formula_has_a_value() {
    let mut rows = 0;
    for knob in table() {
        rows += 1;
        assert!(["least", "most", "ports", "among", "advice"].contains(&knob.kind), "{}", knob.name);
        assert!(knob.sysctl().is_some() || knob.place == "-" || knob.place.contains(':'), "{}", knob.name);
        if !matches!(knob.kind, "among" | "advice") {
            for formula in [knob.value, knob.floor, knob.cap].into_iter().filter(|formula| *formula != "-") {
                assert!(VARIABLES.evaluate(formula).is_some(), "{}: {formula}", knob.name);
            }
        }
    }
    assert!(rows > 20, "{rows}");
}

#[test]
fn what_is_short_is_told_with_the_command() {
    let somaxconn = judged(Role::Server, "net.core.somaxconn");
    assert_eq!((somaxconn.verdict, &somaxconn.wanted[..]), (Verdict::Warn, ">= 12500"));
    assert_eq!(somaxconn.commands, ["sysctl -w 'net.core.somaxconn=12500'"]);
    let memory = judged(Role::Both, "net.ipv4.tcp_mem");
    assert_eq!(memory.commands, ["sysctl -w 'net.ipv4.tcp_mem=287832 383779 800000'"]);
    let files = judged(Role::Server, "RLIMIT_NOFILE");
    assert_eq!((files.verdict, &files.wanted[..]), (Verdict::Fail, ">= 62756"));
    assert_eq!(files.commands, ["--workers 7", "prlimit --pid $$ --nofile=62756:62756"]);
    let fixed = Readings { limits_are_fixed: true, ..machine() };
    let knobs = judge_all(Role::Server, &VARIABLES, &fixed);
    let fixed = &knobs.iter().find(|knob| knob.name == "RLIMIT_NOFILE").unwrap().commands;
    assert!(fixed[0] == "--workers 7" && fixed.len() == 2, "{fixed:?}");
    assert!(
        fixed[1].starts_with("# ") && fixed[1].contains("nofile=62756:62756"),
        "nothing to type: {fixed:?}"
    );
    assert_eq!(
        judged(Role::Client, "net.ipv4.tcp_tw_reuse").commands,
        ["sysctl -w 'net.ipv4.tcp_tw_reuse=1'"]
    );
    assert_eq!(judged(Role::Both, "net.ipv4.tcp_tw_reuse").verdict, Verdict::Ok);
}

#[test]
fn what_is_enough_unknown_or_refused_asks_for_nothing() {
    assert_eq!(judged(Role::Both, "fs.file-max").verdict, Verdict::Ok, "19 digits");
    assert_eq!(judged(Role::Client, "net.ipv4.ip_local_port_range").verdict, Verdict::Ok);
    let absent = judged(Role::Server, "net.ipv4.tcp_max_syn_backlog");
    assert_eq!((absent.verdict, &absent.current[..], absent.commands.len()), (Verdict::Warn, "absent", 0));
    let refused = judged(Role::Server, "net.ipv4.tcp_fin_timeout");
    assert_eq!((refused.verdict, refused.commands.len()), (Verdict::Warn, 0));
    let nonsense = judged(Role::Server, "net.ipv4.tcp_wmem");
    assert_eq!((nonsense.verdict, &nonsense.current[..]), (Verdict::Warn, "oops"));
    assert!(nonsense.commands.is_empty(), "nothing is made from what is not understood");
}

#[test]
fn kernels_are_compared_by_their_numbers() {
    for (release, range, has) in [
        ("6.18.44-x", "2.6.25", true),
        ("4.18.0", "4.19", false),
        ("4.11.9", "2.4-4.11", true),
        ("4.12.0", "2.4-4.11", false),
        ("5.11.22", "2.6.9-5.11", true),
        ("", "99", true),
    ] {
        assert_eq!(kernel_has(release, range), has, "{release} in {range}");
    }
}

#[test]
fn a_setting_is_raised_to_what_its_wall_asks_for() {
    let mut machine = machine();
    machine.sysctls.insert("fs.file-max".to_owned(), "1000".to_owned());
    machine.sysctls.insert("fs.file-nr".to_owned(), "724 0 1000".to_owned());
    let knobs = judge_all(Role::Both, &VARIABLES, &machine);
    let files = knobs.into_iter().find(|knob| knob.name == "fs.file-max").unwrap();
    assert_eq!(files.wanted, ">= 208192");
    assert_eq!(files.commands, ["sysctl -w 'fs.file-max=208192'"], "one number for both");
    assert_eq!(enough::files_max(200_000, &machine), 208_192, "and for the wall");
    machine.sysctls.insert("fs.file-nr".to_owned(), "9000 0 1000".to_owned());
    assert_eq!(enough::files_max(200_000, &machine), 209_000, "more are open than it leaves room for");
}
