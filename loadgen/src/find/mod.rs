//! `loadgen find`: the largest load that still meets the objectives. Every trial is a run like any other; [`search`]
//! says which one comes next.

mod again;
mod args;
mod hunt;
mod record;
pub(crate) mod search;

use std::path::PathBuf;
use std::time::Duration;

use crate::budget::{Demand, budgets};
use crate::cli::PresetArgs;
use crate::cli::find::{FindArgs, Over};
use crate::plan::{self, Flag, Plan, PlanError, PlanFile};
use crate::preflight::{self, Facts, Wall};
use crate::{doctor, report, run, verdict};

use args::Scale;
use hunt::Hunt;
use search::Bounds;

/// Of a trial's measuring window the longest phase unless told otherwise; a plan of the user's has lengths of its own.
const STEP: Duration = Duration::from_secs(10);

/// What a game must reach besides the objectives that are asked for: a server that slows the game down carries any
/// number of players.
const FULL_SPEED: &str = "slow_share<=1%";

/// What is asked, checked.
#[derive(Debug)]
pub(crate) struct Question {
    args: PresetArgs,
    file: PlanFile,
    scale: Scale,
    /// As asked; what does not fit is not cut off yet.
    bounds: Bounds,
    /// The longest phase of a trial's window; `None`: as the plan says.
    step: Option<Duration>,
    /// Where the search as JSON goes.
    json: Option<PathBuf>,
    /// Where the ordinary report of the largest run that held goes.
    best: Option<PathBuf>,
    /// What was typed after `loadgen find`.
    words: Vec<String>,
}

impl Question {
    /// Checks and completes the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag, its value and what is allowed.
    pub(crate) fn new(given: FindArgs, file: PlanFile, words: &[String]) -> Result<Self, PlanError> {
        let FindArgs { search, preset: args } = given;
        let scale = Scale::of(&args, &file, search.over)?;
        let most = scale.most / scale.grain * scale.grain;
        let to = search.to.map_or(Ok(most), |to| scale.units("to", to))?;
        let from = search.from.map_or(Ok(scale.first.min(to)), |from| scale.units("from", from))?;
        if from > to {
            let problem =
                format!("is above --to {}; for example --from {}", scale.shown(to), scale.shown(to));
            return Err(PlanError::new("from", scale.shown(from), problem));
        }
        let has_lengths = matches!(*args, PresetArgs::File(_)) || args.args().stages.is_some();
        let step = search.step_duration.or(args.args().duration).or((!has_lengths).then_some(STEP));
        let bounds = Bounds {
            from,
            to,
            grain: scale.grain,
            precision_permille: search.precision,
            confirm: search.confirm,
        };
        let json = plan::report_file(&args.args().out)?;
        let best = search.best.map(|file| plan::writable("best", file)).transpose()?;
        for (flag, path) in [("out", &json), ("best", &best)] {
            path.as_ref().map_or(Ok(()), |path| plan::spare_plan(flag, path, &file))?;
        }
        if let Some(best) =
            best.as_ref().filter(|best| json.as_ref().is_some_and(|json| plan::is_same(json, best)))
        {
            let problem = "the file is that of --out, too; give the search and the best run a file each";
            return Err(PlanError::new("best", best.display(), problem));
        }
        let words = words.iter().skip(2).cloned().collect();
        let question = Self { args: *args, file, scale, bounds, step, json, best, words };
        // Both ends, so that nothing is wrong with what lies between.
        question.plan(from)?;
        let plan = question.plan(to)?;
        if let Some(slo) = plan.slo.iter().find(|slo| slo.metric.name() == "rss_bytes_per_conn") {
            let problem = "a search cannot tell: after its first trial the server has the memory already; for example \
                           loadgen run idle --conns 5000 --slo 'rss_bytes_per_conn<1kB', on a server just started";
            return Err(PlanError::new("slo", slo, problem));
        }
        Ok(question)
    }

    /// The run that tries a load.
    fn plan(&self, load: u64) -> Result<Plan, PlanError> {
        let mut plan = Plan::new(&self.scale.apply(&self.args, load, self.step), &self.file)?;
        plan.is_trial = true;
        let is_named = plan.slo.iter().any(|slo| slo.metric.name().starts_with("slow"));
        if plan.preset.plays() && plan.raw.is_none() && !is_named {
            plan.slo.push(FULL_SPEED.parse().expect("a test reads it"));
        }
        Ok(plan)
    }

    /// The run that tries a load, as a command: it makes the same plan, and writes no report over one of the search's.
    fn command(&self, load: u64) -> Result<String, PlanError> {
        let (plan, given) = (self.plan(load)?, self.args.args());
        let mut set = vec![(self.scale.flag(&self.args), self.scale.shown(load).to_string())];
        // Of several phases it is the longest here and there.
        set.extend(self.step.map(|step| match given.stages {
            Some(_) => ("stages", plan::stages_words(plan.phases.list())),
            None => ("duration", plan::time_words(step)),
        }));
        // The last of a kind counts: that of the plan file has the search, or what it was made for.
        let writes = self.file.flags.iter().any(|(key, _)| key == "out");
        set.extend(writes.then(|| ("out", "json=/dev/null".to_owned())));
        let added = plan.slo.iter().filter(|slo| !given.slo.contains(slo));
        let added: Vec<_> = added.map(|slo| ("slo", slo.to_string())).collect();
        Ok(again::command(&self.words, &set, &added))
    }

    /// The bounds without what will not fit, and what cut it off.
    ///
    /// # Errors
    /// Everything that stands in the way of the least load.
    fn room(&self, facts: &Facts) -> Result<(Bounds, Option<Wall>), Vec<Wall>> {
        let walls = |load| {
            let plan = self.plan(load).expect("both ends of the bounds make a plan");
            let carries = budgets(&Demand::of(&plan), facts).iter().map(|budget| budget.carries).min();
            (preflight::walls(&plan, facts).into_iter().next(), carries)
        };
        let least = self.plan(self.bounds.from).map_or(Vec::new(), |plan| preflight::walls(&plan, facts));
        if self.args.args().force {
            return Ok((self.bounds, None));
        }
        if !least.is_empty() {
            return Err(least);
        }
        let (mut bounds, mut first) = (self.bounds, None);
        if self.scale.over == Over::Rate {
            return Ok((bounds, first));
        }
        while let (Some(wall), carries) = walls(bounds.to) {
            // What a smaller load asks for may be less than the share of a larger one: it is looked at again.
            let carries = carries.unwrap_or(0).min(bounds.to - bounds.grain) / bounds.grain * bounds.grain;
            bounds.to = carries.max(bounds.from);
            first = Some(wall);
        }
        // Told is what stands in the way of about the next load, not of the farthest.
        let next = first.as_ref().and_then(|_| walls(bounds.to.saturating_mul(2).min(self.bounds.to)).0);
        Ok((bounds, next.or(first)))
    }
}

/// A file that makes the first trial of a search; `flags` are those given and the preset's own.
///
/// # Errors
/// [`PlanError`], as the search itself would be refused.
pub(crate) fn first_trial(args: &FindArgs, file: &PlanFile, flags: &[Flag]) -> Result<String, PlanError> {
    let question = Question::new(args.clone(), file.clone(), &[])?;
    let (scale, load) = (question.scale, question.bounds.from);
    let plan = question.plan(load)?;
    // What is the search's own has no meaning for a run.
    let own = ["over", "from", "to", "precision", "step-duration", "confirm", "best", "out", "slo"];
    let kept = flags.iter().filter(|(key, _)| !own.contains(&key.as_str()));
    let mut flags: Vec<Flag> = kept.cloned().collect();
    let chosen = match (scale.over, &question.args) {
        (Over::Conns, _) => Some("conns"),
        // The phases say it.
        (Over::Rate, PresetArgs::Handshake(_)) => None,
        (Over::Rate, _) => Some("rate"),
    };
    flags.extend(chosen.map(|key| (key.to_owned(), Some(scale.shown(load).to_string()))));
    flags.extend(plan.slo.iter().map(|slo| ("slo".to_owned(), Some(slo.to_string()))));
    let head =
        format!("# The first trial of loadgen find: {}. The search changes that.\n", scale.words(load));
    Ok(head + &file.changed(&flags, plan.phases.list()))
}

/// Searches and reports; returns the exit code.
///
/// # Errors
/// What is neither the user's, the machine's nor the server's fault.
pub(crate) fn run(question: &Question) -> anyhow::Result<u8> {
    let interrupted = run::watch_signals()?;
    let (_, facts) = run::look_around(&question.plan(question.bounds.to)?, &interrupted);
    match question.room(&facts) {
        Ok((bounds, wall)) => Hunt::new(question, bounds, wall, &facts, &interrupted).run(),
        Err(walls) => {
            walls.iter().for_each(preflight::say);
            if let Some(path) = &question.json {
                let least = question.plan(question.bounds.from)?;
                report::write_file(path, doctor::refusal(&least, &facts, walls)?.as_bytes())?;
            }
            Ok(verdict::PREFLIGHT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use std::io::Write as _;

    /// What a command line asks.
    fn question(words: &[&str]) -> Question {
        let words = ["loadgen", "find"].iter().chain(words).map(std::ffi::OsString::from);
        let request = Cli::read(words).unwrap();
        let Command::Find(args) = request.command else { panic!("a search") };
        Question::new(args, request.file.unwrap(), &request.words).unwrap()
    }

    /// What a shell makes of a command.
    fn shell(command: &str) -> Vec<String> {
        let output =
            std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {command}")]).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Whether a search's command, read as it would be when it is typed, makes the very plan of the trial; `None`: there
    /// is no such search.
    fn is_the_trial(words: &[&str]) -> Option<()> {
        let all = ["loadgen", "find"].iter().chain(words).map(std::ffi::OsString::from);
        let request = Cli::read(all).ok()?;
        let Command::Find(args) = request.command else { panic!("a search") };
        let question = Question::new(args, request.file.unwrap(), &request.words).ok()?;
        let command = question.command(question.bounds.from).unwrap();
        let typed = shell(&command);
        assert_eq!(typed[..2], ["loadgen", "run"], "{command}");
        let made = Cli::plan(typed[2..].iter().map(String::as_str));
        let made = made.unwrap_or_else(|why| panic!("{words:?}: {command}: {why}"));
        let files = [made.outs.csv.clone(), made.outs.hgrm.clone(), made.outs.html.clone()];
        let json = made.outs.json.clone().filter(|json| json != std::path::Path::new("/dev/null"));
        assert_eq!((json, files), (None, [None, None, None]), "it writes nothing over: {command}");
        let shown =
            |plan: Plan| format!("{:?}", Plan { outs: plan::Outs::default(), is_trial: true, ..plan });
        assert_eq!(shown(made), shown(question.plan(question.bounds.from).unwrap()), "{words:?}: {command}");
        Some(())
    }

    #[test]
    fn what_is_printed_to_be_made_once_more_is_the_trial() {
        let folder = tempfile::tempdir().unwrap();
        let file = |preset: &str| {
            let path = folder.path().join(format!("it's {preset}.toml"));
            let out = folder.path().join("search.json").display().to_string();
            let text = PlanFile::preset(preset).unwrap().text;
            std::fs::write(&path, format!("out = \"json={out}\"\nslo = \"failed==0\"\n{text}")).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let files = ["echo", "game", "storm"].map(file);
        let lengths = [
            "",
            "--step-duration 700ms",
            "--duration 2s --slo failed==0 --best /tmp/b.json --out json=/tmp/s.json --seed 7",
            "--duration 2s --step-duration 500ms",
            "--duration=1.5s --step-duration=0.1234567",
            "--stages 500ms:5,500ms:8 --step-duration 300ms",
            "--stages=1s:5,2s:8",
        ];
        let mut made = 0;
        for preset in PlanFile::names().map(str::to_owned).chain(files) {
            for over in ["", "--over=rate --conns 30"] {
                for length in lengths {
                    let words = [over, length].join(" ");
                    let words = std::iter::once(preset.as_str()).chain(words.split_whitespace());
                    made += usize::from(is_the_trial(&words.collect::<Vec<_>>()).is_some());
                }
            }
        }
        assert!(made > 60, "{made} of them are searches");
        for words in [
            "--over rate handshake --from 300",
            "echo --raw --over rate --from 5",
            "--from 10 game --raw --target tcp://127.0.0.1:1",
            "game --latency 5ms --stall 200ms/2s",
            "rewind --forge old --step-duration 200ms --no-tui --force",
            "slow-consumer --traffic echo --input-hz 100 --stall-share 7% --from=7",
            "churn --leave-rate 12.5 --workers 2 --src 127.0.0.2-127.0.0.3",
        ] {
            is_the_trial(&words.split(' ').collect::<Vec<_>>()).unwrap_or_else(|| panic!("{words}"));
        }
    }

    fn slos(words: &[&str]) -> Vec<String> {
        question(words).plan(100).unwrap().slo.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_game_must_run_at_full_speed_unless_told_otherwise() {
        assert_eq!(slos(&["game", "--slo", "p99<50ms"]), ["p99<50ms", "slow_share<=0.01"]);
        assert_eq!(slos(&["game", "--slo", "slow==0"]), ["slow==0"]);
        assert!(
            slos(&["echo"]).is_empty()
                && slos(&["game", "--raw", "--target", "tcp://127.0.0.1:1"]).is_empty()
        );
    }

    #[test]
    fn a_plan_of_ones_own_keeps_its_lengths() {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        file.write_all(b"traffic = \"idle\"\n[[phase]]\nduration = 7\n[[phase]]\nduration = 20\n").unwrap();
        let seconds = |words: &[&str]| question(words).plan(100).unwrap().duration.as_secs();
        let path = file.path().to_str().unwrap();
        assert_eq!(seconds(&[path]), 27);
        assert_eq!(seconds(&[path, "--step-duration", "3s"]), 10, "the longest changes, and 7 s stay");
        assert_eq!(seconds(&["idle"]), 10);
    }

    #[test]
    fn the_first_trial_is_printed_as_a_plan_that_makes_it() {
        for words in [
            "game --slo p99<50ms --print-plan",
            "game --from 120 --to 500 --step-duration 3s --print-plan",
            "echo --over rate --conns 7 --from 2.5 --slo p99<5ms --print-plan",
            "handshake --over rate --print-plan",
            "storm --from 50 --drop 30% --print-plan",
            "idle --workers 2 --print-plan --out json=/tmp/search.json --best /tmp/best.json",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let all = ["loadgen", "find"].iter().chain(&words).map(std::ffi::OsString::from);
            let request = Cli::read(all).unwrap();
            assert!(request.prints_plan(), "{words:?}");
            let text = request.plan_text().unwrap();
            assert!(text.starts_with("# The first trial of loadgen find: "), "{text}");
            let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let printed =
                Cli::plan([file.path().to_str().unwrap()]).unwrap_or_else(|why| panic!("{why}\n{text}"));
            let question = question(&words);
            let trial = question.plan(question.bounds.from).unwrap();
            let json = |plan: &Plan| (serde_json::to_string(plan).unwrap(), plan.phases.clone());
            assert_eq!(json(&printed), json(&trial), "{text}");
        }
    }

    #[test]
    fn loads_are_named_by_what_they_are() {
        let words = |words: &[&str], load| question(words).scale.words(load);
        assert_eq!(words(&["handshake", "--over", "rate"], 500), "500 upgrades a second");
        assert_eq!(words(&["echo", "--over", "rate"], 150), "1.5 messages a second and connection");
        assert_eq!(
            (words(&["idle"], 1), words(&["idle"], 2)),
            ("1 connection".into(), "2 connections".into())
        );
    }
}
