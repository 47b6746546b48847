//! Quality values in the headers `Accept-…` (RFC 9110, section 12.4.2).

use hyper::header::{HeaderMap, HeaderName};

/// The weight of the first entry whose name `is_meant`, in thousandths. 0 is a refusal, and so is a weight that cannot be read.
pub(crate) fn weight(
    headers: &HeaderMap,
    header: HeaderName,
    is_meant: impl Fn(&str) -> bool,
) -> Option<u16> {
    let entries = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    entries.flat_map(|value| value.split(',')).find_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next()?;
        is_meant(name).then(|| {
            parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q="))).map_or(1000, parse)
        })
    })
}

fn parse(text: &str) -> u16 {
    match text.parse::<f32>() {
        // At most 1,000, so the cast keeps it whole.
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        _ => 0,
    }
}
