//! Proposes path templates from stored paths: segments with many values that few visitors share.

use std::collections::BTreeMap;

use super::HistoryError;
use crate::store::Client;

/// Values from which a segment may be a parameter.
const LEAST_VALUES: usize = 20;
/// A value that no more visitors saw is lonely. Pseudonyms change daily, so one person may be two visitors.
const LONELY: u64 = 3;
/// Lonely values of a hundred from which a segment is a parameter: of articles, more are read by many.
const LONELY_SHARE: usize = 70;
/// Visitors from which a value of letters is a page of its own among the values of a parameter: `/patients/faq`.
const PAGE: u64 = 10;
/// Most paths that are read, the most recent days' first. More have the same segments.
const MAX_PATHS: u64 = 500_000;
/// Most segments that are looked at.
const MAX_DEPTH: usize = 8;

/// A template that stored paths suggest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Suggestion {
    pub template: String,
    /// Paths that it would make one; 0 for a template that keeps a page from those behind it.
    pub paths: u64,
    pub views: u64,
}

/// A path without its first segments, the visitors who saw it and its views.
type Rest<'a> = (&'a str, u64, u64);

/// Proposes templates for a site from the views of the last `days` days.
///
/// # Errors
/// When the store refuses or cannot be reached.
pub async fn suggest(client: &Client, site: &str, days: u32) -> Result<Vec<Suggestion>, HistoryError> {
    let sql = "SELECT toString(path), uniqExact(visitor), count() FROM events WHERE site = {site:String} AND kind = 'view' \
               AND bot = '' AND toDate(time) >= today() - {days:UInt32} GROUP BY path LIMIT {limit:UInt64}";
    let query = super::long(client, sql).param("site", site).param("days", days).param("limit", MAX_PATHS);
    let paths = query.fetch_all::<(String, u64, u64)>().await?;
    Ok(from_paths(paths.iter().map(|(path, visitors, views)| (path.as_str(), *visitors, *views)).collect()))
}

fn from_paths(paths: Vec<Rest<'_>>) -> Vec<Suggestion> {
    let mut found = Vec::new();
    walk(String::new(), false, paths, 0, &mut found);
    found
}

/// Looks at the segment behind `prefix`. Templates that are more exact come first, because the first that fits counts.
fn walk(
    prefix: String,
    has_parameter: bool,
    rests: Vec<Rest<'_>>,
    depth: usize,
    found: &mut Vec<Suggestion>,
) {
    let mut children: BTreeMap<&str, Vec<Rest<'_>>> = BTreeMap::new();
    for &(rest, visitors, views) in &rests {
        let Some(rest) = rest.strip_prefix('/') else { continue };
        let (segment, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !segment.is_empty() {
            children.entry(segment).or_default().push((after, visitors, views));
        }
    }
    let visitors =
        |rests: &[Rest<'_>]| rests.iter().map(|(_, visitors, _)| visitors).max().copied().unwrap_or(0);
    let lonely = children.values().filter(|rests| visitors(rests) <= LONELY).count();
    let is_parameter = children.len() >= LEAST_VALUES && lonely * 100 >= children.len() * LONELY_SHARE;
    if depth < MAX_DEPTH && is_parameter {
        let mut merged = Vec::new();
        for (segment, rests) in children {
            if is_page(segment) && visitors(&rests) >= PAGE {
                let views = rests.iter().map(|(_, _, views)| views).sum();
                found.push(Suggestion { template: format!("{prefix}/{segment}"), paths: 0, views });
            } else {
                merged.extend(rests);
            }
        }
        walk(format!("{prefix}/:id"), true, merged, depth + 1, found);
        return;
    }
    let is_left_out = |segment: &str| segment.starts_with(':') || segment.contains('%');
    for (segment, rests) in children {
        if depth < MAX_DEPTH && !is_left_out(segment) && rests.len() >= LEAST_VALUES {
            walk(format!("{prefix}/{segment}"), false, rests, depth + 1, found);
        }
    }
    if has_parameter {
        let (paths, views) = (rests.len() as u64, rests.iter().map(|(_, _, views)| views).sum());
        found.push(Suggestion { template: prefix, paths, views });
    }
}

/// Whether a segment is a page rather than a value: words without digits.
fn is_page(segment: &str) -> bool {
    segment.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '_'))
        && segment.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_few_share_are_parameters_and_pages_among_them_stay() {
        let mut paths = Vec::new();
        for patient in 0..60 {
            paths.push((format!("/patients/p{patient}x"), 1, 2));
            paths.push((format!("/patients/p{patient}x/visits/{}", patient * 7), 1, 1));
        }
        for article in 0..200 {
            paths.push((format!("/articles/a{article}"), 40, 55));
        }
        for page in ["/", "/patients/faq", "/patients/how-to-pay", "/doctors/cardiology"] {
            paths.push((page.to_owned(), 300, 500));
        }
        let borrowed =
            paths.iter().map(|(path, visitors, views)| (path.as_str(), *visitors, *views)).collect();
        let templates: Vec<String> =
            from_paths(borrowed).into_iter().map(|suggestion| suggestion.template).collect();
        assert_eq!(
            templates,
            ["/patients/faq", "/patients/how-to-pay", "/patients/:id/visits/:id", "/patients/:id"]
        );
    }

    #[test]
    fn what_the_scrubber_replaced_and_few_paths_suggest_nothing() {
        let mut paths: Vec<(String, u64, u64)> =
            (0..19).map(|patient| (format!("/patients/{patient}"), 1, 1)).collect();
        paths.extend((0..100).map(|_| ("/orders/:number".to_owned(), 1, 1)));
        let borrowed =
            paths.iter().map(|(path, visitors, views)| (path.as_str(), *visitors, *views)).collect();
        assert_eq!(from_paths(borrowed), []);
    }
}
