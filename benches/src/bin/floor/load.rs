//! What the programs do with bytes, whatever drives the sockets.

/// The traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// `out_bytes` for every complete `in_bytes`.
    Echo { in_bytes: u32, out_bytes: u32 },
    /// `out_bytes` to everybody at every tick; what comes in is discarded.
    Tick { out_bytes: u32 },
}

/// One connection's account.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    /// Bytes of an input that has not arrived completely.
    partial: u64,
    /// Bytes to send.
    pub(crate) owed: u64,
}

impl Account {
    /// Bytes arrived.
    pub(crate) fn arrived(&mut self, load: Load, bytes: usize) {
        if let Load::Echo { in_bytes, out_bytes } = load {
            self.partial += bytes as u64;
            self.owed += self.partial / u64::from(in_bytes) * u64::from(out_bytes);
            self.partial %= u64::from(in_bytes);
        }
    }

    /// A tick came. Who has not taken the last one is not given another.
    pub(crate) fn ticked(&mut self, load: Load) {
        if let Load::Tick { out_bytes } = load
            && self.owed == 0
        {
            self.owed = out_bytes.into();
        }
    }
}

/// Bytes that sends draw from; larger sends go out in pieces.
pub(crate) const SOURCE_BYTES: usize = 256 * 1024;

/// What is sent: its content is of no matter, its memory is touched like anybody's.
pub(crate) fn source() -> Vec<u8> {
    (0..=u8::MAX).cycle().take(SOURCE_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_inputs_are_answered() {
        let load = Load::Echo { in_bytes: 64, out_bytes: 10 };
        let mut account = Account::default();
        account.arrived(load, 63);
        assert_eq!(account.owed, 0);
        account.arrived(load, 1 + 64 + 5);
        assert_eq!((account.owed, account.partial), (20, 5));
        account.ticked(load);
        assert_eq!(account.owed, 20);
    }

    #[test]
    fn a_tick_owes_once_until_taken() {
        let load = Load::Tick { out_bytes: 512 };
        let mut account = Account::default();
        account.arrived(load, 1000);
        assert_eq!(account.owed, 0);
        account.ticked(load);
        account.ticked(load);
        assert_eq!(account.owed, 512);
    }
}
