//! Recording what happens in rooms, where the operator wants that.

use tickring_room::{Chunk, End, Game, Room, RoomConfig};

use super::{Entry, Rooms};
use crate::recording::{Outlet, Pushed, Track};

impl<G: Game> Rooms<G> {
    /// Rooms that are created from now on are recorded.
    pub(crate) fn record(&mut self, outlet: Outlet) {
        self.outlet = Some(outlet);
    }

    /// A room as it begins, recorded if it shall be.
    pub(super) fn begin(&mut self, name: &str, config: RoomConfig) -> (Room<G>, Option<Track>) {
        let begun = self.outlet.as_mut().and_then(|outlet| outlet.begin::<G>(name, &config, &self.settings));
        let mut room = Room::new(config, self.settings.clone());
        let track = begun.map(|(recorder, track)| {
            room.record(recorder);
            track
        });
        (room, track)
    }

    /// The server goes: every recording gets its end mark.
    pub(crate) fn end_recordings(&mut self) {
        for entry in self.entries.iter_mut().flatten() {
            entry.end_recording(End::Drained, &mut self.outlet);
        }
    }
}

impl<G: Game> Entry<G> {
    /// Hands over what is to be written now. Call after every step.
    pub(super) fn hand_over(&mut self, outlet: &mut Option<Outlet>) {
        if self.track.is_some()
            && let Some(chunk) = self.room.recorded()
        {
            self.push(chunk, outlet);
        }
    }

    /// Nothing more will happen here.
    pub(super) fn end_recording(&mut self, why: End, outlet: &mut Option<Outlet>) {
        if let Some(chunk) = self.room.end_recording(why) {
            self.push(chunk, outlet);
        }
    }

    fn push(&mut self, chunk: Chunk, outlet: &mut Option<Outlet>) {
        let Some(track) = &self.track else { return };
        let is_last = chunk.end.is_some();
        let pushed = track.push(chunk);
        if pushed == Pushed::TooSlow
            && let Some(outlet) = outlet
        {
            outlet.too_slow(&self.name);
        }
        if is_last || pushed != Pushed::Taken {
            self.track = None;
            self.room.abandon_recording();
        }
    }
}
