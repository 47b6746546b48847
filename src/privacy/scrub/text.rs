//! Scrubs one text: the rounds of a scanner until nothing changes, and the cut to a length.

use std::borrow::Cow;

use super::click_ids::CLICK_IDS;
use super::label::{CampaignText, Context};
use super::labelled;
use super::percent;
use super::placeholder;
use super::scanner;
use super::shapes::{email, numbers};
use super::words::WordClass;
use crate::beacon::short_decimal;

/// A replacement may cause another one (`a@b` cut out of a longer text). A text settles within this many rounds.
const MAX_ROUNDS: usize = 6;

/// A text of a page without personal data, at most `max_bytes` long and cut between characters.
pub fn text(text: &str, max_bytes: usize) -> Cow<'_, str> {
    fit(text, max_bytes, Context::default())
}

/// The value of a property, parameter or cookie, whose name says what it is. At most `max_bytes` long. A whole value that is a number
/// stays one, with few digits, unless its name says that it is an id.
pub fn value<'a>(name: &str, value: &'a str, max_bytes: usize) -> Cow<'a, str> {
    let context = context_of(name);
    let rounded = || Cow::Owned(short_decimal(value.parse().unwrap_or_default()));
    // With few digits, a coordinate is a district.
    if context.is(WordClass::Position) && numbers::is_fraction(value, numbers::FINE) {
        return rounded();
    }
    let scrubbed = fit(value, max_bytes, context);
    if context.names_person() {
        return scrubbed;
    }
    let is_exact = numbers::is_fraction(value, numbers::EXACT)
        || (!context.is_classified() && numbers::is_large_fraction(value));
    match scrubbed {
        _ if is_exact => rounded(),
        Cow::Owned(_) if numbers::is_rounded(value) => Cow::Borrowed(value),
        scrubbed => scrubbed,
    }
}

/// The name of an advertisement or its place. Its numbers are those of campaigns and stay, unless they are shaped like a person's.
pub fn advertisement(name: &str, max_bytes: usize) -> Cow<'_, str> {
    fit(name, max_bytes, Context::for_campaign(CampaignText::Advertisement))
}

/// What the name of a field says about its value.
pub(super) fn context_of(name: &str) -> Context {
    if name.starts_with("utm_") {
        return Context::for_campaign(CampaignText::Parameter);
    }
    if CLICK_IDS.contains(&name) {
        return Context::for_class(WordClass::Click);
    }
    Context::for_field(name)
}

/// Scrubs until the text fits: without its end it may match other rules.
pub(super) fn fit(text: &str, max_bytes: usize, context: Context) -> Cow<'_, str> {
    let mut scrubbed = scrub(text, context);
    while scrubbed.len() > max_bytes {
        let end = scrubbed.floor_char_boundary(max_bytes);
        scrubbed = match scrubbed {
            Cow::Borrowed(whole) => scrub(&whole[..end], context),
            Cow::Owned(mut whole) => {
                whole.truncate(end);
                match scrub(&whole, context) {
                    Cow::Borrowed(_) => Cow::Owned(whole),
                    Cow::Owned(again) => Cow::Owned(again),
                }
            }
        };
    }
    scrubbed
}

/// Replaces personal data, until nothing changes.
pub(super) fn scrub(text: &str, context: Context) -> Cow<'_, str> {
    let Cow::Owned(mut scrubbed) = round(text, context) else { return Cow::Borrowed(text) };
    for _ in 1..MAX_ROUNDS {
        match round(&scrubbed, context) {
            Cow::Borrowed(_) => break,
            Cow::Owned(again) => scrubbed = again,
        }
    }
    Cow::Owned(scrubbed)
}

fn round(text: &str, context: Context) -> Cow<'_, str> {
    if context.whole
        && let Some(class) = context.class()
        && let Some(marker) = labelled::replacement(class, &context, &percent::decoded(text))
    {
        return Cow::Owned(marker.to_owned());
    }
    if context.whole && placeholder::is_all(text) {
        return Cow::Borrowed(text);
    }
    match email::without_disguise(text) {
        Cow::Borrowed(text) => scanner::pass(text, 0, context).0,
        // The disguise stays where it hides nothing.
        Cow::Owned(plain) => match scanner::pass(&plain, 0, context).0 {
            Cow::Borrowed(_) => scanner::pass(text, 0, context).0,
            Cow::Owned(scrubbed) => Cow::Owned(scrubbed),
        },
    }
}
