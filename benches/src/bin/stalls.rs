//! How punctual this machine lets anybody be.
//!
//! ```text
//! stalls --cpus 0,1 --seconds 5 --hz 1000
//! ```
//! One thread on each CPU does nothing but read the clock, as busy as a server and its load are. Whenever the
//! clock jumps, somebody else had the CPU: another process, the kernel, or the hypervisor for another guest. A
//! program that wanted to begin something `--hz` times a second would have been late by what was left of the
//! jump. The report is that lateness, per CPU, as one line of JSON: what the best of servers could not be below.
//!
//! ```text
//! chrt --fifo 50 stalls --asleep --cpus 0 --seconds 60 --hz 480
//! ```
//! It sleeps until each deadline instead, so that it may run beside a server on the same CPU. As a real-time process
//! it goes before the server, and waits only for the hypervisor and for what the kernel does not interrupt: the
//! server's system calls too, so beside a busy server half a millisecond is the server's own.

use std::io::Write;
use std::thread;

use anyhow::Context;
use clap::Parser;
use rustix::thread::{ClockId, CpuSet, clock_nanosleep_absolute, sched_setaffinity};
use rustix::time::Timespec;
use tickring_benches::clock;

const NS_PER_S: u64 = 1_000_000_000;

/// Measures how late this machine makes any program.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// CPUs to keep busy at the same time.
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    cpus: Vec<usize>,
    /// For how long, 1 to 300.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    /// Deadlines a second, 1 to 10000.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    hz: u32,
    /// Sleep until each deadline instead of watching the clock all the time.
    #[arg(long)]
    asleep: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments { cpus, seconds, hz, asleep } = Arguments::parse();
    for &cpu in &cpus {
        anyhow::ensure!(cpu < CpuSet::MAX_CPU, "--cpus {cpu}: at most {}", CpuSet::MAX_CPU - 1);
    }
    let reports = thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .iter()
            .map(|&cpu| scope.spawn(move || watch(cpu, u64::from(seconds) * NS_PER_S, hz, asleep)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a watching thread does not panic"))
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    writeln!(std::io::stdout(), "[{}]", reports.join(","))?;
    Ok(())
}

/// Watches the clock on `cpu`; the report as a JSON object.
fn watch(cpu: usize, time_ns: u64, hz: u32, asleep: bool) -> anyhow::Result<String> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("--cpus {cpu}: pinning"))?;
    let start_ns = clock::now_ns();
    let mut lateness = Lateness::new(hz);
    let mut passed_ns = 0;
    while passed_ns < time_ns {
        if asleep {
            sleep_until(start_ns + lateness.next_ns).with_context(|| format!("--asleep: CPU {cpu}"))?;
        }
        passed_ns = clock::now_ns() - start_ns;
        lateness.look(passed_ns);
    }
    let [p50, p99, p999, max] = lateness.quantiles_us([0.5, 0.99, 0.999, 1.0]);
    Ok(format!(
        r#"{{"cpu":{cpu},"deadlines":{},"lateness_us":{{"p50":{p50:.1},"p99":{p99:.1},"p999":{p999:.1},"max":{max:.1}}}}}"#,
        lateness.seen_ns.len()
    ))
}

fn sleep_until(deadline_ns: u64) -> anyhow::Result<()> {
    let deadline = Timespec {
        tv_sec: i64::try_from(deadline_ns / NS_PER_S)?,
        tv_nsec: (deadline_ns % NS_PER_S).try_into()?,
    };
    while let Err(error) = clock_nanosleep_absolute(ClockId::Monotonic, &deadline) {
        anyhow::ensure!(error == rustix::io::Errno::INTR, "sleeping: {error}");
    }
    Ok(())
}

/// How late each deadline was first seen to have passed.
struct Lateness {
    period_ns: u64,
    next_ns: u64,
    seen_ns: Vec<u64>,
}

impl Lateness {
    fn new(hz: u32) -> Self {
        let period_ns = NS_PER_S / u64::from(hz);
        Self { period_ns, next_ns: period_ns, seen_ns: Vec::new() }
    }

    /// It is `now_ns`, which never goes back.
    fn look(&mut self, now_ns: u64) {
        while self.next_ns <= now_ns {
            self.seen_ns.push(now_ns - self.next_ns);
            self.next_ns += self.period_ns;
        }
    }

    /// Lateness not exceeded by these shares of the deadlines; zeros when there were none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks and times are far below 2^53, and shares are from 0 to 1"
    )]
    fn quantiles_us<const N: usize>(&mut self, shares: [f64; N]) -> [f64; N] {
        self.seen_ns.sort_unstable();
        let last = self.seen_ns.len().saturating_sub(1);
        shares.map(|share| {
            let rank = (share * last as f64).ceil() as usize;
            self.seen_ns.get(rank).map_or(0.0, |&ns| ns as f64 / 1e3)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_makes_every_deadline_in_it_late() {
        let mut lateness = Lateness::new(1_000);
        for now_us in (0..=5_000).chain(8_500..10_000) {
            lateness.look(now_us * 1_000);
        }
        // 6, 7 and 8 ms were seen at 8.5 ms.
        assert_eq!(lateness.seen_ns, [0, 0, 0, 0, 0, 2_500_000, 1_500_000, 500_000, 0]);
        assert_eq!(lateness.quantiles_us([0.5, 1.0]), [0.0, 2_500.0]);
    }
}
