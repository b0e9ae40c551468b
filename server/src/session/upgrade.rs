//! From the first byte to the switched protocol (RFC 6455 section 4.2).

use tickring_protocol::limits;
use tickring_protocol::placement::worker_of;
use tickring_protocol::websocket::{
    Decoder, Endpoint, Refusal, Role, parse_endpoint, parse_request, write_switching_protocols,
};
use tickring_room::Game;

use super::{Cause, Context, Ending, Peer, Session, State};

/// A connection whose room lives elsewhere: what its new worker must know.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) to_worker: usize,
    pub(crate) room: Box<str>,
    pub(crate) accept: [u8; 28],
    /// Bytes behind the request: the first frame's.
    pub(crate) received: Vec<u8>,
}

pub(super) const fn room_decoder() -> Decoder {
    Decoder::new(Role::Server, limits::CLIENT_MESSAGE_BYTES_MAX).binary_only()
}

/// What an upgrade request asked for.
enum Asked {
    Echo,
    Room(Box<str>),
}

impl Session {
    /// More of the upgrade request came.
    pub(super) fn upgrade<G: Game>(&mut self, bytes: &mut [u8], cx: &mut Context<'_, G>) -> Option<Move> {
        let State::Upgrading { head } = &mut self.peer.state else { return None };
        if head.is_empty() {
            // The usual case: the whole request in one segment, nothing is copied.
            let parsed = parse(bytes, cx.rules.echo);
            return self.upgrade_with(parsed, bytes, cx);
        }
        let mut head = std::mem::take(head);
        head.extend_from_slice(bytes);
        let parsed = parse(&head, cx.rules.echo);
        self.upgrade_with(parsed, &mut head, cx)
    }

    fn upgrade_with<G: Game>(
        &mut self,
        parsed: Result<Option<(Asked, [u8; 28], usize)>, Refusal>,
        bytes: &mut [u8],
        cx: &mut Context<'_, G>,
    ) -> Option<Move> {
        let (asked, accept, used) = match parsed {
            Ok(Some(request)) => request,
            Ok(None) => {
                self.peer.state = State::Upgrading { head: bytes.to_vec() };
                return None;
            }
            Err(refusal) => {
                self.peer.refuse(&refusal, cx);
                return None;
            }
        };
        let rest = &mut bytes[used..];
        match asked {
            Asked::Echo => {
                cx.ledger.traffic.upgrades += 1;
                write_switching_protocols(self.peer.outbox.queue(cx.pool), &accept, None);
                self.decoder = Decoder::new(Role::Server, limits::ECHO_MESSAGE_BYTES_MAX);
                self.peer.enter(State::Echo, cx.now_ms);
                self.converse(rest, cx);
            }
            Asked::Room(room) => {
                let to_worker = worker_of(&room, cx.rules.workers);
                if to_worker != cx.rules.worker {
                    self.peer.enter(State::Moving, cx.now_ms);
                    return Some(Move { to_worker, room, accept, received: rest.to_vec() });
                }
                self.greet(room, &accept, rest, cx);
            }
        }
        None
    }

    /// The connection is upgraded for `room`, which lives on this worker.
    fn greet<G: Game>(
        &mut self,
        room: Box<str>,
        accept: &[u8; 28],
        rest: &mut [u8],
        cx: &mut Context<'_, G>,
    ) {
        cx.ledger.traffic.upgrades += 1;
        write_switching_protocols(self.peer.outbox.queue(cx.pool), accept, Some("tickring.v1"));
        self.decoder = room_decoder();
        self.peer.enter(State::Greeting { room }, cx.now_ms);
        self.converse(rest, cx);
    }

    /// A connection arrived from the worker that accepted it.
    pub(crate) fn adopt<G: Game>(
        &mut self,
        room: Box<str>,
        accept: &[u8; 28],
        received: &mut [u8],
        cx: &mut Context<'_, G>,
    ) {
        cx.ledger.traffic.handed_in += 1;
        self.greet(room, accept, received, cx);
    }

    /// The other worker could not take the connection: say so in HTTP, it is not upgraded yet.
    pub(crate) fn move_failed<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.peer.enter(State::Upgrading { head: Vec::new() }, cx.now_ms);
        self.peer.refuse(&Refusal::overloaded(), cx);
    }

    /// The connection has left for another worker; nothing is counted as an end.
    pub(crate) fn moved<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        cx.ledger.traffic.handed_out += 1;
        self.vacate(cx);
    }

    /// The server has as many connections as it may have: refused before a byte is read.
    pub(crate) fn refuse_overloaded<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.peer.refuse(&Refusal::overloaded(), cx);
    }

    /// The server is going and takes nobody in.
    pub(crate) fn refuse_draining<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.peer.refuse(&Refusal::draining(), cx);
    }
}

fn parse(received: &[u8], echo: bool) -> Result<Option<(Asked, [u8; 28], usize)>, Refusal> {
    let Some((request, used)) = parse_request(received)? else { return Ok(None) };
    let asked = match parse_endpoint(request.path)? {
        Endpoint::Echo if echo => Asked::Echo,
        Endpoint::Echo => return Err(Refusal::not_found()),
        Endpoint::Room(_) if !request.offers_tickring_v1 => return Err(Refusal::subprotocol_required()),
        Endpoint::Room(name) => Asked::Room(name.into()),
    };
    Ok(Some((asked, request.accept, used)))
}

impl Peer {
    pub(super) fn refuse<G: Game>(&mut self, refusal: &Refusal, cx: &mut Context<'_, G>) {
        cx.ledger.traffic.upgrades_refused += 1;
        refusal.write_response(self.outbox.queue(cx.pool));
        self.abandon(Cause::Coded(0, refused_label(refusal.status)), cx);
        self.ending = Ending::Flush;
    }

    pub(super) fn upgrade_timed_out<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.refuse(&Refusal::timeout(), cx);
    }
}

/// The metrics' name of a refused upgrade.
fn refused_label(status: u16) -> &'static str {
    match status {
        400 => "http_400",
        404 => "http_404",
        405 => "http_405",
        408 => "http_408",
        426 => "http_426",
        431 => "http_431",
        503 => "http_503",
        505 => "http_505",
        _ => "http_other",
    }
}
