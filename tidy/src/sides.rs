//! Inside the server, what is played (sessions, rooms, channels) and how bytes and threads move
//! (ring, mailboxes, admin) never import each other: only `worker` sees both sides.

use crate::Finding;
use crate::paths::{mentions, module_of, resolve};
use crate::source::Source;

/// Top-level modules of the server where play is decided.
pub const PLAY: [&str; 3] = ["session", "rooms", "outbox"];
/// Top-level modules of the server that move bytes and commands, and the crate below them.
pub const TRANSPORT: [&str; 3] = ["mailbox", "control", "tickring_ring"];
/// Who may see both: the worker, and the crate root, which only lists modules.
const MAY_SEE_BOTH: [&str; 2] = ["worker", ""];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Play,
    Transport,
}

fn side_of(module: &str) -> Option<Side> {
    if PLAY.contains(&module) {
        Some(Side::Play)
    } else if TRANSPORT.contains(&module) {
        Some(Side::Transport)
    } else {
        None
    }
}

/// Files of the server that see both sides and may not.
#[must_use]
pub fn both_sides_seen(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let Some(in_src) = source.path.strip_prefix("server/src/") else { continue };
        let module = module_of(in_src);
        let own = module.first().map_or("", String::as_str);
        if MAY_SEE_BOTH.contains(&own) {
            continue;
        }
        // A module stands on its own side from the start; any other takes the side it sees first.
        let mut standing = side_of(own);
        for mention in mentions(&source.shipped_code()) {
            let target = match resolve(&module, &mention.parts) {
                Some(inside) => inside.first().cloned().unwrap_or_default(),
                None => mention.parts[0].clone(),
            };
            let Some(side) = side_of(&target) else { continue };
            if *standing.get_or_insert(side) != side {
                let message =
                    format!("{own} sees {target}, which is on the other side; only worker sees both");
                findings.push(Finding::new(&source.path, mention.line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        both_sides_seen(&[Source::parse(path, text)]).len()
    }

    #[test]
    fn play_must_not_see_transport() {
        assert_eq!(found("server/src/session/mod.rs", "use crate::mailbox::Mailbox;"), 1);
        assert_eq!(found("server/src/session.rs", "use tickring_ring::Ring;"), 1);
        assert_eq!(found("server/src/rooms/mod.rs", "use crate::{clock, control::metrics};"), 1);
        assert_eq!(found("server/src/rooms/place.rs", "fn f() { super::super::control::x(); }"), 1);
        assert_eq!(found("server/src/rooms/mod.rs", "use crate::session::Session;"), 0);
    }

    #[test]
    fn transport_must_not_see_play() {
        assert_eq!(found("server/src/mailbox.rs", "use crate::session::Session;"), 1);
        assert_eq!(found("server/src/control/admin.rs", "use crate::rooms::Rooms;"), 1);
        assert_eq!(found("server/src/mailbox.rs", "use tickring_ring::Doorbell;"), 0);
    }

    #[test]
    fn a_third_module_must_not_see_both_but_the_worker_may() {
        let both = "use crate::mailbox::Mailbox;\nuse crate::session::Session;";
        assert_eq!(found("server/src/serve.rs", both), 1);
        assert_eq!(found("server/src/worker/mod.rs", both), 0);
        assert_eq!(found("server/src/lib.rs", both), 0);
        assert_eq!(found("server/src/serve.rs", "use crate::mailbox::Mailbox;\nuse crate::control;"), 0);
    }
}
