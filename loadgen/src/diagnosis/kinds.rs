//! Kinds of causes: what several errors have in common.

use rustix::io::Errno;

use crate::measure::errors::Cause;

/// Statuses that a Tickring server answers an upgrade with.
const OWN_STATUSES: [u16; 5] = [404, 408, 426, 429, 503];

impl Cause {
    /// Whether it is this error of a socket call.
    pub(super) fn is_errno(&self, errno: Errno) -> bool {
        *self == Self::Errno(errno.raw_os_error())
    }

    fn is_any(&self, errnos: &[Errno]) -> bool {
        errnos.iter().any(|errno| self.is_errno(*errno))
    }

    /// Whether the other end, or something in between, ended the TCP connection.
    pub(super) fn is_cut(&self) -> bool {
        *self == Self::EndOfStream || self.is_any(&[Errno::CONNRESET, Errno::PIPE, Errno::CONNABORTED])
    }

    /// Whether nothing came in time.
    pub(super) fn is_timeout(&self) -> bool {
        *self == Self::Timeout || self.is_errno(Errno::TIMEDOUT)
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_errno(Errno::CONNREFUSED)
    }

    pub(super) fn is_out_of_ports(&self) -> bool {
        *self == Self::PortsExhausted || self.is_any(&[Errno::ADDRNOTAVAIL, Errno::ADDRINUSE])
    }

    pub(super) fn is_out_of_memory(&self) -> bool {
        self.is_any(&[Errno::NOBUFS, Errno::NOMEM])
    }

    /// Whether it is an answer that our server does not give.
    pub(super) fn is_foreign(&self) -> bool {
        match self {
            Self::BadUpgrade(_) | Self::Protocol(_) => true,
            Self::Http(status) => !OWN_STATUSES.contains(status),
            _ => false,
        }
    }
}
