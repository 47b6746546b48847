//! Hosts for people to read: `клиника.рф` rather than `xn--80apagcdp.xn--p1ai`.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{Hyphens, Uts46};
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection, skeleton};

/// A host as reports show it. A label stays in Punycode if it could be mistaken for another name: if it mixes scripts or has characters that
/// names do not need, or if all of it looks like ASCII under a top-level domain in ASCII (UTS 39).
pub fn shown_host(host: &str) -> Cow<'_, str> {
    let is_encoded = host.split('.').any(|label| label.starts_with("xn--"));
    if !is_encoded && host.is_ascii() {
        return Cow::Borrowed(host);
    }
    let processed = Uts46::new().to_user_interface(
        host.as_bytes(),
        AsciiDenyList::URL,
        Hyphens::Allow,
        |label, top, _| is_plain(label, top),
    );
    match processed {
        (shown, Ok(())) => shown,
        (_, Err(_)) => Cow::Borrowed(host),
    }
}

fn is_plain(label: &[char], top_level: &[char]) -> bool {
    let text: String = label.iter().collect();
    let is_one_script = text.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive);
    let is_name = text.chars().all(|letter| letter == '-' || letter.identifier_allowed());
    let looks_ascii = || skeleton(&text).all(|letter| letter.is_ascii());
    is_one_script && is_name && !(top_level.iter().all(char::is_ascii) && looks_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_shown_in_its_script_unless_it_could_be_taken_for_another() {
        for (host, shown) in [
            ("clinic.example", "clinic.example"),
            ("xn--80apagcdp.xn--p1ai", "клиника.рф"),
            ("www.xn--80apagcdp.xn--p1ai", "www.клиника.рф"),
            ("xn--mnchen-3ya.de", "münchen.de"),
            ("xn--wgv71a119e.jp", "日本語.jp"),
            ("xn--e1afmkfd.com", "пример.com"),
            ("xn--4dbrk0ce.example", "ישראל.example"),
            ("xn--fiqs8s", "中国"),
            // "аррӏе" in Cyrillic letters, and "pаypal" with one of them.
            ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),
            ("xn--pypal-4ve.com", "xn--pypal-4ve.com"),
            // An emoji, a wrong encoding, a label that is not in its normal form.
            ("xn--i-7iq.ws", "xn--i-7iq.ws"),
            ("xn--.example", "xn--.example"),
            ("xn--zzzzzzzz99999.example", "xn--zzzzzzzz99999.example"),
            ("xn--a", "xn--a"),
        ] {
            assert_eq!(shown_host(host), shown, "{host}");
            let again = idna::domain_to_ascii(shown);
            assert!(again.is_err() || again.is_ok_and(|again| again == host), "{shown}");
        }
        // As somebody may write it.
        assert_eq!(shown_host("КЛИНИКА.рф"), "клиника.рф");
    }
}
