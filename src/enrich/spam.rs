//! Referrer spam: invented visits that advertise the address of a site to readers of the reports.
//!
//! The hosts are `lists/referrer-spam.txt`. Each page with a foreign referrer is looked up, which costs a hash of each domain above
//! the host and no allocation.

use std::collections::HashSet;

use super::lists;

/// The hosts, borrowed from the list's text: 70 KB. A look-up takes 12 ns; binary search in a sorted table takes 130.
pub(super) struct SpamHosts(HashSet<&'static str, foldhash::fast::RandomState>);

impl SpamHosts {
    /// # Errors
    /// The number of a line that is not a host in lower case, and what is wrong with it.
    pub(super) fn new(entries: &[(usize, &'static str)]) -> Result<Self, (usize, String)> {
        let is_host = |host: &str| {
            let of_host = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
            host.bytes().all(of_host) && psl::domain_str(host).is_some()
        };
        match entries.iter().find(|(_, host)| !is_host(host)) {
            Some((line, _)) => {
                Err((*line, "expected a host below a public suffix, in lower case".to_owned()))
            }
            None => Ok(Self(entries.iter().map(|(_, host)| *host).collect())),
        }
    }

    fn contain(&self, host: &str) -> bool {
        let mut rest = host;
        // The last label alone is a top-level domain, which the list never has.
        while let Some((_, parent)) = rest.split_once('.') {
            if self.0.contains(rest) {
                return true;
            }
            rest = parent;
        }
        false
    }
}

/// Whether a referrer's host, in lower case, is a spammer's host or a subdomain of one.
pub fn is_spam_referrer(host: &str) -> bool {
    lists::in_force().spam.contain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spammer_and_what_is_below_it_are_spam() {
        for host in
            ["semalt.com", "www.semalt.com", "a.b.semalt.com", "buttons-for-website.com", "darodar.com"]
        {
            assert!(is_spam_referrer(host), "{host}");
        }
    }

    #[test]
    fn what_only_looks_like_a_spammer_is_none() {
        for host in
            ["", "com", "notsemalt.com", "semalt.com.example", "semalt", ".", "..", "yandex.ru", "t.co"]
        {
            assert!(!is_spam_referrer(host), "{host}");
        }
    }

    #[test]
    fn no_entry_takes_in_what_belongs_to_many() {
        for host in &lists::in_force().spam.0 {
            assert_eq!(*host, host.to_ascii_lowercase());
            assert!(host.is_ascii() && !host.starts_with("www."), "{host}");
            assert!(psl::domain_str(host).is_some(), "{host} is a public suffix");
            assert!(
                !is_spam_referrer(host.split_once('.').expect("a host has a dot").1),
                "{host} says it again"
            );
        }
    }

    #[test]
    fn a_source_that_people_come_from_is_never_spam() {
        for host in include_str!("sources.tsv").lines().filter_map(|line| line.strip_prefix("host\t")) {
            let host = host.split('\t').next().expect("splitting gives something").replace(".*", ".com");
            assert!(!is_spam_referrer(&host), "{host}");
        }
    }
}
