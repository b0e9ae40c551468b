use std::time::Duration;

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<PlanFile, String> {
    let read = PlanFile::parse("my.toml", "my".to_owned(), text.to_owned());
    let read = read.map(|file| PlanFile { path: Some("my.toml".into()), ..file });
    read.and_then(|file| file.has_phases().map(|()| file)).map_err(|error| error.to_string())
}

#[test]
fn every_preset_is_a_plan() {
    for (name, _) in PRESETS {
        let preset = PlanFile::preset(name).unwrap();
        assert!(!preset.phases.is_empty() && preset.flags.iter().any(|(key, _)| key == "traffic"), "{name}");
        assert!(preset.text.starts_with("# "), "{name} says what it is");
    }
    assert!(PlanFile::preset("nothing").is_none());
}

#[test]
fn phases_are_read() {
    let file = parse(
        "traffic = \"game\"\nslo = [\"p99<20ms\", \"gaps==0\"]\nexact = true\nraw = false\n[[phase]]\nduration = 5\n\
         [[phase]]\nname = \"b\"\nduration = \"1m\"\nconns = 7\nleave-rate = 2.5\ndrop = \"50%\"\nbackoff = \"none\"\n\
         stall-share = 0.25\n",
    )
    .unwrap();
    assert_eq!(file.phases[0], Phase::quiet("phase 1".to_owned(), Duration::from_secs(5)));
    let phase = &file.phases[1];
    assert_eq!((phase.conns, phase.leave_rate_hz, phase.drop), (Some(7), Some(2.5), Some(0.5)));
    assert_eq!((phase.backoff, phase.stall_share), (Some(Backoff::None), Some(0.25)));
    let given: Vec<(&str, Option<&str>)> =
        file.flags.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(
        given,
        [
            ("exact", None),
            ("raw", Some("false")),
            ("slo", Some("p99<20ms")),
            ("slo", Some("gaps==0")),
            ("traffic", Some("game")),
        ]
    );
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    for text in ["", " \n\n"] {
        fs::write(&path, text).unwrap();
        let error = PlanFile::read(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("my.toml: is empty; `loadgen run game --print-plan` prints a plan to begin with"),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_plan_is_named() {
    for (text, said) in [
        ("traffic = ", "line 1: "),
        ("{\"schema\": 1}", "; a plan is TOML, as `loadgen run game --print-plan` prints it"),
        (
            "[[phases]]\nduration = 1",
            "phases: is a table; the only tables of a plan are its phases, each under a line [[phase]]",
        ),
        ("a = 1\nb = 1\na = 2", "line 3: "),
        ("", "has 0 phases; permitted are 1 to 100"),
        ("phase = 3", "each under a line [[phase]]"),
        ("phase = []", "has 0 phases"),
        ("phase = [5]", "line 1: invalid type: integer `5`, expected a table under a line [[phase]]"),
        ("[[phase]]\nduration = 1\nname = \"a\\u202eb\"", "visible characters"),
        ("[[phase]]", "line 1: phase 1: has no duration; add duration ="),
        ("[[phase]]\nduration = 1\n\n[[phase]]\nname = \"b\"", "line 4: phase 2 (b): has no duration"),
        (
            "[[phase]]\nduration = 1\n\n[[phase]]\nduration = 1\ndorp = 1",
            "line 6: phase 2: unknown field `dorp`, expected one of",
        ),
        ("[[phase]]\nduration = 1\n[[phase]]\nduration = 1\nname = 3", "line 5: phase 2: invalid type"),
        ("[[phase]]\nduration = \"0s\"", "line 2: phase 1: duration: `0s`: permitted is a time"),
        ("[[phase]]\nduration = \"x\"\nname = \"n\"", "phase 1 (n): duration: `x`"),
        ("[[phase]]\nduration = 1\nspeed = 3", "line 3: phase 1: unknown field `speed`, expected one of"),
        (
            "[[phase]]\nduration = 1\n[[phase]]\nspeed = 3\nname = \"b\"\nduration = 1",
            "line 4: phase 2 (b): unknown field `speed`, expected one of",
        ),
        (
            "[[phase]]\nduration = 1\nconns = -1",
            "line 3: phase 1: conns: `-1`: permitted is a whole number from 0",
        ),
        (
            "[[phase]]\nduration = 1\nconns = 99_999_999_999_999_999_999",
            "line 3: phase 1: conns: `99_999_999_999_999_999_999`: permitted is a whole number from 0",
        ),
        ("[[phase]]\nduration = 1\nconns = 1e99", "permitted is a whole number from 0"),
        ("[[phase]]\nduration = 1\ndrop = \"150%\"", "drop: `150%`: permitted is a share"),
        ("[[phase]]\nduration = 1\ndrop = 0", "drop: `0`: permitted is a share"),
        ("[[phase]]\nduration = 1\nbackoff = \"jitter\"", "nobody drops in this phase"),
        ("[[phase]]\nduration = 1\ndrop = 1\nbackoff = \"never\"", "backoff: `never`: permitted are"),
        ("[[phase]]\nduration = 1\nleave-rate = nan", "leave-rate: `NaN`"),
        ("[[phase]]\nduration = 1\nname = \"\"", "name: permitted are 1 to 60"),
        ("[[phase]]\nduration = 1\nname = \"a\\u001b[2J\"", "visible characters"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("my.toml: ") && error.contains(said), "{text}: {error}");
    }
}

#[test]
fn numbers_beyond_those_of_toml_are_left_to_their_flags() {
    let long = "9".repeat(60);
    for number in ["9223372036854775808", "-99999999999999999999", &long] {
        let text = format!("seed = {number} # {number}\nconns = {number}\n[[phase]]\nduration = 1");
        let file = parse(&text).unwrap();
        let given: Vec<_> = file.flags.iter().map(|(_, value)| value.as_deref().unwrap()).collect();
        assert_eq!(given, [number, number]);
        assert_eq!(file.text, text, "what is told of it is what is there");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for (path, said) in [
        ("no/such.toml", "there is no such file"),
        ("/dev/zero", "not a regular file"),
        ("/", "not a regular"),
    ] {
        let error = PlanFile::read(Path::new(path)).unwrap_err().to_string();
        assert!(error.starts_with(path) && error.contains(said), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.toml");
    fs::write(&large, vec![b'#'; 300_000]).unwrap();
    assert!(PlanFile::read(&large).unwrap_err().to_string().contains("300000 bytes"));
    let binary = folder.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
    assert!(PlanFile::read(&binary).unwrap_err().to_string().contains("not text in UTF-8"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]a-z0-9 =\".#\n%-]{0,120}") {
        let _ = parse(&text);
        let _ = parse(&format!("[[phase]]\nduration = 1\n{text}"));
    }
}
