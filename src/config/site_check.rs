//! Checks one `[[site]]`.

use std::collections::BTreeMap;

use super::goal;
use super::host::HostPattern;
use super::path_template::{MAX_TEMPLATES, PathTemplate, PathTemplates};
use super::raw::{ConfigSection, RawValue};
use super::site::{
    CookieRule, DEFAULT_RETENTION, MOST_HOURS, Retention, SignatureRules, Site, default_query, name_patterns,
};
use super::value::text;
use crate::event::BotCategory;
use crate::secret::Secret;

/// Days in the longest retention short of `unlimited`: a hundred years.
const MAX_RETENTION_DAYS: u16 = 36_500;
/// Letters of a secret at least: 128 bits in hexadecimal.
const MIN_SECRET: usize = 32;
/// Most secrets of a site: each is tried for each beacon.
const MAX_SECRETS: usize = 4;
/// Most letters of a site's id.
const MAX_SITE_ID: usize = 64;

/// Checks one `[[site]]`; `None` when it has no valid id or hosts.
pub(super) fn check(mut section: ConfigSection<'_>) -> Option<Site> {
    let id = section.required("id", site_id);
    if section.is_empty_list("hosts") {
        let what = "must name the hosts of the site's pages, such as [\"clinic.example\"]; without one every beacon is refused";
        section.note_read(section.location("hosts"), "hosts", what);
    }
    let hosts = match section.list("hosts", host_pattern) {
        Some(hosts) => Some(hosts),
        None => section.required("hosts", |_| Err("must be a list of host names".to_owned())),
    };
    let retention = section.read("retention", retention).unwrap_or(DEFAULT_RETENTION);
    let query = section.list("query", text).map_or_else(default_query, name_patterns);
    let given = section.location("paths");
    let paths = PathTemplates(section.list("paths", path_template).unwrap_or_default());
    if let Some(location) = given.filter(|_| paths.0.len() > MAX_TEMPLATES) {
        section.problems.note(&location, format!("site.paths must have at most {MAX_TEMPLATES} templates"));
    }
    let cookies = section.read("cookies", cookie_rules).unwrap_or_default();
    let drop_bots = section.some_of("drop_bots", &BotCategory::BOTS, bot_category).unwrap_or_default();
    let drop_bots = drop_bots.into_iter().collect();
    let secrets = section.read("token_secret_file", secrets).unwrap_or_default();
    let given = section.location("tokens");
    let required = section.read("tokens", tokens).unwrap_or(false);
    if let Some(location) = given.filter(|_| required && secrets.is_empty()) {
        section.problems.note(&location, "site.tokens are required, but token_secret_file names no secret");
    }
    let policy_url = section.read("policy_url", web_address);
    let goals = goal::goals(&mut section);
    let funnels = goal::funnels(&mut section, &goals);
    section.finish();
    let (id, hosts) = id.zip(hosts)?;
    let signatures = SignatureRules { required, secrets };
    Some(Site {
        id: id.into(),
        hosts,
        retention,
        query,
        paths,
        cookies,
        drop_bots,
        signatures,
        policy_url,
        goals,
        funnels,
    })
}

/// Whether signed names are required.
fn tokens(value: &RawValue) -> Result<bool, String> {
    match text(value)?.as_str() {
        "required" => Ok(true),
        "optional" => Ok(false),
        other => Err(format!("must be \"required\" or \"optional\", not {other:?}")),
    }
}

/// The lines of a file, each a secret. The first one signs; each of them is accepted.
fn secrets(value: &RawValue) -> Result<Vec<Secret>, String> {
    let file = text(value)?;
    let content = std::fs::read_to_string(&file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| format!("cannot be read from {file}: {error}"))?;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<Secret> = lines.map(|line| Secret::new(line.to_owned())).collect();
    let long = secrets.iter().all(|secret| secret.expose().len() >= MIN_SECRET);
    if (1..=MAX_SECRETS).contains(&secrets.len()) && long {
        Ok(secrets)
    } else {
        Err(format!(
            "must name a file of 1 to {MAX_SECRETS} lines, each a secret of at least {MIN_SECRET} letters; \
             `openssl rand -hex 32` makes one"
        ))
    }
}

fn site_id(value: &RawValue) -> Result<String, String> {
    let id = text(value)?;
    let plain = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    if plain && id.len() <= MAX_SITE_ID {
        Ok(id)
    } else {
        Err(format!("must be 1 to {MAX_SITE_ID} of a-z, 0-9, - _ and ., not {id:?}"))
    }
}

fn path_template(value: &RawValue) -> Result<PathTemplate, String> {
    PathTemplate::parse(&text(value)?)
}

fn host_pattern(value: &RawValue) -> Result<HostPattern, String> {
    let text = text(value)?;
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    let (below, name) = text.strip_prefix("*.").map_or((false, text.as_str()), |name| (true, name));
    let host = url::Host::parse(name).ok().filter(|_| !name.contains(['/', ' ', '*'])).ok_or_else(|| {
        format!(
            "must be host names such as clinic.example or *.clinic.example, without scheme, port and path, not {text:?}"
        )
    })?;
    Ok(if below { HostPattern::Below(format!(".{host}")) } else { HostPattern::Exact(host.to_string()) })
}

fn web_address(value: &RawValue) -> Result<String, String> {
    let text = text(value)?;
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.into()),
        _ => Err(format!("must be an address that begins with https:// or http://, not {text:?}")),
    }
}

fn bot_category(value: &RawValue) -> Result<BotCategory, String> {
    let (category, given) = match value {
        RawValue::Text(name) => (
            BotCategory::from_name(name).filter(|category| *category != BotCategory::None),
            format!("{name:?}"),
        ),
        other => (None, other.kind().to_owned()),
    };
    category.ok_or_else(|| {
        let known = BotCategory::BOTS.map(BotCategory::name).join(", ");
        format!("must be true, false or a list of some of {known}, not {given}")
    })
}

fn retention(value: &RawValue) -> Result<Retention, String> {
    let text = text(value)?;
    if text == "unlimited" {
        return Ok(Retention::Unlimited);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if let (Ok(hours), "h") = (text[..end].parse::<u16>(), &text[end..]) {
        let is_short = (1..=MOST_HOURS).contains(&hours);
        let wrong = || format!("must be from 1h to {MOST_HOURS}h; longer ones are in days");
        return is_short.then_some(Retention::Hours(hours)).ok_or_else(wrong);
    }
    let days = match &text[end..] {
        "d" => Some(1),
        "w" => Some(7),
        "y" => Some(365),
        _ => None,
    };
    text[..end]
        .parse::<u16>()
        .ok()
        .zip(days)
        .and_then(|(number, days)| number.checked_mul(days))
        .filter(|days| (1..=MAX_RETENTION_DAYS).contains(days))
        .map(Retention::Days)
        .ok_or_else(|| {
            format!("must be \"unlimited\" or hours, days, weeks or years such as \"36h\" and \"400d\", not {text:?}")
        })
}

fn cookie_rules(value: &RawValue) -> Result<BTreeMap<String, CookieRule>, String> {
    let RawValue::Table(table) = value else {
        return Err("must be a table such as { consent = \"presence\" }".to_owned());
    };
    let mut rules = BTreeMap::new();
    for (name, (rule, _)) in table {
        let rule = match rule {
            RawValue::Text(word) => CookieRule::from_name(word),
            _ => None,
        };
        let rule =
            rule.ok_or_else(|| format!("must say \"presence\", \"hmac\" or \"value\" for {name:?}"))?;
        rules.insert(name.clone(), rule);
    }
    Ok(rules)
}
