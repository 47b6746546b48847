//! That the corpus tests the rules and not their tables: its names, streets, user names and domains are others.

use std::collections::HashSet;
use std::path::Path;

/// Lists of `generate/words.py` that must differ from the tables. The others are words that announce something, which the rules have to know.
const LISTS: [&str; 9] = [
    "GIVEN_M",
    "GIVEN_F",
    "SURNAMES_M",
    "SURNAMES_F",
    "LATIN_GIVEN",
    "LATIN_SURNAMES",
    "NICKS",
    "STREETS",
    "LATIN_STREETS",
];
/// Common given names are in every list of names: so many of a hundred words of one list may be in a table.
const MOST_SHARED: usize = 15;

/// The lists that share too many words with the tables of the rules.
pub fn copied(repository: &Path) -> Vec<String> {
    let read = |file: &str| std::fs::read_to_string(repository.join(file)).expect("a file of the repository");
    let tables =
        read("src/privacy/scrub/words/words.tsv") + &read("src/privacy/scrub/shapes/given_names.txt");
    let tables: HashSet<&str> =
        tables.split(char::is_whitespace).map(|word| word.trim_end_matches('*')).collect();
    let corpus = read("tests/personal/generate/words.py");
    let shares = |list: &&str| {
        let words = corpus.split(&format!("{list} = \"\"\"")).nth(1).expect("a list of words");
        let words: Vec<String> = words
            .split("\"\"\"")
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|word| word.to_lowercase().replace('ё', "е"))
            .collect();
        let shared = words.iter().filter(|word| tables.contains(word.as_str())).count();
        (shared * 100 > MOST_SHARED * words.len()).then(|| format!("{list}: {shared} of {}", words.len()))
    };
    LISTS.iter().filter_map(shares).collect()
}
