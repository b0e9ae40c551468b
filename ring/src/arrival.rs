//! When bytes arrived, by the kernel's word and not by when we got round to asking.
//!
//! Whoever measures can then leave what has arrived where it is until it has something else to do: a wake-up for
//! every answer costs more than the answer. Each socket is asked for the time with `SO_TIMESTAMPNS` (socket(7)), and
//! the receive is a multishot `recvmsg`, which lays out each buffer as (`io_uring_prep_recvmsg_multishot(3)`)
//!
//! ```text
//! ┌──────────────────┬───────────────────────────────┬─────────┐
//! │ io_uring_recvmsg │ control message: its header,  │ payload │
//! │ _out, 16 B       │ 16 B, and a timespec, 16 B    │         │
//! └──────────────────┴───────────────────────────────┴─────────┘
//! ```
//! The kernel's time is that of the network interface, by the clock that tells the date. It becomes one of the
//! monotonic clock by the age it has: a date that is set between an arrival and its delivery moves it by as much.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::{Ring, clock};

/// Bytes of `struct io_uring_recvmsg_out`: four `u32`, the second of them the bytes of control messages that were written,
/// the third the payload's length.
const OUT_BYTES: usize = 16;
/// Where the length of the control messages stands in it.
const CONTROL_LENGTH_AT: usize = 4;
/// Where the payload's length stands in it.
const PAYLOAD_LENGTH_AT: usize = 8;
/// Bytes of `struct cmsghdr`: a length, a level and a type.
const CONTROL_HEADER_BYTES: usize = 16;
/// Bytes reserved for control messages: one, with a timespec.
const CONTROL_BYTES: usize = CONTROL_HEADER_BYTES + 16;
/// What stands in a buffer before the payload, bytes.
pub(crate) const HEAD_BYTES: usize = OUT_BYTES + CONTROL_BYTES;

/// The times of arrival of a ring that is asked for them.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// What each receive is told to reserve. The kernel copies it when it takes the receive.
    message: Box<libc::msghdr>,
    /// The date and the monotonic time of this pass, once something has arrived in it.
    now: Option<(Duration, Duration)>,
}

/// What a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parcel {
    /// Where the payload begins.
    pub(crate) start: usize,
    /// Its length.
    pub(crate) bytes: u32,
    /// When the last byte of it arrived, on the monotonic clock; `None`: the kernel did not say.
    pub(crate) arrived: Option<Duration>,
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        // SAFETY: a msghdr is plain data; all zeroes is one without name, buffers and control messages.
        let mut message: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        message.msg_controllen = CONTROL_BYTES;
        Self { message, now: None }
    }

    /// For the submission. It stays where it is as long as `self` lives.
    pub(crate) fn message(&self) -> *const libc::msghdr {
        &raw const *self.message
    }

    /// A pass begins.
    #[inline]
    pub(crate) fn begin_pass(&mut self) {
        self.now = None;
    }

    /// Takes a filled buffer apart.
    #[inline]
    pub(crate) fn parcel(&mut self, filled: &[u8]) -> Parcel {
        let (head, payload) = filled.split_at_checked(HEAD_BYTES).expect("the kernel writes a whole head");
        let bytes = word(head, PAYLOAD_LENGTH_AT);
        assert!(bytes as usize == payload.len(), "the kernel says how much it wrote");
        // Nothing is erased between two uses of a buffer: what was not written now is of another receive.
        let is_written = word(head, CONTROL_LENGTH_AT) as usize == CONTROL_BYTES;
        let date = is_written.then(|| date(&head[OUT_BYTES..])).flatten();
        let arrived = date.map(|date| {
            let (today, now) = *self.now.get_or_insert_with(clock::date_and_now);
            now.saturating_sub(today.saturating_sub(date))
        });
        Parcel { start: HEAD_BYTES, bytes, arrived }
    }
}

impl Ring {
    /// Where the ring tells times of arrival: has the kernel note them for this socket, and for those it accepts.
    pub(crate) fn ask_for_arrivals(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        if self.arrivals.is_none() {
            return Ok(());
        }
        let yes: libc::c_int = 1;
        let length = libc::socklen_t::try_from(size_of_val(&yes)).expect("an int is short");
        let (level, option) = (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS);
        // SAFETY: the kernel reads `length` bytes of `yes`, which lives as long as the call.
        let done =
            unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const yes).cast(), length) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// The date in the space for control messages, if there is one.
#[inline]
fn date(control: &[u8]) -> Option<Duration> {
    let (header, time) = control.split_at(CONTROL_HEADER_BYTES);
    let is = |at, wanted: libc::c_int| word(header, at) == u32::from_ne_bytes(wanted.to_ne_bytes());
    if !is(8, libc::SOL_SOCKET) || !is(12, libc::SCM_TIMESTAMPNS) {
        return None;
    }
    let (seconds, nanoseconds) = time.split_at(8);
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds.first_chunk()?)).ok()?;
    let nanoseconds = u32::try_from(i64::from_ne_bytes(*nanoseconds.first_chunk()?)).ok()?;
    // Linux stamps what nobody stamped with zero.
    (seconds > 0).then(|| Duration::new(seconds, nanoseconds))
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(*bytes[at..].first_chunk().expect("the head has fixed places"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer as the kernel fills it.
    fn filled(payload: &[u8], level: i32, kind: i32, date: Duration) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = u32::try_from(payload.len()).unwrap();
        [0, 32, length, 0].iter().for_each(|word: &u32| bytes.extend(word.to_ne_bytes()));
        bytes.extend(32_u64.to_ne_bytes());
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(date.as_secs().to_ne_bytes());
        bytes.extend(u64::from(date.subsec_nanos()).to_ne_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_head_is_what_a_receive_reserves() {
        assert_eq!(size_of::<libc::cmsghdr>(), CONTROL_HEADER_BYTES);
        assert_eq!(size_of::<libc::timespec>(), CONTROL_BYTES - CONTROL_HEADER_BYTES);
        // SAFETY: arithmetic alone.
        assert_eq!(unsafe { libc::CMSG_SPACE(16) } as usize, CONTROL_BYTES);
        // SAFETY: the message lives as long as the arrivals.
        assert_eq!(unsafe { *Arrivals::new().message() }.msg_controllen, CONTROL_BYTES);
    }

    #[test]
    fn a_date_becomes_the_time_it_was_then() {
        let mut arrivals = Arrivals::new();
        let (today, now) = (Duration::from_secs(1_000_000), Duration::from_secs(500));
        let mut arrived = |date, level, kind| {
            arrivals.now = Some((today, now));
            let parcel = arrivals.parcel(&filled(b"abc", level, kind, date));
            assert_eq!((parcel.start, parcel.bytes), (HEAD_BYTES, 3));
            parcel.arrived
        };
        let stamped = |date| (date, libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS);
        let mut by_date = |(date, level, kind)| arrived(date, level, kind);
        let age = Duration::new(0, 1_500_000);
        assert_eq!(by_date(stamped(today - age)), Some(now - age));
        assert_eq!(by_date(stamped(today + age)), Some(now), "nothing arrives in the future");
        assert_eq!(by_date(stamped(Duration::from_secs(1))), Some(Duration::ZERO), "the date was set since");
        assert_eq!(by_date(stamped(Duration::ZERO)), None);
        assert_eq!(by_date((today, libc::SOL_SOCKET, 0)), None);
        assert_eq!(by_date((today, 0, libc::SCM_TIMESTAMPNS)), None);
    }

    #[test]
    fn what_stands_there_from_the_buffers_last_use_is_no_date() {
        let mut bytes = filled(b"abc", libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, Duration::from_secs(9));
        bytes[CONTROL_LENGTH_AT..PAYLOAD_LENGTH_AT].fill(0);
        assert_eq!(Arrivals::new().parcel(&bytes).arrived, None);
    }
}
