//! Client hints of a line: the answer of `getHighEntropyValues`, or headers from a log.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::beacon::ClientHints;

/// Headers by the letters of their names without `sec-ch-ua`. The names in the script's answer have the same letters.
const HEADERS: &[(&str, &str)] = &[
    ("", "sec-ch-ua"),
    ("brands", "sec-ch-ua"),
    ("fullversionlist", "sec-ch-ua-full-version-list"),
    ("mobile", "sec-ch-ua-mobile"),
    ("platform", "sec-ch-ua-platform"),
    ("platformversion", "sec-ch-ua-platform-version"),
    ("model", "sec-ch-ua-model"),
    ("formfactors", "sec-ch-ua-form-factors"),
];

/// The hints of a line: `{"brands": […], "mobile": false, …}` or `{"Sec-CH-UA": "…", "Sec-CH-UA-Mobile": "?0", …}`. Other names
/// are ignored.
///
/// # Errors
/// Names the hint whose value is invalid.
pub(super) fn read(line: &Map<String, Value>) -> Result<(ClientHints<'static>, HeaderMap), String> {
    let mut hints = ClientHints::default();
    let mut headers = HeaderMap::new();
    for (name, value) in line {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        let letters = letters.strip_prefix("secchua").unwrap_or(&letters);
        let Some((_, header)) = HEADERS.iter().find(|(known, _)| *known == letters) else { continue };
        let invalid = || format!("hints: {name} has an invalid value: {value}");
        match (letters, value) {
            (_, Value::String(text)) if !text.is_empty() => {
                headers
                    .insert(HeaderName::from_static(header), structured(letters, text).ok_or_else(invalid)?);
            }
            (_, Value::Null | Value::String(_)) => {}
            ("mobile", Value::Bool(mobile)) => hints.mobile = Some(*mobile),
            ("" | "brands", Value::Array(list)) => hints.brands = brands(list).ok_or_else(invalid)?,
            ("fullversionlist", Value::Array(list)) => {
                hints.full_versions = brands(list).ok_or_else(invalid)?
            }
            ("formfactors", Value::Array(list)) => {
                let text = |value: &Value| Some(Cow::Owned(value.as_str()?.to_owned()));
                hints.form_factors = list.iter().map(text).collect::<Option<_>>().ok_or_else(invalid)?;
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

fn brands(list: &[Value]) -> Option<Vec<(Cow<'static, str>, Cow<'static, str>)>> {
    let text = |value: &Value, name| Some(Cow::Owned(value.get(name)?.as_str()?.to_owned()));
    list.iter().map(|entry| Some((text(entry, "brand")?, text(entry, "version")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> (ClientHints<'static>, HeaderMap) {
        read(&serde_json::from_str(json).expect("an object")).expect("hints")
    }

    #[test]
    fn hints_of_the_script_and_headers_are_both_understood() {
        let (hints, headers) = of(
            r#"{"brands": [{"brand": "Chromium", "version": "142"}], "mobile": true, "formFactors": ["Tablet"], "bitness": "64"}"#,
        );
        assert_eq!(hints.brands, [("Chromium".into(), "142".into())]);
        assert_eq!((hints.mobile, hints.form_factors.len(), headers.len()), (Some(true), 1, 0));
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
