//! What a machine allows, as far as the table of knobs and the budgets ask: this one's from `/proc`, the server's from
//! its status page, in the same form.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use crate::machine::{self, Machine};

/// A machine as one of its processes sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Readings {
    pub(crate) hostname: String,
    /// The kernel's release, such as `6.18.44`.
    pub(crate) kernel: String,
    pub(crate) page_bytes: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_available_bytes: u64,
    /// Hard RLIMIT_NOFILE; `None`: unlimited.
    pub(crate) descriptors_hard: Option<u64>,
    /// Hard RLIMIT_MEMLOCK, bytes; `None`: unlimited.
    pub(crate) locked_memory_bytes_hard: Option<u64>,
    /// Not even root may raise a hard limit of its own here; of other machines nobody tells.
    #[serde(skip)]
    pub(crate) limits_are_fixed: bool,
    /// The frequency governor of the first processor.
    pub(crate) governor: Option<String>,
    /// By dotted name; those that cannot be read are left out.
    pub(crate) sysctls: BTreeMap<String, String>,
    /// What files ask of them at the next boot; of other machines nobody tells.
    #[serde(skip)]
    pub(crate) asked: Asked,
}

impl Readings {
    /// This machine's.
    pub(crate) fn here(facts: &Machine) -> Self {
        let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok();
        let told =
            facts.sysctls.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
        Self {
            hostname: facts.hostname.clone(),
            kernel: facts.kernel.clone(),
            page_bytes: rustix::param::page_size() as u64,
            memory_bytes: facts.memory_bytes,
            memory_available_bytes: facts.memory_available_bytes,
            descriptors_hard: facts.limits.descriptors_hard,
            locked_memory_bytes_hard: machine::locked_memory_hard(),
            limits_are_fixed: machine::limits_are_fixed(),
            governor: governor.map(|text| text.trim().to_owned()),
            sysctls: told.collect(),
            asked: Asked::below(Path::new("/")),
        }
    }

    /// A setting that is one number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.sysctls.get(name)?.split(' ').next()?.parse().ok()
    }
}
