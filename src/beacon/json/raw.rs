//! The wire as `serde` sees it, and where it went wrong when it did.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::{Hints, MAX_COOKIES, MAX_PROPS, Malformed, Text};

#[derive(Deserialize)]
pub(super) struct RawBeacon<'a> {
    pub(super) v: Whole,
    #[serde(borrow)]
    pub(super) s: Text<'a>,
    #[serde(borrow)]
    pub(super) l: RawPageLoad<'a>,
    #[serde(default)]
    pub(super) o: Whole,
    #[serde(default)]
    pub(super) at: Option<f64>,
    #[serde(default)]
    pub(super) w: Whole,
    #[serde(default)]
    pub(super) h: Whole,
    #[serde(borrow, default)]
    pub(super) g: Text<'a>,
    #[serde(borrow, default)]
    pub(super) z: Text<'a>,
    #[serde(default)]
    pub(super) c: Flag,
    #[serde(default)]
    pub(super) t: Whole,
    #[serde(default)]
    pub(super) b: Flag,
    #[serde(borrow, default)]
    pub(super) ck: Texts<'a, MAX_COOKIES>,
    #[serde(borrow, default)]
    pub(super) ch: Option<Hints<'a>>,
    #[serde(borrow)]
    pub(super) e: Vec<RawEvent<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHints<'a> {
    #[serde(borrow, default)]
    brands: Vec<RawBrand<'a>>,
    #[serde(borrow, default)]
    full_version_list: Vec<RawBrand<'a>>,
    #[serde(default)]
    mobile: Option<bool>,
    #[serde(borrow, default)]
    platform: Text<'a>,
    #[serde(borrow, default)]
    platform_version: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    form_factors: Vec<Text<'a>>,
}

#[derive(Deserialize)]
struct RawBrand<'a> {
    #[serde(borrow, default)]
    brand: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Hints<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawHints::deserialize(deserializer)?;
        let brands =
            |list: Vec<RawBrand<'de>>| list.into_iter().map(|raw| (raw.brand.0, raw.version.0)).collect();
        Ok(Self {
            brands: brands(raw.brands),
            full_versions: brands(raw.full_version_list),
            mobile: raw.mobile,
            platform: raw.platform.0,
            platform_version: raw.platform_version.0,
            model: raw.model.0,
            form_factors: raw.form_factors.into_iter().map(|text| text.0).collect(),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct RawEvent<'a> {
    #[serde(borrow)]
    pub(super) k: Text<'a>,
    #[serde(default)]
    pub(super) a: Whole,
    #[serde(default)]
    pub(super) at: Option<f64>,
    #[serde(borrow, default)]
    pub(super) u: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) r: Text<'a>,
    #[serde(borrow, default)]
    pub(super) n: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) p: Texts<'a, MAX_PROPS>,
    #[serde(borrow, default)]
    pub(super) ad: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) slot: Text<'a>,
    #[serde(default)]
    pub(super) ms: Span,
    #[serde(default)]
    pub(super) sd: Whole,
    #[serde(borrow, default)]
    pub(super) m: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) f: Text<'a>,
    #[serde(default)]
    pub(super) ln: Whole,
    #[serde(default)]
    pub(super) col: Whole,
    #[serde(borrow, default)]
    pub(super) st: Text<'a>,
    #[serde(borrow, default)]
    pub(super) tag: Text<'a>,
    #[serde(default)]
    pub(super) lcp: Option<Whole>,
    #[serde(default)]
    pub(super) inp: Option<Whole>,
    #[serde(default)]
    pub(super) cls: Option<Score>,
    #[serde(default)]
    pub(super) fcp: Option<Whole>,
    #[serde(default)]
    pub(super) ttfb: Option<Whole>,
    #[serde(default)]
    pub(super) dns: Option<Whole>,
    #[serde(default)]
    pub(super) con: Option<Whole>,
    #[serde(default)]
    pub(super) tls: Option<Whole>,
    #[serde(default)]
    pub(super) load: Option<Whole>,
    #[serde(default, alias = "navigation")]
    pub(super) nt: Option<Box<RawNavigation>>,
    #[serde(default, rename = "largest-contentful-paint")]
    pub(super) largest_paint: Option<Box<RawEntry>>,
    #[serde(default)]
    pub(super) paint: Option<Box<RawEntry>>,
    #[serde(default)]
    pub(super) event: Option<Box<RawEntry>>,
    #[serde(default, rename = "first-input")]
    pub(super) first_input: Option<Box<RawEntry>>,
    #[serde(default, rename = "layout-shift")]
    pub(super) shifts: Option<Vec<f64>>,
}

/// `PerformanceEntry` as browsers write it; times in ms.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawEntry {
    pub(super) start_time: Time,
    pub(super) duration: Time,
    pub(super) interaction_id: Time,
}

/// `PerformanceNavigationTiming` as browsers write it; times in ms from the navigation's start, 0 when there is none.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawNavigation {
    pub(super) activation_start: Time,
    pub(super) domain_lookup_start: Time,
    pub(super) domain_lookup_end: Time,
    pub(super) connect_start: Time,
    pub(super) secure_connection_start: Time,
    pub(super) connect_end: Time,
    pub(super) response_start: Time,
    pub(super) load_event_end: Time,
}

/// A time in ms; null counts as none.
#[derive(Clone, Copy, Default)]
pub(super) struct Time(pub(super) f64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<f64>::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// A number that is not negative; fractions, which clocks of browsers give, are rounded.
#[derive(Clone, Copy, Default)]
pub(super) struct Whole(pub(super) u64);

impl Whole {
    /// As milliseconds; what does not fit is the most that does.
    pub(super) fn milliseconds(self) -> u32 {
        self.bounded()
    }

    pub(super) fn bounded(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number that is not negative")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        // The cast saturates, so that 1e300 is the largest number rather than nonsense.
        if number >= 0.0 {
            Ok(Whole(number.round() as u64))
        } else {
            Err(E::custom("expected a number that is not negative"))
        }
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Whole, E> {
        Err(E::custom("expected a number that is not negative"))
    }
}

/// How long something lasted, in ms. A clock that was set back in the meantime counts as no time.
#[derive(Clone, Copy, Default)]
pub(super) struct Span(pub(super) u32);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The cast saturates.
        Ok(Self(f64::deserialize(deserializer)?.round() as u32))
    }
}

/// 0 and false, or anything above and true; null counts as false.
#[derive(Clone, Copy, Default)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0, 1, true or false")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Flag, E> {
        Ok(Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Flag, E> {
        Ok(Flag(number > 0))
    }

    fn visit_unit<E: Error>(self) -> Result<Flag, E> {
        Ok(Flag(false))
    }
}

/// The id of a page load: a number in base 36, or a fraction as `Math.random()` gives it.
pub(super) enum RawPageLoad<'a> {
    Base36(Text<'a>),
    Fraction(f64),
}

impl<'de: 'a, 'a> Deserialize<'de> for RawPageLoad<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PageLoadVisitor)
    }
}

struct PageLoadVisitor;

impl<'de> Visitor<'de> for PageLoadVisitor {
    type Value = RawPageLoad<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a fraction")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(RawPageLoad::Base36(Text(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(RawPageLoad::Base36(Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(RawPageLoad::Fraction(number))
    }
}

/// A finite score that is not negative.
#[derive(Clone, Copy)]
pub(super) struct Score(pub(super) f32);

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)? as f32;
        if number.is_finite() && number >= 0.0 {
            Ok(Self(number))
        } else {
            Err(D::Error::custom("expected a number that is not negative"))
        }
    }
}

/// Texts by name: an object of texts, numbers and flags, a list of `name=value`, or a text written as a query. A member
/// of another type (null, a list, an object) is dropped, and so is all of it if it is a bare null, number or flag: it is
/// no reason to lose the events beside it. It keeps one more than `MAX`, so that too many can be told.
#[derive(Default)]
pub(super) struct Texts<'a, const MAX: usize>(pub(super) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Texts<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor::<MAX>)
    }
}

struct TextsVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for TextsVisitor<MAX> {
    type Value = Texts<'de, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts, numbers, true and false")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some((name, Scalar(value))) = map.next_entry::<Text<'de>, Scalar<'de>>()? {
            if let Some(value) = value
                && texts.len() <= MAX
            {
                texts.push((name, value));
            }
        }
        Ok(Texts(texts))
    }

    fn visit_borrowed_str<E: Error>(self, query: &'de str) -> Result<Self::Value, E> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).take(MAX + 1);
        Ok(Texts(pairs.map(|(name, value)| (Text(name), Text(value))).collect()))
    }

    fn visit_str<E: Error>(self, query: &str) -> Result<Self::Value, E> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX + 1);
        Ok(Texts(pairs.map(|(name, value)| (Text(name.into()), Text(value.into()))).collect()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Texts(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(Text(pair)) = list.next_element::<Text<'de>>()? {
            if texts.len() <= MAX {
                let (name, value) = split(pair);
                texts.push((Text(name), Text(value)));
            }
        }
        Ok(Texts(texts))
    }
}

/// The two sides of `name=value`, as cookies are written: the space after the `;` before them may still be there.
fn split(pair: Cow<'_, str>) -> (Cow<'_, str>, Cow<'_, str>) {
    match pair {
        Cow::Borrowed(pair) => {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (Cow::Borrowed(name.trim_start()), Cow::Borrowed(value))
        }
        Cow::Owned(pair) => {
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            (Cow::Owned(name.trim_start().to_owned()), Cow::Owned(value.to_owned()))
        }
    }
}

/// A text, number or flag as a text; `None` for what is neither.
struct Scalar<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Text(Cow::Borrowed(text)))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Text(Cow::Owned(text.to_owned())))))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Text(Cow::Borrowed(if flag { "true" } else { "false" })))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Text(Cow::Owned(number.to_string())))))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Text(Cow::Owned(number.to_string())))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar(Some(Text(Cow::Owned(number.to_string())))))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Scalar(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }
}

/// Names of fields that may stand in an error; anything else in a path came from the sender.
const FIELDS: &[&str] = &[
    "v",
    "at",
    "s",
    "l",
    "o",
    "w",
    "h",
    "g",
    "z",
    "c",
    "t",
    "b",
    "ck",
    "ch",
    "e",
    "brands",
    "fullVersionList",
    "brand",
    "version",
    "mobile",
    "platform",
    "platformVersion",
    "model",
    "formFactors",
    "k",
    "a",
    "u",
    "r",
    "n",
    "p",
    "ad",
    "slot",
    "ms",
    "sd",
    "m",
    "f",
    "ln",
    "col",
    "st",
    "tag",
    "lcp",
    "inp",
    "cls",
    "fcp",
    "ttfb",
    "dns",
    "con",
    "tls",
    "load",
    "nt",
    "navigation",
    "largest-contentful-paint",
    "paint",
    "event",
    "first-input",
    "layout-shift",
    "startTime",
    "duration",
    "interactionId",
];

/// Reads a body that is no beacon again, to say what is wrong and where, without repeating any of it.
pub(super) fn explain(body: &[u8]) -> Malformed {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, RawBeacon<'_>>(&mut deserializer) {
        Ok(_) => return Malformed::new("body", "has something behind the JSON object"),
        Err(error) => error,
    };
    let at = path(error.path());
    let error = error.into_inner();
    let what: Cow<'static, str> = match error.classify() {
        serde_json::error::Category::Eof => "ends before the JSON object does".into(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("is not JSON at line {}, column {}", error.line(), error.column()).into()
        }
        serde_json::error::Category::Data => data_error(&error.to_string()),
    };
    Malformed { what, at }
}

/// What `serde` expected, without what it found.
fn data_error(message: &str) -> Cow<'static, str> {
    let quoted = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split('`').next());
    if let Some(name) = quoted("missing field `") {
        return format!("has no field {name}").into();
    }
    if let Some(name) = quoted("duplicate field `") {
        return format!("has the field {name} twice").into();
    }
    match message.rsplit_once("expected ") {
        Some((_, expected)) => {
            let expected = expected.split(" at line ").next().unwrap_or_default();
            let expected = expected.strip_prefix("struct ").map_or(expected, |_| "an object");
            format!("must be {expected}").into()
        }
        None => "is not what the format says".into(),
    }
}

/// The path as `e[2].k`, as far as it consists of the format's own names.
fn path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } if FIELDS.contains(&key.as_str()) => {
                let dot = if text.is_empty() { "" } else { "." };
                text.push_str(dot);
                text.push_str(key);
            }
            _ => break,
        }
    }
    if text.is_empty() { "body".to_owned() } else { text }
}
