//! Client hints of a line: the answer of `getHighEntropyValues`, or headers from a log.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Hints by the letters of their names without `sec-ch-ua`: the header, and the name in the script's answer.
const HINTS: &[(&str, &str, &str)] = &[
    ("", "sec-ch-ua", "brands"),
    ("brands", "sec-ch-ua", "brands"),
    ("fullversionlist", "sec-ch-ua-full-version-list", "fullVersionList"),
    ("mobile", "sec-ch-ua-mobile", "mobile"),
    ("platform", "sec-ch-ua-platform", "platform"),
    ("platformversion", "sec-ch-ua-platform-version", "platformVersion"),
    ("model", "sec-ch-ua-model", "model"),
    ("formfactors", "sec-ch-ua-form-factors", "formFactors"),
];

/// The hints of a line: `{"brands": […], "mobile": false, …}` or `{"Sec-CH-UA": "…", "Sec-CH-UA-Mobile": "?0", …}`. Returns those that a
/// beacon has in `ch`, and headers. Other names are ignored.
///
/// # Errors
/// Names the hint whose value is invalid.
pub(super) fn read(line: &Map<String, Value>) -> Result<(Map<String, Value>, HeaderMap), String> {
    let mut hints = Map::new();
    let mut headers = HeaderMap::new();
    for (name, value) in line {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        let letters = letters.strip_prefix("secchua").unwrap_or(&letters);
        let Some((_, header, script)) = HINTS.iter().find(|(known, ..)| *known == letters) else { continue };
        let invalid = || format!("hints: {name} has an invalid value: {value}");
        match (letters, value) {
            (_, Value::Null) => {}
            (_, Value::String(text)) if text.is_empty() => {}
            (_, Value::String(text)) => {
                let value = structured(letters, text).ok_or_else(invalid)?;
                headers.insert(HeaderName::from_static(header), value);
            }
            ("mobile", Value::Bool(_)) => drop(hints.insert((*script).to_owned(), value.clone())),
            ("" | "brands" | "fullversionlist" | "formfactors", Value::Array(_)) => {
                drop(hints.insert((*script).to_owned(), value.clone()));
            }
            _ => return Err(invalid()),
        }
    }
    // A browser that sends the long list also sends the short one, whose presence shows that there are headers.
    if !headers.is_empty() && !headers.contains_key("sec-ch-ua") {
        let brands = headers.get("sec-ch-ua-full-version-list").cloned();
        headers.insert("sec-ch-ua", brands.unwrap_or(HeaderValue::from_static("\"Not_A Brand\";v=\"99\"")));
    }
    Ok((hints, headers))
}

/// The value of a header; texts without quotes get them.
fn structured(letters: &str, text: &str) -> Option<HeaderValue> {
    let is_list = matches!(letters, "" | "brands" | "fullversionlist" | "mobile");
    let value = if is_list || text.starts_with('"') {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace(", ", "\", \""))
    };
    HeaderValue::from_str(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> (Map<String, Value>, HeaderMap) {
        read(&serde_json::from_str(json).expect("an object")).expect("hints")
    }

    #[test]
    fn hints_of_the_script_and_headers_are_both_understood() {
        let (hints, headers) = of(
            r#"{"brands": [{"brand": "Chromium", "version": "142"}], "mobile": true, "formFactors": ["Tablet"], "bitness": "64"}"#,
        );
        assert_eq!(hints["brands"][0]["version"], "142");
        assert_eq!((&hints["mobile"], hints.len(), headers.len()), (&true.into(), 3, 0));
        let (_, headers) =
            of(r#"{"Sec-CH-UA": "\"Chromium\";v=\"142\"", "sec_ch_ua_platform": "Chrome OS"}"#);
        assert_eq!(headers["sec-ch-ua"], "\"Chromium\";v=\"142\"");
        assert_eq!(headers["sec-ch-ua-platform"], "\"Chrome OS\"");
    }

    #[test]
    fn a_hint_with_an_invalid_value_is_named() {
        let line = serde_json::from_str(r#"{"brands": 5}"#).expect("an object");
        let error = read(&line).expect_err("a number is no list");
        assert_eq!(error, "hints: brands has an invalid value: 5");
    }
}
