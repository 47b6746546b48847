//! The script element that a site puts into its pages.

use std::fmt::Write as _;

use crate::config::Site;
use crate::privacy::scrub::CLICK_IDS;

/// The prefix of the parameters that the script sends without being told.
const CAMPAIGNS: &str = "utm_";

/// The element, with the parameters and cookies that the site's settings allow beyond the script's own.
pub(super) fn script_tag(collector: &str, site: Option<&Site>) -> String {
    let mut tag = format!("<script defer src=\"{collector}/s.js\" data-site=\"");
    tag += site.map_or("SITE", |site| &site.id);
    tag.push('"');
    if let Some(site) = site {
        attribute(&mut tag, "data-query", parameters(site));
        attribute(&mut tag, "data-cookies", site.cookies.keys().map(|name| pattern(name)).collect());
    }
    // Without these two, the browser adds the site's cookies and the page's address to the request.
    tag += " crossorigin=\"anonymous\" referrerpolicy=\"origin\"></script>";
    tag
}

fn parameters(site: &Site) -> Vec<String> {
    let is_further = |name: &&String| !name.starts_with(CAMPAIGNS) && !CLICK_IDS.contains(&name.as_str());
    let exact = site.query.exact.iter().filter(is_further).map(|name| pattern(name));
    let prefixes = site.query.prefixes.iter().filter(is_further).map(|prefix| pattern(prefix) + ".*");
    exact.chain(prefixes).collect()
}

/// Adds an attribute that lists these patterns, unless there are none.
fn attribute(tag: &mut String, name: &str, patterns: Vec<String>) {
    if !patterns.is_empty() {
        let value = patterns.join("|").replace('&', "&amp;").replace('"', "&quot;");
        // Writing to a string cannot fail.
        let _ = write!(tag, " {name}=\"{value}\"");
    }
}

/// A name as a pattern of the script: a regular expression that matches the name as it is written in addresses.
fn pattern(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => pattern.push(letter),
            ' '..='~' => pattern.extend(['\\', letter]),
            _ => {
                for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(pattern, "%{byte:02X}");
                }
            }
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CookieRule, NamePatterns};

    fn tag(exact: &[&str], prefixes: &[&str], cookies: &[&str]) -> String {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let query = NamePatterns { exact: own(exact), prefixes: own(prefixes) };
        let cookies = cookies.iter().map(|name| ((*name).to_owned(), CookieRule::Presence)).collect();
        script_tag("https://stats.clinic.example", Some(&Site { query, cookies, ..Site::localhost() }))
    }

    #[test]
    fn the_tag_lists_what_the_site_allows_beyond_campaigns_and_click_ids() {
        let begin =
            r#"<script defer src="https://stats.clinic.example/s.js" data-site="localhost""#.to_owned();
        let end = r#" crossorigin="anonymous" referrerpolicy="origin"></script>"#;
        let plain = begin.clone() + end;
        assert_eq!(tag(&[], &["utm_"], &[]), plain);
        assert_eq!(tag(&["utm_source", "gclid"], &[], &[]), plain);
        assert_eq!(
            tag(&["page", "filter[city]"], &["utm_", "sort"], &["ab", "consent.v2"]),
            begin + r#" data-query="page|filter\[city\]|sort.*" data-cookies="ab|consent\.v2""# + end
        );
    }

    #[test]
    fn names_cannot_leave_the_attribute_and_are_written_as_in_addresses() {
        let tag = tag(&["\"><b>", "a&b", "день"], &[], &[]);
        assert!(tag.contains(r#"data-query="\&quot;\>\<b\>|a\&amp;b|%D0%B4%D0%B5%D0%BD%D1%8C""#), "{tag}");
    }
}
