//! The environment layer: which variables are settings, which belong to somebody else.

use config::{Value, ValueKind};

use super::layers::Layer;
use super::problem::{Problem, excerpt};
use super::settings::{SETTINGS, Setting};
use super::suggestion;

const PREFIX: &str = "TICKRING_";

/// Sorts variables into settings and problems. Names are taken literally, in capitals: a variable
/// spelled in two ways would leave it to chance which one wins.
pub(super) fn layer(variables: &[(String, String)]) -> (Layer, Vec<Problem>) {
    let mut values = Layer::new();
    let mut unknown = Vec::new();
    for (name, value) in variables.iter().filter(|(name, value)| is_ours(name, value)) {
        match SETTINGS.iter().find(|setting| setting.variable() == *name) {
            Some(setting) => values.push((setting.key, given(name, value))),
            None => unknown.push((name, value)),
        }
    }
    unknown.sort();
    let problem = |(name, value): (&String, &String)| {
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        let like = suggestion::for_key(&key, Setting::variable);
        Problem::unknown(&key, &given(name, value), like)
    };
    (values, unknown.into_iter().map(problem).collect())
}

/// The log level of `RUST_LOG`, which other programs read too, so that it lies below our own.
pub(super) fn rust_log(variables: &[(String, String)]) -> Layer {
    let set = variables.iter().filter(|(name, value)| name == "RUST_LOG" && !value.is_empty());
    set.map(|(name, value)| ("log.level", given(name, value))).collect()
}

fn given(name: &str, value: &str) -> Value {
    let origin = format!("environment variable {}", excerpt(&name.escape_debug().to_string()));
    Value::new(Some(&origin), ValueKind::String(value.to_owned()))
}

/// Whether a variable means this server. Those that do not although the prefix fits come from
/// Kubernetes or steer the fuzz tests.
fn is_ours(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    !(rest == "CONFIG" || rest.starts_with("FUZZ_") || is_service_link(rest, value))
}

/// Whether Kubernetes sets a variable with this ending for a service: `tickring` gives
/// `TICKRING_PORT`, `tickring-admin` gives `TICKRING_ADMIN_PORT`. Since a setting could be mistyped
/// like that, `…_PORT` must also hold a URL, as it does there.
/// Source: kubernetes/kubernetes, pkg/kubelet/envvars/envvars.go.
fn is_service_link(rest: &str, value: &str) -> bool {
    // With a bar in front, `SERVICE_HOST` ends in `_SERVICE_HOST` as `ADMIN_SERVICE_HOST` does.
    let rest = format!("_{rest}");
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || (rest.ends_with("_PORT") && value.contains("://"))
        || rest.rsplit_once("_PORT_").is_some_and(|(_, port)| is_port_and_protocol(port))
}

/// `9001_TCP`, `9001_TCP_ADDR` and their like.
fn is_port_and_protocol(text: &str) -> bool {
    let mut parts = text.split('_');
    let port = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
    let protocol = parts.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol));
    let part = parts.next().is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part));
    port && protocol && part && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_for_a_service_is_not_ours() {
        for (other, value) in [
            ("TICKRING_PORT", "tcp://10.0.0.1:9001"),
            ("TICKRING_SERVICE_HOST", "10.0.0.1"),
            ("TICKRING_SERVICE_PORT", "9001"),
            ("TICKRING_SERVICE_PORT_GAME", "9001"),
            ("TICKRING_PORT_9001_TCP", "tcp://10.0.0.1:9001"),
            ("TICKRING_PORT_9001_TCP_PROTO", "tcp"),
            ("TICKRING_PORT_9001_TCP_PORT", "9001"),
            ("TICKRING_PORT_9001_UDP_ADDR", "10.0.0.1"),
            ("TICKRING_ADMIN_SERVICE_HOST", "10.0.0.1"),
            ("TICKRING_ADMIN_PORT", "tcp://10.0.0.1:9002"),
            ("TICKRING_ADMIN_PORT_9002_TCP_PORT", "9002"),
            ("TICKRING_FUZZ_SEED", "7"),
            ("TICKRING_CONFIG", "tickring.toml"),
            ("PATH", "/bin"),
        ] {
            assert!(!is_ours(other, value), "{other}");
        }
    }

    #[test]
    fn what_only_looks_like_kubernetes_is_ours() {
        for ours in [
            "TICKRING_LISTEN",
            "TICKRING_PORT",
            "TICKRING_LISTEN_PORT",
            "TICKRING_POTR",
            "TICKRING_SERVICE_NAME",
            "TICKRING_PORT_9001",
            "TICKRING_PORT_GAME_TCP",
            "TICKRING_PORT_9001_TCP_RATE",
            "TICKRING_ROOM__PLAYERS_MAX",
            "TICKRING_",
        ] {
            assert!(is_ours(ours, "9001"), "{ours}");
        }
    }

    /// Each of these, taken as a path into nested tables, would have hidden others.
    #[test]
    fn every_unknown_variable_is_told_whatever_the_others_are() {
        let names = [
            "TICKRING_",
            "TICKRING_ROOM",
            "TICKRING_ROOM__PLAYERS_MAX__X",
            "TICKRING_LISTEN__A",
            "TICKRING_A[7]",
            "TICKRING_A B",
            "TICKRING_tick_hz",
        ];
        let variables: Vec<_> = names.map(|name| (name.to_owned(), "1".to_owned())).into();
        let (values, problems) = layer(&variables);
        assert!(values.is_empty(), "{values:?}");
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for name in names {
            let of = format!("environment variable {name})");
            assert!(text.iter().any(|problem| problem.contains(&of)), "{name} is not told:\n{text:#?}");
        }
    }
}
