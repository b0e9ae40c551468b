//! The rooms page, and removing a player.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tickring_protocol::ids::PlayerId;
use tickring_protocol::limits::ROOM_NAME_BYTES_MAX;
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio::time::{Sleep, sleep};

use super::Lines;
use super::admin::Admin;
use super::reports::Silence;
use crate::report::{Kicked, RoomReport};

/// Rooms on one page.
const LIMIT_MAX: usize = 1_000;
const LIMIT_DEFAULT: usize = 100;
/// A worker that takes longer than this is named instead of waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Least time between two questions: whatever is asked here, workers hardly notice.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks workers about their rooms: one question at a time, at most twenty a second.
pub(super) struct Roster {
    lines: Lines,
    worker_of: fn(&str, usize) -> usize,
    turn: Mutex<()>,
}

/// Rooms of all workers, by name.
struct Listed {
    rooms: Vec<(usize, RoomReport)>,
    /// The last of them, when there are more.
    next: Option<Box<str>>,
    silent: Vec<(usize, Silence)>,
}

impl Roster {
    pub(super) fn new(lines: Lines, worker_of: fn(&str, usize) -> usize) -> Self {
        Self { lines, worker_of, turn: Mutex::new(()) }
    }

    async fn list(&self, after: &str, limit: usize) -> Listed {
        let _turn = self.turn().await;
        // One more than wanted tells whether there are more.
        let ask = |line: &dyn super::Line| question(|answer| line.rooms(after, limit + 1, answer));
        let questions: Vec<_> = self.lines.iter().map(|line| ask(line.as_ref())).collect();
        let mut too_late = pin!(sleep(ANSWER_WITHIN));
        let (mut rooms, mut silent) = (Vec::new(), Vec::new());
        for (worker, question) in questions.into_iter().enumerate() {
            match answered(question, too_late.as_mut()).await {
                Ok(found) => rooms.extend(found.into_iter().map(|room| (worker, room))),
                Err(silence) => silent.push((worker, silence)),
            }
        }
        rooms.sort_unstable_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        let more = rooms.len() > limit;
        rooms.truncate(limit);
        let next = rooms.last().filter(|_| more).map(|(_, room)| room.name.clone());
        Listed { rooms, next, silent }
    }

    async fn kick(&self, room: &str, player: PlayerId) -> Result<Kicked, Silence> {
        let _turn = self.turn().await;
        let line = &self.lines[(self.worker_of)(room, self.lines.len())];
        let question = question(|answer| line.kick(room, player, answer));
        answered(question, pin!(sleep(ANSWER_WITHIN))).await
    }

    /// One asker at a time, and each after a pause: also those who give up before they are answered.
    async fn turn(&self) -> MutexGuard<'_, ()> {
        let turn = self.turn.lock().await;
        sleep(PAUSE).await;
        turn
    }
}

/// Puts a question; `None` when the mailbox is full.
fn question<T>(put: impl FnOnce(oneshot::Sender<T>) -> bool) -> Option<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    put(sender).then_some(receiver)
}

async fn answered<T>(
    question: Option<oneshot::Receiver<T>>,
    too_late: Pin<&mut Sleep>,
) -> Result<T, Silence> {
    let receiver = question.ok_or(Silence::MailboxFull)?;
    tokio::select! {
        biased;
        answer = receiver => answer.map_err(|_| Silence::Ended),
        () = too_late => Err(Silence::NoAnswer),
    }
}

type Answer = (StatusCode, Json<Value>);

fn refusal(code: StatusCode, why: &str) -> Answer {
    (code, Json(json!({ "error": why })))
}

/// `GET /rooms`
pub(super) async fn page(
    State(admin): State<Arc<Admin>>,
    Query(mut query): Query<BTreeMap<String, String>>,
) -> Answer {
    let after = query.remove("after").unwrap_or_default();
    let limit = query.remove("limit").map_or(Ok(LIMIT_DEFAULT), |limit| limit.parse());
    let (Ok(limit @ 1..=LIMIT_MAX), true) = (limit, query.is_empty()) else {
        let why = format!("only after=NAME and limit=N are understood, N from 1 to {LIMIT_MAX}");
        return refusal(StatusCode::BAD_REQUEST, &why);
    };
    let Listed { rooms, next, silent } = admin.roster.list(&after, limit).await;
    let code = if silent.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let room = |(worker, room): (usize, RoomReport)| {
        json!({
            "name": room.name,
            "worker": worker,
            "players": room.players,
            "held": room.held,
            "spectators": room.spectators,
            "players_max": admin.config.room_players_max,
            "spectators_max": admin.config.room_spectators_max,
            "tick": room.tick,
            "bytes_out": room.bytes_out,
        })
    };
    let silent = silent.into_iter().map(|(worker, why)| json!({ "worker": worker, "why": why.why() }));
    let page = json!({
        "rooms": rooms.into_iter().map(room).collect::<Vec<_>>(),
        "next": next,
        "workers_silent": silent.collect::<Vec<_>>(),
    });
    (code, Json(page))
}

/// `POST /rooms/{name}/kick/{player}`
pub(super) async fn kick(
    State(admin): State<Arc<Admin>>,
    path: Result<Path<(String, u16)>, PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let (name, player) = match path {
        Ok(Path(room_and_player)) => room_and_player,
        Err(_) => {
            let why = "/rooms/{name}/kick/{player} takes a room's name and a seat from 0 to 65535";
            return refusal(StatusCode::BAD_REQUEST, why);
        }
    };
    if !admin.address.is_some_and(|address| address.ip().to_canonical().is_loopback()) {
        let why = "players are removed only where the admin endpoint is on a loopback address";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    // Browsers send it with every POST; whoever works here does not use one. Without this, any page that an
    // operator looks at could remove players.
    if headers.contains_key(header::ORIGIN) {
        return refusal(StatusCode::FORBIDDEN, "players are not removed from web pages: leave out Origin");
    }
    let no_room = || refusal(StatusCode::NOT_FOUND, "no such room");
    if name.len() > ROOM_NAME_BYTES_MAX {
        return no_room();
    }
    let was = match admin.roster.kick(&name, PlayerId(player)).await {
        Ok(Kicked::Connected) => "connected",
        Ok(Kicked::Held) => "held",
        Ok(Kicked::NoPlayer) => return refusal(StatusCode::NOT_FOUND, "nobody has that seat"),
        Ok(Kicked::NoRoom) => return no_room(),
        Err(silence) => {
            let why = format!("the room's worker: {}; the player may be removed yet", silence.why());
            return refusal(StatusCode::SERVICE_UNAVAILABLE, &why);
        }
    };
    tracing::info!(room = name, player, was, "an operator removed a player");
    (StatusCode::OK, Json(json!({ "room": name, "player": player, "was": was })))
}
