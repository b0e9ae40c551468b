//! Commands from the other threads.

use tickring_room::Game;

use super::{Drain, Worker};
use crate::mailbox::Command;
use crate::session::Now;

impl<G: Game> Worker<G> {
    /// Works through the mailbox.
    pub(super) fn read_mailbox(&mut self, now: Now) {
        while let Some(command) = self.mailbox.pop() {
            match command {
                Command::Adopt(handover) => self.moves.announce(handover),
                Command::Forget { token } => drop(self.moves.take(token)),
                Command::Report(answer) => {
                    // Whoever asked may have given up; that is no trouble of ours.
                    let _nobody_waits = answer.send(self.report());
                }
                Command::Rooms { after, rooms_max, answer } => {
                    let _nobody_waits = answer.send(self.stage.rooms.list(&after, rooms_max));
                }
                Command::Kick { room, player, answer } => {
                    let _nobody_waits = answer.send(self.stage.kick(&room, player, now));
                }
                Command::Drain { deadline_ns, back_after_ms } => {
                    self.start_drain(Drain { deadline_ns, back_after_ms }, now);
                }
            }
        }
    }

    fn start_drain(&mut self, drain: Drain, now: Now) {
        self.ring.stop_listening();
        self.drain = Some(drain);
        let occupied: Vec<u32> = self.stage.sessions.occupied().collect();
        for slot in occupied {
            self.stage.act(slot, now, |session, cx| session.go_away(drain.back_after_ms, cx));
        }
    }
}
