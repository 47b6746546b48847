//! Version 1 of the wire format: one JSON object. `docs/wire.md` describes it field by field.
//!
//! The body is read once into a raw form that mirrors the wire, then checked into a [`Beacon`]. Only when that fails is
//! it read again, slowly, to say where.

mod raw;

use std::borrow::Cow;

use raw::{RawBeacon, RawEntry, RawEvent, RawNavigation, RawPageLoad, Whole};

use super::{
    AdAction, Beacon, Event, MAX_AGE_MS, MAX_COOKIES, MAX_EVENTS, MAX_PROPS, Malformed, Page, ScriptError,
    Text, VERSION, Vitals, What,
};

/// Longest name of an event, campaign or slot, in bytes.
const MAX_NAME: usize = 128;
/// Longest page-load id: 64 bits in base 36.
const MAX_PAGE_LOAD: usize = 13;
/// Longest language tag and time-zone name that are taken, in bytes.
const MAX_TAG: usize = 64;
/// Longest name of an HTML element that is taken, in bytes.
const MAX_ELEMENT: usize = 16;

/// Reads a beacon.
///
/// # Errors
/// [`Malformed`], with what is wrong and where.
pub fn parse(body: &[u8]) -> Result<Beacon<'_>, Malformed> {
    // A list would be taken as the fields in their order: nobody means that.
    if body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
        return Err(Malformed::new("body", "must be an object"));
    }
    let raw: RawBeacon<'_> = serde_json::from_slice(body).map_err(|_| raw::explain(body))?;
    check(raw)
}

fn check(raw: RawBeacon<'_>) -> Result<Beacon<'_>, Malformed> {
    if raw.v.0 != VERSION {
        return Err(Malformed::new("v", "must be 1"));
    }
    let page_load = page_load(&raw.l)?;
    if raw.e.is_empty() || raw.e.len() > MAX_EVENTS {
        return Err(Malformed::new("e", format!("must hold 1 to {MAX_EVENTS} events")));
    }
    let first = u32::try_from(raw.o.0)
        .ok()
        .filter(|first| first.checked_add(MAX_EVENTS as u32).is_some())
        .ok_or_else(|| Malformed::new("o", "must be below 2^32 - 100"))?;
    if raw.ck.0.len() > MAX_COOKIES {
        return Err(Malformed::new("ck", format!("must hold at most {MAX_COOKIES} cookies")));
    }
    let mut events: Vec<Event<'_>> = Vec::with_capacity(raw.e.len());
    let mut named = None;
    for (index, event) in raw.e.into_iter().enumerate() {
        let mut event = check_event(event, raw.at)
            .map_err(|(field, what)| Malformed::new(format!("e[{index}].{field}"), what))?;
        if index == 0 && event.page.is_none() {
            return Err(Malformed::new("e[0].u", "is missing: the first event needs its page's address"));
        }
        // The script names the page in every event: what says nothing new need not be scrubbed again.
        if event.page.is_some() {
            if named.is_some_and(|named: usize| events[named].page == event.page) {
                event.page = None;
            } else {
                named = Some(index);
            }
        }
        events.push(event);
    }
    Ok(Beacon {
        site: raw.s.0,
        page_load,
        first,
        screen_width: u16::try_from(raw.w.0).unwrap_or(u16::MAX),
        screen_height: u16::try_from(raw.h.0).unwrap_or(u16::MAX),
        language: tag(raw.g.0, b"-"),
        timezone: tag(raw.z.0, b"-_+/"),
        cookies_enabled: raw.c.0,
        touch_points: u8::try_from(raw.t.0).unwrap_or(u8::MAX),
        automated: raw.b.0,
        cookies: raw.ck.0,
        hints: raw.ch.unwrap_or_default(),
        events,
    })
}

/// A 64-bit number in base 36, or the 53 random bits of a fraction.
fn page_load(raw: &RawPageLoad<'_>) -> Result<u64, Malformed> {
    let text = match raw {
        RawPageLoad::Base36(text) => text,
        RawPageLoad::Fraction(number) if (0.0..1.0).contains(number) => {
            return Ok((number * (1_u64 << f64::MANTISSA_DIGITS) as f64) as u64);
        }
        RawPageLoad::Fraction(_) => return Err(Malformed::new("l", "must be below 1, or text")),
    };
    let plain = (1..=MAX_PAGE_LOAD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    plain
        .then(|| u64::from_str_radix(text, 36).ok())
        .flatten()
        .ok_or_else(|| Malformed::new("l", "must be a 64-bit number in base 36: 1 to 13 of 0-9 and a-z"))
}

/// A language tag or zone name as it is, or empty when it cannot be one: it must not carry other texts to disk.
fn tag<'a>(text: Cow<'a, str>, besides: &[u8]) -> Cow<'a, str> {
    let fits = text.len() <= MAX_TAG
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || besides.contains(&byte));
    if fits { text } else { Cow::Borrowed("") }
}

/// A field's name and what is wrong with it.
type FieldError = (&'static str, Cow<'static, str>);

/// Checks an event of a beacon that was sent at this moment of the page's clock, if it says.
fn check_event(mut raw: RawEvent<'_>, sent: Option<f64>) -> Result<Event<'_>, FieldError> {
    let age_ms = match (sent, raw.at) {
        // The cast saturates: what lies ahead, because the clock was set, is 0 ms old.
        (Some(sent), Some(at)) => (sent - at).round() as u32,
        _ => raw.a.milliseconds(),
    }
    .min(MAX_AGE_MS);
    let page = raw.u.take().map(|url| Page { url: url.0, referrer: std::mem::take(&mut raw.r.0) });
    let what = match &*raw.k {
        "view" => What::View,
        "leave" => What::Leave {
            engaged_ms: raw.ms.0,
            scroll_depth: u8::try_from(raw.sd.0.min(100)).expect("at most 100"),
        },
        "event" => What::Event { name: name("n", raw.n, MAX_NAME)?, props: props(raw.p.0)? },
        "ad" => {
            let slot = cut(raw.slot.0, MAX_NAME);
            What::Ad { action: ad_action(raw.n.as_deref())?, ad: name("ad", raw.ad, MAX_NAME)?, slot }
        }
        "outbound" => What::Outbound { url: url(raw.n)? },
        "download" => What::Download { url: url(raw.n)? },
        "error" => What::Error(ScriptError {
            message: name("m", raw.m, usize::MAX)?,
            source: raw.f.0,
            line: raw.ln.bounded(),
            column: raw.col.bounded(),
            stack: raw.st.0,
        }),
        "resource" => What::Resource { url: url(raw.n)?, tag: element(raw.tag.0) },
        "vitals" => What::Vitals(vitals(&raw)),
        "missing" => What::Missing,
        _ => return Err(("k", "is not a kind of event".into())),
    };
    Ok(Event { age_ms, page, what })
}

fn vitals(raw: &RawEvent<'_>) -> Vitals {
    let given = |ms: Option<Whole>| ms.map(Whole::milliseconds);
    let ms = |at: f64| at.round() as u32;
    let started = |entry: &Option<Box<RawEntry>>| entry.as_ref().map(|entry| ms(entry.start_time.0));
    // A browser that does not tell interactions from other events has no INP.
    let lasted = |entry: &Option<Box<RawEntry>>| {
        entry.as_ref().filter(|entry| entry.interaction_id.0 > 0.0).map(|entry| ms(entry.duration.0))
    };
    let mut vitals = Vitals {
        lcp_ms: started(&raw.largest_paint).or(given(raw.lcp)),
        inp_ms: lasted(&raw.event).max(lasted(&raw.first_input)).or(given(raw.inp)),
        cls: raw.shifts.as_deref().map(worst_session).or(raw.cls.map(|score| score.0)),
        fcp_ms: started(&raw.paint).or(given(raw.fcp)),
        ttfb_ms: given(raw.ttfb),
        dns_ms: given(raw.dns),
        connect_ms: given(raw.con),
        tls_ms: given(raw.tls),
        load_ms: given(raw.load),
    };
    if let Some(navigation) = &raw.nt {
        navigated(&mut vitals, navigation);
    }
    vitals
}

/// Cumulative Layout Shift of shifts that are given as time in ms, score, time, score, …: the highest sum of a session,
/// which ends with a pause of 1 s or after 5 s (<https://web.dev/articles/cls>).
fn worst_session(shifts: &[f64]) -> f32 {
    let (mut worst, mut sum) = (0.0_f64, 0.0);
    let (mut opened, mut latest) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for shift in shifts.chunks_exact(2) {
        let (at, score) = (shift[0], shift[1].clamp(0.0, 1.0));
        if at - latest >= 1_000.0 || at - opened >= 5_000.0 {
            (sum, opened) = (0.0, at);
        }
        latest = at;
        sum += score;
        worst = worst.max(sum);
    }
    worst as f32
}

/// Fills in the phases of the navigation. A page that was prerendered begins when it is shown (`activationStart`,
/// <https://wicg.github.io/nav-speculation/prerendering.html>): what happened before took no time.
fn navigated(vitals: &mut Vitals, navigation: &RawNavigation) {
    let shown = navigation.activation_start.0;
    let since_shown = |ms: u32| (f64::from(ms) - shown).round().max(0.0) as u32;
    vitals.lcp_ms = vitals.lcp_ms.map(since_shown);
    vitals.fcp_ms = vitals.fcp_ms.map(since_shown);
    // A moment that has not come, or that the browser hides, is 0.
    let moment = |at: f64| (at > 0.0).then(|| (at - shown).round().max(0.0) as u32);
    let lasted = |from: f64, to: f64| (from > 0.0 && to >= from).then(|| (to - from).round() as u32);
    let (connect, secure) = (navigation.connect_start.0, navigation.secure_connection_start.0);
    let connected = navigation.connect_end.0;
    vitals.ttfb_ms = moment(navigation.response_start.0);
    vitals.load_ms = moment(navigation.load_event_end.0);
    vitals.dns_ms = lasted(navigation.domain_lookup_start.0, navigation.domain_lookup_end.0);
    vitals.connect_ms = lasted(connect, if secure > 0.0 { secure } else { connected });
    vitals.tls_ms = if secure > 0.0 { lasted(secure, connected) } else { vitals.connect_ms.map(|_| 0) };
}

/// A text that must be there and not be empty, cut to `max` bytes.
fn name<'a>(field: &'static str, text: Option<Text<'a>>, max: usize) -> Result<Cow<'a, str>, FieldError> {
    match text {
        Some(text) if !text.is_empty() => Ok(cut(text.0, max)),
        Some(_) => Err((field, "must not be empty".into())),
        None => Err((field, "is missing".into())),
    }
}

fn url(text: Option<Text<'_>>) -> Result<Cow<'_, str>, FieldError> {
    name("n", text, usize::MAX)
}

/// Cut at a character's boundary.
fn cut(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let end = text.floor_char_boundary(max);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

fn ad_action(name: Option<&str>) -> Result<AdAction, FieldError> {
    name.and_then(AdAction::from_name).ok_or_else(|| ("n", "must be impression, viewable or click".into()))
}

fn props<'a>(props: Vec<(Text<'a>, Text<'a>)>) -> Result<Vec<(Text<'a>, Text<'a>)>, FieldError> {
    if props.len() > MAX_PROPS {
        Err(("p", format!("must hold at most {MAX_PROPS} properties").into()))
    } else {
        Ok(props)
    }
}

/// The name of an HTML element, or empty.
fn element(tag: Cow<'_, str>) -> Cow<'_, str> {
    let fits =
        tag.len() <= MAX_ELEMENT && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { tag } else { Cow::Borrowed("") }
}

#[cfg(test)]
mod tests;
