//! Checks `[[site.goal]]` and `[[site.funnel]]`.

use std::collections::BTreeMap;

use super::super::raw::{ConfigProblems, ConfigSection, RawValue, SettingLocation};
use super::super::value::text;
use super::model::{Funnel, Goal, GoalCondition, MAX_STEPS, PagePattern};

/// Most goals of a site: each is a condition that a query tries for each event.
const MAX_GOALS: usize = 50;
/// Most funnels of a site. A report shows one of them.
const MAX_FUNNELS: usize = 50;
/// Most letters of a name: it is a heading of a page.
const MAX_NAME: usize = 64;
/// Settings of a goal that say which events meet it.
const CONDITIONS: [&str; 4] = ["event", "page", "ad_click", "scroll"];

type GoalTable = (BTreeMap<String, (RawValue, SettingLocation)>, SettingLocation);

/// The valid goals of a site.
pub(in crate::config) fn goals(site: &mut ConfigSection<'_>) -> Vec<Goal> {
    let mut goals: Vec<Goal> = Vec::new();
    for table in tables(site, "goal", MAX_GOALS) {
        let location = table.1.clone();
        let Some(goal) = goal("site.goal", table, site.problems) else { continue };
        if goals.iter().any(|known| known.name == goal.name) {
            site.problems.note(&location, format!("site.goal.name {:?} stands above already", goal.name));
        }
        goals.push(goal);
    }
    goals
}

/// The valid funnels of a site. A step is a goal's name, or says itself which events it is.
pub(in crate::config) fn funnels(site: &mut ConfigSection<'_>, goals: &[Goal]) -> Vec<Funnel> {
    let mut funnels: Vec<Funnel> = Vec::new();
    for (values, location) in tables(site, "funnel", MAX_FUNNELS) {
        let mut section = ConfigSection::new("site.funnel.", (values, location.clone()), site.problems);
        let name = section.required("name", name);
        let written = section.raw("steps");
        section.finish();
        let steps = steps(written, &location, goals, site.problems);
        let Some((name, steps)) = name.zip(steps) else { continue };
        if funnels.iter().any(|known| known.name == name) {
            site.problems.note(&location, format!("site.funnel.name {name:?} stands above already"));
        }
        funnels.push(Funnel { name, steps });
    }
    funnels
}

/// The tables `[[site.KEY]]`.
fn tables(site: &mut ConfigSection<'_>, key: &str, most: usize) -> Vec<GoalTable> {
    let Some((value, location)) = site.raw(key) else { return Vec::new() };
    let mut refuse = |location: &SettingLocation| {
        site.problems.note(location, format!("site.{key} must be a list of tables: write [[site.{key}]]"));
    };
    let RawValue::List(items) = value else {
        refuse(&location);
        return Vec::new();
    };
    let mut tables = Vec::with_capacity(items.len());
    for (item, location) in items {
        match item {
            RawValue::Table(values) => tables.push((values, location)),
            _ => refuse(&location),
        }
    }
    if tables.len() > most {
        site.problems.note(&location, format!("site.{key} must stand {most} times at most"));
    }
    tables
}

/// One goal, or a step that says itself which events it is. `key` is what it is called in messages.
fn goal(key: &str, table: GoalTable, problems: &mut ConfigProblems) -> Option<Goal> {
    let location = table.1.clone();
    let mut section = ConfigSection::new(format!("{key}."), table, problems);
    let mut given: Vec<&str> = CONDITIONS.into_iter().filter(|key| section.location(key).is_some()).collect();
    if given.contains(&"scroll") {
        // The page of a depth is no condition of its own.
        given.retain(|key| *key != "page");
    }
    let name = section.required("name", name);
    let event = section.read("event", text).map(GoalCondition::Event);
    let page = section.read("page", |value| PagePattern::parse(&text(value)?));
    let ad_click = section.read("ad_click", text).map(GoalCondition::AdClick);
    let scroll = section.read("scroll", percent);
    section.finish();
    if given.len() != 1 {
        let what = format!("{key} must have exactly one of event, page, ad_click and scroll");
        problems.note(&location, what);
        return None;
    }
    let condition = match scroll {
        Some(percent) => Some(GoalCondition::Scroll { percent, page }),
        None => event.or(ad_click).or(page.map(GoalCondition::Page)),
    };
    // A depth that is no number is noted already.
    let condition = condition
        .filter(|condition| given != ["scroll"] || matches!(condition, GoalCondition::Scroll { .. }));
    Some(Goal { name: name?, condition: condition? })
}

fn steps(
    written: Option<(RawValue, SettingLocation)>,
    funnel: &SettingLocation,
    goals: &[Goal],
    problems: &mut ConfigProblems,
) -> Option<Vec<Goal>> {
    let Some((RawValue::List(items), location)) = written else {
        let what = "site.funnel.steps must be a list of names of goals, such as [\"Doctors\", \"Booking\"]";
        problems.note(written.as_ref().map_or(funnel, |(_, location)| location), what);
        return None;
    };
    if !(2..=MAX_STEPS).contains(&items.len()) {
        let what = format!("site.funnel.steps must be from 2 to {MAX_STEPS} steps, not {}", items.len());
        problems.note(&location, what);
        return None;
    }
    let mut steps = Vec::with_capacity(items.len());
    for (item, location) in items {
        match item {
            RawValue::Text(name) => match goals.iter().find(|goal| goal.name == name) {
                Some(goal) => steps.push(Some(goal.clone())),
                None => {
                    let what = format!(
                        "site.funnel.steps names {name:?}, which is not a goal of the site; write [[site.goal]] with this name, or {{ name = …, page = … }}"
                    );
                    problems.note(&location, what);
                    steps.push(None);
                }
            },
            RawValue::Table(values) => steps.push(goal("site.funnel.steps", (values, location), problems)),
            other => {
                let what = format!("site.funnel.steps must be names of goals, not {}", other.kind());
                problems.note(&location, what);
                steps.push(None);
            }
        }
    }
    steps.into_iter().collect()
}

fn name(value: &RawValue) -> Result<String, String> {
    let name = text(value)?;
    if name.trim() == name && name.chars().count() <= MAX_NAME && !name.contains(char::is_control) {
        Ok(name)
    } else {
        Err(format!("must be a name of 1 to {MAX_NAME} letters, not {name:?}"))
    }
}

fn percent(value: &RawValue) -> Result<u8, String> {
    let number = match value {
        RawValue::Number(number) => u8::try_from(*number).ok(),
        _ => None,
    };
    number
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| "must be a number from 1 to 100: percent of the page's height".to_owned())
}
