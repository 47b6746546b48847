//! One row of a corpus, and the field of an event through which it goes.

use std::path::Path;

use footfall::config::NamePatterns;
use footfall::privacy::scrub;

/// Longer than any row.
const MAX_BYTES: usize = 8_192;

pub struct Row {
    pub kind: String,
    pub place: String,
    pub input: String,
    /// Pieces that must not survive; with none, the row is a negative.
    gone: Vec<String>,
    /// Pieces that must stay.
    stays: Vec<String>,
}

impl Row {
    pub fn read(file: &Path) -> std::io::Result<Vec<Self>> {
        let text = std::fs::read_to_string(file)?;
        Ok(text.lines().skip(1).filter(|line| !line.is_empty()).map(Self::parse).collect())
    }

    pub fn of(place: &str, input: &str) -> Self {
        Self {
            kind: String::new(),
            place: place.to_owned(),
            input: input.to_owned(),
            gone: Vec::new(),
            stays: Vec::new(),
        }
    }

    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let pieces = |column: usize| -> Vec<String> {
            let column = columns.get(column).copied().unwrap_or_default();
            column.split('|').filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
        };
        let column = |at: usize| columns[at].replace(" ⏎ ", "\n");
        Self { kind: column(0), place: column(1), input: column(2), gone: pieces(3), stays: pieces(4) }
    }

    pub fn is_positive(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Kinds that are wanted and not counted.
    pub fn is_counted(&self) -> bool {
        !self.kind.starts_with("hard-") && !self.kind.starts_with("soft-")
    }

    /// Whether the row comes out otherwise than it is. Addresses that cannot be read count as unchanged.
    pub fn is_changed(&self) -> bool {
        match self.place.as_str() {
            "url" => {
                let Ok(address) = scrub::address(&self.input, &NamePatterns::none()) else { return false };
                let path = decoded(&self.input);
                !path.contains(&decoded(&address.path))
            }
            _ => self.scrubbed() != self.input,
        }
    }

    /// What the store would get.
    pub fn scrubbed(&self) -> String {
        let all = NamePatterns { exact: Vec::new(), prefixes: vec![String::new()] };
        let none = NamePatterns::none();
        match self.place.as_str() {
            "url" | "referrer" => {
                let keep = if self.place == "url" { &all } else { &none };
                let address = scrub::address(&self.input, keep).expect("an address");
                format!("{}?{}", address.path, address.query)
            }
            "query-allowed" => {
                let url = format!("https://clinic.example/?{}", self.input);
                scrub::address(&url, &all).expect("an address").query.into_owned()
            }
            "props" => {
                let (name, value) = self.input.split_once('=').expect("a property");
                format!("{}={}", scrub::text(name, MAX_BYTES), scrub::value(name, value, MAX_BYTES))
            }
            "ad" => scrub::advertisement(&self.input, MAX_BYTES).into_owned(),
            _ => scrub::text(&self.input, MAX_BYTES).into_owned(),
        }
    }

    /// What is wrong with the outcome, if anything.
    pub fn problem(&self) -> Option<String> {
        let scrubbed = self.scrubbed();
        let readings = readings(&scrubbed);
        let has = |piece: &String| readings.iter().any(|text| text.contains(piece.as_str()));
        // A surviving piece may be written with other escapes than the corpus has.
        if let Some(piece) = self.gone.iter().find(|piece| has(piece)) {
            return Some(format!("survives: {piece}"));
        }
        if self.is_positive() { None } else { self.loss(&readings) }
    }

    /// Whether more of a positive is lost than it has to.
    pub fn is_spoilt(&self) -> bool {
        self.is_positive() && self.loss(&readings(&self.scrubbed())).is_some()
    }

    fn loss(&self, readings: &[String]) -> Option<String> {
        let has = |piece: &String| readings.iter().any(|text| text.contains(piece.as_str()));
        let gone = self
            .stays
            .iter()
            .find(|piece| !has(piece) && !readings.iter().any(|text| text.contains(&decoded(piece))));
        gone.map(|piece| format!("does not stay: {piece}"))
    }
}

/// A text as it is, and percent-decoded once to three times.
fn readings(text: &str) -> Vec<String> {
    let mut readings = vec![text.to_owned()];
    for _ in 0..3 {
        let last = readings.last().expect("there is one");
        let next = decoded(&last.replace('+', " "));
        if next == *last {
            break;
        }
        readings.push(decoded(last));
        readings.push(next);
    }
    readings
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
