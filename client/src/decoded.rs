//! Decoded snapshots, shared by the connections of one room.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use tickring_protocol::ids::{EntityId, Tick};
use tickring_room::{Game, Pose, ReceivedState, Replicated, SnapshotError, ViewTime};

/// States that are found again by the bytes they came from: most of a second at 30 Hz. Connections that fall
/// behind each other by more decode for themselves, and fall behind further.
const RECENT_MAX: usize = 24;

/// One decoded state with its checksum.
#[derive(Debug)]
pub struct WorldState<G: Game> {
    state: ReceivedState<G>,
    tick: Tick,
    /// Its number among all that were ever decoded, from 1.
    serial: u64,
    /// Computed when it is first asked for.
    checksum: Cell<Option<u32>>,
}

impl<G: Game> WorldState<G> {
    /// Its tick.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// The entities by rising id.
    #[must_use]
    pub fn entities(&self) -> &[(EntityId, G::Entity)] {
        self.state.entities()
    }

    /// One entity.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<&G::Entity> {
        self.state.get(id)
    }
}

/// The last few states of one room. In a process with many connections to a room all of them pass the same
/// value to [`crate::Connection::receive`]: a body that another connection has just received is then compared,
/// not decoded again. A lone connection has its own.
///
/// Memory is reused once no connection holds a state any more: nothing is allocated per snapshot when warm.
#[derive(Debug)]
pub struct Decoded<G: Game> {
    /// Oldest first.
    recent: VecDeque<Kept<G>>,
    /// States that nobody holds, and memory of bodies, to be overwritten.
    unused: Vec<Rc<WorldState<G>>>,
    bodies: Vec<Vec<u8>>,
    scratch: Vec<u8>,
    decodes: u64,
}

#[derive(Debug)]
struct Kept<G: Game> {
    body: Vec<u8>,
    /// Which state the body followed on, 0 for none.
    base: u64,
    state: Rc<WorldState<G>>,
}

impl<G: Game> Default for Decoded<G> {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            unused: Vec::new(),
            bodies: Vec::new(),
            scratch: Vec::new(),
            decodes: 0,
        }
    }
}

impl<G: Game> Decoded<G> {
    /// How many bodies have been decoded rather than found.
    #[must_use]
    pub fn decodes(&self) -> u64 {
        self.decodes
    }

    /// The state that `base`, the last one of this connection, becomes with a body.
    pub(crate) fn state(
        &mut self,
        base: Option<&WorldState<G>>,
        tick: Tick,
        body: &[u8],
    ) -> Result<Rc<WorldState<G>>, SnapshotError> {
        let from = base.map_or(0, |base| base.serial);
        let same = |kept: &&Kept<G>| kept.state.tick == tick && kept.base == from && kept.body == body;
        if let Some(kept) = self.recent.iter().rev().find(same) {
            return Ok(Rc::clone(&kept.state));
        }
        let mut shared = self.unused();
        let state = Rc::get_mut(&mut shared).expect("an unused state has one holder");
        let decoded = state.state.decode_after(base.map(|base| &base.state), tick, body);
        self.decodes += 1;
        state.tick = tick;
        state.serial = self.decodes;
        state.checksum.set(None);
        if let Err(error) = decoded {
            self.unused.push(shared);
            return Err(error);
        }
        // Two connections that came by different ways to the same state share it, and from then on every body.
        let equal = |other: &&Kept<G>| other.state.tick == tick && other.state.state.is_same(&shared.state);
        if let Some(other) = self.recent.iter().rev().find(equal) {
            let state = Rc::clone(&other.state);
            self.unused.push(shared);
            return Ok(state);
        }
        let mut kept = self.bodies.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(body);
        self.recent.push_back(Kept { body: kept, base: from, state: Rc::clone(&shared) });
        Ok(shared)
    }

    /// The checksum of a state, computed once.
    pub(crate) fn checksum(&mut self, state: &WorldState<G>) -> u32 {
        let checksum = state.checksum.get().unwrap_or_else(|| state.state.checksum(&mut self.scratch));
        state.checksum.set(Some(checksum));
        checksum
    }

    /// A connection is done with a state. The last one to hold it gives back its memory.
    pub(crate) fn give_back(&mut self, state: Rc<WorldState<G>>) {
        if Rc::strong_count(&state) == 1 {
            self.unused.push(state);
        }
    }

    /// A state that nobody holds, to be overwritten.
    fn unused(&mut self) -> Rc<WorldState<G>> {
        if self.recent.len() >= RECENT_MAX
            && let Some(Kept { body, state, .. }) = self.recent.pop_front()
        {
            self.bodies.push(body);
            self.give_back(state);
        }
        self.unused.pop().unwrap_or_else(|| {
            Rc::new(WorldState {
                state: ReceivedState::default(),
                tick: Tick(0),
                serial: 0,
                checksum: Cell::new(None),
            })
        })
    }
}

/// The states one connection has seen last, for showing the past smoothly.
#[derive(Debug)]
pub(crate) struct Recent<G: Game> {
    /// Oldest first, ticks rising.
    states: VecDeque<Rc<WorldState<G>>>,
    depth: usize,
}

impl<G: Game> Recent<G> {
    /// Keeps as many states as lie within a delay of so many snapshots, and one on either side.
    pub(crate) fn new(delay_snapshots: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a delay is not negative, and at most some tens of snapshots"
        )]
        let depth = delay_snapshots.ceil() as usize + 2;
        Self { states: VecDeque::with_capacity(depth), depth }
    }

    /// Adds a state that is newer than the others. Returns the oldest, when there are enough without it.
    pub(crate) fn push(&mut self, state: Rc<WorldState<G>>) -> Option<Rc<WorldState<G>>> {
        let oldest = if self.states.len() == self.depth { self.states.pop_front() } else { None };
        self.states.push_back(state);
        oldest
    }

    pub(crate) fn newest(&self) -> Option<&WorldState<G>> {
        self.states.back().map(Rc::as_ref)
    }

    /// An entity's pose at a moment: between the two states around it, after the newest straight on as it moved
    /// between the last two, before all of them where it stood. Two snapshots are several ticks apart, but like in
    /// the server's history nothing is blended across an epoch.
    pub(crate) fn seen(&self, id: EntityId, view: ViewTime) -> Option<Pose> {
        let after = self.states.partition_point(|state| whole(state.tick).since(view) <= 0);
        let Some(later) = self.states.get(after) else { return self.ahead(id, view) };
        let Some(earlier) = after.checked_sub(1).map(|at| &self.states[at]) else {
            return Some(later.get(id)?.pose());
        };
        let pose = earlier.get(id)?.pose();
        let Some(next) = later.get(id) else { return Some(pose) };
        Some(pose.towards(&next.pose(), fraction(earlier.tick, later.tick, view)))
    }

    /// A pose after the newest state. Only the position goes on: a turn is over sooner than a run.
    fn ahead(&self, id: EntityId, view: ViewTime) -> Option<Pose> {
        let newest = self.states.back()?;
        let mut pose = newest.get(id)?.pose();
        let Some(earlier) = self.states.len().checked_sub(2).map(|at| &self.states[at]) else {
            return Some(pose);
        };
        let Some(before) = earlier.get(id).map(Replicated::pose) else { return Some(pose) };
        if before.epoch == pose.epoch && before.alive && pose.alive {
            let way = pose.position - before.position;
            pose.position += way * (fraction(earlier.tick, newest.tick, view) - 1.0);
        }
        Some(pose)
    }
}

/// How far a moment lies on the way from a tick to a later one: 0 at the first, 1 at the second.
fn fraction(from: Tick, to: Tick, view: ViewTime) -> f32 {
    let (span, passed) = (whole(to).since(whole(from)), view.since(whole(from)));
    #[expect(clippy::cast_precision_loss, reason = "spans of some ticks in 1/256 are exact")]
    let fraction = passed as f32 / span as f32;
    fraction
}

fn whole(tick: Tick) -> ViewTime {
    ViewTime { tick, fraction: 0 }
}
