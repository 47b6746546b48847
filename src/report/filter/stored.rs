//! Values of filters in the form in which columns have them: an address may be written as a browser's bar, a log or a report shows it.

use std::borrow::Cow;

use crate::privacy::scrub::{percent, shown_host};

/// The value as `column` would have it.
pub(in crate::report) fn stored_form<'a>(column: &str, value: &'a str) -> Cow<'a, str> {
    match column {
        "path" | "referrer_path" | "entry_path" | "exit_path" => percent::path(value),
        "host" | "referrer_host" | "entry_host" | "exit_host" | "source" => host(value),
        "utm_source" | "utm_medium" | "utm_campaign" | "utm_content" | "utm_term" => percent::value(value),
        "query" => percent::query(value),
        "name" | "error_source" => link(value),
        _ => Cow::Borrowed(value),
    }
}

/// Names of sources are not hosts, and are left as they are.
fn host(value: &str) -> Cow<'_, str> {
    if value.contains("xn--") { shown_host(value) } else { Cow::Borrowed(value) }
}

/// Host and path of a link. The name of an event has no encoded characters.
fn link(value: &str) -> Cow<'_, str> {
    let is_encoded = value.contains("xn--")
        || (0..value.len()).any(|at| percent::escape(&value.as_bytes()[at..]).is_some());
    if !is_encoded {
        return Cow::Borrowed(value);
    }
    let (name, path) = value.split_at(value.find('/').unwrap_or(value.len()));
    Cow::Owned(format!("{}{}", host(name), percent::path(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_however_it_is_written() {
        for (column, written, stored) in [
            ("path", "/%D0%B2%D1%80%D0%B0%D1%87%D0%B8/1", "/врачи/1"),
            ("path", "/%d0%b2%d1%80%d0%b0%d1%87%d0%b8/1", "/врачи/1"),
            ("path", "врачи", "врачи"),
            ("entry_path", "/запись на приём", "/запись%20на%20приём"),
            ("exit_path", "/a%2fb", "/a%2Fb"),
            ("referrer_path", "/%E2%E5%F1%ED%E0", "/%E2%E5%F1%ED%E0"),
            ("host", "xn--80apagcdp.xn--p1ai", "клиника.рф"),
            ("referrer_host", "клиника.рф", "клиника.рф"),
            ("source", "xn--80apagcdp.xn--p1ai", "клиника.рф"),
            ("source", "Google", "Google"),
            ("utm_campaign", "%D0%B2%D0%B5%D1%81%D0%BD%D0%B0", "весна"),
            ("utm_campaign", "%e2%e5%f1%ed%e0", "%E2%E5%F1%ED%E0"),
            ("utm_term", "a+b", "a+b"),
            ("query", "q=%D0%B0%2fb+c%26", "q=а/b+c%26"),
            ("name", "xn--80apagcdp.xn--p1ai/%D0%B0", "клиника.рф/а"),
            ("name", "клиника.рф/а", "клиника.рф/а"),
            ("name", "скидка 20%", "скидка 20%"),
            ("city", "%D0%B0", "%D0%B0"),
        ] {
            assert_eq!(stored_form(column, written), stored, "{column}={written}");
        }
    }
}
