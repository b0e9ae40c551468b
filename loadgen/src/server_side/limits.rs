//! What a server can hold, and what of a status no server can mean.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Status;
use crate::doctor::enough::held;

/// More than any process can have resident: the addresses that Linux gives one on x86-64 (5-level paging apart).
const RSS_BYTES_MAX: u64 = 1 << 47;
/// More workers than any server has; ours has 256 at most.
const WORKERS_MAX: u64 = 65_536;
/// More connections, players or rooms than any server has: descriptors are `int`s.
const COUNT_MAX: u64 = 1 << 31;

/// What the server can hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusLimits {
    /// Soft RLIMIT_NOFILE of the server.
    pub(crate) descriptors: Option<u64>,
    pub(crate) connections_max: Option<u64>,
    pub(crate) connections_per_worker_max: Option<u64>,
    pub(crate) workers: Option<u64>,
    pub(crate) players_max_per_room: Option<u64>,
    pub(crate) rooms_max_per_worker: Option<u64>,
    /// Of several servers: the connections there already that leave as few as the fullest has left for its share.
    #[serde(skip)]
    pub(crate) taken: Option<u64>,
}

impl StatusLimits {
    /// Whether the most connections are all places of its tables, and those as many as its descriptor limit lets be.
    pub(crate) fn is_bound_by_descriptors(&self) -> bool {
        let tables = self.workers.zip(self.connections_per_worker_max);
        let places = tables.map(|(workers, each)| workers.saturating_mul(each));
        places.is_some()
            && places == self.connections_max
            && self.descriptors == self.connections_per_worker_max
    }

    /// What `count` servers hold together of a run that gives each an equal share: so many times what the one with the least
    /// room does. What one of `all` does not say, nobody knows.
    pub(super) fn shared(all: &[Status], count: u64) -> Self {
        let times = |each: Option<u64>| each.map(|each| each.saturating_mul(count));
        let product = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_mul(other?));
        let least =
            |told: &dyn Fn(&Self) -> Option<u64>| all.iter().map(|one| told(&one.limits)).min().flatten();
        let rooms = least(&|limits| product(limits.workers, limits.rooms_max_per_worker));
        let free = |status: &&Status| {
            let Self { connections_max, workers, connections_per_worker_max, .. } = status.limits;
            let tables = workers.zip(connections_per_worker_max).map(|(workers, each)| held(workers, each));
            Some(connections_max?.min(tables.unwrap_or(u64::MAX)).saturating_sub(status.open()))
        };
        let Some(narrowest) = all.iter().min_by_key(free) else { return Self::default() };
        let limits = &narrowest.limits;
        Self {
            descriptors: limits.descriptors,
            connections_max: times(limits.connections_max),
            connections_per_worker_max: limits.connections_per_worker_max,
            workers: times(limits.workers),
            players_max_per_room: least(&|limits| limits.players_max_per_room),
            rooms_max_per_worker: rooms.zip(limits.workers).map(|(rooms, workers)| rooms / workers.max(1)),
            taken: times(Some(narrowest.open())),
        }
    }

    /// What the most connections follow from, in words.
    pub(crate) fn connections_bound(&self) -> String {
        match self.workers.zip(self.connections_per_worker_max).filter(|_| self.is_bound_by_descriptors()) {
            Some((workers, each)) => {
                format!("{workers} table(s) of {each} places, which is its descriptor limit")
            }
            None => "max_conns".to_owned(),
        }
    }
}

/// What one worker holds now.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusWorker {
    pub(crate) worker: u64,
    /// Connections, by state.
    connections: BTreeMap<String, u64>,
    pub(crate) rooms: u64,
}

impl StatusWorker {
    /// Connections that it holds.
    pub(crate) fn open(&self) -> u64 {
        self.connections.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl Status {
    /// Without what cannot be, on which no figure may rest.
    ///
    /// # Errors
    /// A sentence about a number that a plan would be made by, and that no server has.
    pub(super) fn believable(mut self) -> Result<Self, String> {
        self.memory.rss_bytes = self.memory.rss_bytes.filter(|bytes| *bytes <= RSS_BYTES_MAX);
        let limits = &self.limits;
        // A descriptor limit may be as good as none.
        let told = [
            ("limits.workers", limits.workers, 1, WORKERS_MAX),
            ("limits.connections_max", limits.connections_max, 0, COUNT_MAX),
            ("limits.connections_per_worker_max", limits.connections_per_worker_max, 0, COUNT_MAX),
            ("limits.players_max_per_room", limits.players_max_per_room, 0, COUNT_MAX),
            ("limits.rooms_max_per_worker", limits.rooms_max_per_worker, 0, COUNT_MAX),
            ("totals.connections", Some(self.open()), 0, COUNT_MAX),
        ];
        match told.into_iter().find(|(_, told, least, most)| told.is_some_and(|n| n < *least || n > *most)) {
            Some((name, told, least, most)) => Err(format!(
                "{name} is {} there, which no server has ({least} to {most}): what it says of itself is not believed; \
                 check --admin",
                told.unwrap_or_default()
            )),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<Status, String> {
        serde_json::from_str::<Status>(text).unwrap().believable()
    }

    #[test]
    fn what_no_server_has_is_refused_by_name() {
        for (limits, name) in [
            (r#""workers":18446744073709551615"#, "limits.workers is 18446744073709551615 there"),
            (r#""workers":0"#, "limits.workers is 0 there, which no server has (1 to 65536)"),
            (r#""connections_max":9223372036854775808"#, "limits.connections_max is"),
            (r#""connections_per_worker_max":4294967296"#, "limits.connections_per_worker_max is"),
            (r#""players_max_per_room":9223372036854775808"#, "limits.players_max_per_room is"),
            (r#""rooms_max_per_worker":9223372036854775808"#, "limits.rooms_max_per_worker is"),
        ] {
            let error = told(&format!("{{\"limits\":{{{limits}}}}}")).unwrap_err();
            assert!(error.starts_with(name) && error.contains("--admin"), "{error}");
        }
        let open = r#"{"totals":{"connections":{"playing":18446744073709551615,"echo":1}}}"#;
        assert!(told(open).unwrap_err().starts_with("totals.connections is 18446744073709551615 there"));
        let most =
            r#"{"limits":{"workers":256,"connections_max":268435456,"descriptors":18446744073709551615}}"#;
        assert_eq!(told(most).unwrap().limits.workers, Some(256));
    }

    #[test]
    fn servers_that_share_a_run_hold_so_many_times_what_the_least_does() {
        let limits = |max, workers, each| StatusLimits {
            connections_max: Some(max),
            workers: Some(workers),
            connections_per_worker_max: Some(each),
            rooms_max_per_worker: Some(8),
            ..StatusLimits::default()
        };
        let server = |limits| Status { limits, ..Status::default() };
        let (small, large) = (server(limits(10, 1, 1_000)), server(limits(20_000, 4, 5_000)));
        for all in [[small.clone(), large.clone()], [large, small.clone()]] {
            let both = StatusLimits::shared(&all, 2);
            assert_eq!(both.connections_max, Some(20), "not 20,010: {both:?}");
            let tables = (both.workers, both.connections_per_worker_max, both.rooms_max_per_worker);
            assert_eq!(tables, (Some(2), Some(1_000), Some(8)));
        }
        assert_eq!(StatusLimits::shared(&[small, Status::default()], 2).connections_max, None);
    }

    #[test]
    fn more_memory_than_there_can_be_is_not_believed() {
        let rss = |bytes: u64| {
            let text = format!("{{\"memory\":{{\"rss_bytes\":{bytes}}}}}");
            told(&text).unwrap().memory.rss_bytes
        };
        assert_eq!((rss(1 << 30), rss(u64::MAX)), (Some(1 << 30), None));
    }
}
