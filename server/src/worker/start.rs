//! What happens on a worker's thread before it serves.

use std::net::TcpListener;
use std::num::NonZeroU64;
use std::sync::Arc;

use rustix::thread::{CpuSet, sched_setaffinity};
use tickring_ring::Ring;
use tickring_room::{Game, RoomConfig};

use super::batch::Batch;
use super::moves::Moves;
use super::{Shared, Worker};
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::entropy;
use crate::error::ServerError;
use crate::logging::RateLimited;
use crate::mailbox::{Mailbox, MailboxReceiver, mailbox};
use crate::rooms::Rooms;
use crate::rooms::overload::Limits;
use crate::session::{Now, Rules, Stage};

/// Commands a worker's mailbox holds; each is either rare or bounded by connections on the move.
const MAILBOX_PLACES: usize = 4_096;
/// Free send buffers a worker keeps. Enough for a room of 1,000 with 12 KiB snapshots.
const SEND_POOL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Completions worth waking for: more would come back as fast as buffers can be read warm.
const WANT_MAX: u32 = 512;
/// Sessions that come or go, flushed in one pass. What one costs is the kernel's work, to send a reply or to close,
/// some 20 µs: a crowd makes a tick later by a millisecond, not by its size.
const DOOR_MAX: usize = 64;
const TIMER_SLACK_NS: u64 = 1_000;
const LOG_INTERVAL_NS: u64 = 1_000_000_000;
/// Ticks a client shows others behind its newest snapshot, in snapshots: two, so that one may be late.
const INTERPOLATION_SNAPSHOTS: u16 = 2;

/// A worker that has its ring and its mailbox, and waits for those of the others.
pub(crate) struct Prepared {
    ring: Ring,
    receiver: MailboxReceiver,
    pool_bytes: u64,
}

/// Pins the calling thread to `cpu` and sets up its ring. The ring belongs to this thread for ever.
pub(crate) fn prepare(
    index: usize,
    cpu: Option<usize>,
    config: &ServerConfig,
    listener: TcpListener,
) -> Result<(Prepared, Mailbox), ServerError> {
    if let Some(cpu) = cpu {
        let mut cpus = CpuSet::new();
        cpus.set(cpu);
        sched_setaffinity(None, &cpus).map_err(|error| ServerError::Pin {
            worker: index,
            cpu,
            source: error.into(),
        })?;
    }
    // Timers may fire up to 50 µs late by default, to be served together; a tick is worth its own.
    // Where the kernel refuses, ticks are those microseconds late.
    let _less_exact = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
    let failed = |source| ServerError::RingFailed { worker: index, source };
    let mut ring = Ring::new(&ring_config(config))?;
    ring.listen(listener).map_err(failed)?;
    let (mailbox, receiver) = mailbox(MAILBOX_PLACES, ring.doorbell().map_err(failed)?, ring.address());
    let pool_bytes = (ring.fixed_bytes() + SEND_POOL_BYTES_MAX) as u64;
    Ok((Prepared { ring, receiver, pool_bytes }, mailbox))
}

fn ring_config(config: &ServerConfig) -> tickring_ring::Config {
    tickring_ring::Config {
        buffers: config.buffers,
        buffer_bytes: config.buffer_bytes,
        connections_max: config.fixed_table,
        ..tickring_ring::Config::default()
    }
}

impl Prepared {
    /// Bytes of the fixed pools.
    pub(crate) fn pool_bytes(&self) -> u64 {
        self.pool_bytes
    }

    /// The worker, once everybody's mailbox is known.
    pub(crate) fn into_worker<G: Game>(
        self,
        index: usize,
        clock: Clock,
        config: &ServerConfig,
        settings: G::Settings,
        peers: Arc<[Mailbox]>,
        shared: Arc<Shared>,
    ) -> Worker<G> {
        let rules = Rules {
            worker: index,
            workers: peers.len(),
            echo: config.echo,
            outbox_bytes_max: config.outbox_bytes_max as usize,
            handshake_ms: session_ms(config.handshake_timeout),
            ping_after_ms: session_ms(config.ping_after),
            silent_close_ms: session_ms(config.silent_close),
            close_ms: session_ms(config.close_timeout),
            door_max: DOOR_MAX,
        };
        let draw_token =
            || entropy::draw().expect("it was drawn from at start, and does not fail after that");
        let limits = Limits {
            rung_max: config.overload_rung_max,
            dilation_percent_min: config.overload_dilation_percent_min,
        };
        let rooms_max = config.rooms_max as usize;
        let mut rooms = Rooms::new(
            room_config(config, shared.seed.wrapping_add(index as u64)),
            settings,
            rooms_max,
            limits,
            Box::new(draw_token),
        );
        if let Some(outlet) = &shared.outlet {
            rooms.record(outlet.clone());
        }
        if config.seed.is_none() {
            rooms.draw_secrets();
        }
        let now = Now::from_ns(clock.now_ns());
        let want = WANT_MAX.min(u32::from(config.buffers) / 2).max(1);
        Worker {
            index,
            clock,
            ring: self.ring,
            stage: Stage::new(rooms, rules, config.fixed_table, SEND_POOL_BYTES_MAX, now),
            ids: Vec::with_capacity(config.fixed_table as usize),
            mailbox: self.receiver,
            moves: Moves::new(peers.len()),
            peers,
            shared,
            limiter: RateLimited::new(LOG_INTERVAL_NS),
            gather_ns: u64::from(config.gather_us) * 1_000,
            want,
            batch: Batch::new(want),
            slept: None,
            lead: super::sleep::Lead::default(),
            pool_bytes: self.pool_bytes,
            drain: None,
        }
    }
}

/// Timeouts are at most an hour: they fit.
fn session_ms(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX / 4)
}

fn room_config(config: &ServerConfig, seed: u64) -> RoomConfig {
    let ticks_per_snapshot = config.tick_hz / config.snapshot_hz;
    RoomConfig {
        tick_hz: config.tick_hz,
        snapshot_hz: config.snapshot_hz,
        players_max: config.room_players_max,
        spectators_max: config.room_spectators_max,
        spectator_delay_ms: u32::try_from(config.spectator_delay.as_millis())
            .expect("the configuration allows two minutes"),
        seed,
        lag_compensation: config.lag_compensation,
        rewind_ms_max: u16::try_from(config.rewind_max.as_millis())
            .expect("the configuration allows a second"),
        interpolation_ticks: u8::try_from(ticks_per_snapshot * INTERPOLATION_SNAPSHOTS).unwrap_or(u8::MAX),
        snapshot_bytes_per_s: config.snapshot_bytes_per_s,
        ..RoomConfig::default()
    }
}
