//! Applies every rule to the tree as it is. What a rule means, and that it can fail, is shown by
//! the tests beside its code.

use std::fmt::Write;

use tickring_tidy::tree::Tree;
use tickring_tidy::{Finding, clock, documents, exceptions, layers, lengths, manifests, markers, sides};

fn tree() -> Tree {
    Tree::of_this_workspace()
}

/// Fails with one line per finding.
fn expect_none(findings: &[Finding]) {
    let list = findings.iter().fold(String::new(), |mut list, finding| {
        writeln!(list, "  {finding}").expect("writing to a string does not fail");
        list
    });
    assert!(findings.is_empty(), "{} finding(s):\n{list}", findings.len());
}

fn excused(tree: &Tree, rule: &str) -> Vec<exceptions::Exception> {
    exceptions::of_rule(tree.text(exceptions::PATH), rule).unwrap_or_else(|findings| {
        expect_none(&findings);
        Vec::new()
    })
}

#[test]
fn the_walk_sees_the_tree() {
    let tree = tree();
    let (_, manifests) = manifests::read(&tree);
    assert!(manifests.len() >= layers::MAY_IMPORT.len());
    for manifest in &manifests {
        let prefix = format!("{}/src/", manifest.folder);
        assert!(tree.files.iter().any(|f| f.path.starts_with(&prefix)), "no source under {prefix}");
    }
}

#[test]
fn crates_import_only_what_their_layer_allows() {
    let tree = tree();
    let (_, manifests) = manifests::read(&tree);
    expect_none(&layers::manifest_layers(&manifests));
    expect_none(&layers::source_layers(&tree.sources()));
}

/// Clippy reads the nearest `clippy.toml` and merges nothing, so the pure crates carry copies.
#[test]
fn pure_crates_share_one_list_of_banned_calls() {
    let tree = tree();
    let list = tree.text("protocol/clippy.toml");
    for banned in ["Instant::now", "SystemTime::now", "thread::sleep", "sync::Mutex", "HashMap"] {
        assert!(list.contains(banned), "{banned} is not banned in protocol/clippy.toml");
    }
    for folder in layers::PURE {
        let group = folder.split('/').next().expect("split gives at least one part");
        assert_eq!(
            tree.text(&format!("{group}/clippy.toml")),
            list,
            "{group}/clippy.toml differs from protocol's"
        );
    }
}

#[test]
fn only_the_worker_sees_play_and_transport() {
    let tree = tree();
    // A rule about modules that were renamed would hold for ever.
    for module in sides::PLAY.iter().chain(&sides::TRANSPORT).filter(|module| **module != "tickring_ring") {
        let (file, folder) = (format!("server/src/{module}.rs"), format!("server/src/{module}/"));
        assert!(
            tree.files.iter().any(|f| f.path == file || f.path.starts_with(&folder)),
            "no module {module}"
        );
    }
    expect_none(&sides::both_sides_seen(&tree.sources()));
}

#[test]
fn unsafe_stays_in_the_ring_and_the_floor() {
    let tree = tree();
    expect_none(&layers::stray_unsafe(&tree.sources(), &excused(&tree, "unsafe_code")));
}

#[test]
fn files_are_short() {
    let tree = tree();
    expect_none(&lengths::long_files(&tree.files, &excused(&tree, "file_length")));
}

#[test]
fn functions_are_short() {
    let tree = tree();
    expect_none(&lengths::long_functions(&tree.sources(), &excused(&tree, "function_length")));
}

#[test]
fn one_file_per_binary_reads_the_clock() {
    expect_none(&clock::stray_clocks(&tree().sources()));
}

#[test]
fn nothing_is_left_behind() {
    let tree = tree();
    let sources = tree.sources();
    expect_none(&markers::stray_markers(&tree.files, &sources));
    expect_none(&markers::commented_out_code(&sources));
    expect_none(&markers::machine_paths(&tree.files));
}

#[test]
fn no_test_asserts_on_wall_clock_time() {
    expect_none(&markers::wall_clock_assertions(&tree().sources()));
}

#[test]
fn versions_and_lints_are_shared() {
    let (_, manifests) = manifests::read(&tree());
    expect_none(&manifests::unshared(&manifests));
}

#[test]
fn no_dependency_is_unused() {
    let tree = tree();
    let (root, manifests) = manifests::read(&tree);
    let sources = tree.sources();
    let mut findings = manifests::unused_in_workspace(&root, &manifests);
    findings.extend(manifests.iter().flat_map(|manifest| manifests::unused_in_crate(manifest, &sources)));
    expect_none(&findings);
}

#[test]
fn every_crate_says_what_it_is() {
    expect_none(&documents::undocumented_crates(&tree().sources()));
}

#[test]
fn links_in_documents_lead_somewhere() {
    let tree = tree();
    expect_none(&documents::dead_links(&tree.files, |path| tree.root.join(path).exists()));
}
