//! Outgoing connections. Their sockets are made by the caller and moved into the file table, at indices
//! that this side chooses.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::opcode;
use io_uring::types::Fixed;
use socket2::{SockAddr, Socket};

use crate::kernel::Completion;
use crate::operation::{Operation, connection};
use crate::slots::{Ending, Life, Pending};
use crate::{ConnectionId, Event, Ring};

/// Connects queued between two submissions.
const ADDRESSES_MAX: usize = 256;

/// What is needed beside the slots.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    /// Addresses of connects that the kernel has not been handed yet; it copies them when it is
    /// (`IORING_FEAT_SUBMIT_STABLE`). Never grows beyond its first capacity, so they do not move.
    addresses: Vec<SockAddr>,
    used: bool,
}

impl Connector {
    /// Whether this ring connects, and so chooses its slots itself.
    pub(crate) fn used(&self) -> bool {
        self.used
    }
}

impl Ring {
    /// Connects `socket`, which has been given its options (and, if wanted, its source address) by the caller,
    /// to `to`. `Connected` or `ConnectFailed` follows. There is no timeout: [`close`](Self::close) gives up.
    ///
    /// # Errors
    /// `Unsupported` when the ring accepts; `QuotaExceeded` when the table is full; and what the kernel says
    /// when it does not take the socket into the table.
    pub fn connect(&mut self, socket: Socket, to: SocketAddr) -> io::Result<ConnectionId> {
        if self.listening() || (!self.connector.used && self.slots.in_use() > 0) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a ring that accepts cannot connect"));
        }
        self.ask_for_arrivals(socket.as_fd())?;
        if self.connector.addresses.len() == ADDRESSES_MAX {
            self.submit()?;
        }
        let full = || io::Error::new(io::ErrorKind::QuotaExceeded, "the ring's file table is full");
        let index = self.slots.choose().ok_or_else(full)?;
        if let Err(error) = self.kernel.submitter().register_files_update(index, &[socket.as_raw_fd()]) {
            self.slots.unchoose(index);
            return Err(error);
        }
        // The table holds the file from here on.
        drop(socket);
        self.connector.used = true;
        let id = self.slots.occupy(index, Life::Connecting);
        self.push_connect(id, to);
        Ok(id)
    }

    fn push_connect(&mut self, id: ConnectionId, to: SocketAddr) {
        let addresses = &mut self.connector.addresses;
        if addresses.capacity() == 0 {
            addresses.reserve_exact(ADDRESSES_MAX);
        }
        assert!(addresses.len() < addresses.capacity(), "submitting empties the list of addresses");
        addresses.push(to.into());
        let address = addresses.last().expect("just pushed");
        let entry = opcode::Connect::new(Fixed(id.slot()), address.as_ptr().cast(), address.len())
            .build()
            .user_data(Operation::Connect.on(id));
        self.in_flight += 1;
        if let Some(slot) = self.slots.get_mut(id) {
            slot.pending.insert(Pending::CONNECT);
        }
        // SAFETY: the address stays in its place until `forget_addresses`, which waits for the kernel to have
        // taken everything queued, and so to have copied it.
        unsafe { self.kernel.push(&entry) };
    }

    /// After an enter: addresses the kernel has copied are not needed any more.
    pub(crate) fn forget_addresses(&mut self) {
        if !self.connector.addresses.is_empty() && self.kernel.all_consumed() {
            self.connector.addresses.clear();
        }
    }

    /// A connect completed.
    pub(crate) fn connected(&mut self, completion: Completion) -> Option<Event<'static>> {
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else { return self.stale() };
        slot.pending.remove(Pending::CONNECT);
        if slot.life == Life::Closing {
            self.close_when_idle(id);
            return None;
        }
        match completion.outcome() {
            Ok(_zero) => {
                slot.life = Life::Open;
                self.counters.connects += 1;
                Some(Event::Connected { id })
            }
            Err(errno) => {
                slot.errno = errno;
                slot.ending = Ending::ConnectFailed;
                slot.life = Life::Closing;
                self.close_when_idle(id);
                None
            }
        }
    }
}
