//! The WebSocket side of a connection that plays no game: upgrade, frames, pings, close.

use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, UpgradeError, parse_response, write_masked_close, write_masked_frame,
    write_request,
};

use super::Turn;
use crate::measure::errors::Cause;
use crate::plan::Target;

/// Bytes that may wait to be sent while pings are still answered.
const UNREAD_BYTES_MAX: usize = 256 * 1_024;

/// One connection's WebSocket.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    closing: bool,
    mask: [u8; 4],
}

#[derive(Debug)]
enum State {
    /// The answer to the upgrade is awaited; what has arrived of it.
    Upgrading {
        key: [u8; 16],
        head: Vec<u8>,
    },
    Open(Decoder),
}

impl Session {
    /// A connection that has not been upgraded. Key and mask are the caller's randomness.
    pub(crate) const fn new(key: [u8; 16], mask: [u8; 4]) -> Self {
        Self { state: State::Upgrading { key, head: Vec::new() }, closing: false, mask }
    }

    /// Writes the upgrade request.
    pub(crate) fn upgrade(&self, out: &mut Vec<u8>, target: &Target) {
        if let State::Upgrading { key, .. } = &self.state {
            write_request(out, &target.host, target.path(), key, None);
        }
    }

    /// Takes bytes in; `on_message` gets every binary message.
    ///
    /// # Errors
    /// Why the connection is of no use any more, a close by the server included.
    pub(crate) fn receive(
        &mut self,
        turn: &mut Turn<'_>,
        bytes: &mut [u8],
        message_bytes_max: u32,
        mut on_message: impl FnMut(&mut Turn<'_>, &[u8]),
    ) -> Result<(), Cause> {
        match &mut self.state {
            State::Open(_) => self.frames(turn, bytes, &mut on_message),
            State::Upgrading { key, head } => {
                head.extend_from_slice(bytes);
                let Some(head_bytes) = parse_response(head, key).map_err(upgrade_cause)? else {
                    return Ok(());
                };
                let mut rest = head.split_off(head_bytes);
                self.state = State::Open(Decoder::new(Role::Client, message_bytes_max));
                turn.next.opened = true;
                self.frames(turn, &mut rest, &mut on_message)
            }
        }
    }

    fn frames(
        &mut self,
        turn: &mut Turn<'_>,
        bytes: &mut [u8],
        on_message: &mut impl FnMut(&mut Turn<'_>, &[u8]),
    ) -> Result<(), Cause> {
        let State::Open(decoder) = &mut self.state else { return Ok(()) };
        let mut frames = decoder.feed(bytes);
        loop {
            match frames.next().map_err(|error| Cause::Protocol(error.cause()))? {
                None => return Ok(()),
                Some(Event::Binary(payload)) => on_message(turn, payload),
                // Whoever reads nothing gets no more answers (RFC 6455 5.5.3 asks for that to the newest ping only).
                Some(Event::Ping(_)) if turn.out.len() > UNREAD_BYTES_MAX => {}
                Some(Event::Ping(payload)) => {
                    turn.tally.counters.pings_answered += 1;
                    write_masked_frame(turn.out, OpCode::Pong, payload, self.mask);
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Text(_)) => return Err(Cause::Protocol("a text message that nobody sent")),
                Some(Event::Close { .. }) if self.closing => {
                    turn.next.closed = true;
                    return Ok(());
                }
                Some(Event::Close { code, .. }) => {
                    // RFC 6455 5.5.1: a close is answered with a close.
                    write_masked_close(turn.out, code.unwrap_or(1000), "", self.mask);
                    return Err(Cause::Close(code.unwrap_or(NO_CODE)));
                }
            }
        }
    }

    /// Begins the closing handshake.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        if matches!(self.state, State::Open(_)) && !self.closing {
            self.closing = true;
            write_masked_close(out, 1000, "", self.mask);
        }
    }
}

/// RFC 6455 7.4.1: stands for a close frame without a code.
pub(crate) const NO_CODE: u16 = 1005;

/// What a failed upgrade counts as.
pub(crate) fn upgrade_cause(error: UpgradeError) -> Cause {
    match error {
        UpgradeError::Status(status) => Cause::Http(status),
        UpgradeError::WrongAccept => Cause::BadUpgrade("Sec-WebSocket-Accept does not answer the key"),
        UpgradeError::Malformed(what) => Cause::BadUpgrade(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::{Next, Standing};
    use crate::measure::tally::{Tally, Window};
    use tickring_protocol::websocket::write_frame;

    /// So many pings arrive while `out` has been sent as far as it has.
    fn pings(count: usize, out: &mut Vec<u8>) -> u64 {
        let decoder = Decoder::new(Role::Client, 1_024);
        let mut session = Session { state: State::Open(decoder), closing: false, mask: [0; 4] };
        let mut bytes = Vec::new();
        (0..count).for_each(|_| write_frame(&mut bytes, OpCode::Ping, &[7; 125]));
        let (mut tally, standing, next) = (Tally::default(), Standing::Bystander, Next::default());
        let window = Window::UNSET;
        let mut turn = Turn { now_ns: 1, window, standing, may_send: true, out, tally: &mut tally, next };
        session.receive(&mut turn, &mut bytes, 1_024, |_, _| panic!("nothing but pings")).unwrap();
        tally.counters.pings_answered
    }

    #[test]
    fn who_floods_us_with_pings_and_reads_nothing_fills_no_memory() {
        let mut out = Vec::new();
        let flood = UNREAD_BYTES_MAX / 50;
        let answered = pings(flood, &mut out);
        let pong_bytes_max = 125 + 14;
        assert!(answered > 0 && answered < flood as u64, "{answered}");
        assert!(out.len() <= UNREAD_BYTES_MAX + pong_bytes_max, "{}", out.len());
        assert_eq!(pings(1, &mut out), 0, "nothing was read");
        out.clear();
        assert_eq!(pings(1, &mut out), 1, "it reads again");
    }
}
