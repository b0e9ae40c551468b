//! The table of failure classes. A class that needs a sign beside the error stands before the one that does not.

use rustix::io::Errno;

use super::signs::Signs;
use super::{Side, evidence, remedies};
use crate::diagnosis::knock::{self, Knock};
use crate::measure::errors::{Cause, HTTP_ANSWER, Stage};

/// A class of failure.
pub(super) struct Class {
    /// Stable, for other programs.
    pub(super) name: &'static str,
    pub(super) side: Side,
    /// Whether an error can be of this class.
    pub(super) claims: fn(Stage, &Cause) -> bool,
    /// Whether everything else speaks for it.
    pub(super) holds: fn(&Signs) -> bool,
    /// One sentence.
    pub(super) cause: fn(&Signs) -> String,
    /// What shows it, beside the errors themselves.
    pub(super) evidence: fn(&Signs) -> Vec<String>,
    /// What helps.
    pub(super) remedy: fn(&Signs) -> String,
}

/// It takes whatever it is sent, and says nothing.
#[rustfmt::skip]
pub(super) const MUTE: Class = Class { name: "messages-unanswered", side: Side::Server,
    claims: |stage, cause| stage == Stage::Close && cause.is_timeout(), holds: Signs::is_mute,
    cause: evidence::mute_words, evidence: evidence::mute, remedy: remedies::mute };

/// It answered at first, and holds its connections. No error belongs to that.
#[rustfmt::skip]
pub(super) const FELL_SILENT: Class = Class { name: "messages-unanswered", side: Side::Server,
    claims: |_, _| false, holds: Signs::leaves_unanswered,
    cause: evidence::fell_silent_words, evidence: evidence::answered, remedy: remedies::fell_silent };

/// All classes, in the order they are tried.
#[rustfmt::skip]
pub(super) const CLASSES: &[Class] = &[
    Class { name: "interrupted", side: Side::Generator,
        claims: |_, cause| matches!(cause, Cause::Interrupted | Cause::NotAttempted), holds: |signs| signs.interrupted,
        cause: |_| "the run was interrupted before these connections were ready".to_owned(),
        evidence: |_| Vec::new(), remedy: |_| "let it run to its end".to_owned() },
    Class { name: "speaks-tls", side: Side::Server,
        claims: knock::may_speak_tls, holds: |signs| signs.speaks_tls.is_some(),
        cause: |signs| format!("{} speaks TLS, and the connections do not", signs.speaks_tls.as_deref().unwrap_or(&signs.target)),
        evidence: |_| vec!["a TLS ClientHello after the run was answered with a TLS record".to_owned()],
        remedy: |_| remedies::SPEAKS_TLS.to_owned() },
    Class { name: "server-gone", side: Side::Server,
        claims: |_, cause| cause.is_cut() || cause.is_refused() || cause.is_timeout(), holds: is_gone,
        cause: |signs| format!("the server is gone: it ended during the run, and nobody listens on {} any more", signs.target),
        evidence: evidence::server_alive, remedy: |_| remedies::SERVER_ENDED.to_owned() },
    Class { name: "server-restarted", side: Side::Server,
        claims: |_, cause| cause.is_cut() || cause.is_refused(), holds: |signs| signs.restarted,
        cause: |_| "the server was restarted during the run: another process answers now".to_owned(),
        evidence: evidence::server_alive, remedy: |_| remedies::SERVER_ENDED.to_owned() },
    Class { name: "nobody-listens", side: Side::Server,
        claims: |stage, cause| stage == Stage::Connect && cause.is_refused(), holds: |_| true,
        cause: |signs| format!("nobody listens on {}", signs.target),
        evidence: evidence::server_alive, remedy: remedies::nobody_listens },
    Class { name: "server-table-full", side: Side::Server,
        claims: waits_for_accept, holds: |signs| accept_paused(signs) && evidence::is_table_full(signs),
        cause: |_| "the server stopped accepting, because its descriptor tables are full".to_owned(),
        evidence: evidence::server_table, remedy: remedies::table_full },
    Class { name: "server-accept-paused", side: Side::Server,
        claims: waits_for_accept, holds: accept_paused,
        cause: |_| "the server stopped accepting for want of descriptors or memory on its machine".to_owned(),
        evidence: evidence::server_table, remedy: |_| remedies::ACCEPT_PAUSED.to_owned() },
    Class { name: "server-draining", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Http(503) | Cause::Fault(102) | Cause::Close(1001)),
        holds: |signs| signs.status().is_some_and(|status| status.ready == Some(false)),
        cause: |_| "the server is shutting down and takes nobody in".to_owned(),
        evidence: |_| vec!["/status: ready is false".to_owned()],
        remedy: |_| "wait until it has been started again: curl -s ADMIN/readyz answers 200 then".to_owned() },
    Class { name: "server-draining", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Close(1001)), holds: |_| true,
        cause: |_| "the server was shut down: it said goodbye as one that goes away (close 1001)".to_owned(),
        evidence: evidence::server_closes, remedy: |_| remedies::SHUT_DOWN.to_owned() },
    Class { name: "worker-full", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Http(503)),
        holds: |signs| signs.served(|totals| totals.hand_overs_failed) > 0,
        cause: |_| "a worker of the server has no place left for its rooms' players, while others have: a room's name decides \
             which worker it lives on".to_owned(),
        evidence: evidence::hand_overs, remedy: remedies::worker_full },
    Class { name: "rooms-full", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Fault(101)), holds: |signs| !evidence::has_filled(signs),
        cause: |_| "the server makes no more rooms".to_owned(),
        evidence: evidence::rooms, remedy: remedies::rooms_full },
    Class { name: "server-full", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Http(503) | Cause::Fault(101)), holds: evidence::is_full,
        cause: |signs| evidence::full_words(signs),
        evidence: evidence::server_limits, remedy: remedies::server_full },
    Class { name: "room-full", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Fault(100)), holds: |_| true,
        cause: |_| "every seat of the rooms is taken".to_owned(),
        evidence: evidence::seats, remedy: remedies::room_full },
    Class { name: "server-overloaded", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Fault(105) | Cause::Close(1013)), holds: |_| true,
        cause: |_| "the server does not keep up with its ticks and takes nobody in".to_owned(),
        evidence: evidence::server_closes, remedy: |_| remedies::OVERLOADED.to_owned() },
    Class { name: "no-such-endpoint", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::Http(404)), holds: |_| true,
        cause: evidence::no_endpoint_words,
        evidence: evidence::server_known, remedy: remedies::no_endpoint },
    Class { name: "speaks-tls", side: Side::Server,
        claims: |_, cause| matches!(cause, Cause::BadUpgrade(what) if what.contains("TLS")), holds: |_| true,
        cause: |signs| format!("{} speaks TLS, and the connections do not", signs.target),
        evidence: |_| Vec::new(), remedy: |_| remedies::SPEAKS_TLS.to_owned() },
    Class { name: "wants-websocket", side: Side::Generator,
        claims: |_, cause| *cause == Cause::Protocol(HTTP_ANSWER), holds: |_| true,
        cause: evidence::websocket_words,
        evidence: |signs| signs.status().map(|_| evidence::server_known(signs)).unwrap_or_default(),
        remedy: remedies::websocket },
    Class { name: "protocol-broken", side: Side::Server,
        claims: |stage, cause| stage == Stage::Steady && matches!(cause, Cause::Protocol(_)),
        holds: |signs| signs.received > 0 && !signs.is_raw,
        cause: |signs| format!("{} answered as it should, and then sent bytes that break the protocol", signs.target),
        evidence: evidence::answered, remedy: remedies::broken },
    Class { name: "wrong-sizes", side: Side::Generator,
        claims: |stage, cause| stage == Stage::Steady && matches!(cause, Cause::Protocol(_)),
        holds: |signs| signs.is_raw && signs.received > 0,
        cause: |signs| format!("what {} answers has another size than --raw-out", signs.target),
        evidence: evidence::answered, remedy: |_| remedies::RAW_SIZES.to_owned() },
    Class { name: "not-a-server", side: Side::Server,
        claims: |_, cause| cause.is_foreign(), holds: |_| true,
        cause: |signs| format!("what answers on {} is not a Tickring server, or a proxy stands in between", signs.target),
        evidence: evidence::server_known, remedy: remedies::check_target },
    Class { name: "backlog-overflow", side: Side::Server,
        claims: |stage, cause| cause.is_timeout() && matches!(stage, Stage::Connect | Stage::Upgrade),
        holds: evidence::has_overflowed,
        cause: evidence::overflow_words,
        evidence: evidence::accept_queue, remedy: remedies::overflow },
    Class { name: "conntrack-full", side: Side::Machine,
        claims: |stage, cause| stage == Stage::Connect && (cause.is_timeout() || cause.is_errno(Errno::PERM)),
        holds: |signs| evidence::conntrack_share(signs).is_some_and(|share| share >= evidence::CONNTRACK_FULL),
        cause: |_| "connection tracking is full, and the kernel drops what is new".to_owned(),
        evidence: evidence::conntrack, remedy: remedies::conntrack },
    Class { name: "packets-dropped", side: Side::Machine,
        claims: |stage, cause| (stage == Stage::Connect && cause.is_timeout()) || heard_too_late(cause),
        holds: |signs| evidence::dropped(signs) > 0,
        cause: |_| "this machine dropped packets, because a CPU's queue of received ones was full".to_owned(),
        evidence: evidence::drops, remedy: |_| remedies::PACKETS_DROPPED.to_owned() },
    Class { name: "heard-too-late", side: Side::Generator,
        claims: |_, cause| heard_too_late(cause), holds: |_| true,
        cause: |_| "the server heard nothing for too long: what these connections said came too late".to_owned(),
        evidence: evidence::server_closes, remedy: |_| remedies::HEARD_TOO_LATE.to_owned() },
    Class { name: "connect-unanswered", side: Side::Network,
        claims: |stage, cause| stage == Stage::Connect && cause.is_timeout(), holds: |_| true,
        cause: |signs| format!("packets to {} are not answered: a firewall drops them, or nobody has that address", signs.target),
        evidence: evidence::unanswered, remedy: remedies::unanswered },
    Class { name: "server-silent", side: Side::Server,
        claims: |stage, cause| stage == Stage::Upgrade && cause.is_timeout(), holds: |_| true,
        cause: |signs| format!("{} takes connections and does not answer the upgrade", signs.target),
        evidence: evidence::server_alive, remedy: |_| remedies::SILENT.to_owned() },
    MUTE,
    Class { name: "goodbyes-unanswered", side: Side::Server,
        claims: |stage, cause| stage == Stage::Close && cause.is_timeout(), holds: |signs| signs.unanswered == 0,
        cause: evidence::goodbye_words,
        evidence: evidence::goodbyes, remedy: remedies::goodbyes },
    Class { name: "server-stuck", side: Side::Server,
        claims: |stage, cause| matches!(stage, Stage::Steady | Stage::Close) && cause.is_timeout(), holds: |_| true,
        cause: |_| "the server does not answer any more".to_owned(),
        evidence: evidence::server_alive, remedy: |_| remedies::STUCK.to_owned() },
    Class { name: "hung-up", side: Side::Server,
        claims: |stage, cause| stage == Stage::Upgrade && cause.is_cut(), holds: |_| true,
        cause: |signs| format!("{} ends connections instead of answering the upgrade", signs.target),
        evidence: evidence::server_closes, remedy: |_| remedies::HUNG_UP.to_owned() },
    Class { name: "kernel-memory", side: Side::Machine,
        claims: |_, cause| cause.is_cut() || cause.is_out_of_memory(),
        holds: |signs| signs.grown(|kernel| kernel.aborts_on_memory) > 0,
        cause: |_| "the kernel aborted connections, because TCP's memory is used up".to_owned(),
        evidence: evidence::kernel_memory, remedy: |_| remedies::KERNEL_MEMORY.to_owned() },
    Class { name: "kernel-memory", side: Side::Machine,
        claims: |_, cause| cause.is_out_of_memory(), holds: |_| true,
        cause: |_| "this machine's kernel has no memory for more sockets".to_owned(),
        evidence: evidence::kernel_memory, remedy: |_| remedies::KERNEL_MEMORY.to_owned() },
    Class { name: "connections-cut", side: Side::Server,
        claims: |_, cause| cause.is_cut(), holds: |signs| signs.knock != Some(Knock::Refused) || signs.targets > 1,
        cause: evidence::cut_words,
        evidence: evidence::server_closes, remedy: |_| remedies::CUT.to_owned() },
    Class { name: "ports-exhausted", side: Side::Machine,
        claims: |_, cause| cause.is_out_of_ports(), holds: |signs| signs.sources.is_none(),
        cause: |signs| format!("no source port towards {} is left", signs.target),
        evidence: evidence::ports, remedy: remedies::ports },
    Class { name: "ports-exhausted", side: Side::Generator,
        claims: |_, cause| cause.is_out_of_ports(), holds: |_| true,
        cause: |signs| format!("no source port towards {} is left", signs.target),
        evidence: evidence::ports, remedy: remedies::ports },
    Class { name: "generator-descriptors", side: Side::Generator,
        claims: |_, cause| cause.is_errno(Errno::MFILE), holds: |_| true,
        cause: |_| "the generator has no descriptor left to make a socket with".to_owned(),
        evidence: evidence::descriptors, remedy: remedies::descriptors },
    Class { name: "open-files", side: Side::Machine,
        claims: |_, cause| cause.is_errno(Errno::NFILE), holds: |_| true,
        cause: |_| "this machine's table of open files is full".to_owned(),
        evidence: evidence::open_files, remedy: remedies::open_files },
    Class { name: "unreachable", side: Side::Network,
        claims: |_, cause| cause.is_errno(Errno::HOSTUNREACH) || cause.is_errno(Errno::NETUNREACH), holds: |_| true,
        cause: |signs| format!("there is no way to {}", signs.target),
        evidence: |_| Vec::new(), remedy: remedies::unreachable },
    Class { name: "not-attempted", side: Side::Generator,
        claims: |_, cause| matches!(cause, Cause::NotAttempted), holds: |_| true,
        cause: |_| "the time for connecting was over before the turn of these connections came".to_owned(),
        evidence: |_| Vec::new(), remedy: |_| remedies::NOT_ATTEMPTED.to_owned() },
];

/// The server was there, and is not any more.
fn is_gone(signs: &Signs) -> bool {
    let was_there = signs.errors.counts().any(|(stage, _, _)| stage != Stage::Connect);
    signs.knock == Some(Knock::Refused) && (signs.connected > 0 || was_there) && !signs.was_never_there()
}

/// What happens to a connection that the server does not accept.
fn waits_for_accept(stage: Stage, cause: &Cause) -> bool {
    match stage {
        Stage::Connect => cause.is_timeout() || matches!(cause, Cause::NotAttempted),
        Stage::Upgrade => cause.is_timeout() || cause.is_cut() || matches!(cause, Cause::Interrupted),
        Stage::Steady | Stage::Close => false,
    }
}

fn accept_paused(signs: &Signs) -> bool {
    signs.served(|totals| totals.accept_pauses) + signs.served(|totals| totals.ring_accepts_dropped) > 0
}

/// The server gave up waiting for an upgrade request (408), or for any sign of life (4005).
const fn heard_too_late(cause: &Cause) -> bool {
    matches!(cause, Cause::Http(408) | Cause::Close(4005))
}
