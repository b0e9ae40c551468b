//! Decoded snapshots, shared by the connections of one room.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use tickring_protocol::ids::{EntityId, Tick};
use tickring_protocol::limits::HELD_ENTITIES_MAX;
use tickring_room::{Game, Pose, ReceivedState, Replicated, SnapshotError, ViewTime};

/// States that are found again by the bytes they came from: most of a second at 30 Hz. Connections that fall
/// behind each other by more decode for themselves, and fall behind further.
const RECENT_MAX: usize = 24;

/// Entities of all states that are kept in one place: that of a room's [`Decoded`], that of one that is nobody's, and a
/// connection's. Of states that are so big that it binds, fewer are kept, but two always.
const KEPT_ENTITIES_MAX: usize = 2 * HELD_ENTITIES_MAX;

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
/// Memory is reused once no connection holds a state any more: nothing is allocated per snapshot when warm. Whatever a
/// server sends, at most 24 states are kept here, of 131,072 entities together ([`ReceivedState`] says what one may take),
/// with as many bodies of at most [`SERVER_MESSAGE_BYTES_MAX`](tickring_protocol::limits::SERVER_MESSAGE_BYTES_MAX); memory
/// of as many entities is kept for reuse, and a connection holds at most as many, in up to 68 states. Those of a lone
/// connection are mostly the same: tens of megabytes with an entity of 100 bytes.
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
            self.give_back(shared);
            return Err(error);
        }
        // Two connections that came by different ways to the same state share it, and from then on every body.
        let equal = |other: &&Kept<G>| other.state.tick == tick && other.state.state.is_same(&shared.state);
        if let Some(other) = self.recent.iter().rev().find(equal) {
            let state = Rc::clone(&other.state);
            self.give_back(shared);
            return Ok(state);
        }
        let mut kept = self.bodies.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(body);
        self.recent.push_back(Kept { body: kept, base: from, state: Rc::clone(&shared) });
        while held(self.recent.iter().map(|kept| &kept.state)) > KEPT_ENTITIES_MAX {
            self.forget_oldest();
        }
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
        if Rc::strong_count(&state) == 1 && held(self.unused.iter().chain([&state])) <= KEPT_ENTITIES_MAX {
            self.unused.push(state);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(Kept { body, state, .. }) = self.recent.pop_front() {
            self.bodies.push(body);
            self.give_back(state);
        }
    }

    /// A state that nobody holds, to be overwritten.
    fn unused(&mut self) -> Rc<WorldState<G>> {
        if self.recent.len() >= RECENT_MAX {
            self.forget_oldest();
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

/// Entities of states.
fn held<'a, G: Game>(states: impl Iterator<Item = &'a Rc<WorldState<G>>>) -> usize {
    states.map(|state| state.state.held()).sum()
}

/// The states one connection has seen last, for showing the past smoothly.
#[derive(Debug)]
pub(crate) struct Recent<G: Game> {
    /// Oldest first, ticks rising.
    states: VecDeque<Rc<WorldState<G>>>,
    depth: usize,
    /// Entities of all of them, at most [`KEPT_ENTITIES_MAX`].
    held: usize,
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
        Self { states: VecDeque::with_capacity(depth), depth, held: 0 }
    }

    /// Adds a state that is newer than the others. Gives the oldest back, when there are enough without them.
    pub(crate) fn push(&mut self, state: Rc<WorldState<G>>, shared: &mut Decoded<G>) {
        self.held += state.state.held();
        while (self.states.len() == self.depth || self.held > KEPT_ENTITIES_MAX)
            && let Some(oldest) = self.states.pop_front()
        {
            self.held -= oldest.state.held();
            shared.give_back(oldest);
        }
        self.states.push_back(state);
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

#[cfg(test)]
mod tests {
    use tickring_arena::{Arena, Settings};
    use tickring_room::{Room, RoomConfig};

    use super::*;

    /// A body of keyframes of so many cells, all with what is in a room, and how many entities that are.
    fn body_of(number: u8, cells: u16) -> (Vec<u8>, usize) {
        let mut room = Room::<Arena>::new(RoomConfig::default(), Settings::default());
        let watcher = room.watch(0).expect("there are places");
        for _ in 0..50 {
            room.join(0).expect("a seat is free");
        }
        room.step();
        room.encode_snapshot();
        room.prepare_watched(watcher, false);
        let mut message = Vec::new();
        room.write_watched(watcher, 0, &mut message);
        // Behind the head of 20 bytes: number, cell, kind, bits.
        let block = &message[22..];
        let mut body = vec![number];
        for cell in 0..cells {
            let parts = [cell & 0x7f | 0x80, cell >> 7 & 0x7f | 0x80, cell >> 14];
            body.extend(parts.map(|part| part.to_le_bytes()[0]));
            body.extend_from_slice(block);
        }
        (body, room.world().len())
    }

    /// Entities of every state there is.
    fn kept(shared: &Decoded<Arena>, recent: &Recent<Arena>) -> [usize; 3] {
        [held(shared.recent.iter().map(|kept| &kept.state)), held(shared.unused.iter()), recent.held]
    }

    #[test]
    fn big_states_are_few() {
        let (mut shared, mut recent) = (Decoded::<Arena>::default(), Recent::<Arena>::new(66.0));
        let (entities, mut most) = (body_of(0, 0).1, 0);
        // Big ones, small ones, and both by turns.
        for number in 0..120_u8 {
            let is_big = number < 40 || (number >= 80 && number % 2 == 0);
            let cells = if is_big { HELD_ENTITIES_MAX / entities } else { 1 };
            let cells = u16::try_from(cells).expect("few cells");
            let (body, _) = body_of(number, cells);
            let state = shared.state(None, Tick(number.into()), &body).expect("keyframes in order");
            assert_eq!(state.state.held(), usize::from(cells) * entities);
            recent.push(state, &mut shared);
            let kept = kept(&shared, &recent);
            assert!(kept.iter().all(|kept| *kept <= KEPT_ENTITIES_MAX), "{kept:?}");
            assert!(recent.states.len() >= usize::from(number + 1).min(2) && recent.states.len() <= 68);
            most = most.max(kept[2]);
        }
        assert!(most > HELD_ENTITIES_MAX, "the bound was reached: {most}");
    }
}
