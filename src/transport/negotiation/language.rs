//! The languages in which pages are written.

use hyper::HeaderMap;
use hyper::header::ACCEPT_LANGUAGE;

use super::weight::weight;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Russian,
}

impl Language {
    /// `lang` of the address, or else what the browser prefers. English, if it prefers neither.
    pub(crate) fn choose(lang: Option<&str>, headers: &HeaderMap) -> Self {
        match lang {
            Some("ru") => return Self::Russian,
            Some("en") => return Self::English,
            _ => {}
        }
        let weight_of = |code: &str| {
            let is_meant = |name: &str| name.split('-').next().unwrap_or(name).eq_ignore_ascii_case(code);
            weight(headers, ACCEPT_LANGUAGE, is_meant)
        };
        match (weight_of("ru"), weight_of("en")) {
            (Some(russian), english) if russian > english.unwrap_or(0) => Self::Russian,
            // With equal weights the order would decide, but no browser sends equal weights.
            _ => Self::English,
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }

    /// The text of this language.
    pub(crate) fn pick<T>(self, [english, russian]: [T; 2]) -> T {
        match self {
            Self::English => english,
            Self::Russian => russian,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_decides_before_the_browser_does() {
        for (lang, accepts, code) in [
            (None, "", "en"),
            (None, "ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
            (None, "en-GB,en;q=0.9,ru;q=0.8", "en"),
            (None, "de-DE,de;q=0.9", "en"),
            (None, "de,RU;q=0.3", "ru"),
            (None, "ru;q=0", "en"),
            (None, "run", "en"),
            (Some("ru"), "en", "ru"),
            (Some("en"), "ru", "en"),
            (Some("fr"), "ru", "ru"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, accepts.parse().unwrap());
            assert_eq!(Language::choose(lang, &headers).code(), code, "{lang:?} {accepts}");
        }
    }
}
