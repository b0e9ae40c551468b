//! A worker's connections, by local index (0..count) and by ring slot.

use tickring_ring::ConnectionId;

use crate::drivers::Standing;
use crate::measure::errors::Stage;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not attempted yet.
    Waiting,
    /// TCP.
    Connecting,
    /// Upgrade and greeting.
    Upgrading,
    /// Ready for traffic.
    Open,
    /// The closing handshake is under way.
    Closing,
    /// Over; at most its slot is being freed.
    Gone,
}

impl State {
    /// The stage an error in this state belongs to.
    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::Waiting | Self::Connecting => Stage::Connect,
            Self::Upgrading => Stage::Upgrade,
            Self::Open => Stage::Steady,
            Self::Closing | Self::Gone => Stage::Close,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link<P> {
    pub(crate) peer: P,
    pub(crate) id: Option<ConnectionId>,
    /// Bytes for the next send.
    pub(crate) out: Vec<u8>,
    /// When the present state began, ns.
    pub(crate) since_ns: u64,
    pub(crate) state: State,
    /// A send is under way.
    pub(crate) sending: bool,
    /// Stands in the list of links with something to send.
    pub(crate) dirty: bool,
    /// Source ports tried.
    pub(crate) ports_tried: u8,
    /// It has been ready before.
    pub(crate) opened: bool,
    pub(crate) standing: Standing,
    /// What becomes of it once it is closed.
    pub(crate) sequel: Sequel,
    /// Which of the source pairs it has.
    pub(crate) pair: u32,
}

/// What becomes of a connection that the plan ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// Nothing: it is over.
    #[default]
    None,
    /// Another takes its place, and has tried in vain or not yet.
    Successor { tried: bool },
    /// It was dropped at this time, ns, and tries to come back, or has tried in vain.
    Return { dropped_ns: u64, tried: bool },
}

impl Sequel {
    /// The same, after an attempt that failed.
    pub(crate) const fn tried(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Successor { .. } => Self::Successor { tried: true },
            Self::Return { dropped_ns, .. } => Self::Return { dropped_ns, tried: true },
        }
    }
}

impl<P> Link<P> {
    fn new(peer: P) -> Self {
        Self {
            peer,
            id: None,
            out: Vec::new(),
            since_ns: 0,
            state: State::Waiting,
            sending: false,
            dirty: false,
            ports_tried: 0,
            opened: false,
            standing: Standing::Bystander,
            sequel: Sequel::None,
            pair: 0,
        }
    }
}

/// All of a worker's connections. Invariant: `by_slot` names the link whose `id` has that slot.
#[derive(Debug)]
pub(crate) struct Links<P> {
    pub(crate) list: Vec<Link<P>>,
    by_slot: Vec<u32>,
}

const NOBODY: u32 = u32::MAX;

impl<P> Links<P> {
    /// One link per peer; slots are below `slots`.
    pub(crate) fn new(peers: impl Iterator<Item = P>, slots: usize) -> Self {
        Self { list: peers.map(Link::new).collect(), by_slot: vec![NOBODY; slots] }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.list.len()).expect("connections are counted in u32")
    }

    /// The link of a ring's connection, unless that connection has been replaced.
    pub(crate) fn find(&self, id: ConnectionId) -> Option<u32> {
        let local = *self.by_slot.get(id.slot() as usize)?;
        let link = self.list.get(local as usize)?;
        (link.id == Some(id)).then_some(local)
    }

    /// Ties a link to a ring's connection.
    pub(crate) fn tie(&mut self, local: u32, id: ConnectionId) {
        self.by_slot[id.slot() as usize] = local;
        self.list[local as usize].id = Some(id);
    }
}
