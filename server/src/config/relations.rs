//! What must hold between settings, and between settings and the machine.

use std::net::SocketAddr;

use super::ServerConfig;
use super::effective;
use super::problem::Problem;
use crate::limits::Machine;

/// What a check of the relations found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

struct Checker<'a> {
    config: &'a ServerConfig,
    origins: &'a [(&'static str, String)],
    found: Found,
}

/// Checks a configuration whose values are each allowed by themselves.
pub(super) fn check(config: &ServerConfig, origins: &[(&'static str, String)], machine: &Machine) -> Found {
    let mut checker = Checker { config, origins, found: Found::default() };
    checker.rates();
    checker.addresses();
    checker.processors(machine);
    checker.tables(machine);
    checker.exposure();
    checker.recordings();
    checker.found
}

impl Checker<'_> {
    fn rates(&mut self) {
        let (tick_hz, snapshot_hz) = (self.config.tick_hz, self.config.snapshot_hz);
        if !tick_hz.is_multiple_of(snapshot_hz) {
            let divisors: Vec<String> =
                (1..=tick_hz).filter(|hz| tick_hz.is_multiple_of(*hz)).map(|hz| hz.to_string()).collect();
            self.clash(
                ("snapshot_hz", "tick_hz"),
                "a snapshot is sent every so many ticks, and this is no whole number of them",
                format!("for {tick_hz} ticks per second: {}", divisors.join(", ")),
            );
        }
    }

    fn addresses(&mut self) {
        let listen = self.config.listen;
        if self.config.admin.is_some_and(|admin| collide(admin, listen)) {
            self.clash(
                ("admin", "listen"),
                "both cannot have the same address and port",
                "another port, port 0, or off".to_owned(),
            );
        }
    }

    fn processors(&mut self, machine: &Machine) {
        let workers = self.config.workers;
        if let Some(cpus) = &self.config.cpus {
            if cpus.len() < workers {
                let allowed = format!("at least {workers} processors, or at most {} workers", cpus.len());
                self.clash(("cpus", "workers"), "each worker needs a processor of its own", allowed);
            }
            let missing = cpus.iter().find(|cpu| !machine.cpus.is_empty() && !machine.cpus.contains(cpu));
            if let Some(missing) = missing {
                let why = format!("processor {missing} is not there or not allowed for this process");
                let allowed = format!("some of {:?} (see `taskset -p $$`)", machine.cpus);
                self.refuse("cpus", why, allowed);
            }
            if !self.config.pin {
                self.warn("cpus is set but pin is off: the list has no effect");
            }
        } else if workers > machine.parallelism {
            self.warn(&format!(
                "workers = {workers}, but this process can use {} processors at once: workers will wait for each other and ticks will be late",
                machine.parallelism
            ));
        }
    }

    fn tables(&mut self, machine: &Machine) {
        let hard = machine.descriptors_hard;
        if u64::from(self.config.fixed_table) > hard {
            self.refuse(
                "ring.fixed_table",
                format!("the kernel allows no file table larger than the hard descriptor limit, {hard}"),
                format!(
                    "at most {hard}; raise it with `ulimit -Hn`, LimitNOFILE= (systemd) or --ulimit nofile= (containers), or use more workers"
                ),
            );
        }
        let possible = self.config.workers as u64 * u64::from(self.config.fixed_table);
        if u64::from(self.config.max_conns) > possible {
            self.clash(
                ("max_conns", "ring.fixed_table"),
                &format!("{} workers hold {possible} connections together", self.config.workers),
                format!("at most {possible}, more workers, or a larger ring.fixed_table"),
            );
        }
    }

    fn exposure(&mut self) {
        if let Some(admin) = self.config.admin
            && !admin.ip().is_loopback()
        {
            self.warn(&format!(
                "admin = {admin} can be reached from other machines, and has no access control"
            ));
        }
        if self.config.echo && !self.config.listen.ip().is_loopback() {
            self.warn("echo is on and can be reached from other machines: anyone can make this server send");
        }
        if self.config.gather_us == 0 {
            self.warn("ring.gather_us = 0 wakes a worker for every message: expect about twice the CPU");
        }
        let level = self.config.log.level.to_ascii_lowercase();
        if level.contains("trace") || level.contains("debug") {
            self.warn(&format!(
                "log.level = {level} is for looking for defects: it costs CPU for every connection"
            ));
        }
    }

    /// Whether anything can be written there is tried when the server starts: it may be for another machine.
    fn recordings(&mut self) {
        if let Some(dir) = self.config.record.dir.as_ref().filter(|dir| !dir.is_dir()) {
            self.warn(&format!(
                "record.dir = {}: there is no such directory here, and without it the server does not start",
                dir.display()
            ));
        }
    }

    fn warn(&mut self, text: &str) {
        self.found.warnings.push(text.to_owned());
    }

    fn origin(&self, key: &str) -> String {
        let found = self.origins.iter().find(|(known, _)| *known == key);
        found.map_or_else(|| "default".to_owned(), |(_, origin)| origin.clone())
    }

    fn refuse(&mut self, key: &'static str, why: String, allowed: String) {
        self.found.problems.push(Problem::Value {
            key: key.to_owned(),
            value: effective::literal(self.config, key),
            origin: self.origin(key),
            why,
            allowed,
        });
    }

    fn clash(&mut self, (key, other_key): (&'static str, &'static str), why: &str, allowed: String) {
        self.found.problems.push(Problem::Relation {
            key,
            value: effective::literal(self.config, key),
            origin: self.origin(key),
            other_key,
            other_value: effective::literal(self.config, other_key),
            other_origin: self.origin(other_key),
            why: why.to_owned(),
            allowed,
        });
    }
}

/// Whether two listeners cannot exist side by side.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
