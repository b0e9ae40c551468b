//! One thread, level-triggered epoll, read and write.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::load::{Account, Load, source};

const LISTENER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    account: Account,
    /// Waiting until the socket takes more.
    blocked: bool,
}

/// Everything the loop works with.
struct Program<'a> {
    epoll: OwnedFd,
    listener: &'a TcpListener,
    load: Load,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    source: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn run(listener: &TcpListener, load: Load, ticks: Option<&OwnedFd>) -> anyhow::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    listener.set_nonblocking(true)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    if let Some(timer) = ticks {
        epoll::add(&epoll, timer, EventData::new_u64(TIMER), EventFlags::IN)?;
    }
    let mut program = Program {
        epoll,
        listener,
        load,
        connections: Vec::new(),
        buffer: vec![0; 64 * 1024],
        source: source(),
    };
    let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS_MAX);
    loop {
        match epoll::wait(&program.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => program.accept()?,
                TIMER => program.tick(ticks)?,
                fd => {
                    let fd = usize::try_from(fd).expect("a descriptor we put there");
                    program.ready(fd, event.flags);
                }
            }
        }
    }
}

impl Program<'_> {
    fn accept(&mut self) -> anyhow::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _from)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("accept"),
            };
            stream.set_nonblocking(true)?;
            let fd = usize::try_from(stream.as_raw_fd()).expect("a descriptor is not negative");
            epoll::add(&self.epoll, &stream, EventData::new_u64(fd as u64), EventFlags::IN)?;
            if self.connections.len() <= fd {
                self.connections.resize_with(fd + 1, || None);
            }
            self.connections[fd] = Some(Connection { stream, account: Account::default(), blocked: false });
        }
    }

    fn tick(&mut self, ticks: Option<&OwnedFd>) -> anyhow::Result<()> {
        let timer = ticks.expect("only a timer that exists fires");
        let mut expirations = [0; 8];
        rustix::io::read(timer, &mut expirations).context("reading the timer")?;
        for fd in 0..self.connections.len() {
            if let Some(connection) = &mut self.connections[fd] {
                connection.account.ticked(self.load);
                self.flush(fd);
            }
        }
        Ok(())
    }

    fn ready(&mut self, fd: usize, flags: EventFlags) {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) && !self.read(fd) {
            // Dropping the stream closes it, and that takes it out of the epoll set.
            self.connections[fd] = None;
            return;
        }
        self.flush(fd);
    }

    /// Reads what is there; whether the connection lives on.
    fn read(&mut self, fd: usize) -> bool {
        let Some(connection) = &mut self.connections[fd] else { return true };
        loop {
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return false,
                Ok(bytes) => {
                    connection.account.arrived(self.load, bytes);
                    if bytes < self.buffer.len() {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_reset) => return false,
            }
        }
    }

    /// Writes what is owed, as far as the socket takes it.
    fn flush(&mut self, fd: usize) {
        let Some(connection) = &mut self.connections[fd] else { return };
        let mut blocked = false;
        while connection.account.owed > 0 && !blocked {
            let length = usize::try_from(connection.account.owed)
                .map_or(self.source.len(), |n| n.min(self.source.len()));
            match connection.stream.write(&self.source[..length]) {
                Ok(bytes) => connection.account.owed -= bytes as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_broken) => {
                    self.connections[fd] = None;
                    return;
                }
            }
        }
        if blocked != connection.blocked {
            connection.blocked = blocked;
            let interest = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            let modified =
                epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(fd as u64), interest);
            modified.expect("the stream was added when it was accepted");
        }
    }
}
