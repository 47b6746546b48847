//! The shapes of countries, as a file lists them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::LazyLock;

use thiserror::Error;

/// Countries of Natural Earth, made by `tools/map`.
const BUILT_IN: &str = include_str!("world.tsv");
/// Most bytes of a file: every visitor of the page with the map loads them.
const MAX_BYTES: u64 = 512 * 1024;
/// Land that belongs to no country of the list.
const NO_CODE: &str = "-";

/// Countries of the world as SVG paths.
///
/// The first line of the file has the width and the height of the map. Each further line has a code of ISO 3166-1 and the data of an SVG
/// path. Both have a tab between. Code `-` is land without a code. A shape lies on those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldMap {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) shapes: Vec<WorldShape>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorldShape {
    /// Empty if it has none.
    pub(super) code: String,
    pub(super) path: String,
    /// Whether it stands for a country that is too small for the map.
    pub(super) is_dot: bool,
}

#[derive(Debug, Error)]
pub enum WorldMapError {
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    #[error("the file has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("line 1 must be the width and the height of the map with a tab between")]
    Size,
    #[error("line {0} must be two capital letters, or -, then a tab and the data of an SVG path")]
    Shape(usize),
    #[error("the file has no country")]
    Empty,
}

impl WorldMap {
    /// The map that is part of the program.
    pub fn built_in() -> &'static Self {
        static MAP: LazyLock<WorldMap> =
            LazyLock::new(|| WorldMap::parse(BUILT_IN).expect("a test parses the built-in map"));
        &MAP
    }

    /// Reads the map of an operator.
    ///
    /// # Errors
    /// When the file cannot be read, is too large, or a line of it has another form.
    pub fn read(path: &Path) -> Result<Self, WorldMapError> {
        let mut text = String::new();
        // One byte more than allowed tells that there are more.
        File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(WorldMapError::TooLarge);
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, WorldMapError> {
        let mut lines = text.lines();
        let (width, height) =
            lines.next().and_then(|line| line.split_once('\t')).ok_or(WorldMapError::Size)?;
        let side = |text: &str| text.parse().ok().filter(|side| *side > 0).ok_or(WorldMapError::Size);
        let shapes: Vec<_> = lines
            .enumerate()
            .map(|(index, line)| WorldShape::parse(line).ok_or(WorldMapError::Shape(index + 2)))
            .collect::<Result<_, _>>()?;
        if shapes.iter().all(|shape| shape.code.is_empty()) {
            return Err(WorldMapError::Empty);
        }
        Ok(Self { width: side(width)?, height: side(height)?, shapes })
    }
}

impl WorldShape {
    /// The path is written into pages as it is, so it may have nothing but commands and numbers.
    fn parse(line: &str) -> Option<Self> {
        let (code, path) = line.split_once('\t')?;
        let is_code =
            code == NO_CODE || (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
        let is_path = |byte: u8| byte.is_ascii_digit() || b"MmLlHhVvCcSsQqTtAaZz ,.-+".contains(&byte);
        if !is_code || !path.starts_with(['M', 'm']) || !path.bytes().all(is_path) {
            return None;
        }
        let code = if code == NO_CODE { String::new() } else { code.to_owned() };
        Some(Self { code, path: path.to_owned(), is_dot: path.contains(['a', 'A']) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_built_in_map_has_every_country_once_and_is_small() {
        let map = WorldMap::built_in();
        let codes: Vec<&str> =
            map.shapes.iter().map(|shape| &*shape.code).filter(|code| !code.is_empty()).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        assert!(["RU", "DE", "FR", "NO", "XK", "SG", "MT"].iter().all(|code| codes.contains(code)));
        assert!(!codes.contains(&"AQ"));
        assert!(BUILT_IN.len() <= 60_000, "{}", BUILT_IN.len());
    }

    #[test]
    fn a_file_of_another_form_is_refused_with_its_line() {
        let shape = |line: &str| WorldMap::parse(&format!("10\t5\nRU\tM0 0l1 1z\n{line}\n"));
        assert!(shape("DE\tM1 1h2v2z").is_ok());
        assert!(shape("-\tM1 1h2v2z").is_ok());
        for line in ["DE M1 1z", "de\tM1 1z", "DEU\tM1 1z", "DE\t\"><script>", "DE\tM1 1\"", "DE\t1 1z", ""] {
            assert!(matches!(shape(line), Err(WorldMapError::Shape(3))), "{line}");
        }
        assert!(matches!(WorldMap::parse("10 5\nRU\tM0 0z"), Err(WorldMapError::Size)));
        assert!(matches!(WorldMap::parse("10\t0\nRU\tM0 0z"), Err(WorldMapError::Size)));
        assert!(matches!(WorldMap::parse("10\t5\n-\tM0 0z"), Err(WorldMapError::Empty)));
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " ".repeat(MAX_BYTES as usize + 1)).unwrap();
        assert!(matches!(WorldMap::read(file.path()), Err(WorldMapError::TooLarge)));
    }
}
