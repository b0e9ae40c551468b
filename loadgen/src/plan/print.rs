//! A plan as a file: what `--print-plan` prints when flags change the preset's or the user's own.

use std::fmt::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::{Phase, PlanFile};

/// A flag as (key, value); a value of `None` is a switch.
pub(crate) type Flag = (String, Option<String>);

/// What a file says in its phases, and never as flags.
const OF_PHASES: [&str; 7] =
    ["print-plan", "duration", "stages", "leave-rate", "drop", "backoff", "stall-share"];

impl PlanFile {
    /// The file that makes the run which these flags (its own among them) and phases make.
    pub(crate) fn changed(&self, flags: &[Flag], phases: &[Phase]) -> String {
        let mut out = String::new();
        for line in self.text.lines().take_while(|line| line.starts_with('#')) {
            out.push_str(line);
            out.push('\n');
        }
        let written = write(&mut out, &self.flags, flags, phases);
        written.expect("writing to a string does not fail");
        out
    }
}

fn write(out: &mut String, own: &[Flag], flags: &[Flag], phases: &[Phase]) -> std::fmt::Result {
    // A preset that is named after its traffic says it in its file only.
    let traffic = flags.iter().chain(own).find(|(key, _)| key == "traffic");
    let others = flags.iter().filter(|(key, _)| key != "traffic" && !OF_PHASES.contains(&key.as_str()));
    let flags: Vec<&Flag> = traffic.into_iter().chain(others).collect();
    for (at, (key, value)) in flags.iter().enumerate() {
        let values: Vec<String> = flags
            .iter()
            .filter(|(other, _)| other == key)
            .filter_map(|(_, value)| value.as_deref())
            .map(word)
            .collect();
        match (value, &values[..]) {
            // Said with the first of its kind.
            _ if flags[..at].iter().any(|(earlier, _)| earlier == key) => {}
            (None, _) => writeln!(out, "{key} = true")?,
            (Some(_), [one]) => writeln!(out, "{key} = {one}")?,
            (Some(_), several) => writeln!(out, "{key} = [{}]", several.join(", "))?,
        }
    }
    phases.iter().try_for_each(|phase| write_phase(out, phase))
}

fn write_phase(out: &mut String, phase: &Phase) -> std::fmt::Result {
    writeln!(
        out,
        "\n[[phase]]\nname = {}\nduration = \"{}\"",
        quoted(&phase.name),
        time_words(phase.duration)
    )?;
    if let Some(conns) = phase.conns {
        writeln!(out, "conns = {conns}")?;
    }
    for (key, number) in
        [("leave-rate", phase.leave_rate_hz), ("drop", phase.drop), ("stall-share", phase.stall_share)]
    {
        if let Some(number) = number {
            // With a point or an exponent in any case, and as many digits as it takes to read the same.
            writeln!(out, "{key} = {number:?}")?;
        }
    }
    match phase.backoff.and_then(|backoff| backoff.to_possible_value()) {
        Some(backoff) => writeln!(out, "backoff = \"{}\"", backoff.get_name()),
        None => Ok(()),
    }
}

/// A flag's value: a number where it is one, else text.
fn word(value: &str) -> String {
    let is_number = value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    if is_number { value.to_owned() } else { quoted(value) }
}

/// Text as TOML has it; what JSON escapes, it does the same way, and one character more.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// A time as a flag's value, which reads the same.
pub(crate) fn time_words(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        nanos if nanos % 1_000_000 == 0 => format!("{}ms", duration.as_millis()),
        _ => format!("{}s", duration.as_secs_f64()),
    }
}

/// Phases that `--stages` has made, as its value.
pub(crate) fn stages_words(phases: &[Phase]) -> String {
    let stage = |phase: &Phase| {
        let conns = phase.conns.expect("every stage says where it leads");
        format!("{}:{conns}", time_words(phase.duration))
    };
    phases.iter().map(stage).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::cli::Cli;
    use crate::plan::Plan;

    fn request(words: &[&str]) -> crate::cli::Request {
        let words = ["loadgen", "run"].iter().chain(words).map(std::ffi::OsString::from);
        Cli::read(words).unwrap()
    }

    #[test]
    fn what_is_printed_is_what_would_run() {
        for words in [
            "storm --conns 7 --duration 5s --slo p99<20ms --slo gaps==0 --drop 30% --backoff none",
            "game --exact --rooms 3 --conns 60 --latency 75ms --stall 200ms/5s --seed 18446744073709551615",
            "echo --rate 0.5 --size 100 --workers 2 --src 127.0.0.2-127.0.0.3",
            "echo --closed --pipeline 4 --no-tui",
            "handshake --leave-rate 12.5 --duration 1500ms",
            "slow-consumer --traffic echo --rate 100 --stall-share 7%",
            "game --stages 2s:100,1s:0",
            "churn --stages 2s:100,1s:50 --conns 10 --input-hz 30",
            "idle --target ws://127.0.0.1:9001 --target ws://127.0.0.1:9101",
            "game --raw --raw-in 5 --target tcp://127.0.0.1:1",
            "rewind --forge old",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let asked = request(&[&words[..], &["--print-plan"]].concat());
            let text = asked.plan_text().unwrap();
            let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let json = |words: &[&str]| {
                let plan: Plan =
                    Cli::plan(words.iter().copied()).unwrap_or_else(|error| panic!("{error}\n{text}"));
                (serde_json::to_string(&plan).unwrap(), format!("{:?}", plan.link), plan.phases, plan.no_tui)
            };
            assert_eq!(json(&words), json(&[file.path().to_str().unwrap()]), "{text}");
        }
    }

    #[test]
    fn an_unchanged_plan_is_printed_as_it_is_and_a_wrong_one_is_not() {
        let text = request(&["storm", "--print-plan"]).plan_text().unwrap();
        assert_eq!(text, include_str!("../../plans/storm.toml"));
        let error = request(&["idle", "--slo", "p99<1ms", "--print-plan"]).plan_text().unwrap_err();
        assert!(error.to_string().contains("`run idle` does not measure p99"), "{error}");
    }
}
