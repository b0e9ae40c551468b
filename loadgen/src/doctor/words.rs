//! The findings, for people.

use std::fmt::Write as _;

use super::knobs::{Judged, Role, Verdict};
use super::{Budget, Examined, Findings};

/// What to do where only this side could be reckoned.
const ASK_THE_SERVER: &str = "Start the server (tickring-server), or name its admin endpoint (--admin http://HOST:9002), and ask again.";

/// The whole report.
pub(super) fn report(found: &Findings) -> String {
    let mut text = String::new();
    let _infallible = write(found, &mut text);
    text
}

fn write(found: &Findings, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{} connection{} to {}",
        found.conns,
        if found.conns == 1 { "" } else { "s" },
        found.target
    )?;
    writeln!(out, "\n  {:<10} {:<20} {:>12}", "side", "resource", "carries")?;
    for (at, budget) in found.budgets.iter().enumerate() {
        let mark = match () {
            () if budget.carries < found.conns => "too few",
            () if found.first_wall == Some(at) => "ends first",
            () => "",
        };
        let (side, what, carries) = (budget.side.name(), budget.what, budget.carries);
        writeln!(out, "  {side:<10} {what:<20} {carries:>12}  {mark:<10}  {}", budget.why)?;
    }
    for warning in &found.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    for machine in &found.machines {
        write_machine(machine, out)?;
    }
    let is_failing = |machine: &Examined| machine.knobs.iter().any(|knob| knob.verdict == Verdict::Fail);
    if found.fits && found.machines.iter().any(is_failing) {
        writeln!(
            out,
            "\nA setting may fail where all fit: those of size keep a quarter to spare, which the table above does not \
             count, and each is judged by itself, for one target."
        )?;
    }
    if let Some(text) = unknown(found) {
        writeln!(out, "\n{text}")?;
    }
    if !found.seats_counted {
        writeln!(
            out,
            "\nSeats are not counted; name what will run (loadgen doctor game --conns {0}), or the rooms (--rooms N).",
            found.conns
        )?;
    }
    writeln!(out, "\nCPU is not reckoned: that is measured, `loadgen find game --slo 'p99<60ms'`.\n")?;
    match found.maximum {
        Some(maximum) if maximum < found.conns => {
            let fewer: String =
                found.too_many.iter().map(|flag| format!(", with {flag} {maximum} or less")).collect();
            writeln!(
                out,
                "At most {maximum} of {} will fit{fewer}. What stands in the way, the first wall first:",
                found.conns
            )?;
            for budget in found.short() {
                let Budget { what, carries, remedy, .. } = budget;
                writeln!(out, "  {} {what} ({carries}): {remedy}", budget.side.name())?;
            }
        }
        Some(maximum) => {
            let known = if found.server_unknown.is_some() { ", as far as is known" } else { "" };
            writeln!(out, "{} will fit; {maximum} would{known}.", found.conns)?;
        }
        None => writeln!(out, "Nothing here is known to have an end.")?,
    }
    Ok(())
}

/// What is said where a server could not be asked.
fn unknown(found: &Findings) -> Option<String> {
    let why = found.server_unknown.as_ref()?;
    Some(match found.others_known {
        true => format!("Not every server could be asked, and may hold less than the others: {why}"),
        false => format!("The server's side is not known: {why}\n{ASK_THE_SERVER}"),
    })
}

fn write_machine(machine: &Examined, out: &mut String) -> std::fmt::Result {
    let Examined { hostname, kernel, role, workers, fewer, .. } = machine;
    let place = if *role == Role::Both { " on one machine" } else { "" };
    let workers = match fewer {
        true => format!("the fewer workers of the two, {workers}, whose tables are the larger"),
        false => format!("{workers} worker(s)"),
    };
    writeln!(out, "\n{hostname}, Linux {kernel}: settings for {}{place}, with {workers}", parties(*role))?;
    let mut unmet = unmet(machine).peekable();
    if unmet.peek().is_none() {
        return writeln!(out, "  all as wanted");
    }
    for knob in unmet {
        let verdict = if knob.verdict == Verdict::Fail { "fail" } else { "warn" };
        let whose = knob.process.map_or(String::new(), |role| format!(" of {}", parties(role)));
        let reason = knob.reason.map_or(String::new(), |reason| format!(": {reason}"));
        writeln!(out, "  {verdict}  {}{whose}: {}, wanted {}{reason}", knob.name, knob.current, knob.wanted)?;
        knob.commands.iter().try_for_each(|command| writeln!(out, "        {command}"))?;
    }
    writeln!(out, "  why, and how each lack shows: tuning/tune.sh plan {}", machine.tune_words)
}

fn unmet(machine: &Examined) -> impl Iterator<Item = &Judged> {
    machine.knobs.iter().filter(|knob| knob.verdict != Verdict::Ok)
}

/// Whose commands these are.
const fn parties(role: Role) -> &'static str {
    match role {
        Role::Server => "the server",
        Role::Client => "loadgen",
        Role::Both => "the server and loadgen",
    }
}

/// Only what to type, machine by machine. The walls stand last: a limit that they name may need what is raised above.
pub(super) fn fix_plan(found: &Findings) -> String {
    let mut text = String::new();
    let _infallible = write_fix_plan(found, &mut text);
    text
}

fn write_fix_plan(found: &Findings, out: &mut String) -> std::fmt::Result {
    for line in unknown(found).iter().flat_map(|text| text.lines()) {
        writeln!(out, "# {line}")?;
    }
    for machine in &found.machines {
        let (hostname, parties) = (&machine.hostname, parties(machine.role));
        if unmet(machine).next().is_none() {
            writeln!(out, "# on {hostname}, for {parties}: every setting is as wanted, nothing to type")?;
        } else {
            let words = &machine.tune_words;
            writeln!(
                out,
                "# on {hostname}, for {parties}, as root; with a way back: tuning/tune.sh apply {words}"
            )?;
        }
        for path in &machine.unread {
            writeln!(
                out,
                "# {} cannot be read: what it asks for is not known, and may be more",
                path.display()
            )?;
        }
        if machine.role == Role::Server {
            writeln!(
                out,
                "# what its files in sysctl.d ask for is not known here, and may be more: apply, there, goes by it"
            )?;
        }
        let largest = machine.knobs.iter().filter_map(descriptors_typed).max();
        for knob in unmet(machine) {
            // One shell may type it all: a lower limit after a higher one would take that back.
            if descriptors_typed(knob).is_none_or(|limit| Some(limit) == largest) {
                write_commands(knob, machine.role, out)?;
            }
        }
    }
    for budget in found.short() {
        let (side, what, remedy) = (budget.side.name(), budget.what, &budget.remedy);
        writeln!(out, "# {side} {what} ({} of {}): {remedy}", budget.carries, found.conns)?;
    }
    Ok(())
}

/// The descriptor limit that a knob's commands give the shell that types them.
fn descriptors_typed(knob: &Judged) -> Option<u64> {
    let typed = |command: &String| {
        command.strip_prefix("prlimit --pid $$ --nofile=")?.split(':').next()?.parse().ok()
    };
    knob.commands.iter().find_map(typed)
}

fn write_commands(knob: &Judged, role: Role, out: &mut String) -> std::fmt::Result {
    for command in &knob.commands {
        let whose = parties(knob.process.unwrap_or(role));
        // A word for a command line of ours is none to type, nor is a limit that only others can give.
        if command.starts_with("--") {
            writeln!(out, "# or, for {whose}: {command}")?;
            continue;
        }
        if let Some(word) = command.strip_prefix("# ") {
            writeln!(out, "# for {whose}: {word}")?;
            continue;
        }
        if command.starts_with("prlimit") {
            writeln!(
                out,
                "# for what this shell then starts, which is {whose} (what runs already: start it again here)"
            )?;
        }
        writeln!(out, "{command}")?;
    }
    Ok(())
}
