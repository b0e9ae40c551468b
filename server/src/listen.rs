//! The players' port: one listener per worker, all bound to the same address.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::ServerError;

/// The kernel cuts this down to `net.core.somaxconn`; `tuning/tune.sh check` says when that is low.
const BACKLOG: i32 = 65_535;
/// Unsent bytes the kernel keeps per connection before it stops taking more: latency, not
/// throughput, is what a player needs, and a stale snapshot in the kernel cannot be replaced.
const NOTSENT_LOWAT_BYTES: u32 = 128 * 1024;
/// After a SIGKILL the kernel takes a moment longer to tear down the old process's ring than to end
/// the process, and the ring holds the old listeners: binding is tried for this long.
const BIND_PATIENCE: Duration = Duration::from_secs(2);
const BIND_RETRY: Duration = Duration::from_millis(50);

/// Binds `count` listeners to `address`. With port 0 the kernel chooses one port for all.
///
/// # Errors
/// [`ServerError::Listen`] with the address and a remedy.
pub(crate) fn bind_all(
    address: SocketAddr,
    count: usize,
) -> Result<(Vec<TcpListener>, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let first = bind_patiently(address).map_err(failed)?;
    let chosen = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(bind(chosen, true).map_err(failed)?);
    }
    Ok((listeners, chosen))
}

fn bind_patiently(address: SocketAddr) -> io::Result<TcpListener> {
    let attempts = BIND_PATIENCE.as_millis() / BIND_RETRY.as_millis();
    for attempt in 0..attempts {
        // Without SO_REUSEPORT on the first try a server that still runs would go unnoticed and share
        // its port with us.
        match bind(address, false) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if attempt == 0 {
                    tracing::info!(%address, "the port is still held; trying for {BIND_PATIENCE:?}");
                }
                pause();
            }
            other => {
                // The port is free: bind it again so that the other workers can share it.
                drop(other?);
                return bind(address, true);
            }
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// At start, before there is a ring to wait with.
fn pause() {
    std::thread::sleep(BIND_RETRY);
}

fn bind(address: SocketAddr, share_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share_port)?;
    // Accepted sockets inherit these.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES)?;
    socket.bind(&address.into())?;
    if share_port {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}
