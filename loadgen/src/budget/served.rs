//! Whether the server serves what a run's connections come for.

use clap::ValueEnum as _;

use super::{Budget, Demand, Side};
use crate::cli::GameName;
use crate::plan::{Plan, Preset};
use crate::server_side::Status;

/// What a run's connections come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// The path on which everything comes back.
    Echo,
    /// A game that the bots play.
    Game(GameName),
    /// The same where the run has no `--game` to change.
    OnlyGame(GameName),
}

impl Service {
    /// What `plan` comes for; of a path that somebody named, or without WebSocket, nobody knows.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        match plan.preset {
            _ if plan.raw.is_some() || plan.targets.iter().any(|target| target.other_path().is_some()) => {
                None
            }
            Preset::Echo { .. } | Preset::Idle => Some(Self::Echo),
            Preset::Game { game, .. } => Some(Self::Game(game)),
            Preset::Rewind { .. } => Some(Self::OnlyGame(GameName::Arena)),
        }
    }
}

/// Nothing fits where something else is served. What a server does not tell is not held against it.
pub(super) fn budget(demand: &Demand, status: &Status) -> Option<Budget> {
    let (what, why, remedy) = match demand.service? {
        Service::Echo if status.echo != Some(false) => return None,
        Service::Echo => {
            let parts = status.parts.iter().filter(|part| part.status.echo == Some(false));
            let off: Vec<&str> = parts.map(|part| &part.admin.url[..]).collect();
            let who = match off[..] {
                [] => "the server".to_owned(),
                [one] => format!("the server behind {one}"),
                _ => format!("each of the servers behind {}", off.join(", ")),
            };
            let why =
                format!("the connections come to /v1/echo, which {who} answers with 404: its echo is off");
            ("echo", why, format!("start {who} with --echo"))
        }
        Service::Game(game) | Service::OnlyGame(game) => {
            let wanted = game.name();
            let runs = status.game.as_ref().filter(|runs| *runs != wanted)?;
            let remedy = match demand.service? {
                Service::OnlyGame(_) => format!("start the server with --game {wanted}"),
                _ if GameName::from_str(runs, false).is_ok() => format!("--game {runs}"),
                _ => "a server of arena or pulse, the only games that the bots play; of this one, `run idle` or `run echo` \
                      measures the connections, and bots of your own, made with the client crate, play it"
                    .to_owned(),
            };
            ("game", format!("the server runs {runs}, the bots play {wanted}"), remedy)
        }
    };
    Some(Budget { side: Side::Server, what, carries: 0, why, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::server_side::{Admin, Part};

    fn wall(words: &str, status: &str) -> Option<Budget> {
        let demand = Demand::of(&Cli::plan(words.split(' ')).unwrap());
        budget(&demand, &serde_json::from_str(status).unwrap())
    }

    #[test]
    fn a_server_without_echo_carries_none_of_those_who_come_for_it() {
        let off = r#"{"pid":1,"echo":false}"#;
        for words in ["echo", "idle", "handshake", "churn --traffic echo"] {
            let wall = wall(words, off).unwrap_or_else(|| panic!("{words}"));
            assert_eq!((wall.carries, wall.side, wall.what), (0, Side::Server, "echo"), "{words}");
            assert_eq!(wall.remedy, "start the server with --echo");
        }
        assert!(
            wall("idle --target ws://127.0.0.1:9001/v1/echo", off).is_some(),
            "the path that it is without one"
        );
        let several = "idle --target ws://127.0.0.1:9001 --target ws://127.0.0.1:9003";
        let demand = Demand::of(&Cli::plan(several.split(' ')).unwrap());
        let part = |url: &str, echo| Part {
            status: Status { echo: Some(echo), ..Status::default() },
            admin: Admin { url: url.to_owned(), targets: Vec::new() },
        };
        let remedy = |parts| {
            let both = Status { echo: Some(false), parts, ..Status::default() };
            budget(&demand, &both).unwrap().remedy
        };
        let one = remedy(vec![part("http://a:1", true), part("http://b:2", false)]);
        assert_eq!(one, "start the server behind http://b:2 with --echo");
        let all = remedy(vec![part("http://a:1", false), part("http://b:2", false)]);
        assert_eq!(all, "start each of the servers behind http://a:1, http://b:2 with --echo");
        for (words, status) in [
            ("echo", r#"{"pid":1,"echo":true}"#),
            ("echo", r#"{"pid":1}"#),
            ("game", off),
            ("idle --target ws://127.0.0.1:9001/mine", off),
            ("echo --raw", off),
        ] {
            assert_eq!(wall(words, status), None, "{words} {status}");
        }
    }

    #[test]
    fn a_game_that_the_bots_do_not_play_carries_none_of_them() {
        let snakes = r#"{"game":"snakes"}"#;
        assert!(wall("game", snakes).unwrap().remedy.contains("only games that the bots play"));
        assert_eq!(wall("rewind", snakes).unwrap().remedy, "start the server with --game arena");
        assert_eq!(wall("game", r#"{"game":"pulse"}"#).unwrap().remedy, "--game pulse");
        assert_eq!(wall("game --game pulse", r#"{"game":"pulse"}"#), None);
        assert_eq!(wall("idle", snakes), None);
    }
}
