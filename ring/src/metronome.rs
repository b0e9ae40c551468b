//! Long sleeps without a timer of their own.
//!
//! A timeout given to a wait is armed when the wait begins and disarmed when it ends. For a wake-up per message that
//! is two changes of the CPU's timer per message, each of which a virtual machine may have to ask its hypervisor
//! for. So a wait whose end is far away has none, and one slow timer, armed beforehand and left alone, ends it.

use std::time::Duration;

use io_uring::opcode;
use io_uring::types::Timespec;

use crate::Ring;
use crate::operation::Operation;

/// A sleep of this length or more ends with a beat, so early rather than late. Also the longest that what no
/// completion tells of has to wait: buffers that were sent quietly, places promised to connections that could
/// not come.
const PERIOD: Duration = Duration::from_millis(250);
static PERIOD_TIMESPEC: Timespec = Timespec::new().nsec(PERIOD.subsec_nanos());

impl Ring {
    /// The timeout to give to the wait: none when the metronome will do, or when there is nothing to wake for.
    pub(crate) fn without_timer(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let near = timeout.filter(|&timeout| timeout < PERIOD);
        if near.is_none() && (timeout.is_some() || !self.quiet.is_empty() || self.waits_for_guests()) {
            self.arm_metronome();
        }
        near
    }

    fn arm_metronome(&mut self) {
        if !self.metronome_armed {
            self.metronome_armed = true;
            self.in_flight += 1;
            let entry = opcode::Timeout::new(&raw const PERIOD_TIMESPEC)
                .build()
                .user_data(Operation::Metronome.numbered(0, 0));
            // SAFETY: the timespec is static.
            unsafe { self.kernel.push(&entry) };
        }
    }
}
