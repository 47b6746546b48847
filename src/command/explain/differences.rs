//! What of an event is stored in another form than it was sent in: addresses that were split, personal data that was replaced.

use serde_json::{Map, Value};

use crate::beacon::{EventDetail, PageAddress};
use crate::privacy::scrub::{CLICK_IDS, percent};

/// Longest text that is shown of what was sent, in characters.
const MAX_SHOWN: usize = 200;

/// One line for each difference between an event and the columns of its row. `page` is the page that it names.
pub(super) fn find(
    page: Option<&PageAddress<'_>>,
    detail: &EventDetail<'_>,
    columns: &Map<String, Value>,
) -> Vec<String> {
    let column = |name: &str| columns.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut changes = Vec::new();
    if let Some(page) = page {
        let query = if column("query").is_empty() { String::new() } else { format!("?{}", column("query")) };
        let stored = format!("{}{}{query}", column("host"), column("path"));
        changes.push(format!("page {} → {stored}", abbreviated(&page.url)));
        changes.extend(parameters(&page.url, column("query")));
        if !page.referrer.is_empty() {
            let stored = format!("{}{}", column("referrer_host"), column("referrer_path"));
            let stored = if stored.is_empty() { "none" } else { &stored };
            changes.push(format!("referrer {} → {stored}", abbreviated(&page.referrer)));
        }
        let decided_by = match (column("utm_source"), column("click_id"), column("referrer_host")) {
            ("", "", "") => "there is no campaign, click id or referrer",
            ("", "", _) if column("source") == "Direct" => "the referrer is on the page's own domain",
            ("", "", _) => "by the referrer",
            ("", ..) => "by the click id",
            _ => "by utm_source",
        };
        changes.push(format!("source {}, channel {}: {decided_by}", column("source"), column("channel")));
    }
    let mut compare = |what: &str, sent: &str, stored: &str| {
        if sent != stored {
            changes.push(format!("{what} {} → {}", abbreviated(sent), abbreviated(stored)));
        }
    };
    match detail {
        EventDetail::Event { name, props } => {
            compare("name", name, column("name"));
            for (name, value) in props {
                let stored =
                    columns.get("props").and_then(|props| props.get(&**name)).and_then(Value::as_str);
                compare(&format!("property {}", &**name), value, stored.unwrap_or_default());
            }
        }
        EventDetail::Ad { ad, slot, .. } => {
            compare("campaign", ad, column("ad"));
            compare("slot", slot, column("slot"));
        }
        EventDetail::Outbound { url } | EventDetail::Download { url } | EventDetail::Resource { url, .. } => {
            compare("address", url, column("name"));
        }
        EventDetail::Error(error) => {
            compare("message", &error.message, column("error_message"));
            compare("script", &error.source, column("error_source"));
            compare("stack", &error.stack, column("error_stack"));
        }
        _ => {}
    }
    changes
}

/// The parameters of an address that are not kept, by their names.
fn parameters(url: &str, kept: &str) -> Option<String> {
    let query = url.split('#').next()?.split_once('?')?.1;
    let is_kept = |name: &str| kept.split('&').any(|pair| pair.split('=').next() == Some(name));
    let (clicks, dropped): (Vec<_>, Vec<_>) = query
        .split('&')
        .map(|pair| percent::query(pair.split('=').next().unwrap_or_default()).into_owned())
        .filter(|name| !name.is_empty() && !is_kept(name))
        .partition(|name| CLICK_IDS.contains(&name.as_str()));
    let mut parts = Vec::new();
    if !dropped.is_empty() {
        parts.push(format!("not among the site's `query`, so dropped: {}", dropped.join(", ")));
    }
    if !clicks.is_empty() {
        parts.push(format!("click id, only its name is kept: {}", clicks.join(", ")));
    }
    (!parts.is_empty()).then(|| format!("parameters {}", parts.join("; ")))
}

fn abbreviated(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.replace(['\n', '\r'], " ")
}
