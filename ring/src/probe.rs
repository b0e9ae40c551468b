//! What of io_uring this kernel offers: asked for by feature, never by version.

use std::fmt;

use io_uring::{IoUring, Probe, opcode};

use crate::SetupError;
use crate::setup::{self, Queues};

/// One thing the driver uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// As the kernel's headers call it.
    pub name: &'static str,
    /// The first Linux version with it.
    pub since: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// Whether a ring can do without.
    pub required: bool,
}

/// What was found. `Display` prints a table, a line a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    list: Vec<Feature>,
}

impl Features {
    /// Everything looked for.
    #[must_use]
    pub fn list(&self) -> &[Feature] {
        &self.list
    }

    /// Whether waits can gather completions for a while (Linux 6.12). Without it every wait ends at the
    /// first completion.
    #[must_use]
    pub fn gathers(&self) -> bool {
        self.list.iter().any(|feature| feature.name == MIN_TIMEOUT && feature.present)
    }

    /// Asks a ring that was just built.
    pub(crate) fn of(uring: &IoUring) -> Result<Self, SetupError> {
        let mut probe = Probe::new();
        uring
            .submitter()
            .register_probe(&mut probe)
            .map_err(|source| SetupError::Io { what: "asking for the supported operations", source })?;
        let params = uring.params();
        let flags = setup::flags().map(|(name, since)| (name, since, true, true));
        let operations =
            OPERATIONS.iter().map(|&(name, since, code)| (name, since, probe.is_supported(code), true));
        let features = [
            ("IORING_FEAT_NODROP", "5.5", params.is_feature_nodrop(), true),
            ("IORING_FEAT_SUBMIT_STABLE", "5.5", params.is_feature_submit_stable(), true),
            ("IORING_FEAT_FAST_POLL", "5.7", params.is_feature_fast_poll(), true),
            ("IORING_FEAT_EXT_ARG", "5.11", params.is_feature_ext_arg(), true),
            ("IORING_FEAT_CQE_SKIP", "5.17", params.is_feature_skip_cqe_on_success(), true),
            ("IORING_FEAT_LINKED_FILE", "5.18", params.is_feature_linked_file(), true),
            (MIN_TIMEOUT, "6.12", params.is_feature_min_timeout(), false),
            ("IORING_FEAT_NO_IOWAIT", "6.15", params.is_feature_no_iowait(), false),
        ];
        let list = flags
            .chain(operations)
            .chain(features)
            .map(|(name, since, present, required)| Feature { name, since, present, required })
            .collect();
        Ok(Self { list })
    }

    /// Fails on the first required feature that is not there.
    pub(crate) fn require(&self) -> Result<(), SetupError> {
        match self.list.iter().find(|feature| feature.required && !feature.present) {
            Some(missing) => Err(SetupError::Missing { feature: missing.name, since: missing.since }),
            None => Ok(()),
        }
    }
}

const MIN_TIMEOUT: &str = "IORING_FEAT_MIN_TIMEOUT";

/// The operations used, each with the version that brought the form used here (a multishot or a direct
/// descriptor, for instance, came later than the operation).
const OPERATIONS: [(&str, &str, u8); 10] = [
    ("IORING_OP_ACCEPT", "5.19", opcode::Accept::CODE),
    ("IORING_OP_RECV", "6.0", opcode::RecvMulti::CODE),
    ("IORING_OP_RECVMSG", "6.0", opcode::RecvMsgMulti::CODE),
    ("IORING_OP_SEND", "5.19", opcode::Send::CODE),
    ("IORING_OP_CONNECT", "5.5", opcode::Connect::CODE),
    ("IORING_OP_SHUTDOWN", "5.11", opcode::Shutdown::CODE),
    ("IORING_OP_CLOSE", "5.15", opcode::Close::CODE),
    ("IORING_OP_ASYNC_CANCEL", "5.5", opcode::AsyncCancel::CODE),
    ("IORING_OP_POLL_ADD", "5.13", opcode::PollAdd::CODE),
    ("IORING_OP_MSG_RING", "6.0", opcode::MsgRingSendFd::CODE),
];

/// A small ring with every flag, for looking at.
pub(crate) fn probe() -> Result<Features, SetupError> {
    let uring = setup::build(Queues { submissions: 8, completions: 16 })?;
    setup::register_table(&uring, 8)?;
    setup::enter_once(&uring)?;
    Features::of(&uring)
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for feature in &self.list {
            let state = match (feature.present, feature.required) {
                (true, _) => "yes",
                (false, true) => "MISSING",
                (false, false) => "no (optional)",
            };
            writeln!(f, "{:<28} since Linux {:<5} {state}", feature.name, feature.since)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_requirement_is_named() {
        let mut features = probe().unwrap();
        assert!(features.require().is_ok());
        assert!(features.to_string().contains("IORING_OP_MSG_RING"));
        let optional = features.list.iter_mut().find(|feature| !feature.required).unwrap();
        optional.present = false;
        assert!(features.require().is_ok());
        let required = features.list.iter_mut().find(|feature| feature.required).unwrap();
        required.present = false;
        let error = features.require().unwrap_err().to_string();
        assert!(error.contains(features.list[0].name) && error.contains("newer kernel"), "{error}");
    }
}
