//! The table of `tuning/`, read as `tuning/tune.sh` reads it: what N connections ask of a machine, knob by knob.

use serde::Serialize;

use super::enough::{self, Taker};
use super::formula::Variables;
use super::ports;
use super::readings::Readings;

/// One file for both programs.
const TABLE: &str = include_str!("../../../tuning/knobs.tsv");

/// What runs on the machine that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Server,
    Client,
    /// Both, over loopback.
    Both,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
        }
    }

    /// Whose workers have the lower bound.
    const fn fewest_workers(self) -> Taker {
        match self {
            Self::Client => Taker::LOADGEN,
            Self::Server | Self::Both => Taker::SERVER,
        }
    }
}

/// One row; the columns are explained at the head of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knob {
    name: &'static str,
    place: &'static str,
    kind: &'static str,
    value: &'static str,
    floor: &'static str,
    cap: &'static str,
    unmet: &'static str,
    absent: &'static str,
    apply: &'static str,
    roles: &'static str,
    kernels: &'static str,
    why: &'static str,
}

/// How a knob stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// Works, but see why.
    Warn,
    /// The connections will not fit.
    Fail,
}

/// A judged knob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Judged {
    pub(crate) name: &'static str,
    /// Whose it is, where the processes on one machine are judged apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<Role>,
    pub(crate) current: String,
    pub(crate) wanted: String,
    pub(crate) verdict: Verdict,
    /// Why it cannot be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    pub(crate) why: &'static str,
    /// What to type, as root; empty when it is met, or not for a tool to change.
    pub(crate) commands: Vec<String>,
}

/// Every row of the table.
pub(crate) fn table() -> impl Iterator<Item = Knob> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [
            name,
            place,
            kind,
            value,
            floor,
            cap,
            unmet,
            absent,
            apply,
            roles,
            _scope,
            kernels,
            _default,
            why,
            ..,
        ] = columns[..]
        else {
            unreachable!("a test reads every row")
        };
        Knob { name, place, kind, value, floor, cap, unmet, absent, apply, roles, kernels, why }
    })
}

/// The settings that judging looks at.
pub(crate) fn sysctls() -> impl Iterator<Item = &'static str> {
    let places = table().filter_map(|knob| knob.place.strip_prefix("sysctl:"));
    places.map(|place| place.split('[').next().unwrap_or(place)).chain([
        "fs.file-nr",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.netfilter.nf_conntrack_count",
    ])
}

/// Judges every knob that counts for `role`.
pub(crate) fn judge_all(role: Role, variables: &Variables, machine: &Readings) -> Vec<Judged> {
    let counts = |knob: &Knob| knob.roles.split(' ').any(|word| word == role.name());
    table().filter(counts).map(|knob| knob.judge(role, variables, machine)).collect()
}

/// What raises the knob called `name` for `conns` connections, as the doctor says it: for who has met that wall, whether or
/// not the table alone asks for more. Over loopback both ends are on `machine`.
pub(crate) fn raise(name: &str, conns: u64, is_loopback: bool, machine: &Readings) -> Vec<String> {
    let (role, ends) = if is_loopback { (Role::Both, 2) } else { (Role::Client, 1) };
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let conns = whole(conns).min(super::COUNT_MAX);
    let variables = Variables {
        conns,
        ends: ends * conns,
        workers: 1,
        sources: 1,
        per_source: conns,
        page_bytes: whole(machine.page_bytes.max(1)),
        memory_bytes: whole(machine.memory_bytes).min(super::BYTES_MAX),
    };
    let is_it = |knob: &Knob| knob.name == name && knob.roles.split(' ').any(|word| word == role.name());
    table()
        .find(is_it)
        .map_or_else(Vec::new, |knob| knob.commands(role, knob.wanted(&variables), &variables, machine))
}

/// A number from the machine: a limit may be without bound, and `fs.file-max` may have 20 digits.
fn amount(text: &str) -> Option<u128> {
    if text == "unlimited" { Some(u128::MAX) } else { text.parse().ok() }
}

impl Knob {
    /// The sysctl's name and, counted from 1, which of its numbers.
    fn sysctl(&self) -> Option<(&'static str, Option<usize>)> {
        let place = self.place.strip_prefix("sysctl:")?;
        Some(match place.split_once('[') {
            Some((name, field)) => (name, field.trim_end_matches(']').parse().ok()),
            None => (place, None),
        })
    }

    /// What the machine has; `None`: not to be read there.
    fn current(&self, machine: &Readings) -> Option<String> {
        if let Some((name, field)) = self.sysctl() {
            let line = machine.sysctls.get(name)?;
            return match field {
                Some(field) => line.split(' ').nth(field - 1).map(str::to_owned),
                None => Some(line.clone()),
            };
        }
        let limit =
            |limit: Option<u64>| Some(limit.map_or_else(|| "unlimited".to_owned(), |n| n.to_string()));
        match self.place {
            "limit:Max open files" => limit(machine.descriptors_hard),
            "limit:Max locked memory" => limit(machine.locked_memory_bytes_hard),
            "-" => Some("-".to_owned()),
            _ => machine.governor.clone(),
        }
    }

    /// The wanted number, floor and cap applied.
    fn wanted(&self, variables: &Variables) -> i64 {
        let value = |formula: &str| {
            variables.evaluate(formula).expect("tests evaluate every formula, for whatever is told")
        };
        let mut wanted = value(self.value);
        if self.floor != "-" {
            wanted = wanted.max(value(self.floor));
        }
        match self.cap {
            "-" => wanted,
            cap => match value(cap) {
                1.. => wanted.min(value(cap)),
                _ => wanted,
            },
        }
    }

    fn judge(&self, role: Role, variables: &Variables, machine: &Readings) -> Judged {
        let known = kernel_has(&machine.kernel, self.kernels);
        let current = self.current(machine);
        let numeric = !matches!(self.kind, "among" | "advice");
        let wanted = if numeric { self.wanted(variables) } else { 0 };
        let holds = current.as_ref().map(|current| self.holds(current, wanted, machine));
        let (verdict, is_mendable) = match holds {
            _ if self.kind == "advice" => (Verdict::Ok, false),
            None if known => (verdict_of(self.absent), false),
            None | Some(Some(true)) => (Verdict::Ok, false),
            Some(_) if !known => (Verdict::Ok, false),
            // Nothing is made from what is not understood.
            Some(None) => (Verdict::Warn, false),
            Some(Some(false)) => (verdict_of(self.unmet), self.apply != "never"),
        };
        let commands = if is_mendable { self.commands(role, wanted, variables, machine) } else { Vec::new() };
        let is_absent = current.is_none() && known && self.kind != "advice";
        Judged {
            name: self.name,
            process: None,
            reason: self.absent.split_once(' ').map(|(_, reason)| reason).filter(|_| is_absent),
            current: current.unwrap_or_else(|| "absent".to_owned()),
            wanted: self.in_words(wanted),
            verdict,
            why: self.why,
            commands,
        }
    }

    /// Whether what is there satisfies what is wanted; `None`: it cannot be understood.
    fn holds(&self, current: &str, wanted: i64, machine: &Readings) -> Option<bool> {
        let wanted = u128::try_from(wanted).unwrap_or(0);
        Some(match self.kind {
            "least" => amount(current)? >= wanted,
            "most" => wanted == 0 || amount(current)? <= wanted,
            "ports" => u128::from(ports::usable(machine)?) >= wanted,
            _ => self.value.split(' ').any(|word| word == current),
        })
    }

    /// As `tune.sh check` says it.
    fn in_words(&self, wanted: i64) -> String {
        match self.kind {
            "least" => format!(">= {wanted}"),
            "most" if wanted == 0 => "not known".to_owned(),
            "most" => format!("<= {wanted}"),
            "ports" => format!("{wanted} ports"),
            "among" => self.value.replacen(' ', " or ", 1),
            _ => "-".to_owned(),
        }
    }

    fn commands(&self, role: Role, wanted: i64, variables: &Variables, machine: &Readings) -> Vec<String> {
        if self.kind == "ports" {
            return ports::commands(machine);
        }
        let Some((name, field)) = self.sysctl() else {
            return self.limit_commands(role, wanted, variables, machine);
        };
        let mut value = match self.kind {
            "among" => self.value.split(' ').next().unwrap_or_default().to_owned(),
            _ => machine.asked.highest(name, field, self.target(wanted, variables, machine).to_string()),
        };
        if let (Some(field), Some(line)) = (field, machine.sysctls.get(name)) {
            // Only the last of three is a ceiling; the others stay what they are.
            let mut words: Vec<&str> = line.split(' ').collect();
            words[field - 1] = &value;
            value = words.join(" ");
        }
        vec![format!("sysctl -w '{name}={value}'")]
    }

    /// What it is raised to: more than what is wanted where the wall that it moves asks for more.
    fn target(&self, wanted: i64, variables: &Variables, machine: &Readings) -> i64 {
        let whole = |count: i64| u64::try_from(count).unwrap_or(0);
        let enough = match self.name {
            "fs.file-max" => enough::files_max(whole(variables.ends), machine),
            "net.netfilter.nf_conntrack_max" => enough::tracked_max(whole(variables.conns), machine),
            _ => 0,
        };
        wanted.max(i64::try_from(enough).unwrap_or(i64::MAX))
    }

    fn limit_commands(
        &self,
        role: Role,
        wanted: i64,
        variables: &Variables,
        machine: &Readings,
    ) -> Vec<String> {
        let mut commands = Vec::new();
        // `$$` is the shell that types it, and what is started there has its limits; what runs already keeps its tables.
        match self.place {
            "limit:Max open files" => {
                // A table for each worker: more workers make the limit that is there enough.
                if let Some((limit, conns)) = machine.descriptors_hard.zip(variables.conns.try_into().ok()) {
                    let taker = role.fewest_workers();
                    let has = u64::try_from(variables.workers).unwrap_or(0);
                    commands.extend(match taker.workers_for(conns, limit, Some(limit)) {
                        // So many there are.
                        Some(workers) if workers <= has => None,
                        Some(workers) => Some(format!("--workers {workers}")),
                        None => Some(format!("# {}", taker.too_few(conns, limit))),
                    });
                }
                commands.push(if machine.limits_are_fixed {
                    let limit = enough::higher_limit(u64::try_from(wanted).unwrap_or(0), true);
                    format!("# a hard limit of {wanted}, {limit}")
                } else {
                    format!("prlimit --pid $$ --nofile={wanted}:{wanted}")
                });
            }
            "limit:Max locked memory" => {
                commands.push(if machine.limits_are_fixed {
                    format!(
                        "# a hard limit of {wanted}, given to its unit, LimitMEMLOCK={wanted}, or container, --ulimit \
                         memlock={wanted}:{wanted}: without CAP_SYS_RESOURCE root may not raise it here"
                    )
                } else {
                    format!("prlimit --pid $$ --memlock={wanted}:{wanted}")
                })
            }
            _ => {}
        }
        commands
    }
}

/// The first word of a column that goes on with a reason.
fn verdict_of(column: &str) -> Verdict {
    match column.split(' ').next() {
        Some("fail") => Verdict::Fail,
        Some("warn") => Verdict::Warn,
        _ => Verdict::Ok,
    }
}

/// Whether a kernel lies in `FIRST` or `FIRST-LAST`; one that does not say is.
fn kernel_has(release: &str, range: &str) -> bool {
    let version = |text: &str| -> Vec<u32> {
        let numbers: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        numbers.split('.').map_while(|part| part.parse().ok()).collect()
    };
    let have = version(release);
    if have.is_empty() {
        return true;
    }
    let (first, last) = range.split_once('-').map_or((range, None), |(first, last)| (first, Some(last)));
    // Any 5.11.y is still 5.11.
    let not_past = |last: Vec<u32>| have[..have.len().min(last.len())] <= last[..];
    have >= version(first) && last.is_none_or(|last| not_past(version(last)))
}

#[cfg(test)]
mod tests;
