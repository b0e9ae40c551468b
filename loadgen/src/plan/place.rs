//! Where the load comes from and goes to: what a run and the doctor share.

use std::net::SocketAddr;

use super::PlanError;
use super::target::{Target, admin_urls};
use crate::cli::PlaceArgs;
use crate::server_side::Admin;
use crate::sources::Sources;

/// Most targets.
const TARGETS_MAX: usize = 1_000;

/// See [`PlaceArgs`], checked and resolved.
#[derive(Debug)]
pub(crate) struct Place {
    /// At least one.
    pub(crate) targets: Vec<Target>,
    /// Base URLs of their admin endpoints, none twice.
    pub(crate) admins: Vec<Admin>,
    pub(crate) conns: u32,
    pub(crate) workers: u32,
    pub(crate) sources: Sources,
    /// The user named them.
    pub(crate) sources_named: bool,
}

impl Place {
    /// Checks and completes the flags, for `conns` connections that need so many source ports.
    ///
    /// # Errors
    /// [`PlanError`] names the flag, its value and what is allowed.
    pub(crate) fn resolve(args: PlaceArgs, conns: u32, ports: u32, raw: bool) -> Result<Self, PlanError> {
        at_most_conns("workers", args.workers, conns)?;
        let targets: Vec<Target> =
            args.target.iter().map(|url| Target::parse(url, raw)).collect::<Result<_, _>>()?;
        if targets.len() > TARGETS_MAX {
            let problem = format!("permitted are up to {TARGETS_MAX} targets, here are {}", targets.len());
            return Err(PlanError { given: "--target".to_owned(), problem });
        }
        let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.address).collect();
        let sources_named = args.src != "auto";
        let sources = if sources_named {
            Sources::parse(&args.src).map_err(|e| PlanError::new("src", &args.src, e.to_string()))?
        } else {
            Sources::auto(&addresses, ports)
        };
        if matches!(sources, Sources::Explicit(_)) && addresses.iter().any(SocketAddr::is_ipv6) {
            return Err(PlanError::new("src", &args.src, "source addresses are IPv4, the target is IPv6"));
        }
        let admins = admin_urls(args.admin, &targets, raw)?;
        Ok(Self { targets, admins, conns, workers: args.workers, sources, sources_named })
    }
}

/// A connection is in one room and on one worker: more of either would stay empty.
pub(crate) fn at_most_conns(flag: &'static str, value: u32, conns: u32) -> Result<(), PlanError> {
    let problem = || format!("permitted is 1 to --conns ({conns}), for example --{flag} 1");
    (value <= conns).then_some(()).ok_or_else(|| PlanError::new(flag, value, problem()))
}

/// The CPUs that a flag names.
///
/// # Errors
/// [`PlanError`] says what is permitted.
pub(crate) fn parse_cpus(flag: &str, text: &str) -> Result<Vec<usize>, PlanError> {
    let wrong = || PlanError::new(flag, text, "CPU numbers and ranges like 1 or 0,2-3 (at most 1023)");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| wrong())?;
        let last: usize = last.trim().parse().map_err(|_| wrong())?;
        if last < first || last > 1_023 {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}
