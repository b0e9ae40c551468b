//! Which source address and port every connection uses.
//!
//! A TCP connection is the tuple (source address, source port, destination address, destination
//! port). Towards one server only the first two can vary, so they are handed out here, explicitly:
//! no port scan in the kernel, no surprise at 28,232 connections, and every worker owns its own
//! share. On loopback any address of 127/8 works as a source. Elsewhere the kernel chooses.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// First port handed out. Everything below is for servers.
pub(crate) const PORT_FIRST: u16 = 1_024;
/// Last port handed out.
pub(crate) const PORT_LAST: u16 = u16::MAX;
/// Ports of one source address.
pub(crate) const PORTS: u32 = (PORT_LAST - PORT_FIRST) as u32 + 1;

/// How many connections `auto` plans for one address: half of its ports, so that ports still in
/// TIME_WAIT from the last run, or used by somebody else, cost a skip and not a failure.
const AUTO_CONNECTIONS_PER_ADDRESS: u32 = PORTS / 2;

/// The source addresses of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The kernel chooses address and port at `connect`.
    Kernel,
    /// Explicit pairs from these addresses.
    Explicit(Vec<Ipv4Addr>),
}

/// Why `--src` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("`{0}` is not an IPv4 address or a range like 127.0.0.2-127.0.0.17")]
    NotAnAddress(String),
    #[error("the range `{0}` is empty or longer than 4,096 addresses")]
    BadRange(String),
}

impl Sources {
    /// Enough addresses for `conns` connections to `targets`: 127.0.0.2 and up when all are loopback IPv4, the kernel's
    /// choice otherwise.
    pub(crate) fn auto(targets: &[SocketAddr], conns: u32) -> Self {
        let is_loopback = |target: &SocketAddr| target.is_ipv4() && target.ip().is_loopback();
        if !targets.iter().all(is_loopback) {
            return Self::Kernel;
        }
        let addresses = conns.div_ceil(AUTO_CONNECTIONS_PER_ADDRESS).max(1);
        let first = u32::from(Ipv4Addr::new(127, 0, 0, 2));
        Self::Explicit((first..first + addresses).map(Ipv4Addr::from).collect())
    }

    /// Parses a comma-separated list of addresses and ranges.
    ///
    /// # Errors
    /// [`SourceError`] names the part that is none.
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let mut addresses = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let parse = |text: &str| {
                text.trim().parse::<Ipv4Addr>().map_err(|_| SourceError::NotAnAddress(part.to_owned()))
            };
            let (first, last) = (u32::from(parse(first)?), u32::from(parse(last)?));
            if last < first || last - first >= 4_096 {
                return Err(SourceError::BadRange(part.to_owned()));
            }
            addresses.extend((first..=last).map(Ipv4Addr::from));
        }
        addresses.sort_unstable();
        addresses.dedup();
        Ok(Self::Explicit(addresses))
    }

    /// The first of these addresses that a socket cannot be bound to, and why not.
    pub(crate) fn refused(&self) -> Option<(Ipv4Addr, io::Error)> {
        let Self::Explicit(addresses) = self else { return None };
        addresses.iter().find_map(|address| {
            let bind = || {
                let socket = Socket::new(Domain::IPV4, Type::STREAM.cloexec(), Some(Protocol::TCP))?;
                socket.bind(&SocketAddr::from((*address, 0)).into())
            };
            bind().err().map(|error| (*address, error))
        })
    }

    /// How many connections to one destination these sources can carry; `None` when the kernel
    /// chooses.
    pub(crate) fn capacity(&self) -> Option<u64> {
        match self {
            Self::Kernel => None,
            Self::Explicit(addresses) => Some(addresses.len() as u64 * u64::from(PORTS)),
        }
    }

    /// The share of worker `worker` of `workers`, starting at a port derived from `salt` so that two
    /// runs in a row rarely meet each other's ports.
    pub(crate) fn share(&self, worker: u32, workers: u32, salt: u32) -> Pairs {
        assert!(worker < workers, "a worker's index is below the number of workers");
        let addresses = match self {
            Self::Kernel => Vec::new(),
            Self::Explicit(addresses) => addresses.clone(),
        };
        Pairs { addresses, next: worker, step: workers, salt: salt % PORTS, back: VecDeque::new() }
    }
}

/// One worker's (address, port) pairs; no two workers share one, and none is given twice unless it was given back.
#[derive(Clone, Debug)]
pub(crate) struct Pairs {
    addresses: Vec<Ipv4Addr>,
    next: u32,
    step: u32,
    salt: u32,
    /// Given back, the longest ago first: those rest the longest (TIME_WAIT).
    back: VecDeque<u32>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Leave it to the kernel.
    Kernel,
    /// Bind to this; the number is for [`Pairs::give_back`].
    Bind(SocketAddr, u32),
}

impl Pairs {
    /// A connection with this pair is over.
    pub(crate) fn give_back(&mut self, number: u32) {
        if !self.addresses.is_empty() {
            self.back.push_back(number);
        }
    }

    fn at(&self, number: u32) -> Pair {
        let count = u32::try_from(self.addresses.len()).expect("at most 4,096 for each range named");
        // Round robin over the addresses, so that all of them fill evenly.
        let (row, column) = (number / count, number % count);
        let offset = u16::try_from((row + self.salt) % PORTS).expect("PORTS fits in 16 bits");
        Pair::Bind(SocketAddr::from((self.addresses[column as usize], PORT_FIRST + offset)), number)
    }
}

impl Iterator for Pairs {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let Ok(count) = u32::try_from(self.addresses.len()) else { return None };
        if count == 0 {
            return Some(Pair::Kernel);
        }
        if self.next / count >= PORTS {
            return self.back.pop_front().map(|number| self.at(number));
        }
        self.next += self.step;
        Some(self.at(self.next - self.step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn auto_spreads_on_loopback_only() {
        let loopback: SocketAddr = "127.0.0.1:9001".parse().unwrap();
        assert_eq!(Sources::auto(&[loopback], 10), Sources::Explicit(vec![Ipv4Addr::new(127, 0, 0, 2)]));
        let many = Sources::auto(&[loopback], 60_000);
        assert!(many.capacity().unwrap() >= 2 * 60_000 - u64::from(PORTS));
        assert_eq!(Sources::auto(&[loopback, "192.0.2.1:80".parse().unwrap()], 10), Sources::Kernel);
        assert_eq!(Sources::auto(&["[::1]:80".parse().unwrap()], 10), Sources::Kernel);
    }

    #[test]
    fn lists_and_ranges_parse() {
        let sources = Sources::parse("127.0.0.9, 127.0.0.2-127.0.0.4").unwrap();
        let Sources::Explicit(addresses) = sources else { panic!("explicit") };
        assert_eq!(addresses.len(), 4);
        assert!(matches!(Sources::parse("::1"), Err(SourceError::NotAnAddress(_))));
        assert!(matches!(Sources::parse("127.0.0.4-127.0.0.2"), Err(SourceError::BadRange(_))));
        assert!(matches!(Sources::parse("0.0.0.0-255.255.255.255"), Err(SourceError::BadRange(_))));
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        // 192.0.2.0/24 is nobody's (RFC 5737).
        let (address, error) = Sources::parse("127.0.0.2,192.0.2.1").unwrap().refused().unwrap();
        assert_eq!((address, error.kind()), ("192.0.2.1".parse().unwrap(), io::ErrorKind::AddrNotAvailable));
        assert!(Sources::parse("127.0.0.2-127.0.0.9").unwrap().refused().is_none());
        assert!(Sources::Kernel.refused().is_none());
    }

    proptest! {
        #[test]
        fn no_pair_is_handed_out_twice(
            addresses in 1_u8..5, workers in 1_u32..5, salt in any::<u32>(), take in 1_usize..3_000,
        ) {
            let list: Vec<Ipv4Addr> = (0..addresses).map(|n| Ipv4Addr::new(127, 0, 0, 2 + n)).collect();
            let sources = Sources::Explicit(list);
            let mut seen = BTreeSet::new();
            for worker in 0..workers {
                for pair in sources.share(worker, workers, salt).take(take) {
                    let Pair::Bind(pair, _) = pair else { panic!("explicit sources bind") };
                    prop_assert!(pair.port() >= PORT_FIRST);
                    prop_assert!(seen.insert(pair), "{pair} twice");
                }
            }
        }

        #[test]
        fn what_is_given_back_is_given_again_and_nothing_else(salt in any::<u32>(), back in 0_u32..PORTS) {
            let sources = Sources::Explicit(vec![Ipv4Addr::new(127, 0, 0, 2)]);
            let mut pairs = sources.share(0, 1, salt);
            let all: Vec<Pair> = pairs.by_ref().collect();
            prop_assert_eq!(all.len(), PORTS as usize);
            pairs.give_back(back);
            prop_assert_eq!(pairs.next(), Some(all[back as usize]));
            prop_assert_eq!(pairs.next(), None);
        }

        #[test]
        fn the_capacity_is_what_is_handed_out(addresses in 1_u8..3, workers in 1_u32..4, salt in any::<u32>()) {
            let list: Vec<Ipv4Addr> = (0..addresses).map(|n| Ipv4Addr::new(127, 0, 0, 2 + n)).collect();
            let sources = Sources::Explicit(list);
            let pairs: u64 = (0..workers).map(|w| sources.share(w, workers, salt).count() as u64).sum();
            prop_assert_eq!(Some(pairs), sources.capacity());
        }
    }
}
