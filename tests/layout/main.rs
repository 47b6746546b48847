//! What holds for the layout of `src`, read from its syntax: imports go downwards, files do not import each other in a
//! circle, and a type's name occurs once.

// A test binary has no public interface.
#![allow(unreachable_pub)]
// A test that cannot go on fails, and says where.
#![allow(clippy::unwrap_used)]

mod imports;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imports::{Import, imports};
use tree::Tree;

/// The modules of `src`, highest first. A module imports only from steps below its own.
const STEPS: &[&[&str]] = &[
    &["main", "command"],
    &["app"],
    &["operator", "server", "demo"],
    &["subject"],
    &["report", "transport", "ingest"],
    &["store", "enrich"],
    &["spool", "access", "privacy"],
    &["config", "beacon"],
    &["event", "secret", "error_chain"],
];

/// The layers of the spool, highest first. The same rule holds for them.
const SPOOL_LAYERS: &[&[&str]] = &[&["inspect"], &["quarantine"], &["delivery"], &["accounting"], &["log"]];

fn tree() -> Tree {
    Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// The step of the module `name`; a module that `steps` does not list may import anything and nothing may import it.
fn step(steps: &[&[&str]], name: &str) -> Option<usize> {
    steps.iter().position(|step| step.contains(&name))
}

/// The imports that do not go down, each as one line. `part` is the place of the module's name in a module path.
fn upward_imports(all: &[Import], steps: &[&[&str]], part: usize) -> Vec<String> {
    let name = |path: &[String]| path.get(part).cloned();
    let mut found = BTreeMap::new();
    for import in all {
        let (Some(from), Some(to)) = (name(&import.from), name(&import.to)) else { continue };
        let (Some(from_step), Some(to_step)) = (step(steps, &from), step(steps, &to)) else { continue };
        if from != to && from_step >= to_step {
            found.entry((&import.file, &import.target)).or_insert_with(|| {
                let Import { file, line, path, .. } = import;
                format!("{file}:{line}: `{from}` imports `{path}`, but `{from}` is not above `{to}`")
            });
        }
    }
    found.into_values().collect()
}

#[test]
fn each_module_has_its_step() {
    let listed: BTreeSet<&str> = STEPS.iter().copied().flatten().copied().collect();
    let missing: Vec<_> =
        tree().top_modules().into_iter().filter(|name| !listed.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "STEPS does not say where these modules belong: {missing:?}");
}

#[test]
fn imports_go_downwards() {
    let found = upward_imports(&imports(&tree()), STEPS, 0);
    assert!(found.is_empty(), "{} upward imports:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_layers_of_the_spool_import_downwards() {
    let all = imports(&tree());
    let spool: Vec<_> = all.into_iter().filter(|import| import.is_within("spool")).collect();
    assert!(
        spool.iter().any(|import| import.to.get(1).is_some_and(|layer| layer == "log")),
        "nothing was read"
    );
    let found = upward_imports(&spool, SPOOL_LAYERS, 1);
    assert!(found.is_empty(), "{} upward imports:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let all = imports(&tree());
    let mut edges: BTreeMap<&str, BTreeMap<&str, &Import>> = BTreeMap::new();
    for import in all.iter().filter(|import| import.file != import.target) {
        edges.entry(&import.file).or_default().entry(&import.target).or_insert(import);
    }
    let circles = circles(&edges);
    let text: Vec<String> = circles
        .iter()
        .map(|circle| {
            let inside: Vec<String> = circle
                .iter()
                .flat_map(|file| &edges[file])
                .filter(|(to, _)| circle.contains(*to))
                .map(|(to, import)| format!("  {}:{} → {to} ({})", import.file, import.line, import.path))
                .collect();
            inside.join("\n")
        })
        .collect();
    assert!(circles.is_empty(), "{} circles of files:\n{}", circles.len(), text.join("\n\n"));
}

#[test]
fn a_type_name_occurs_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, place) in tree().type_names() {
        places.entry(name).or_default().push(place);
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{} names stand for several types: {places:#?}", places.len());
}

/// The sets of files that reach each other: strongly connected components of more than one file.
fn circles<'a>(edges: &BTreeMap<&'a str, BTreeMap<&'a str, &Import>>) -> Vec<BTreeSet<&'a str>> {
    let reachable = |start: &'a str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(file) = open.pop() {
            for next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(*next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (*file, reachable(file))).collect();
    let mut found: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (file, reached) in all.iter().filter(|(file, reached)| reached.contains(*file)) {
        let reaches_back = |other: &&str| all.get(other).is_some_and(|reached| reached.contains(file));
        found.insert(reached.iter().copied().filter(reaches_back).collect());
    }
    found.into_iter().collect()
}
