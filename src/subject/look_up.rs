//! Finds the scope of a request from what a visitor knows: address and user agent, a cookie, or a reference code.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::error::SubjectError;
use crate::config::{CookieRule, Site};
use crate::ingest::Collector;
use crate::privacy::{Peer, Subject, SubjectScope, scrub};

/// What names the visitor, in exactly one way. Memory is zeroed when it is freed, as everywhere in the process.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubjectQuery {
    pub site: String,
    /// With `user_agent`, while the day's key lives.
    pub address: Option<String>,
    pub user_agent: Option<String>,
    /// `NAME=VALUE`.
    pub cookie: Option<String>,
    /// A code of the visitor's page.
    pub reference: Option<String>,
    /// A pseudonym, as `find` or an export shows it.
    pub visitor: Option<String>,
    /// The epoch of `visitor`; today's if it is missing.
    pub epoch: Option<u32>,
    /// An open request, or a block that is in force: the visitor of that one.
    pub request: Option<String>,
    /// A day on which the visitor came. It must be today: earlier keys are destroyed.
    pub day: Option<Date>,
    /// Everything of the site.
    pub whole_site: bool,
}

impl SubjectQuery {
    /// The kind of identifier that names the visitor, for the audit.
    pub(super) fn identified_by(&self) -> &'static str {
        match self {
            Self { request: Some(_), .. } => "request",
            Self { visitor: Some(_), .. } => "visitor",
            Self { reference: Some(_), .. } => "reference",
            Self { cookie: Some(_), .. } => "cookie",
            Self { whole_site: true, .. } => "site",
            _ => "address and user agent",
        }
    }

    fn identifier_count(&self) -> usize {
        let given = [
            self.address.is_some() || self.user_agent.is_some(),
            self.cookie.is_some(),
            self.reference.is_some(),
            self.visitor.is_some(),
            self.request.is_some(),
            self.whole_site,
        ];
        given.into_iter().filter(|given| *given).count()
    }

    pub(super) fn check(&self) -> Result<(), SubjectError> {
        let wrong = |what: &str| Err(SubjectError::Query(what.to_owned()));
        if self.identifier_count() != 1 {
            return wrong(
                "name the visitor in one way: address and user agent, cookie, reference, visitor or request",
            );
        }
        if self.address.is_some() != self.user_agent.is_some() {
            return wrong("an address alone stands for everybody behind it: give the user agent too");
        }
        if self.epoch.is_some() && self.visitor.is_none() {
            return wrong("an epoch belongs to a visitor's pseudonym");
        }
        Ok(())
    }
}

/// The scope of a query that names neither a request nor a reference code.
pub(super) fn scope(
    collector: &Collector,
    site: &Site,
    query: &SubjectQuery,
) -> Result<SubjectScope, SubjectError> {
    let wrong = |what: &str| SubjectError::Query(what.to_owned());
    let epoch = || collector.privacy().epoch().ok_or(SubjectError::NoKey);
    let id = || site.id.to_string();
    if query.whole_site {
        return Ok(SubjectScope::Site { site: id() });
    }
    if let Some(visitor) = &query.visitor {
        let visitor = visitor.parse().map_err(|_| wrong("a visitor is a number, as `find` shows it"))?;
        let now = collector.privacy().keys().status().epoch;
        let subject = Subject { site: id(), epoch: query.epoch.unwrap_or(now), visitor };
        return Ok(SubjectScope::Visitor(subject));
    }
    if let Some(cookie) = &query.cookie {
        let (name, value) = cookie.split_once('=').ok_or_else(|| wrong("a cookie is NAME=VALUE"))?;
        let rule = site.cookies.get(name);
        if !matches!(rule, Some(CookieRule::Hmac | CookieRule::Value)) {
            return Err(wrong(
                "the site does not keep this cookie's value, so it links no event: see `cookies` of the site",
            ));
        }
        if value.is_empty() {
            return Err(wrong("a cookie without a value links nobody: give NAME=VALUE"));
        }
        let epoch = epoch()?;
        let kept = epoch.cookies(site, [(name, value)]);
        let (name, kept) = kept.into_iter().next().ok_or_else(|| wrong("the cookie is not kept"))?;
        if rule == Some(&CookieRule::Value) && !links_one(value, &kept) {
            return Err(wrong(
                "this value is stored scrubbed or cut, and the events of many visitors may have what is kept of it",
            ));
        }
        return Ok(SubjectScope::Cookie { site: id(), name: name.to_owned(), value: kept.into_owned() });
    }
    let (address, user_agent) =
        query.address.as_ref().zip(query.user_agent.as_ref()).expect("`check` was called");
    let address =
        address.trim().parse().map_err(|_| wrong("the address is neither an IPv4 nor an IPv6 address"))?;
    let identity = epoch()?.identify(Peer::new(address), site, user_agent.as_bytes());
    Ok(SubjectScope::Visitor(Subject { site: id(), epoch: identity.epoch, visitor: identity.visitor }))
}

/// Whether a value is stored as it is. What replaces a number or an address is the same for many visitors.
fn links_one(value: &str, kept: &str) -> bool {
    kept == value && !scrub::has_placeholder(value)
}

/// Whether all of a day's pseudonyms can be computed: the key in force was in force on all of it, as far as it has passed.
pub(super) fn is_linkable(day: Date, epoch: u32, zone: &TimeZone) -> bool {
    let began = Timestamp::from_second(epoch.into()).unwrap_or_default().to_zoned(zone.clone());
    day >= began.date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_stored_otherwise_or_for_many_visitors_links_nobody() {
        let long = "variant-".repeat(30);
        for (value, links) in [
            ("B", true),
            ("green-button", true),
            ("a:b", true),
            ("anna@clinic.example", false),
            (":email", false),
            ("b-:number", false),
            (&long, false),
        ] {
            assert_eq!(links_one(value, &scrub::value("ab", value, 128)), links, "{value}");
        }
    }
}
