//! What is called by a parser's label in the report, in words for people: what came, and what was expected.

use std::borrow::Cow;

/// What the labels of `protocol: LABEL` mean.
const MEANINGS: [(&str, &str); 19] = [
    ("message_empty", "a message without a byte came; every message begins with its kind"),
    ("message_unknown_kind", "a message of no kind that Tickring's protocol has came"),
    ("message_length", "a message came that is longer or shorter than its kind is"),
    ("message_content", "a message came whose fields cannot be"),
    ("message_too_big", "a message came that is longer than any answer here can be"),
    ("message_too_many_fragments", "a message came in more fragments than are put together"),
    ("frame_reserved_bits", "a frame came with bits set that belong to an extension, and none was agreed on"),
    ("frame_unknown_opcode", "a frame came of no kind that WebSocket has"),
    ("frame_unmasked", "a frame came without a mask where one is needed"),
    ("frame_masked", "a masked frame came; a server's have no mask"),
    ("frame_control_fragmented", "a ping, pong or close came in fragments; they are whole"),
    ("frame_control_too_long", "a ping, pong or close came with more than 125 bytes"),
    ("frame_length_form", "a frame came whose length is not written in its shortest form"),
    ("frame_orphan_continuation", "a frame came that goes on with a message, and none was begun"),
    ("frame_interleaved_message", "a message began before the one before it had ended"),
    ("text_message", "text came; Tickring's messages are binary"),
    ("text", "text came; Tickring's messages are binary"),
    ("close_payload", "a close came whose code or reason cannot be"),
    ("invalid_utf8", "text came that is not UTF-8"),
];

/// What an error's label means, where it is one of a parser's.
pub(crate) fn of(error: &str) -> Option<&'static str> {
    let label = error.strip_prefix("protocol: ")?;
    MEANINGS.iter().find(|(known, _)| *known == label).map(|(_, meaning)| *meaning)
}

/// The error in words, with its label behind them for whoever looks for it in a report.
pub(crate) fn full(error: &str) -> Cow<'_, str> {
    of(error).map_or(Cow::Borrowed(error), |meaning| format!("{meaning} ({error})").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickring_protocol::message::MessageError;
    use tickring_protocol::websocket::WebSocketError as Frame;

    #[test]
    fn every_label_of_a_frame_has_words() {
        for error in [
            Frame::ReservedBits,
            Frame::UnknownOpcode,
            Frame::Unmasked,
            Frame::Masked,
            Frame::ControlFragmented,
            Frame::ControlTooLong,
            Frame::LengthForm,
            Frame::OrphanContinuation,
            Frame::InterleavedMessage,
            Frame::Text,
            Frame::ClosePayload,
            Frame::InvalidUtf8,
            Frame::MessageTooBig,
            Frame::TooManyFragments,
        ] {
            assert!(of(&format!("protocol: {}", error.cause())).is_some(), "{error}");
        }
    }

    #[test]
    fn labels_are_words_and_words_stay() {
        let unknown = format!("protocol: {}", MessageError::UnknownKind(9).cause());
        assert_eq!(
            full(&unknown),
            "a message of no kind that Tickring's protocol has came (protocol: message_unknown_kind)"
        );
        assert_eq!(full("protocol: a second welcome"), "protocol: a second welcome");
        assert_eq!(full("HTTP 404"), "HTTP 404");
    }
}
