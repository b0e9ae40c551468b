//! What travels with a connection from the worker that accepted it to the worker its room lives on.

/// Everything known of a connection when it moves. The descriptor follows through the rings under
/// the same `token`; this part always leaves first.
#[derive(Debug)]
pub struct Handover {
    /// Joins this message and the descriptor.
    pub token: u64,
    /// The room named by the upgrade request.
    pub room: Box<str>,
    /// `Sec-WebSocket-Accept` of the answer still to be sent.
    pub accept: [u8; 28],
    /// Bytes that came after the upgrade request: they belong to the first frame.
    pub received: Vec<u8>,
}
