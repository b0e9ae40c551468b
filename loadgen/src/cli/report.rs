//! The flags of `loadgen report`.

use std::path::PathBuf;

use clap::Args;

pub(super) const HELP: &str = "One report becomes one HTML page: no script, no network, drawings within, light and dark. Two reports are \
    compared: a table on standard output and a page with both drawn together. Each difference is held against the \
    noise, which is reckoned from the intervals of either run: the medians of the intervals within the window \
    differ beyond the noise when they lie more than three standard errors apart. A figure that is told once a run, \
    such as the server's memory, a phase's or a recovery, has no noise to hold it against, and the table says so.

Exit codes: 0 the page is written, whatever it says; 1 it could not be written after all; 2 a file is no report, or \
no page can be written there.

Examples:
  loadgen run game --conns 50 --duration 10s --out json=before.json
  loadgen report before.json
      writes before.html
  loadgen run game --conns 50 --duration 10s --out json=after.json
  loadgen report before.json after.json --out change.html
      prints how they differ, and writes change.html
  loadgen report before.json --out - | gzip > before.html.gz
      the page for whoever reads standard output";

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Report of a run: what --out json=FILE wrote
    #[arg(value_name = "A.json")]
    pub(crate) first: PathBuf,
    /// Report of another run, to compare with
    #[arg(value_name = "B.json")]
    pub(crate) second: Option<PathBuf>,
    /// The page; - is standard output [default: beside A.json: A.html, or A-to-B.html for two]
    #[arg(long, value_name = "FILE.html")]
    pub(crate) out: Option<PathBuf>,
}
