//! The public type, its contract, and what belongs to no single operation.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use crate::accept::Acceptor;
use crate::arrival::Arrivals;
use crate::buffers::{self, Buffers};
use crate::connect::Connector;
use crate::guests::Guests;
use crate::kernel::Kernel;
use crate::send::QuietSend;
use crate::slots::Slots;
use crate::{Config, Counters, Doorbell, Event, Features, SetupError, Wait, probe, setup};

/// One io_uring with its sockets. Bytes in, bytes out; what they mean is the caller's business.
///
/// # Contract
/// - One thread makes, uses and drops a ring. Others reach it by [`Doorbell`] or, from their own rings,
///   by [`RingAddress`](crate::RingAddress).
/// - A pass is: [`wait`](Self::wait), then [`next_event`](Self::next_event) until `None`. Nothing blocks but
///   `wait`. Everything asked for in between (sends, closes, …) is queued and goes to the kernel together
///   with the next `wait`.
/// - A ring either accepts (and adopts) connections or makes them.
/// - A connection begins with `Accepted`, `Connected` or `Adopted` and ends with exactly one of `Closed`,
///   `HandedOver`, `ConnectFailed`. Its identity is void after that; calls on a void identity do nothing,
///   except [`send`](Self::send), which panics.
/// - Each buffer given to `send` comes back in exactly one `Sent`, before the connection's last event.
/// - Receiving allocates nothing. Neither does anything else once as many connections, sends and events
///   have been in flight together before.
/// - Dropping a ring cancels everything and waits for the kernel to let go of its memory; should that fail
///   within bounds, the memory is leaked on purpose. Connections still open are closed by the kernel.
///
/// # Example
/// ```
/// use tickring_ring::{Config, Event, Receive, Ring, Wait};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ring = Ring::new(&Config { connections_max: 64, ..Config::default() })?;
/// ring.listen(std::net::TcpListener::bind("127.0.0.1:0")?)?;
/// # ring.doorbell()?.ring();
/// let wait = Wait { timeout: None, want: 64, gather: std::time::Duration::from_micros(200) };
/// ring.wait(&wait)?;
/// let mut echoes = Vec::new();
/// while let Some(event) = ring.next_event() {
///     match event {
///         Event::Accepted { id } => ring.receive(id, Receive::Many),
///         Event::Received { id, bytes, .. } => echoes.push((id, bytes.to_vec())),
///         Event::ReceiveEnded { id, .. } => ring.close(id),
///         _ => {}
///     }
/// }
/// for (id, bytes) in echoes {
///     ring.send_quietly(id, bytes);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ring {
    /// Dropped first: after that the kernel refers to nothing below.
    pub(crate) kernel: Kernel,
    pub(crate) buffers: Buffers,
    pub(crate) buffer_bytes: u32,
    /// `None`: nobody asked when bytes arrive.
    pub(crate) arrivals: Option<Arrivals>,
    pub(crate) receive_bytes_per_pass_max: u32,
    pub(crate) slots: Slots,
    pub(crate) acceptor: Acceptor,
    pub(crate) connector: Connector,
    pub(crate) guests: Guests,
    pub(crate) doorbell: Doorbell,
    /// The poll that hears the doorbell is with the kernel.
    pub(crate) doorbell_armed: bool,
    /// A bell was heard and is to be reported once the completions of this pass are through.
    pub(crate) bell: bool,
    /// Sends that are done as soon as they have been submitted and nothing was heard of them, in order.
    pub(crate) quiet: VecDeque<QuietSend>,
    /// The timer that ends long sleeps is with the kernel.
    pub(crate) metronome_armed: bool,
    /// Something waits for a quiet send to be settled: the next wait does not sleep.
    pub(crate) settle_soon: bool,
    /// Slots to look at again at the next wait: receives to arm, cancels to repeat.
    pub(crate) put_off: Vec<u32>,
    /// Events that come from no completion of their own.
    pub(crate) ready: VecDeque<Event<'static>>,
    /// Number of the pass, wrapping.
    pub(crate) pass: u32,
    /// Submissions whose last completion is still to come.
    pub(crate) in_flight: u32,
    pub(crate) counters: Counters,
    /// Neither Send nor Sync: the kernel accepts submissions from the one thread only.
    not_send: PhantomData<*mut ()>,
}

impl Ring {
    /// Builds a ring for the calling thread.
    ///
    /// # Errors
    /// [`SetupError`] names what is missing or forbidden, and the remedy.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let queues = setup::check(config)?;
        let uring = setup::build(queues)?;
        Features::of(&uring)?.require()?;
        setup::register_table(&uring, config.connections_max)?;
        let buffers = Buffers::new(config.buffers, config.buffer_bytes)
            .map_err(|_no_memory| setup::out_of_memory("the receive buffers"))?;
        let (address, entries) = buffers.registration();
        // SAFETY: the mapping has `entries` entries and is unmapped only after `kernel` was dropped.
        unsafe { uring.submitter().register_buf_ring_with_flags(address, entries, buffers::GROUP, 0) }
            .map_err(|source| SetupError::Io { what: "registering the receive buffers", source })?;
        let doorbell = Doorbell::new().map_err(setup::no_doorbell)?;
        let mut guests = Guests::default();
        guests.promise(config.connections_max);
        Ok(Self {
            kernel: Kernel::new(uring),
            buffers,
            buffer_bytes: config.buffer_bytes,
            arrivals: config.arrival_times.then(Arrivals::new),
            receive_bytes_per_pass_max: config.receive_bytes_per_pass_max,
            slots: Slots::new(config.connections_max),
            acceptor: Acceptor::default(),
            connector: Connector::default(),
            guests,
            doorbell,
            doorbell_armed: false,
            bell: false,
            quiet: VecDeque::new(),
            metronome_armed: false,
            settle_soon: false,
            put_off: Vec::new(),
            ready: VecDeque::new(),
            pass: 0,
            in_flight: 0,
            counters: Counters::default(),
            not_send: PhantomData,
        })
    }

    /// Looks what this kernel offers, by building a small ring and asking it.
    ///
    /// # Errors
    /// As [`new`](Self::new), when not even that can be built.
    pub fn probe() -> Result<Features, SetupError> {
        probe::probe()
    }

    /// Bytes of the fixed pools: queues, receive buffers, file table (8 B a slot in the kernel) and slots.
    /// The last two become resident only as slots are used.
    #[must_use]
    pub fn fixed_bytes(&self) -> usize {
        let table = self.slots.capacity() as usize * size_of::<u64>();
        self.kernel.bytes() + self.buffers.bytes() + table + self.slots.bytes()
    }

    /// Connections that occupy a slot: open ones, those connecting and those being closed.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.slots.in_use()
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Begins a pass: gives the receive buffers of the last one back, hands everything queued to the kernel,
    /// and sleeps as [`Wait`] says; not at all while events of the last pass were left undelivered. One
    /// system call. May return early, with nothing to deliver: on a signal, for instance.
    ///
    /// # Errors
    /// Only what makes the ring unusable, such as completions lost by a kernel out of memory (`EBADR`).
    pub fn wait(&mut self, wait: &Wait) -> io::Result<()> {
        self.pass = self.pass.wrapping_add(1);
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.begin_pass();
        }
        self.buffers.publish();
        self.look_again();
        self.promise_places();
        self.arm_accepts();
        self.arm_doorbell();
        let overflown = self.kernel.overflown();
        self.counters.overflows += u64::from(overflown);
        let undelivered = overflown
            || self.bell
            || !self.ready.is_empty()
            || self.kernel.has_completions()
            || std::mem::take(&mut self.settle_soon);
        let timeout = if undelivered { Some(Duration::ZERO) } else { self.without_timer(wait.timeout) };
        self.kernel.wait(&Wait { timeout, ..*wait })?;
        self.counters.enters = self.kernel.enters();
        self.forget_addresses();
        Ok(())
    }

    /// Hands everything queued to the kernel without waiting.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn submit(&mut self) -> io::Result<()> {
        self.kernel.submit()?;
        self.counters.enters = self.kernel.enters();
        self.forget_addresses();
        Ok(())
    }

    fn arm_doorbell(&mut self) {
        if !self.doorbell_armed {
            self.doorbell_armed = true;
            self.in_flight += 1;
            let entry = self.doorbell.poll();
            // SAFETY: the entry points to no memory; the eventfd lives as long as `self.doorbell`.
            unsafe { self.kernel.push(&entry) };
        }
    }
}
