//! Lists that other projects keep: names of bots, referrer spam, networks of data centres.
//!
//! They are built in, and an operator can name a newer file for each ([`install`]). `make lists` updates the built-in ones, see
//! `tools/lists/refresh.mjs`. The head of a list says where it comes from and how old it is.

mod file;
mod in_force;

use jiff::Unit;
use jiff::civil::Date;

pub use file::ListError;
pub(super) use in_force::in_force;
pub use in_force::{check, headers, install};

/// Age in days after which a list misses too many new entries.
pub const OLD_DAYS: i64 = 365;

/// One regular expression a line that finds bots, to be matched without regard to case. May use look-around.
pub static ISBOT: BuiltInList = BuiltInList { name: "isbot", fetched: true, text: include_str!("isbot.txt") };
/// `text`, `name`, `category`, separated by tabs: literal text of a crawler's user agent in its case.
pub static CRAWLERS: BuiltInList =
    BuiltInList { name: "crawlers", fetched: true, text: include_str!("crawlers.tsv") };
/// A host a line in lower case; it stands for those below it.
pub static REFERRER_SPAM: BuiltInList =
    BuiltInList { name: "referrer-spam", fetched: false, text: include_str!("referrer-spam.txt") };
/// `number`, `name`, separated by a tab: autonomous systems of data centres.
pub static DATA_CENTRES: BuiltInList =
    BuiltInList { name: "data-centres", fetched: true, text: include_str!("data-centres.tsv") };

static ALL: [&BuiltInList; 4] = [&ISBOT, &CRAWLERS, &REFERRER_SPAM, &DATA_CENTRES];

#[derive(Debug)]
pub struct BuiltInList {
    /// Its name in the log and in metrics.
    pub name: &'static str,
    /// Whether `make lists` fetches it from a package.
    fetched: bool,
    text: &'static str,
}

/// Origin of a list that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListHeader {
    /// Name of the list in the log, in metrics and in the configuration.
    pub name: &'static str,
    /// The package or project that keeps it, or the operator's file.
    pub source: &'static str,
    /// Empty if a file does not say it.
    pub version: &'static str,
    /// The licence of the data. Empty if a file does not say it.
    pub licence: &'static str,
    /// When that version was published, or when the file was last modified if it does not say it.
    pub date: Date,
    /// Whether a newer version could be had from a package.
    fetched: bool,
}

impl ListHeader {
    /// Whole days since its version was published; 0 when that is in the future of the clock.
    pub fn age_days(&self, today: Date) -> i64 {
        let age = self.date.until((Unit::Day, today)).map_or(0, |span| i64::from(span.get_days()));
        age.max(0)
    }

    /// Whether it is over [`OLD_DAYS`] old and could be replaced by a newer one.
    pub fn wants_refresh(&self, today: Date) -> bool {
        self.fetched && self.age_days(today) > OLD_DAYS
    }
}

impl BuiltInList {
    fn header(&self) -> ListHeader {
        let field = |name| header_field(self.text, name).expect("a test reads every header");
        ListHeader {
            name: self.name,
            source: field("source"),
            version: field("version"),
            licence: field("licence"),
            date: field("date").parse().expect("a test reads every header"),
            fetched: self.fetched,
        }
    }
}

/// A field of the comment at the beginning of a list: `# date: 2026-11-09`.
fn header_field(text: &'static str, name: &str) -> Option<&'static str> {
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    comment.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": ")).next()
}

/// All lists in force and their ages in one line: `isbot 5.2.3 (13 days), …`.
pub fn ages(today: Date) -> String {
    headers().map(|list| format!("{} {} ({} days)", list.name, list.version, list.age_days(today))).join(", ")
}

pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use crate::enrich::table;
    use std::collections::HashSet;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn every_list_says_where_it_comes_from_and_how_old_it_is() {
        for list in ALL {
            let head = list.header();
            assert!(!head.source.is_empty() && !head.version.is_empty(), "{}", list.name);
            let licences = ["Unlicense", "MIT", "CC-BY-4.0", "public domain"];
            assert!(licences.contains(&head.licence), "{}: {}", list.name, head.licence);
            assert!(head.date >= date(2020, 1, 1) && head.date <= today(), "{}: {}", list.name, head.date);
        }
        assert!(CRAWLERS.text.contains("# Copyright (c) 2017 Martin Monperrus"), "MIT asks for its notice");
    }

    #[test]
    fn no_list_is_empty_or_says_a_thing_twice() {
        for list in ALL {
            let keys: Vec<_> = table::rows(list.text).map(|line| line.split('\t').next()).collect();
            assert!(keys.len() > 200, "{}", list.name);
            assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "{}", list.name);
            assert!(
                list.name == "data-centres" || list.name == "isbot" || table::rows(list.text).is_sorted()
            );
            assert!(table::rows(list.text).all(|line| line.len() < 512 && !line.ends_with(['\r', '\t'])));
        }
    }

    #[test]
    fn every_crawler_has_a_text_a_name_and_a_category() {
        let categories = ["search", "ai", "preview", "monitoring", "seo", "library", "automation", "other"];
        for line in table::rows(CRAWLERS.text) {
            let fields: Vec<_> = line.split('\t').collect();
            let [text, name, category] = fields[..] else { panic!("{line}") };
            assert!(text.len() >= 3, "{line}");
            assert!(name == name.trim() && !name.is_empty() && !name.ends_with('/'), "{line}");
            assert!(categories.contains(&category), "{line}");
        }
    }

    #[test]
    fn well_known_crawlers_are_what_they_are_known_for() {
        let table: std::collections::HashMap<_, _> = table::rows(CRAWLERS.text)
            .filter_map(|line| line.split_once('\t'))
            .map(|(text, rest)| (text, rest.split_once('\t').expect("checked above").1))
            .collect();
        for (text, category) in [
            ("Googlebot/", "search"),
            ("bingbot", "search"),
            ("GPTBot", "ai"),
            ("ClaudeBot", "ai"),
            ("CCBot", "ai"),
            ("facebookexternalhit", "preview"),
            ("UptimeRobot", "monitoring"),
            ("AhrefsBot", "seo"),
            ("python-requests", "library"),
            ("HeadlessChrome", "automation"),
        ] {
            assert_eq!(table.get(text), Some(&category), "{text}");
        }
        for people in ["Silk/", "Sogou", "MetaIAB Facebook", "AP3A.240617.008"] {
            assert!(!table.contains_key(people), "{people} is sent by people");
        }
    }

    #[test]
    fn ages_are_counted_in_days_and_only_what_can_be_refreshed_asks_for_it() {
        let date_of = date(2026, 11, 9);
        let list = ListHeader {
            name: "some",
            source: "x",
            version: "1",
            licence: "MIT",
            date: date_of,
            fetched: true,
        };
        assert_eq!(list.age_days(date(2026, 11, 22)), 13);
        assert_eq!(list.age_days(date(2026, 11, 1)), 0, "a clock set back");
        assert!(!list.wants_refresh(date(2027, 11, 9)));
        assert!(list.wants_refresh(date(2027, 11, 10)));
        let kept = ListHeader { fetched: false, ..list };
        assert!(!kept.wants_refresh(date(2030, 1, 1)));
    }
}
