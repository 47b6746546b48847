//! The documents: short table cells, links that lead somewhere, and no name that the program does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::common::{Collector, StoreClient, good_beacon, ports};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The most characters that a cell of a table may have: longer matter is a paragraph.
const LONGEST_CELL: usize = 120;
/// Directories that hold other people's documents, or none.
const FOREIGN: [&str; 3] = ["target", "node_modules", "corpus"];
/// Tables of the configuration, without those of sites.
const TABLES: [&str; 5] = ["tls", "access", "limits", "spool", "store"];
/// What looks like a setting and is a file.
const FILES: [&str; 2] = ["store.json", "store.passwords"];
/// What looks like a command and is a text that is signed.
const SIGNED: &str = "footfall site token v1";

struct Document {
    /// Path within the repository.
    path: PathBuf,
    text: String,
}

impl Document {
    /// Lines outside of fenced code, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            (!fenced && !fence).then_some((index + 1, line))
        })
    }

    /// Lines of fenced code, and spans of code in the text.
    fn code(&self) -> Vec<String> {
        let prose: BTreeSet<usize> = self.prose().map(|(number, _)| number).collect();
        let fenced = self.text.lines().enumerate().filter(|(index, _)| !prose.contains(&(index + 1)));
        let fenced = fenced.map(|(_, line)| line.to_owned());
        // A span may go on in the next line, in which case the text has a line end where a blank is meant.
        let text: Vec<&str> = self.prose().map(|(_, line)| line).collect();
        let text = text.join("\n");
        let spans = text.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
        fenced.chain(spans.map(|span| span.replace('\n', " "))).collect()
    }

    /// Links to files of the repository and to headings: target, and line.
    fn links(&self) -> Vec<(String, usize)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            for after in line.split("](").skip(1) {
                let target = after.split(')').next().unwrap_or_default();
                if !target.contains("://") && !target.starts_with("mailto:") {
                    links.push((target.to_owned(), number));
                }
            }
        }
        links
    }

    /// What headings are called in links, as GitHub makes it.
    fn anchors(&self) -> BTreeSet<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = BTreeSet::new();
        for (_, line) in self.prose() {
            let title = line.trim_start_matches('#');
            if title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let kept = title.trim().to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let count = seen.entry(anchor.clone()).or_default();
            anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
            *count += 1;
        }
        anchors
    }
}

fn documents() -> Vec<Document> {
    let paths = files(Path::new(ROOT), "md");
    assert!(paths.len() > 20, "{paths:?}");
    let read = |path: PathBuf| Document {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(ROOT).unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

/// The headings of a document, as links name them.
pub fn anchors_of(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    Document { path: path.to_owned(), text }.anchors()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || FOREIGN.contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Words of some text that begin so, as far as they are names.
fn names<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(move |word| word.starts_with(prefix) && word.len() > prefix.len())
}

/// Fails with everything that is wrong, not only the first of it.
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_cell_of_a_table_is_longer_than_a_line() {
    let mut wrong = Vec::new();
    for document in documents() {
        for (number, line) in document.prose().filter(|(_, line)| line.starts_with('|')) {
            let line = line.replace("\\|", "\u{1}");
            let longest = line.split('|').map(|cell| cell.trim().chars().count()).max().unwrap_or_default();
            if longest > LONGEST_CELL {
                wrong.push(format!("{}:{number}: a cell of {longest} characters", document.path.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let anchors: BTreeMap<&Path, BTreeSet<String>> =
        documents.iter().map(|document| (document.path.as_path(), document.anchors())).collect();
    let mut wrong = Vec::new();
    for document in &documents {
        for (link, number) in document.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let here = document.path.parent().unwrap();
            let target = if file.is_empty() { document.path.clone() } else { normal(&here.join(file)) };
            let known = anchors.get(target.as_path());
            let has_anchor = anchor.is_empty() || known.is_some_and(|anchors| anchors.contains(anchor));
            if !Path::new(ROOT).join(&target).exists() || !has_anchor {
                wrong.push(format!("{}:{number}: {link}", document.path.display()));
            }
        }
    }
    assert_none(&wrong);
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(component);
        }
    }
    normal
}

#[test]
fn every_metric_role_and_alert_that_a_document_names_exists() {
    let mut known = String::new();
    for (directory, extension) in [("src", "rs"), ("sql", "sql"), ("deploy", "yml"), ("script/src", "ts")] {
        for path in files(&Path::new(ROOT).join(directory), extension) {
            known += &fs::read_to_string(path).unwrap();
        }
    }
    let known: BTreeSet<&str> = ["footfall_", "Footfall"].iter().flat_map(|it| names(&known, it)).collect();
    let mut wrong = Vec::new();
    for document in documents() {
        for code in document.code() {
            for name in ["footfall_", "Footfall"].iter().flat_map(|prefix| names(&code, prefix)) {
                if !known.contains(name) {
                    wrong.push(format!("{}: {name}", document.path.display()));
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_metric_and_alert_is_described() {
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), "");
    collector.start();
    let exported = collector.metrics();
    let metrics = exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let rules = fs::read_to_string(Path::new(ROOT).join("deploy/prometheus/rules.yml")).unwrap();
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let page = fs::read_to_string(Path::new(ROOT).join("docs/operations/monitoring.md")).unwrap();
    let missing: Vec<String> = metrics
        .chain(alerts)
        .filter(|name| !page.contains(&format!("`{name}`")) && !page.contains(&format!("`{name}{{")))
        .map(|name| format!("docs/operations/monitoring.md does not describe {name}"))
        .collect();
    assert_none(&missing);
}

/// What the program prints, on whichever stream.
pub fn footfall(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_footfall")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// The commands that a help text lists.
pub fn listed(help: &str) -> BTreeSet<String> {
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let aliases = help.replace("[alias: ", "[aliases: ");
    let aliases = aliases.split("[aliases: ").skip(1).filter_map(|rest| rest.split(']').next());
    let names = commands.filter_map(|line| line.split_whitespace().next());
    names.chain(aliases.flat_map(|list| list.split(", "))).map(str::to_owned).collect()
}

/// What is wrong with a command line of a document, if anything is; `helps` remembers what the program said.
fn misuse(line: &str, helps: &mut BTreeMap<String, String>) -> Option<String> {
    let line = line.split(['|', ';', '#', ')', '>']).next()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|word| word.contains('=')) {
        // The program is a variable's value.
        return None;
    }
    let mut help_of = |path: &[&str]| {
        let ask = || footfall(&[path, &["--help"]].concat());
        helps.entry(path.join(" ")).or_insert_with(ask).clone()
    };
    let mut path: Vec<&str> = Vec::new();
    let mut help = help_of(&path);
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    while help.contains("\nCommands:\n") {
        let Some(word) = words.get(path.len()).filter(|word| is_word(word) && !word.starts_with('-')) else {
            break;
        };
        if !listed(&help).contains(*word) {
            return Some(format!("footfall {} has no command {word}", path.join(" ")));
        }
        path.push(word);
        help = help_of(&path);
    }
    let options = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
    let mut options = options.map(|word| word.split('=').next().unwrap_or_default());
    let unknown = options.find(|option| !names_option(&help, option))?;
    Some(format!("footfall {} has no option {unknown}", path.join(" ")))
}

fn names_option(help: &str, option: &str) -> bool {
    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    help.match_indices(option).any(|(at, _)| help[at + option.len()..].chars().next().is_none_or(is_end))
}

#[test]
fn every_command_that_a_document_names_exists() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|it| it.0).collect();
    let (mut helps, mut wrong) = (BTreeMap::new(), Vec::new());
    for document in documents() {
        for code in document.code() {
            let code = code.replace(SIGNED, "");
            let file = document.path.display();
            for (at, name) in code.match_indices("footfall ") {
                let is_program = code[..at].chars().next_back().is_none_or(|c| matches!(c, ' ' | '/' | '`'));
                let is_argument = ["--database ", "-p "].iter().any(|option| code[..at].ends_with(option));
                if is_program && !is_argument {
                    wrong.extend(
                        misuse(&code[at + name.len()..], &mut helps).map(|it| format!("{file}: {it}")),
                    );
                }
            }
            let target = code.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next());
            if let Some(target) = target.filter(|target| !targets.contains(target)) {
                wrong.push(format!("{file}: make {target}"));
            }
        }
    }
    assert!(helps.len() > 20, "documents name commands: {:?}", helps.keys());
    assert_none(&wrong);
}

/// Settings that documents name: within a table, or at the top.
fn settings(documents: &[Document]) -> BTreeSet<(String, String)> {
    let mut settings = BTreeSet::new();
    for code in documents.iter().flat_map(Document::code) {
        let code = code.split([' ', '=']).next().unwrap_or_default();
        let Some((table, key)) = code.split_once('.') else { continue };
        let is_key = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if TABLES.contains(&table) && is_key && !key.is_empty() && !FILES.contains(&code) {
            settings.insert((table.to_owned(), key.to_owned()));
        }
    }
    let manual = documents.iter().find(|it| it.path.ends_with("docs/configuration.md")).unwrap();
    let (top, sites) = manual.text.split_once("## Sites").unwrap();
    let (site, goals) = sites.split_once("### Goals and funnels").unwrap();
    let (goal, rest) = goals.split_once("\n### ").unwrap();
    for (text, table) in [(top, ""), (site, "site"), (goal, "site.goal"), (rest, "site")] {
        let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
        let keys = cells.flat_map(|cell| cell.split(", ").map(|key| key.trim_matches('`')));
        let keys = keys.filter(|key| !key.contains('.') && !TABLES.contains(key));
        settings.extend(keys.map(|key| (table.to_owned(), key.to_owned())));
    }
    settings
}

#[test]
fn every_setting_that_a_document_names_exists() {
    let settings = settings(&documents());
    assert!(settings.len() > 40, "{settings:?}");
    let mut text = String::new();
    let mut last = "";
    // At the top first: the empty name is the lowest.
    for (table, key) in &settings {
        if table != last {
            let is_list = table.starts_with("site");
            text += &if is_list { format!("[[{table}]]\n") } else { format!("[{table}]\n") };
        }
        text += &format!("{key} = 1979-05-27\n");
        last = table;
    }
    text += "[limits.none]\n";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("footfall.toml");
    fs::write(&file, text).unwrap();
    let said = footfall(&["config", "check", "--config", file.to_str().unwrap()]);
    let unknown: Vec<String> = said
        .lines()
        .filter(|line| line.contains("is not a setting") && !line.contains("limits.none"))
        .map(str::to_owned)
        .collect();
    assert!(said.contains("limits.none is not a setting"), "unknown settings are reported: {said}");
    assert_none(&unknown);
}

/// Names of tests in a document: filters of `cargo test`, and those in the last column of its tables of tests.
fn tests_named(document: &Document) -> Vec<String> {
    let code = document.code();
    let filters = code.iter().filter(|code| code.starts_with("cargo test ")).filter_map(|code| {
        let mut words = code.split(" -- ").next()?.split_whitespace().skip(2);
        let mut filter = None;
        while let Some(word) = words.next() {
            match word {
                "--test" | "-p" => drop(words.next()),
                _ if word.starts_with('-') => {}
                _ => filter = Some(word.replace("NAME", "")),
            }
        }
        filter
    });
    let is_path = |code: &&String| {
        code.contains("::")
            && code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b':'))
    };
    let paths = if document.path.ends_with("docs/reliability.md") {
        code.iter().filter(is_path).cloned().collect()
    } else {
        Vec::new()
    };
    filters.chain(paths).collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let sources: Vec<PathBuf> = ["src", "tests", "crates"]
        .iter()
        .flat_map(|directory| files(&Path::new(ROOT).join(directory), "rs"))
        .collect();
    let mut known = BTreeSet::new();
    for path in &sources {
        known.extend(
            path.components()
                .filter_map(|part| Some(part.as_os_str().to_str()?.trim_end_matches(".rs").to_owned())),
        );
        let text = fs::read_to_string(path).unwrap();
        known.extend(text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next()).map(str::to_owned));
    }
    let (mut named, mut wrong) = (0, Vec::new());
    for document in documents() {
        for filter in tests_named(&document) {
            named += 1;
            let exists = |part: &str| known.iter().any(|name| name.starts_with(part));
            if !filter.split("::").filter(|part| !part.is_empty()).all(exists) {
                wrong.push(format!("{}: {filter}", document.path.display()));
            }
        }
    }
    assert!(named > 40, "{named}");
    assert_none(&wrong);
}

#[test]
fn the_reader_of_the_spool_s_format_reads_a_segment_of_a_collector() {
    let mut collector = Collector::shipping_to(StoreClient::without_password(ports::free()), "");
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    assert!(collector.terminate().success());
    let page = fs::read_to_string(Path::new(ROOT).join("docs/spool-format.md")).unwrap();
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let segments: Vec<PathBuf> = files(&collector.data().join("spool"), "segment");
    let output = Command::new("python3").args(["-c", program]).args(&segments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let events = told.lines().filter(|line| line.starts_with("frame kind 1 "));
    assert_eq!(events.count(), 1, "{told}");
    assert!(told.contains("site 'clinic' rows 1 ") && told.contains("frame kind 5 "), "{told}");
}
