//! What a bot makes of a server that does not do what servers do.

use super::*;
use crate::bots::Fighter;
use crate::drivers::{Next, Standing};
use crate::measure::tally::{Tally, Window};
use tickring_arena::{Arena, Settings};
use tickring_protocol::websocket::{
    OpCode, SUBPROTOCOL, parse_request, write_frame, write_switching_protocols,
};
use tickring_room::{PlayerId, Room, RoomConfig};

/// One bot, and the end of its connection that the test plays.
struct Setting {
    game: Game<Fighter>,
    peer: Peer<Fighter>,
    out: Vec<u8>,
    tally: Tally,
    room: Room<Arena>,
}

/// A snapshot of nothing, as it stands to those before it.
fn snapshot_of(tick: u32, continuity: Continuity, checksum_ok: Option<bool>) -> Snapshot<'static> {
    Snapshot {
        tick: Tick(tick),
        last_input: Sequence(0),
        slack: None,
        continuity,
        dropped: 0,
        interval_ns: None,
        time_dilation: TIME_DILATION_NONE,
        checksum_ok,
        private: &[],
        body: &[],
    }
}

impl Setting {
    /// The upgrade is done.
    fn upgraded() -> Self {
        let plan = Arc::new(crate::cli::Cli::plan(["game", "--conns", "1"]).unwrap());
        let mut game = Game::<Fighter>::new(plan, 1, None, None);
        let peer = game.peer(0);
        let room = Room::new(RoomConfig::default(), Settings::default());
        let mut setting = Self { game, peer, out: Vec::new(), tally: Tally::default(), room };
        let connected = setting.turn(|game, peer, turn| {
            game.connected(peer, turn);
            Ok(())
        });
        assert_eq!(connected, Ok(()));
        let mut bytes = Vec::new();
        let (request, _) = parse_request(&setting.out).unwrap().unwrap();
        let subprotocol = request.offers_tickring_v1.then_some(SUBPROTOCOL);
        write_switching_protocols(&mut bytes, &request.accept, subprotocol);
        setting.out.clear();
        setting.hears(&mut bytes).unwrap();
        setting
    }

    /// The bot has a seat, too.
    fn seated() -> (Self, PlayerId) {
        let mut setting = Self::upgraded();
        let player = setting.room.join(FEATURE_STATE_CHECKSUM).unwrap().player;
        let mut welcome = Vec::new();
        setting.room.welcome(player).write(&mut welcome);
        setting.hears(&mut frame(&welcome)).unwrap();
        assert!(setting.peer.link.welcome().is_some());
        (setting, player)
    }

    /// A player's bot is given a snapshot that was understood.
    fn takes(&mut self, play: &mut Play<Fighter>, snapshot: &Snapshot<'_>) {
        let taken = self.turn(|_, _, turn| {
            play.on_snapshot(turn, snapshot);
            Ok(())
        });
        assert_eq!(taken, Ok(()));
    }

    fn turn(
        &mut self,
        call: impl FnOnce(&mut Game<Fighter>, &mut Peer<Fighter>, &mut Turn<'_>) -> Result<(), Cause>,
    ) -> Result<(), Cause> {
        let (window, standing, next) = (Window::UNSET, Standing::Bystander, Next::default());
        let Self { out, tally, .. } = self;
        let mut turn = Turn { now_ns: 1, window, standing, may_send: true, out, tally, next };
        call(&mut self.game, &mut self.peer, &mut turn)
    }

    fn hears(&mut self, bytes: &mut [u8]) -> Result<(), Cause> {
        self.turn(|game, peer, turn| game.received(peer, turn, bytes))
    }

    /// The next snapshot, which says how many were left out before it: a delta to the last, since somebody joins.
    fn snapshot(&mut self, player: PlayerId, dropped: u16) -> Vec<u8> {
        self.room.join(0).unwrap();
        self.room.step();
        while !self.room.snapshot_due() {
            self.room.step();
        }
        self.room.encode_snapshot();
        self.room.prepare_snapshot(player, false);
        let mut payload = Vec::new();
        self.room.write_snapshot(player, dropped, &mut payload);
        frame(&payload)
    }

    /// The connection is over. Gaps, duplicates, reordered, states that do not match.
    fn told(&mut self) -> [u64; 4] {
        let ended = self.turn(|game, peer, turn| {
            game.end(peer, turn);
            Ok(())
        });
        assert_eq!(ended, Ok(()));
        let (correctness, stream) = (self.tally.correctness, self.tally.correctness.stream);
        [stream.gaps, stream.duplicates, stream.reordered, correctness.mismatches]
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, OpCode::Binary, payload);
    bytes
}

const UNDECODED: Result<(), Cause> = Err(Cause::Protocol("a snapshot that cannot be decoded"));

#[test]
fn who_floods_us_with_pings_and_reads_nothing_is_left() {
    let mut setting = Setting::upgraded();
    // Each answer is about as long as what it answers.
    let mut most_bytes = 0;
    let ended = (0..2 * UNREAD_BYTES_MAX / 65_536).find_map(|_| {
        let mut flood = Vec::new();
        (0..65_536 / 127).for_each(|_| write_frame(&mut flood, OpCode::Ping, &[7; 125]));
        let ended = setting.hears(&mut flood).err();
        most_bytes = most_bytes.max(setting.out.len());
        ended
    });
    assert!(matches!(ended, Some(Cause::Protocol("it makes us answer and does not read"))), "{ended:?}");
    assert!(most_bytes < UNREAD_BYTES_MAX + 2 * 65_536, "{most_bytes}");
}

#[test]
fn a_stream_of_nonsense_after_the_welcome_is_wrong_and_before_it_is_no_server_of_ours() {
    for nonsense in [&mut [0xff; 64][..], &mut frame(&[0xff; 64]), &mut frame(b"")] {
        let (mut setting, _) = Setting::seated();
        let ended = setting.hears(nonsense);
        assert!(matches!(ended, Err(Cause::Protocol(_))), "{ended:?}");
        assert_eq!(setting.told(), [0, 0, 0, 1], "{ended:?}");
        let mut stranger = Setting::upgraded();
        assert!(matches!(stranger.hears(nonsense), Err(Cause::Protocol(_))), "{ended:?}");
        assert_eq!(stranger.told(), [0; 4], "{ended:?}");
    }
}

#[test]
fn snapshots_that_are_lost_swapped_or_doubled_are_told() {
    let (mut honest, player) = Setting::seated();
    for dropped in [0, 0, 0] {
        let mut next = honest.snapshot(player, dropped);
        honest.hears(&mut next).unwrap();
    }
    assert_eq!((honest.told(), honest.tally.counters.snapshots), ([0; 4], 3));

    let three = || {
        let (mut setting, player) = Setting::seated();
        let snapshots = [0; 3].map(|dropped| setting.snapshot(player, dropped));
        (setting, snapshots)
    };
    let (mut lossy, [mut first, _, mut third]) = three();
    lossy.hears(&mut first).unwrap();
    assert_eq!(lossy.hears(&mut third), UNDECODED);
    assert_eq!(lossy.told(), [1, 0, 0, 1], "the second is missing, and the third is of no use without it");

    let (mut swapped, [mut first, second, mut third]) = three();
    third.extend_from_slice(&second);
    swapped.hears(&mut first).unwrap();
    assert_eq!(swapped.hears(&mut third), UNDECODED);
    assert_eq!(swapped.told(), [1, 0, 0, 1], "the second comes when nobody listens any more");

    let (mut doubled, [first, mut second, _]) = three();
    let mut twice = [&first[..], &first].concat();
    doubled.hears(&mut twice).unwrap();
    doubled.hears(&mut second).unwrap();
    doubled.hears(&mut first.clone()).unwrap();
    assert_eq!(doubled.told(), [0, 1, 1, 0]);
}

#[test]
fn a_snapshot_that_comes_late_is_not_missing_too() {
    let mut play = Play::<Fighter>::default();
    let mut setting = Setting::upgraded();
    for (tick, continuity) in
        [(10, Continuity::InOrder), (16, Continuity::Gap { missing: 2 }), (12, Continuity::Reordered)]
    {
        setting.takes(&mut play, &snapshot_of(tick, continuity, None));
    }
    setting.peer.play = play;
    assert_eq!(setting.told(), [1, 0, 1, 0], "one came late, one never");
}

#[test]
fn a_tick_that_cannot_be_is_one_wrong_state_and_no_gap_of_millions() {
    let mut setting = Setting::upgraded();
    let mut play = Play::<Fighter>::default();
    let gap = Continuity::Gap { missing: 1 << 29 };
    setting.takes(&mut play, &snapshot_of(1 << 30, gap, Some(false)));
    setting.peer.play = play;
    assert_eq!(setting.told(), [0, 0, 0, 1]);
}

#[test]
fn a_connection_whose_tick_is_changed_on_the_way_is_left() {
    let (mut setting, player) = Setting::seated();
    let mut first = setting.snapshot(player, 0);
    setting.hears(&mut first).unwrap();
    let mut second = setting.snapshot(player, 0);
    // A frame's head has two or four bytes, then come the kind and the tick, low bytes first.
    let head_bytes = if second[1] < 126 { 2 } else { 4 };
    second[head_bytes + 1 + 3] ^= 0x10;
    let ended = setting.hears(&mut second);
    assert!(matches!(ended, Err(Cause::Protocol(_))), "{ended:?}");
    assert_eq!(setting.told(), [0, 0, 0, 1]);
}
