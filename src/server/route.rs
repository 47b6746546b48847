//! The routes of the public side: their paths, and their names in metrics.

use crate::beacon::{WIRE_FORMATS, WireFormat};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A wire format: its place in [`WIRE_FORMATS`].
    Format(usize),
    /// `/s.js`, and the path with the hash of its content.
    Script,
    /// `/privacy`, the visitor's page.
    VisitorPage,
    /// Any other path.
    Other,
}

impl Route {
    /// `hashed_script` is the path of the script with its hash.
    pub(super) fn from_path(path: &str, hashed_script: &str) -> Self {
        if let Some(format) = WIRE_FORMATS.iter().position(|format| format.path == path) {
            return Self::Format(format);
        }
        match path {
            "/s.js" => Self::Script,
            "/privacy" => Self::VisitorPage,
            _ if path == hashed_script => Self::Script,
            _ => Self::Other,
        }
    }

    /// Its place in [`Route::names`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Format(format) => format,
            Self::Script => WIRE_FORMATS.len(),
            Self::VisitorPage => WIRE_FORMATS.len() + 1,
            Self::Other => WIRE_FORMATS.len() + 2,
        }
    }

    /// The values of label `route` of `footfall_requests_total`, by number.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        WIRE_FORMATS.iter().map(|format| format.name).chain(["script", "privacy", "other"])
    }

    pub(super) fn format(self) -> Option<&'static WireFormat> {
        match self {
            Self::Format(format) => Some(WIRE_FORMATS[format]),
            Self::Script | Self::VisitorPage | Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_a_number_and_a_name() {
        let paths = ["/b", "/b.gif", "/s.js", "/s.hash.js", "/privacy", "/", "/nowhere"];
        let names: Vec<_> = Route::names().collect();
        let found = paths.map(|path| names[Route::from_path(path, "/s.hash.js").index()]);
        assert_eq!(found, ["beacon", "pixel", "script", "script", "privacy", "other", "other"]);
    }
}
