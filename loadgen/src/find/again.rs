//! The answer as a command: the run that held, to be made once more.

/// What is the search's own, and has a value each; a report of the search would be overwritten.
const OWN: [&str; 8] = ["over", "from", "to", "precision", "step-duration", "confirm", "best", "out"];

/// The words of `loadgen find …` as those of a run: `set` flags are in place of those typed, `added` ones beside them.
pub(super) fn command(words: &[String], set: &[(&str, String)], added: &[(&str, String)]) -> String {
    let is_left_out = |name: &str| OWN.contains(&name) || set.iter().any(|(flag, _)| *flag == name);
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").and_then(|flag| flag.split('=').next());
        if name.is_some_and(is_left_out) {
            if !word.contains('=') {
                words.next();
            }
            continue;
        }
        kept.push(quoted(word));
    }
    let more = set.iter().chain(added).map(|(flag, value)| format!("--{flag} {}", quoted(value)));
    format!("loadgen run {}", kept.into_iter().chain(more).collect::<Vec<_>>().join(" "))
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

    #[test]
    fn what_held_is_a_run_without_what_is_the_searchs() {
        let again = |words: &str, set: &[(&str, String)], added: &[(&str, String)]| {
            command(&words.split(' ').map(str::to_owned).collect::<Vec<_>>(), set, added)
        };
        let load = ("conns", "200".to_owned());
        let words = "game --from 100 --to=400 --best b.json --slo p99<80ms --out json=s.json";
        assert_eq!(
            again(words, std::slice::from_ref(&load), &[("slo", "slow==0".to_owned())]),
            "loadgen run game --slo 'p99<80ms' --conns 200 --slo slow==0"
        );
        assert_eq!(
            again("--over rate echo --duration 9s --seed 7", &[load, ("duration", "2s".to_owned())], &[]),
            "loadgen run echo --seed 7 --conns 200 --duration 2s"
        );
    }

    #[test]
    fn a_shell_takes_each_word_as_it_was() {
        assert_eq!(
            (quoted("a=1"), quoted("it's"), quoted("")),
            ("a=1".into(), "'it'\\''s'".into(), "''".into())
        );
    }
}
