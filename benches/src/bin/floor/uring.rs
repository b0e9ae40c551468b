//! One thread, one io_uring: multishot accept and receive, provided buffers, direct descriptors.

mod buffers;
mod queue;

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use io_uring::types::{Fd, Fixed};
use io_uring::{cqueue, opcode};

use crate::load::{Account, Load, source};
use buffers::{Buffers, GROUP};
use queue::Queue;

/// What a completion belongs to: the upper half of `user_data`; the lower is the slot.
const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const CLOSE: u64 = 4 << 32;
const TICK: u64 = 5 << 32;

#[derive(Debug, Clone, Copy, Default)]
struct Connection {
    account: Account,
    sending: bool,
    open: bool,
}

struct Program {
    queue: Queue,
    buffers: Buffers,
    load: Load,
    listener: Fd,
    timer: Option<Fd>,
    /// Where the timer's reads go.
    expirations: &'static mut u64,
    /// By index into the file table.
    connections: Vec<Connection>,
    source: Vec<u8>,
}

/// Serves until the process is ended. `gather`: how long completions may gather; zero wakes for each.
pub(crate) fn run(
    listener: &TcpListener,
    load: Load,
    ticks: Option<&OwnedFd>,
    gather: Duration,
    descriptors: u64,
) -> anyhow::Result<()> {
    let slots = u32::try_from(descriptors.min(1 << 20)).expect("bounded");
    let queue = Queue::new(slots, gather)?;
    let mut program = Program {
        buffers: Buffers::new(&queue)?,
        queue,
        load,
        listener: Fd(listener.as_raw_fd()),
        timer: ticks.map(|timer| Fd(timer.as_raw_fd())),
        expirations: Box::leak(Box::new(0)),
        connections: Vec::new(),
        source: source(),
    };
    program.accept();
    program.arm_timer();
    loop {
        program.buffers.publish();
        program.queue.wait()?;
        while let Some(completion) = program.queue.next() {
            program.completed(&completion)?;
        }
    }
}

impl Program {
    fn accept(&mut self) {
        let entry = opcode::AcceptMulti::new(self.listener).allocate_file_index(true).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.queue.push(&entry.user_data(ACCEPT)) };
    }

    fn arm_timer(&mut self) {
        if let Some(timer) = self.timer {
            let entry = opcode::Read::new(timer, std::ptr::from_mut(self.expirations).cast(), 8).build();
            // SAFETY: the eight bytes are leaked on purpose, and read by nobody.
            unsafe { self.queue.push(&entry.user_data(TICK)) };
        }
    }

    fn receive(&mut self, slot: u32) {
        let entry = opcode::RecvMulti::new(Fixed(slot), GROUP).build();
        // SAFETY: the entry points to no memory; the buffers live as long as the program.
        unsafe { self.queue.push(&entry.user_data(RECEIVE | u64::from(slot))) };
    }

    fn completed(&mut self, completion: &cqueue::Entry) -> anyhow::Result<()> {
        let user_data = completion.user_data();
        let slot = u32::try_from(user_data & 0xffff_ffff).expect("masked to 32 bits");
        let more = cqueue::more(completion.flags());
        match user_data & !0xffff_ffff {
            ACCEPT => {
                anyhow::ensure!(completion.result() >= 0, "accept: {}", failure(completion));
                self.accepted(completion.result().cast_unsigned());
                if !more {
                    self.accept();
                }
            }
            RECEIVE => self.received(slot, completion),
            SEND => self.sent(slot, completion.result()),
            TICK => self.tick(),
            _ => {}
        }
        Ok(())
    }

    fn accepted(&mut self, slot: u32) {
        let index = slot as usize;
        if self.connections.len() <= index {
            self.connections.resize(index + 1, Connection::default());
        }
        self.connections[index] = Connection { open: true, ..Connection::default() };
        self.receive(slot);
    }

    fn received(&mut self, slot: u32, completion: &cqueue::Entry) {
        if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
            self.buffers.give_back(buffer);
        }
        let connection = &mut self.connections[slot as usize];
        match completion.result() {
            bytes @ 1.. => {
                connection.account.arrived(self.load, bytes.cast_unsigned() as usize);
                if !cqueue::more(completion.flags()) {
                    self.receive(slot);
                }
                self.send(slot);
            }
            error if error == -libc::ENOBUFS => self.receive(slot),
            _ => {
                connection.open = false;
                self.close_when_idle(slot);
            }
        }
    }

    /// Sends what is owed, unless a send is under way: it goes on with the rest.
    fn send(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.sending || !connection.open || connection.account.owed == 0 {
            return;
        }
        let all = u32::try_from(self.source.len()).expect("a short source");
        let length = u32::try_from(connection.account.owed).map_or(all, |owed| owed.min(all));
        connection.sending = true;
        let entry = opcode::Send::new(Fixed(slot), self.source.as_ptr(), length).build();
        // SAFETY: the source is never changed nor freed.
        unsafe { self.queue.push(&entry.user_data(SEND | u64::from(slot))) };
    }

    fn sent(&mut self, slot: u32, result: i32) {
        let connection = &mut self.connections[slot as usize];
        connection.sending = false;
        match u64::try_from(result) {
            Ok(bytes) => connection.account.owed -= bytes,
            // The peer is gone, as its receive says too.
            Err(_error) => connection.account.owed = 0,
        }
        self.send(slot);
        self.close_when_idle(slot);
    }

    fn close_when_idle(&mut self, slot: u32) {
        let connection = &self.connections[slot as usize];
        if !connection.open && !connection.sending {
            let entry = opcode::Close::new(Fixed(slot)).build();
            // SAFETY: the entry points to no memory.
            unsafe { self.queue.push(&entry.user_data(CLOSE | u64::from(slot))) };
        }
    }

    fn tick(&mut self) {
        self.arm_timer();
        for index in 0..self.connections.len() {
            if self.connections[index].open {
                self.connections[index].account.ticked(self.load);
                self.send(u32::try_from(index).expect("a slot"));
            }
        }
    }
}

fn failure(completion: &cqueue::Entry) -> std::io::Error {
    std::io::Error::from_raw_os_error(-completion.result())
}
