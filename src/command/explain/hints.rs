//! Client hints as people have them at hand: what `getHighEntropyValues` answers, or headers out of a log.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::beacon::ClientHints;

/// Headers by the letters of their names, without `sec-ch-ua`, which is how the script's names read too.
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

/// The hints of a line: `{"brands": […], "mobile": false, …}` or `{"Sec-CH-UA": "…", "Sec-CH-UA-Mobile": "?0", …}`. Names of
/// neither kind are passed over.
///
/// # Errors
/// Says which hint is of no form that is understood.
pub(super) fn read(line: &Map<String, Value>) -> Result<(ClientHints<'static>, HeaderMap), String> {
    let mut hints = ClientHints::default();
    let mut headers = HeaderMap::new();
    for (name, value) in line {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        let letters = letters.strip_prefix("secchua").unwrap_or(&letters);
        let Some((_, header)) = HEADERS.iter().find(|(known, _)| *known == letters) else { continue };
        let unfit = || format!("hints: {name} is of no form that is understood: {value}");
        match (letters, value) {
            (_, Value::String(text)) if !text.is_empty() => {
                headers.insert(HeaderName::from_static(header), structured(letters, text).ok_or_else(unfit)?);
            }
            (_, Value::Null | Value::String(_)) => {}
            ("mobile", Value::Bool(mobile)) => hints.mobile = Some(*mobile),
            ("" | "brands", Value::Array(list)) => hints.brands = brands(list).ok_or_else(unfit)?,
            ("fullversionlist", Value::Array(list)) => {
                hints.full_versions = brands(list).ok_or_else(unfit)?
            }
            ("formfactors", Value::Array(list)) => {
                let text = |value: &Value| Some(Cow::Owned(value.as_str()?.to_owned()));
                hints.form_factors = list.iter().map(text).collect::<Option<_>>().ok_or_else(unfit)?;
            }
            _ => return Err(unfit()),
        }
    }
    // A browser that sends the long list sends the short one too, and that is how headers are told to be there.
    if !headers.is_empty() && !headers.contains_key("sec-ch-ua") {
        let brands = headers.get("sec-ch-ua-full-version-list").cloned();
        headers.insert("sec-ch-ua", brands.unwrap_or(HeaderValue::from_static("\"Not_A Brand\";v=\"99\"")));
    }
    Ok((hints, headers))
}

/// A header's value as it is, or a text that still lacks its quotes.
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
    fn what_the_script_asks_for_and_headers_are_both_understood() {
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
    fn a_hint_of_another_form_is_named() {
        let line = serde_json::from_str(r#"{"brands": 5}"#).expect("an object");
        let error = read(&line).expect_err("a number is no list");
        assert_eq!(error, "hints: brands is of no form that is understood: 5");
    }
}
