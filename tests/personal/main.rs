//! How much personal data the scrubber finds, and how much else it takes for it, on a corpus: `cargo test --test personal`.
//!
//! The corpus has two halves with different words (`corpus/known.tsv`, `corpus/held_out.tsv`), made by `generate/`, rows written by hand
//! (`corpus/written.tsv`), and rows that the rules were measured on before anybody mended them for these (`corpus/unseen.tsv`). A sample that
//! others made is measured too when it lies beside the repository or `PERSONAL_SAMPLE` names it. Run without a test harness, so that the
//! figures are printed also when all is well. `-- --wrong FILE` lists the rows of one file that come out wrong,
//! `-- --row PLACE INPUT` shows what comes out of one, and `-- --changed PLACE` which lines of standard input do not stay.

// A test binary has no public interface.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod phones;
mod row;
mod tally;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use row::Row;
use tally::Tally;

/// Bounds of the goal: of 1,000 positives, and of 1,000 negatives.
const LEAST_FOUND: f64 = 0.99;
const MOST_MISTAKEN: f64 = 0.01;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, name] = &arguments[..]
        && option == "--wrong"
    {
        list_wrong(name);
        return ExitCode::SUCCESS;
    }
    if let [option, place, input] = &arguments[..]
        && option == "--row"
    {
        println!("{}", Row::of(place, input).scrubbed());
        return ExitCode::SUCCESS;
    }
    if let [option, place] = &arguments[..]
        && option == "--changed"
    {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let row = Row::of(place, &line);
            if row.is_changed() {
                println!("{line}\n\t=> {}", row.scrubbed());
            }
        }
        return ExitCode::SUCCESS;
    }
    let mut reached = true;
    for (name, file) in files() {
        let Ok(rows) = Row::read(&file) else {
            println!("personal data: {name}: not there");
            continue;
        };
        let tally = Tally::of(&rows);
        println!("{}", tally.table(name));
        reached &= tally.found() > LEAST_FOUND && tally.mistaken() < MOST_MISTAKEN;
    }
    let survivors = phones::survivors();
    println!("personal data: phone numbers by libphonenumber: {} spellings survive", survivors.len());
    if !survivors.is_empty() {
        println!("  {}", survivors.join("\n  "));
        reached = false;
    }
    let copied = words::copied(Path::new(env!("CARGO_MANIFEST_DIR")));
    if !copied.is_empty() {
        println!("personal data: words of the corpus are in the tables of the rules: {}", copied.join(", "));
        reached = false;
    }
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn files() -> [(&'static str, PathBuf); 5] {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = repository.join("tests/personal/corpus");
    [
        ("known", corpus.join("known.tsv")),
        ("held_out", corpus.join("held_out.tsv")),
        ("written", corpus.join("written.tsv")),
        ("unseen", corpus.join("unseen.tsv")),
        (
            "sample",
            std::env::var_os("PERSONAL_SAMPLE")
                .map_or_else(|| repository.join("../shared/data/pii/sample.tsv"), PathBuf::from),
        ),
    ]
}

fn list_wrong(name: &str) {
    let (_, file) = files().into_iter().find(|(known, _)| *known == name).expect("a file of the corpus");
    for row in Row::read(&file).expect("the file can be read") {
        if let Some(problem) = row.problem() {
            println!("{}\t{}\t{}\n\t=> {}\n\t{problem}", row.kind, row.place, row.input, row.scrubbed());
        } else if row.is_spoilt() {
            println!(
                "{}\t{}\t{}\n\t=> {}\n\tloses more than it has to",
                row.kind,
                row.place,
                row.input,
                row.scrubbed()
            );
        }
    }
}
