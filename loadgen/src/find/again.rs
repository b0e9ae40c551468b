//! The answer as a command: the run that held, to be made once more.

use super::args::Scale;
use crate::cli::find::Over;

/// What is the search's own, and has a value each; a report of the search would be overwritten.
const OWN: [&str; 8] = ["over", "from", "to", "precision", "step-duration", "confirm", "best", "out"];

/// The words of `loadgen find …` as those of a run with `load`; `added` are flags that the search gave every trial.
pub(super) fn command(words: &[String], scale: Scale, load: u64, added: &[(&str, String)]) -> String {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").and_then(|flag| flag.split('=').next());
        if name.is_some_and(|name| OWN.contains(&name)) {
            if !word.contains('=') {
                words.next();
            }
            continue;
        }
        kept.push(quoted(word));
    }
    let is_handshake = kept.iter().any(|word| word == "handshake");
    let flag = match scale.over {
        Over::Conns => "conns",
        Over::Rate if is_handshake => "leave-rate",
        Over::Rate => "rate",
    };
    let load = (flag, scale.shown(load).to_string());
    let added =
        std::iter::once(&load).chain(added).map(|(flag, value)| format!("--{flag} {}", quoted(value)));
    format!("loadgen run {}", kept.into_iter().chain(added).collect::<Vec<_>>().join(" "))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,=%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn again(words: &str, load: u64, added: &[(&str, String)]) -> String {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let all = ["loadgen", "find"].into_iter().map(str::to_owned).chain(words.clone());
        let request = Cli::read(all.map(std::ffi::OsString::from)).unwrap();
        let Command::Find(args) = request.command else { panic!("a search") };
        let scale = Scale::of(&args.preset, &request.file.unwrap(), args.search.over).unwrap();
        command(&words, scale, load, added)
    }

    #[test]
    fn what_held_is_a_run_without_what_is_the_searchs() {
        let duration = [("duration", "10s".to_owned())];
        assert_eq!(
            again("game --from 100 --to=400 --best b.json --slo p99<80ms --out json=s.json", 200, &duration),
            "loadgen run game --slo 'p99<80ms' --conns 200 --duration 10s"
        );
        assert_eq!(
            again("--over rate echo --conns 100 --step-duration 2s", 1_050, &[]),
            "loadgen run echo --conns 100 --rate 10.5"
        );
        assert_eq!(again("handshake --over=rate", 500, &[]), "loadgen run handshake --leave-rate 500");
    }

    #[test]
    fn a_shell_takes_each_word_as_it_was() {
        assert_eq!(
            (quoted("a=1"), quoted("it's"), quoted("")),
            ("a=1".into(), "'it'\\''s'".into(), "''".into())
        );
    }
}
