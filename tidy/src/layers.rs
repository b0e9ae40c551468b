//! Which crate may import which, and what keeps the pure crates pure.
//!
//! The rules are those of the architecture page: `protocol` and `ring` import no crate of this
//! workspace; `room → protocol`; `games → room`; `client → protocol, room`; `server` and `loadgen`
//! put them together; nothing imports `server` but benches and tests. The io_uring crate and
//! `unsafe` live in `ring` and in the benches' floor programs.

use toml::Table;

use crate::Finding;
use crate::exceptions::{Exception, stale};
use crate::manifests::{Manifest, dependency_names};
use crate::paths::mentions;
use crate::source::{Source, lines_with_word};

/// A crate, by folder, and the crates of this workspace its shipped code may import.
pub const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("protocol", &[]),
    ("ring", &[]),
    ("room", &["tickring-protocol"]),
    ("games/arena", &["tickring-room", "tickring-protocol"]),
    ("games/pulse", &["tickring-room", "tickring-protocol"]),
    ("games/snakes", &["tickring-room", "tickring-protocol"]),
    ("client", &["tickring-protocol", "tickring-room"]),
    (
        "server",
        &[
            "tickring-protocol",
            "tickring-ring",
            "tickring-room",
            "tickring-arena",
            "tickring-pulse",
            "tickring-snakes",
        ],
    ),
    (
        "loadgen",
        &[
            "tickring-client",
            "tickring-arena",
            "tickring-pulse",
            "tickring-protocol",
            "tickring-ring",
            "tickring-room",
        ],
    ),
    (
        "benches",
        &[
            "tickring-protocol",
            "tickring-ring",
            "tickring-room",
            "tickring-arena",
            "tickring-pulse",
            "tickring-client",
            "tickring-server",
        ],
    ),
    ("tidy", &[]),
];

/// Crates without sockets, files, threads and clock.
pub const PURE: [&str; 6] = ["protocol", "room", "client", "games/arena", "games/pulse", "games/snakes"];

/// Packages that would let the outside in.
const IMPURE_PACKAGES: [&str; 11] = [
    "axum",
    "config",
    "crossbeam",
    "io-uring",
    "libc",
    "mimalloc",
    "rustix",
    "socket2",
    "tokio",
    "tokio-uring",
    "ureq",
];

/// Standard library modules that would let the outside in.
const IMPURE_MODULES: [&str; 5] = ["net", "fs", "thread", "process", "os"];

/// The folder of the crate a file belongs to.
#[must_use]
pub fn crate_of(path: &str) -> &str {
    let known = MAY_IMPORT.iter().map(|(folder, _)| *folder);
    known
        .filter(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        .max_by_key(|f| f.len())
        .unwrap_or("")
}

/// Manifests that ask for a crate of the wrong layer.
#[must_use]
pub fn manifest_layers(manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in manifests {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(folder, _)| *folder == manifest.folder) else {
            let message = "a crate the layer rules do not know; add it to tidy/src/layers.rs";
            findings.push(Finding::new(&manifest.path(), 0, message));
            continue;
        };
        for name in dependency_names(&manifest.table, "dependencies") {
            if name.starts_with("tickring-") && !allowed.contains(&name.as_str()) {
                findings.push(Finding::new(&manifest.path(), 0, format!("may not import {name}")));
            }
        }
        findings.extend(impure_packages(manifest));
        findings.extend(ring_packages(&manifest.folder, &manifest.table));
    }
    findings
}

fn impure_packages(manifest: &Manifest) -> Vec<Finding> {
    if !PURE.contains(&manifest.folder.as_str()) {
        return Vec::new();
    }
    let shipped = dependency_names(&manifest.table, "dependencies")
        .into_iter()
        .filter(|name| IMPURE_PACKAGES.contains(&name.as_str()));
    let tests = dependency_names(&manifest.table, "dev-dependencies")
        .into_iter()
        .filter(|name| name == "tickring-ring" || name == "tickring-server");
    shipped
        .chain(tests)
        .map(|name| Finding::new(&manifest.path(), 0, format!("is a pure crate and may not import {name}")))
        .collect()
}

fn ring_packages(folder: &str, table: &Table) -> Vec<Finding> {
    let all = dependency_names(table, "dependencies")
        .into_iter()
        .chain(dependency_names(table, "dev-dependencies"));
    all.filter(|name| match name.as_str() {
        "io-uring" => !matches!(folder, "ring" | "benches"),
        "tokio-uring" => folder != "server",
        _ => false,
    })
    .map(|name| {
        Finding::new(
            &format!("{folder}/Cargo.toml"),
            0,
            format!("{name} has no place here: sockets go through ring/"),
        )
    })
    .collect()
}

/// Shipped code that names a crate or module its layer may not see.
#[must_use]
pub fn source_layers(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let owner = crate_of(&source.path);
        for mention in mentions(&source.shipped_code()) {
            let (first, second) =
                (mention.parts[0].as_str(), mention.parts.get(1).map_or("", String::as_str));
            let reason = if first.starts_with("tickring_") && !may_name(owner, first) {
                format!("{owner} may not import {first}")
            } else if first == "io_uring" && !may_use_io_uring(&source.path) {
                "io_uring is for ring/ and the floor programs".to_owned()
            } else if first == "tokio_uring" && !source.path.starts_with("server/src/control/") {
                "tokio-uring is for the control thread (server/src/control/)".to_owned()
            } else if PURE.contains(&owner) && first == "std" && IMPURE_MODULES.contains(&second) {
                format!("{owner} is pure and may not use std::{second}")
            } else {
                continue;
            };
            findings.push(Finding::new(&source.path, mention.line, reason));
        }
    }
    findings
}

fn may_name(owner: &str, crate_name: &str) -> bool {
    let package = crate_name.replace('_', "-");
    // A binary, a bench or a doc example names its own library.
    let own = format!("tickring-{}", owner.rsplit('/').next().unwrap_or(owner));
    own == package
        || MAY_IMPORT.iter().any(|(folder, allowed)| *folder == owner && allowed.contains(&package.as_str()))
}

/// `ring/`, and whatever in `benches/` belongs to the floor.
fn may_use_io_uring(path: &str) -> bool {
    path.starts_with("ring/") || (path.starts_with("benches/") && path.contains("floor"))
}

/// `unsafe` outside `ring/` and the floor programs. Tests are no exception.
#[must_use]
pub fn stray_unsafe(sources: &[Source], exceptions: &[Exception]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; exceptions.len()];
    for source in sources.iter().filter(|source| !may_use_io_uring(&source.path)) {
        let excused = exceptions.iter().position(|e| e.path == source.path);
        for line in lines_with_word(&source.code, "unsafe") {
            match excused {
                Some(index) => needed[index] = true,
                None => findings.push(Finding::new(
                    &source.path,
                    line,
                    "`unsafe` is for ring/ and the floor programs",
                )),
            }
        }
    }
    let unneeded = exceptions.iter().zip(&needed).filter(|(_, needed)| !**needed);
    findings.extend(unneeded.map(|(exception, _)| stale("unsafe_code", exception)));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(folder: &str, text: &str) -> [Manifest; 1] {
        [Manifest { folder: folder.into(), table: text.parse().expect("a sample is TOML") }]
    }

    fn in_source(path: &str, text: &str) -> usize {
        source_layers(&[Source::parse(path, text)]).len()
    }

    #[test]
    fn a_wrong_dependency_is_found() {
        let found = |folder: &str, text: &str| manifest_layers(&manifest(folder, text)).len();
        assert_eq!(found("protocol", "[dependencies]\ntickring-room.workspace = true"), 1);
        assert_eq!(found("room", "[dependencies]\ntickring-ring.workspace = true"), 1);
        assert_eq!(found("loadgen", "[dependencies]\ntickring-server.workspace = true"), 1);
        assert_eq!(found("room", "[dependencies]\ntokio.workspace = true"), 1);
        assert_eq!(found("room", "[dev-dependencies]\ntickring-server.workspace = true"), 1);
        assert_eq!(found("server", "[dependencies]\nio-uring.workspace = true"), 1);
        assert_eq!(found("loadgen", "[dev-dependencies]\ntokio-uring.workspace = true"), 1);
        assert_eq!(found("misc", ""), 1);
        assert_eq!(found("room", "[dependencies]\ntickring-protocol.workspace = true"), 0);
        assert_eq!(found("server", "[dev-dependencies]\ntickring-client.workspace = true"), 0);
    }

    #[test]
    fn a_wrong_import_is_found() {
        assert_eq!(in_source("protocol/src/x.rs", "use tickring_room::Game;"), 1);
        assert_eq!(in_source("loadgen/src/x.rs", "fn f() { tickring_server::run(); }"), 1);
        assert_eq!(in_source("server/src/worker/x.rs", "use io_uring::IoUring;"), 1);
        assert_eq!(in_source("benches/src/plan.rs", "use io_uring::IoUring;"), 1);
        assert_eq!(in_source("server/src/worker/x.rs", "use tokio_uring::fs::File;"), 1);
        assert_eq!(in_source("games/arena/src/x.rs", "use std::{fmt, net::TcpStream};"), 1);
        assert_eq!(in_source("ring/src/x.rs", "use io_uring::IoUring;"), 0);
        assert_eq!(in_source("benches/src/bin/floor-echo.rs", "use io_uring::IoUring;"), 0);
        assert_eq!(in_source("server/src/bin/tickring-server.rs", "tickring_server::run();"), 0);
        assert_eq!(in_source("room/src/x.rs", "#[cfg(test)]\nmod tests { use std::fs; }"), 0);
    }

    #[test]
    fn stray_unsafe_is_found_even_in_tests() {
        let text = "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }";
        let unsafe_at = |path: &str, exceptions: &[Exception]| {
            stray_unsafe(&[Source::parse(path, text)], exceptions).len()
        };
        assert_eq!(unsafe_at("room/src/x.rs", &[]), 1);
        assert_eq!(unsafe_at("ring/src/x.rs", &[]), 0);
        let excuse = Exception { path: "room/src/x.rs".into(), function: String::new(), lines_max: 0 };
        assert_eq!(unsafe_at("room/src/x.rs", std::slice::from_ref(&excuse)), 0);
        assert_eq!(unsafe_at("ring/src/x.rs", &[excuse]), 1, "a stale exception is found");
        let words = Source::parse("room/src/x.rs", "#![deny(unsafe_code)] // unsafe\n");
        assert!(stray_unsafe(&[words], &[]).is_empty());
    }

    #[test]
    fn files_belong_to_the_longest_folder() {
        assert_eq!(crate_of("games/arena/src/lib.rs"), "games/arena");
        assert_eq!(crate_of("room/src/lib.rs"), "room");
        assert_eq!(crate_of("rooms/src/lib.rs"), "");
    }
}
