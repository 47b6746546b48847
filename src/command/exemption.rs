//! `footfall config check --exempt cnil`: the conditions under which France needs no consent for measuring an audience.
//!
//! Sources: CNIL, guidelines 2020-091 and recommendation 2020-092 of 17 September 2020, and its self-assessment of July 2025, which replaces
//! the list of audited products. They were read in summaries of others, not in French.

use std::io::Write;

use crate::app::{Exit, ExitError};
use crate::config::{Config, CookieRule, Retention, Site, StoreConfig};

/// Days of 25 months.
const MAX_RETENTION: u16 = 760;

/// Whose rules are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Exemption {
    /// The French exemption for audience measurement.
    Cnil,
}

struct Condition {
    text: &'static str,
    verdict: Verdict,
}

enum Verdict {
    /// By how the product works, whatever the settings.
    ByDesign(&'static str),
    /// By these settings.
    Met(String),
    /// A setting breaks it, with what to change.
    Broken(Vec<String>),
    /// No setting can tell.
    Yours(&'static str),
}

/// Prints each condition with its verdict.
///
/// # Errors
/// When a setting breaks a condition.
pub(crate) fn print(config: &Config, out: &mut impl Write) -> Result<(), ExitError> {
    writeln!(out, "\nconsent exemption for audience measurement (CNIL, France)")?;
    let mut broken = 0;
    for Condition { text, verdict } in conditions(config) {
        let (word, reasons) = match verdict {
            Verdict::ByDesign(why) => ("met", vec![why.to_owned()]),
            Verdict::Met(why) => ("met", vec![why]),
            Verdict::Yours(what) => ("yours", vec![what.to_owned()]),
            Verdict::Broken(what) => {
                broken += 1;
                ("NOT MET", what)
            }
        };
        writeln!(out, "  {word:<8} {text}")?;
        for reason in reasons {
            writeln!(out, "           {reason}")?;
        }
    }
    if broken == 0 {
        writeln!(
            out,
            "No setting breaks a condition. Those marked \"yours\" are for you to keep; this is not legal advice."
        )?;
        return Ok(());
    }
    Err(ExitError::new(Exit::Failed, format!("{broken} conditions of the exemption are not met")))
}

fn conditions(config: &Config) -> Vec<Condition> {
    let condition = |text, verdict| Condition { text, verdict };
    vec![
        condition(
            "It serves the measurement of the audience alone, for the publisher alone.",
            Verdict::Yours(
                "use the figures for nothing else; whoever runs the collector for you is a processor under contract",
            ),
        ),
        condition(
            "It gives anonymous statistics alone.",
            Verdict::Yours(
                "give tokens of role viewer to readers; analysts and operators see pseudonymous rows, so keep them few (docs/privacy.md)",
            ),
        ),
        condition("It is not combined with other data about the person.", cookies(config)),
        condition("Page addresses carry no identifiers.", parameters(config)),
        condition("Nothing is passed to third parties.", store(config)),
        condition(
            "A person is not followed over several sites or apps.",
            Verdict::ByDesign(
                "pseudonyms are made with the site's name and a key of the day; none recurs on another site",
            ),
        ),
        condition(
            "Trackers live 13 months at most, and a visit does not prolong them.",
            Verdict::ByDesign("no tracker is set: the one cookie keeps a refusal and names nobody"),
        ),
        condition("What is collected is kept 25 months at most.", retention(config)),
        condition(
            "Addresses are used for no place finer than a city, and not kept.",
            Verdict::ByDesign("an address is gone after the answer; places end with the city"),
        ),
        condition("Visitors are informed.", policy(config)),
        condition(
            "Visitors can object easily.",
            Verdict::Yours(
                "link to a page that calls footfall.optOut(); Global Privacy Control and Do Not Track are obeyed without it",
            ),
        ),
        condition(
            "Nothing leaves the European Union without safeguards.",
            Verdict::Yours("run the collector and its store in the Union"),
        ),
    ]
}

/// One line for each site that breaks a condition, in the order of their names.
fn sites(config: &Config, problem: impl Fn(&Site) -> Option<String>) -> Vec<String> {
    let mut found: Vec<String> = config
        .sites
        .iter()
        .filter_map(|site| Some(format!("site {}: {}", site.id, problem(site)?)))
        .collect();
    found.sort_unstable();
    found
}

fn cookies(config: &Config) -> Verdict {
    let broken = sites(config, |site| {
        let kept = |rule: &CookieRule| matches!(rule, CookieRule::Value | CookieRule::Hmac);
        let names: Vec<_> =
            site.cookies.iter().filter(|(_, rule)| kept(rule)).map(|(name, _)| &**name).collect();
        let what = "is kept by value or HMAC and may name the person; use `presence`";
        (!names.is_empty()).then(|| format!("cookie {} {what}", names.join(", ")))
    });
    if broken.is_empty() {
        Verdict::Met(
            "no cookie is kept by its value or HMAC; keep names of people out of properties too".to_owned(),
        )
    } else {
        Verdict::Broken(broken)
    }
}

fn parameters(config: &Config) -> Verdict {
    let broken = sites(config, |site| {
        let keeps_all = site.query.prefixes.iter().any(String::is_empty);
        keeps_all.then(|| "`query` keeps every parameter; name those that are needed".to_owned())
    });
    if broken.is_empty() {
        Verdict::Met(
            "only parameters on the list `query` of a site are kept, and they are scrubbed".to_owned(),
        )
    } else {
        Verdict::Broken(broken)
    }
}

fn store(config: &Config) -> Verdict {
    match &config.store {
        StoreConfig::Embedded { .. } => Verdict::Met("the store is a process of this machine".to_owned()),
        StoreConfig::Server { .. } => {
            Verdict::Yours("the store is a server: it must be yours or a processor's, under contract")
        }
    }
}

fn retention(config: &Config) -> Verdict {
    let broken = sites(config, |site| match site.retention {
        Retention::Hours(_) => None,
        Retention::Days(days) if days <= MAX_RETENTION => None,
        Retention::Days(days) => Some(format!("`retention` is {days} days; {MAX_RETENTION} are 25 months")),
        Retention::Unlimited => Some(format!("`retention` has no limit; {MAX_RETENTION} days are 25 months")),
    });
    if broken.is_empty() {
        Verdict::Met("every site's `retention` is within it".to_owned())
    } else {
        Verdict::Broken(broken)
    }
}

fn policy(config: &Config) -> Verdict {
    if config.policy.is_empty() {
        Verdict::Broken(vec![
            "`policy` is empty: publish a privacy policy that names this measurement, and set its version"
                .to_owned(),
        ])
    } else {
        Verdict::Yours("the privacy policy must name this measurement, its purpose and how to object")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> (String, bool) {
        let config = Config::check("footfall.toml", text, &[]).unwrap();
        let mut out = Vec::new();
        let is_met = print(&config, &mut out).is_ok();
        (String::from_utf8(out).unwrap(), is_met)
    }

    const SITE: &str = "policy = \"2026-01-01\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n";

    #[test]
    fn settings_that_break_a_condition_are_named_with_their_site() {
        assert!(printed(SITE).1, "{}", printed(SITE).0);
        for (more, expected) in [
            ("retention = \"800d\"\n", "site clinic: `retention` is 800 days"),
            ("retention = \"unlimited\"\n", "site clinic: `retention` has no limit"),
            ("cookies = { sid = \"hmac\", ab = \"presence\" }\n", "site clinic: cookie sid is kept"),
            ("cookies = { ab = \"value\" }\n", "site clinic: cookie ab is kept"),
            ("query = [\"*\"]\n", "site clinic: `query` keeps every parameter"),
        ] {
            let (text, is_met) = printed(&format!("{SITE}{more}"));
            assert!(text.contains(expected) && text.contains("  NOT MET  ") && !is_met, "{text}");
        }
        let (text, is_met) = printed(&SITE.replace("policy = \"2026-01-01\"\n", ""));
        assert!(text.contains("`policy` is empty") && !is_met, "{text}");
    }
}
