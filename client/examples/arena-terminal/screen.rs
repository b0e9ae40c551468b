//! The field around the own player in letters, and how it goes in words.

use std::io::Write as _;

use tickring_arena::map::PickUpKind;
use tickring_arena::{Arena, ArenaEntity, EntityKind};
use tickring_client::Connection;
use tickring_room::Vec3;

use crate::play::Play;

/// Letters across and down; a letter is twice as high as wide, so it is a metre by two.
const COLUMNS: u16 = 78;
const ROWS: u16 = 21;
const METRES_PER_COLUMN: f32 = 1.0;
const METRES_PER_ROW: f32 = 2.0;
/// Walls are felt at this height, metres.
const FEELER: f32 = 0.5;

/// The terminal. Drawn on, it is another page of it, which is gone afterwards.
pub(crate) struct Screen {
    drawn: bool,
    said: String,
}

impl Screen {
    pub(crate) fn new(drawn: bool) -> Self {
        if drawn {
            // The other page, without a cursor.
            write("\x1b[?1049h\x1b[?25l\x1b[2J");
        }
        Self { drawn, said: String::new() }
    }

    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn
    }

    /// Something that happens rarely.
    pub(crate) fn say(&mut self, text: &str) {
        if self.drawn {
            text.clone_into(&mut self.said);
            write(&format!("\x1b[{};1H\x1b[2K{text}", ROWS + 3));
        } else {
            write(&format!("{text}\n"));
        }
    }

    /// How it stands now.
    pub(crate) fn show(&self, now_ns: u64, connection: &Connection<Arena>, play: &Play) {
        let status = status(now_ns, connection, play);
        if !self.drawn {
            write(&format!("{status}\n"));
            return;
        }
        let Some(own) = play.shown(now_ns) else { return };
        let mut page = String::from("\x1b[H");
        for line in field(now_ns, own, connection, play) {
            page.extend(line);
            page.push_str("\r\n");
        }
        page.push_str(
            "\x1b[2K@ you (predicted)  o others  x dead  * rocket  # wall  H health  A ammunition\r\n",
        );
        page.push_str(&format!("\x1b[2K{status}\r\n\x1b[2K{}", self.said));
        write(&page);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.drawn {
            write("\x1b[?25h\x1b[?1049l");
        }
    }
}

/// A terminal that is gone is no reason to stop playing.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn status(now_ns: u64, connection: &Connection<Arena>, play: &Play) -> String {
    let (Some(clock), Some(welcome)) = (connection.clock(), connection.welcome()) else {
        return String::new();
    };
    let own = connection.private().copied().unwrap_or_default();
    let entity = connection.entity().and_then(|id| connection.get(id));
    let (kills, deaths) = entity.map_or((0, 0), |entity| (entity.kills, entity.deaths));
    let tally = &play.tally;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rtt_ms = tally.rtt_ns as f64 / 1e6;
    let delay_ms = clock.delay_ticks(now_ns) * 1000.0 / f64::from(welcome.tick_hz);
    format!(
        "tick {}  health {:3}  rounds {:2}  kills {kills}  deaths {deaths}  rtt {rtt_ms:.1} ms  others {delay_ms:.0} ms ago  \
         corrected {} of {} (at most {:.2} m)",
        clock.newest().0,
        own.health,
        own.rounds,
        tally.corrections,
        tally.snapshots,
        tally.correction_max,
    )
}

/// The letters around the own player, seen from above.
fn field(now_ns: u64, own: Vec3, connection: &Connection<Arena>, play: &Play) -> Vec<Vec<char>> {
    let place = |column: u16, row: u16| {
        let from_middle = |at: u16, all: u16| f32::from(at) + 0.5 - f32::from(all) * 0.5;
        let across = from_middle(column, COLUMNS) * METRES_PER_COLUMN;
        own + Vec3::new(across, FEELER, from_middle(row, ROWS) * METRES_PER_ROW)
    };
    let ground = |at: Vec3| if play.map().deepest_contact(at, 0.3).is_some() { '#' } else { ' ' };
    let mut lines: Vec<Vec<char>> =
        (0..ROWS).map(|row| (0..COLUMNS).map(|column| ground(place(column, row))).collect()).collect();
    for (id, entity) in connection.entities() {
        if connection.entity() == Some(*id) {
            continue;
        }
        // Others are where they were a moment ago.
        if let Some(pose) = connection.seen(now_ns, *id) {
            put(&mut lines, pose.position - own, letter(entity));
        }
    }
    let alive = connection.private().is_some_and(tickring_arena::OwnState::alive);
    put(&mut lines, Vec3::ZERO, if alive { '@' } else { 'x' });
    lines
}

fn letter(entity: &ArenaEntity) -> char {
    match entity.kind {
        EntityKind::Soldier if entity.present() => 'o',
        EntityKind::Soldier => 'x',
        EntityKind::Rocket => '*',
        EntityKind::PickUp(_) if !entity.present() => '.',
        EntityKind::PickUp(PickUpKind::Health) => 'H',
        EntityKind::PickUp(PickUpKind::Ammo) => 'A',
    }
}

/// Puts a letter at an offset from the middle, if that is on the page.
fn put(lines: &mut [Vec<char>], offset: Vec3, letter: char) {
    let at = |metres: f32, per: f32, all: u16| {
        let at = (metres / per + f32::from(all) * 0.5).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the page")]
        let at = (0.0..f32::from(all)).contains(&at).then_some(at as usize);
        at
    };
    let across = at(offset.x, METRES_PER_COLUMN, COLUMNS);
    if let (Some(column), Some(row)) = (across, at(offset.z, METRES_PER_ROW, ROWS)) {
        lines[row][column] = letter;
    }
}
