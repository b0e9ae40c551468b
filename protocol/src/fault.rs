//! What can go wrong between two peers: whose fault it is, its code, and whether the client should come back.
//!
//! A [`FaultCode`] travels in a [`Fault`](crate::message::Fault) message and says what exactly happened; a
//! [`CloseReason`] is the code of the WebSocket close frame that ends the connection. Both tables stand in
//! `docs/protocol.md`, and a test compares the page with these definitions.

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer sent bytes that cannot be parsed.
    Malformed,
    /// The peer sent something valid that is not allowed, or not now.
    Misbehaved,
    /// The peer speaks another version, or was built for another game.
    Incompatible,
    /// This side has no room, memory or time left, is going away, or has a defect.
    Overloaded,
    /// The connection itself failed.
    Io,
}

/// Should a client that was told this code connect again?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComeBack {
    /// Not without a change on its side: an update, another room, a person's decision.
    No,
    /// Yes, at once, with a little random delay.
    Now,
    /// Yes, after the time in the fault or goodbye, or else with exponential back-off.
    Later,
}

macro_rules! codes {
    (
        $(#[$enum_doc:meta])* $name:ident;
        $( $(#[doc = $doc:literal])+ $variant:ident = $code:literal, $label:literal, $blame:ident, $back:ident; )+
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum $name { $( $(#[doc = $doc])+ $variant = $code, )+ }

        impl $name {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// What a received code means; `None` when this version does not know it.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $( $code => Some(Self::$variant), )+ _ => None }
            }

            /// A stable, lower-case name for counters and logs.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $( Self::$variant => $label, )+ }
            }

            /// Whose fault it is, seen from the server; `None` where nobody is to blame.
            #[must_use]
            pub const fn blame(self) -> Option<Blame> {
                match self { $( Self::$variant => codes!(@blame $blame), )+ }
            }

            /// Whether the client should connect again.
            #[must_use]
            pub const fn come_back(self) -> ComeBack {
                match self { $( Self::$variant => ComeBack::$back, )+ }
            }
        }
    };
    (@blame Nobody) => { None };
    (@blame $blame:ident) => { Some(Blame::$blame) };
}

codes! {
    /// What a [`Fault`](crate::message::Fault) message reports: 1xx pass with time, 2xx do not.
    FaultCode;
    /// Every seat of the room is taken.
    RoomFull = 100, "room_full", Overloaded, Later;
    /// The server or the worker holds as many connections or rooms as it was configured for.
    ServerFull = 101, "server_full", Overloaded, Later;
    /// The server is shutting down and takes nobody in.
    Draining = 102, "draining", Overloaded, Later;
    /// The game takes no player at this moment, for example between rounds.
    JoinRefused = 103, "join_refused", Overloaded, Later;
    /// The player's outbox stayed full: the client reads more slowly than the room speaks.
    SlowReader = 104, "slow_reader", Misbehaved, Later;
    /// The room's worker does not keep up and takes nobody in; who has a seat may come back to it.
    Overloaded = 105, "overloaded", Overloaded, Later;
    /// The hello's protocol version is not the server's.
    VersionMismatch = 200, "version_mismatch", Incompatible, No;
    /// The hello's layout hash is not the server's: another game, or another build of it.
    LayoutMismatch = 201, "layout_mismatch", Incompatible, No;
    /// A message could not be decoded.
    MalformedMessage = 202, "malformed_message", Malformed, No;
    /// Another message came before the hello.
    HelloExpected = 203, "hello_expected", Misbehaved, No;
    /// A second hello.
    SecondHello = 204, "second_hello", Misbehaved, No;
    /// No such room, and the server creates none of that name.
    UnknownRoom = 205, "unknown_room", Misbehaved, No;
    /// More messages than the server's budget for one player allows.
    Flooding = 206, "flooding", Misbehaved, No;
    /// The seat was taken over by a newer connection with the same resume token.
    Replaced = 207, "replaced", Misbehaved, No;
    /// An operator removed the player.
    Removed = 208, "removed", Misbehaved, No;
    /// An input from a spectator.
    Spectating = 209, "spectating", Misbehaved, No;
}

codes! {
    /// Codes of the close frames that the server sends: RFC 6455 7.4.1, and 4000-4099 of our own.
    CloseReason;
    /// The session ended as intended: the client left, or closed first.
    Normal = 1000, "normal", Nobody, No;
    /// The server is shutting down; a goodbye with a time to come back precedes it where one fits.
    GoingAway = 1001, "going_away", Overloaded, Later;
    /// The peer violated RFC 6455.
    Protocol = 1002, "protocol", Malformed, No;
    /// Text where only binary messages are understood.
    Unsupported = 1003, "unsupported", Misbehaved, No;
    /// Text or a close reason that is not UTF-8.
    InvalidText = 1007, "invalid_text", Malformed, No;
    /// A message over the endpoint's limit, or in too many fragments.
    TooBig = 1009, "too_big", Misbehaved, No;
    /// The server failed: a defect of ours.
    Internal = 1011, "internal", Overloaded, Later;
    /// No seat, room or connection is free at the moment; the fault before it says which.
    TryAgainLater = 1013, "try_again_later", Overloaded, Later;
    /// A binary message could not be decoded.
    MalformedMessage = 4000, "malformed_message", Malformed, No;
    /// A message that is not allowed now: before the hello, a second hello, a spectator's input.
    UnexpectedMessage = 4001, "unexpected_message", Misbehaved, No;
    /// Protocol version or layout differ; the fault before it names both.
    Incompatible = 4002, "incompatible", Incompatible, No;
    /// The room does not exist.
    UnknownRoom = 4003, "unknown_room", Misbehaved, No;
    /// No hello in time.
    HelloTimeout = 4004, "hello_timeout", Misbehaved, Now;
    /// No sign of life after a ping.
    Silent = 4005, "silent", Misbehaved, Now;
    /// The outbox stayed full.
    SlowReader = 4006, "slow_reader", Misbehaved, Later;
    /// More messages than allowed.
    Flooding = 4007, "flooding", Misbehaved, No;
    /// A newer connection holds the seat.
    Replaced = 4008, "replaced", Misbehaved, No;
    /// An operator removed the player.
    Removed = 4009, "removed", Misbehaved, No;
    /// The room ended.
    RoomClosed = 4010, "room_closed", Nobody, Later;
}

impl FaultCode {
    /// True for 1xx: the same request may succeed later.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        self.code() < 200
    }

    /// The time to wait that a fault suggests when the sender knows nothing better, in milliseconds.
    #[must_use]
    pub const fn retry_after_ms(self) -> u32 {
        match self.come_back() {
            ComeBack::No => 0,
            ComeBack::Now => 500,
            ComeBack::Later => 5_000,
        }
    }

    /// The close code with which the server ends the connection after this fault.
    #[must_use]
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::RoomFull | Self::ServerFull | Self::JoinRefused | Self::Overloaded => {
                CloseReason::TryAgainLater
            }
            Self::Draining => CloseReason::GoingAway,
            Self::SlowReader => CloseReason::SlowReader,
            Self::VersionMismatch | Self::LayoutMismatch => CloseReason::Incompatible,
            Self::MalformedMessage => CloseReason::MalformedMessage,
            Self::HelloExpected | Self::SecondHello | Self::Spectating => CloseReason::UnexpectedMessage,
            Self::UnknownRoom => CloseReason::UnknownRoom,
            Self::Flooding => CloseReason::Flooding,
            Self::Replaced => CloseReason::Replaced,
            Self::Removed => CloseReason::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_faults_invite_back_and_final_ones_do_not() {
        for &fault in FaultCode::ALL {
            assert_eq!(fault.is_temporary(), fault.come_back() != ComeBack::No, "{fault:?}");
            assert_eq!(fault.is_temporary(), fault.retry_after_ms() > 0, "{fault:?}");
            assert_eq!(
                fault.come_back() == ComeBack::No,
                fault.close_reason().come_back() == ComeBack::No,
                "{fault:?} and its close code disagree"
            );
            assert_eq!(FaultCode::from_code(fault.code()), Some(fault));
        }
        assert_eq!(FaultCode::from_code(199), None);
    }

    #[test]
    fn every_close_code_may_be_sent() {
        for &reason in CloseReason::ALL {
            let code = reason.code();
            assert!(crate::websocket::is_sendable_close_code(code), "{code}");
            assert!(code < 4100, "{code} is outside of our range");
            assert_eq!(CloseReason::from_code(code), Some(reason));
        }
    }
}
