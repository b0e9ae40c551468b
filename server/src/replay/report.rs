//! What came of a recording, in words.

use std::fmt::{self, Write as _};
use std::path::Path;

use tickring_room::RecordingError;

use super::play::{Ending, Played};
use crate::recording::stamp;

/// A recording that was played, to its end or not.
pub(super) fn played(path: &Path, played: &Played) -> String {
    let mut out = String::new();
    write(&mut out, path, played).expect("writing to a string does not fail");
    out
}

/// One of which nothing was played.
pub(super) fn unusable(path: &Path, error: &RecordingError) -> String {
    format!("{}\n  unusable    {}\n", path.display(), printable(&error.to_string()))
}

/// Without what a terminal would take for more than text: a file may come from anybody.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn write(out: &mut String, path: &Path, played: &Played) -> fmt::Result {
    let Played { header, counters, .. } = played;
    let config = &header.config;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (ticks, elapsed_ns) = (played.ticks as f64, played.elapsed_ns as f64);
    let seconds = ticks / f64::from(config.tick_hz);
    writeln!(out, "{}", path.display())?;
    writeln!(
        out,
        "  game        {}, layout {:016x}, of version {}",
        header.game,
        header.layout,
        printable(&header.version)
    )?;
    writeln!(
        out,
        "  room        {}, begun {}, seed {}",
        printable(&header.room),
        stamp(header.started_unix_ms),
        config.seed
    )?;
    let (hz, snapshots, seats) = (config.tick_hz, config.snapshot_hz, config.players_max);
    writeln!(out, "  rates       {hz} ticks and {snapshots} snapshots a second, {seats} seats")?;
    writeln!(out, "  length      {} ticks, {seconds:.1} s, {} bytes", played.ticks, played.bytes)?;
    writeln!(
        out,
        "  players     {} at most; {} joined, {} refused, {} left, {} held, {} back, {} taken over",
        played.players_most,
        counters.joins,
        counters.joins_refused,
        counters.leaves,
        counters.holds,
        counters.resumes,
        counters.takeovers
    )?;
    let dropped = counters.inputs_late
        + counters.inputs_early
        + counters.inputs_duplicate
        + counters.inputs_over_budget
        + counters.inputs_malformed
        + counters.inputs_no_seat;
    writeln!(out, "  inputs      {} taken, {dropped} dropped", counters.inputs_accepted)?;
    writeln!(out, "  speed       {:.1} x real time", seconds * 1e9 / elapsed_ns.max(1.0))?;
    let checksums = format!("{} checksums agree, digest {:08x}", played.verified, played.digest);
    match &played.ending {
        Ending::Verified(end) => {
            writeln!(out, "  end         {}", end.why())?;
            writeln!(out, "  verified    {checksums}")
        }
        Ending::Diverged(diverged) => {
            writeln!(out, "  diverged    {diverged}")?;
            let version = played.version;
            if header.version != version {
                writeln!(out, "              this is version {version}, whose rules may be others")?;
            }
            writeln!(out, "  before      {checksums}")
        }
        Ending::Broken(error) => {
            writeln!(out, "  incomplete  {error}")?;
            writeln!(out, "  before      {checksums}, {} ticks run", played.ticks)
        }
    }
}
