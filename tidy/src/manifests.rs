//! Manifests: one place for versions and lints, and no dependency that nothing uses.

use toml::{Table, Value};

use crate::Finding;
use crate::source::{Source, has_word};
use crate::tree::Tree;

/// One crate's manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The crate's folder.
    pub folder: String,
    /// What the manifest says.
    pub table: Table,
}

impl Manifest {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

/// The root manifest and those of all members.
///
/// # Panics
/// When one is missing or not TOML: cargo would not have come this far.
#[must_use]
pub fn read(tree: &Tree) -> (Table, Vec<Manifest>) {
    let root: Table = tree.text("Cargo.toml").parse().expect("cargo read the root manifest before us");
    let members = root["workspace"]["members"].as_array().expect("a workspace has members");
    let manifests = members
        .iter()
        .map(|member| {
            let folder = member.as_str().expect("a member is a folder").to_owned();
            let table = tree.text(&format!("{folder}/Cargo.toml")).parse().expect("cargo read it before us");
            Manifest { folder, table }
        })
        .collect();
    (root, manifests)
}

/// The names in one section of a manifest.
#[must_use]
pub fn dependency_names(manifest: &Table, section: &str) -> Vec<String> {
    manifest
        .get(section)
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// Versions outside the workspace table, and crates without the shared lints.
#[must_use]
pub fn unshared(manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in manifests {
        let shares_lints =
            manifest.table.get("lints").and_then(|l| l.get("workspace")).and_then(Value::as_bool);
        if shares_lints != Some(true) {
            findings.push(Finding::new(&manifest.path(), 0, "needs `[lints] workspace = true`"));
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in dependency_names(&manifest.table, section) {
                let shared = manifest.table[section][&name].get("workspace").and_then(Value::as_bool);
                if shared != Some(true) {
                    let message =
                        format!("{name} carries its own version; versions live in the root manifest");
                    findings.push(Finding::new(&manifest.path(), 0, message));
                }
            }
        }
    }
    findings
}

/// Dependencies that the workspace lists and no crate asks for.
#[must_use]
pub fn unused_in_workspace(root: &Table, manifests: &[Manifest]) -> Vec<Finding> {
    let listed = root.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    let names = listed.into_iter().flat_map(|table| table.keys());
    names
        .filter(|name| {
            !manifests.iter().any(|manifest| {
                ["dependencies", "dev-dependencies", "build-dependencies"]
                    .iter()
                    .any(|section| dependency_names(&manifest.table, section).contains(name))
            })
        })
        .map(|name| Finding::new("Cargo.toml", 0, format!("no crate uses {name}; remove it")))
        .collect()
}

/// Dependencies a crate asks for and never names. What only tests name belongs to the dev section.
#[must_use]
pub fn unused_in_crate(manifest: &Manifest, sources: &[Source]) -> Vec<Finding> {
    let own: Vec<&Source> =
        sources.iter().filter(|s| crate::layers::crate_of(&s.path) == manifest.folder).collect();
    let shipped: Vec<String> = own.iter().map(|source| source.shipped_code()).collect();
    let mut findings = Vec::new();
    for name in dependency_names(&manifest.table, "dependencies") {
        let word = name.replace('-', "_");
        if shipped.iter().any(|code| has_word(code, &word)) {
            continue;
        }
        let in_tests = own.iter().any(|source| has_word(&source.code, &word));
        let advice = if in_tests { "move it to [dev-dependencies]" } else { "remove it" };
        findings.push(Finding::new(
            &manifest.path(),
            0,
            format!("shipped code never names {name}; {advice}"),
        ));
    }
    for name in dependency_names(&manifest.table, "dev-dependencies") {
        let word = name.replace('-', "_");
        let in_doc_tests =
            || own.iter().any(|s| s.comments.iter().any(|c| c.is_doc && has_word(&c.text, &word)));
        if !own.iter().any(|source| has_word(&source.code, &word)) && !in_doc_tests() {
            findings.push(Finding::new(&manifest.path(), 0, format!("no test names {name}; remove it")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest { folder: "room".into(), table: text.parse().expect("a sample is TOML") }
    }

    #[test]
    fn own_versions_and_own_lints_are_found() {
        let bad = manifest("[dependencies]\na = \"1\"\n[dev-dependencies]\nb = { version = \"2\" }");
        assert_eq!(unshared(&[bad]).len(), 3);
        let good = manifest("[lints]\nworkspace = true\n[dependencies]\na.workspace = true");
        assert!(unshared(&[good]).is_empty());
    }

    #[test]
    fn a_dependency_nobody_asks_for_is_found() {
        let root: Table = "[workspace.dependencies]\na = \"1\"\nb = \"1\"".parse().expect("TOML");
        let findings = unused_in_workspace(&root, &[manifest("[dev-dependencies]\na.workspace = true")]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("uses b"));
    }

    #[test]
    fn a_dependency_nobody_names_is_found() {
        let asks = manifest(
            "[dependencies]\nbig-int.workspace = true\nrand.workspace = true\n[dev-dependencies]\nproptest.workspace = true",
        );
        let named =
            Source::parse("room/src/lib.rs", "use big_int::Int;\n#[cfg(test)]\nmod tests { use rand::Rng; }");
        let findings = unused_in_crate(&asks, &[named]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].message.contains("rand; move it"));
        assert!(findings[1].message.contains("proptest"));
        let elsewhere = Source::parse("client/src/lib.rs", "use proptest::x; use rand::y; use big_int::z;");
        assert_eq!(unused_in_crate(&asks, &[elsewhere]).len(), 3);
    }
}
