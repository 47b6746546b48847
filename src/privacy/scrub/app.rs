//! Referrers of apps: `android-app://org.telegram.messenger/`, `ios-app://686449807/https/t.me/x`.
//!
//! Android's browsers name the app from which a link was opened, by its package. The form with a scheme and a host in its path names what
//! the app showed; Google's indexing of apps made it, also for iOS, where an app is its number in the store.

use std::borrow::Cow;

use super::text::text;

/// Longest id of an app, in bytes. The longest packages of known apps have about 60.
const MAX_APP_ID: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppReferrer<'a> {
    /// Package or number, lower case. `android-app` or `ios-app` if it may be something else.
    pub id: Cow<'a, str>,
    /// Host of the page that the app showed, lower case; empty when unknown.
    pub host: Cow<'a, str>,
}

/// The app that a referrer names; `None`: it names none.
pub fn app_referrer(referrer: &str) -> Option<AppReferrer<'_>> {
    let (scheme, rest) = referrer.split_once("://")?;
    let schemes = ["android-app", "ios-app"];
    let scheme = schemes.into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let mut segments = rest.split('/');
    let id = lower(segments.next()?);
    let is_id = (1..=MAX_APP_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let is_web = segments.next().is_some_and(|scheme| matches!(scheme, "http" | "https"));
    let host = segments.next().filter(|_| is_web).map(lower).unwrap_or_default();
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    Some(AppReferrer {
        id: if is_id { id } else { Cow::Borrowed(scheme) },
        host: if is_host { host } else { Cow::Borrowed("") },
    })
}

impl AppReferrer<'_> {
    /// The id as it is stored, if the app is on no list. An id may hold personal data then, as any text may.
    pub fn scrubbed_id(&self) -> &str {
        let is_clean = matches!(text(&self.id, MAX_APP_ID), Cow::Borrowed(_));
        match (is_clean, self.id.bytes().all(|byte| byte.is_ascii_digit())) {
            (true, _) => &self.id,
            (false, true) => "ios-app",
            (false, false) => "android-app",
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_of_a_referrer_is_read_and_nothing_personal_of_it_stays() {
        for (referrer, id, host) in [
            ("android-app://org.telegram.messenger/", "org.telegram.messenger", ""),
            ("android-app://com.Slack", "com.slack", ""),
            ("Android-App://com.google.android.gm/?x=1#y", "com.google.android.gm", ""),
            (
                "android-app://com.google.android.googlequicksearchbox/https/www.google.com",
                "com.google.android.googlequicksearchbox",
                "www.google.com",
            ),
            ("ios-app://686449807/https/T.me/ivan", "686449807", "t.me"),
            ("ios-app://686449807/tg/resolve", "686449807", ""),
            ("android-app://m.facebook.com/", "m.facebook.com", ""),
            ("android-app://", "android-app", ""),
            ("android-app://com.exa mple/", "android-app", ""),
            ("android-app://ivan@mail.ru/", "android-app", ""),
            ("ios-app://+79161234567/https/a b/", "ios-app", ""),
        ] {
            let app = app_referrer(referrer).unwrap();
            assert_eq!((&*app.id, &*app.host), (id, host), "{referrer}");
        }
        for referrer in ["", "https://t.me/", "android-app:", "android-app:/com.a", "xandroid-app://com.a"] {
            assert_eq!(app_referrer(referrer), None, "{referrer}");
        }
        let stored = |referrer| app_referrer(referrer).unwrap().scrubbed_id().to_owned();
        assert_eq!(stored("android-app://com.example.reader/"), "com.example.reader");
        assert_eq!(stored("ios-app://1234567890/"), "ios-app");
        assert_eq!(stored("android-app://com.example.89161234567/"), "android-app");
    }
}
