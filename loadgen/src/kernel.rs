//! Kernel counters before and after: whose fault is it when connections are slow or missing?

use std::fs;

use serde::Serialize;

/// The counters that tell where a connection or a byte was lost, of this network namespace. A `None`
/// means that this kernel does not have the counter (for conntrack: that the module is not loaded).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct KernelCounters {
    /// Connections that found a listener's accept queue full.
    pub(crate) listen_overflows: Option<u64>,
    /// Connections a listener dropped, for that or another reason.
    pub(crate) listen_drops: Option<u64>,
    /// SYN queues that overflowed: answered with cookies, or dropped.
    pub(crate) syn_cookies_sent: Option<u64>,
    pub(crate) backlog_drops: Option<u64>,
    /// Retransmission timers that expired.
    pub(crate) timeouts: Option<u64>,
    pub(crate) retransmitted_segments: Option<u64>,
    /// Connections that went from SYN straight to closed.
    pub(crate) attempts_failed: Option<u64>,
    pub(crate) established_resets: Option<u64>,
    pub(crate) resets_sent: Option<u64>,
    /// Connections aborted because kernel memory ran out.
    pub(crate) aborts_on_memory: Option<u64>,
    /// TCP sockets in use now.
    pub(crate) tcp_in_use: Option<u64>,
    pub(crate) tcp_orphans: Option<u64>,
    /// Sockets in TIME_WAIT now.
    pub(crate) tcp_time_wait: Option<u64>,
    pub(crate) tcp_allocated: Option<u64>,
    /// Memory of TCP buffers now, pages.
    pub(crate) tcp_memory_pages: Option<u64>,
    /// Packets dropped because a CPU's receive backlog was full.
    pub(crate) softnet_dropped: Option<u64>,
    /// Times a CPU ran out of its receive budget.
    pub(crate) softnet_squeezed: Option<u64>,
    /// Connections being tracked now.
    pub(crate) conntrack_count: Option<u64>,
    /// Open files of the whole system.
    pub(crate) files_open: Option<u64>,
}

impl KernelCounters {
    /// Reads them from `/proc`.
    pub(crate) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (netstat, snmp) = (text("/proc/net/netstat"), text("/proc/net/snmp"));
        let extension = |name: &str| paired(&netstat, "TcpExt:", name);
        let tcp = |name: &str| paired(&snmp, "Tcp:", name);
        let sockstat = text("/proc/net/sockstat");
        let sockets = |name: &str| named(&sockstat, "TCP:", name);
        let softnet = text("/proc/net/softnet_stat");
        Self {
            listen_overflows: extension("ListenOverflows"),
            listen_drops: extension("ListenDrops"),
            syn_cookies_sent: extension("SyncookiesSent"),
            backlog_drops: extension("TCPBacklogDrop"),
            timeouts: extension("TCPTimeouts"),
            retransmitted_segments: tcp("RetransSegs"),
            attempts_failed: tcp("AttemptFails"),
            established_resets: tcp("EstabResets"),
            resets_sent: tcp("OutRsts"),
            aborts_on_memory: extension("TCPAbortOnMemory"),
            tcp_in_use: sockets("inuse"),
            tcp_orphans: sockets("orphan"),
            tcp_time_wait: sockets("tw"),
            tcp_allocated: sockets("alloc"),
            tcp_memory_pages: sockets("mem"),
            softnet_dropped: hex_column(&softnet, 1),
            softnet_squeezed: hex_column(&softnet, 2),
            conntrack_count: number(&text("/proc/sys/net/netfilter/nf_conntrack_count")),
            files_open: number(&text("/proc/sys/fs/file-nr")),
        }
    }
}

/// `/proc/net/netstat` and `snmp`: a line of names, then a line of values with the same prefix.
fn paired(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(prefix));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|n| n == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

/// `/proc/net/sockstat`: `TCP: inuse 5 orphan 0 …`.
fn named(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(prefix))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// `/proc/net/softnet_stat`: one line of hexadecimal columns per CPU; their sum.
fn hex_column(text: &str, column: usize) -> Option<u64> {
    text.lines()
        .map(|line| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok())
        .try_fold(0, |sum, value| Some(sum + value?))
}

/// The first number of a text.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETSTAT: &str =
        "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: A\nIpExt: 9\n";
    const SOCKSTAT: &str =
        "sockets: used 80\nTCP: inuse 5 orphan 1 tw 42 alloc 6 mem 7\nUDP: inuse 1 mem 0\n";

    #[test]
    fn the_files_of_proc_are_read() {
        assert_eq!(paired(NETSTAT, "TcpExt:", "ListenOverflows"), Some(22));
        assert_eq!(paired(NETSTAT, "TcpExt:", "ListenDrops"), Some(333));
        assert_eq!(paired(NETSTAT, "TcpExt:", "Unknown"), None);
        assert_eq!(named(SOCKSTAT, "TCP:", "tw"), Some(42));
        assert_eq!(named(SOCKSTAT, "TCP:", "mem"), Some(7));
        assert_eq!(hex_column("0001 0000000a 2\n0002 00000001 0\n", 1), Some(11));
        assert_eq!(hex_column("0001\n", 1), None);
    }

    #[test]
    fn this_kernel_has_the_important_ones() {
        let counters = KernelCounters::read();
        assert!(counters.listen_overflows.is_some() && counters.tcp_time_wait.is_some(), "{counters:?}");
    }
}
