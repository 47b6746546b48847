//! Goals and funnels of a site in the queries of the reports `goals` and `funnel`.
//!
//! | in the query | becomes |
//! |---|---|
//! | `{goal_names}` | the names of the goals: an array |
//! | `{step_names}` | the names of each funnel's steps: an array of arrays |
//! | `{met}` | a number whose bit n, from 0, says whether an event meets goal n, or can be step n of all funnels' steps |
//! | `{funnels}` | of each funnel: its number from 1, the bit of its first step, its number of steps, and the first moment of that step |
//! | `{first_steps}` | the bits of the first steps |
//! | `{funnel_column}` | the column `funnel`, if the query is of several funnels |
//! | `{value}`, `{detail}` | a visit's value in the dimension of the parameter `by`, as in `daily` |
//! | `{all_events}` | the table of events. Filters keep visits; all events of a visit that is kept count |
//!
//! What the configuration says reaches ClickHouse as query parameters (`g0`, `g1`, …), never as text of the query.

use super::catalogue::{BY_DIMENSION, GOALS, STEPS};
use super::error::{GoalError, ReportError};
use super::filter::stored_form;
use super::nearest::nearest;
use super::note::Note;
use super::request::ReportRequest;
use crate::config::{Funnel, Goal, GoalCondition, PagePattern};
use crate::store::Client;
use crate::store::schema;

/// The value of `by` that breaks nothing down.
const WHOLE_SITE: &str = "site";
/// Most steps of the funnels of one query: bits of a number, of which the one behind the last step is read, too.
const MOST_STEPS: usize = 63;

/// Parameters of a query, each with its value.
type BoundParameters = Vec<(String, String)>;

/// The goals that a request names: one, or all.
pub(super) fn chosen(goals: Vec<Goal>, name: Option<&str>) -> Result<Vec<Goal>, ReportError> {
    let Some(name) = name else { return Ok(goals) };
    match goals.iter().find(|goal| goal.name == name) {
        Some(goal) => Ok(vec![goal.clone()]),
        None => Err(unknown("goal", name, goals.iter().map(|goal| &*goal.name))),
    }
}

/// The funnel that a request names; the only one if it names none; `None` if the site has no funnel.
pub(super) fn funnel(funnels: Vec<Funnel>, name: Option<&str>) -> Result<Option<Funnel>, ReportError> {
    let names: Vec<&str> = funnels.iter().map(|funnel| &*funnel.name).collect();
    match name {
        Some(name) => match funnels.iter().find(|funnel| funnel.name == name) {
            Some(funnel) => Ok(Some(funnel.clone())),
            None => Err(unknown("funnel", name, names.into_iter())),
        },
        None if funnels.len() > 1 => Err(GoalError::UnnamedFunnel { known: names.join(", ") }.into()),
        None => Ok(funnels.into_iter().next()),
    }
}

fn unknown<'a>(kind: &'static str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> ReportError {
    let nearest = nearest(name, known).map(str::to_owned);
    GoalError::Unknown { kind, name: name.to_owned(), nearest }.into()
}

/// The note of an answer that shows nothing because the configuration has no goals or no funnel.
pub(super) fn note_of_missing(request: &ReportRequest) -> Option<Note> {
    let is_missing = |kind: &str, is_empty: bool| request.report.takes(kind) && is_empty;
    if is_missing("goal", request.goals.is_empty()) {
        Some(Note::NoGoals)
    } else if is_missing("funnel", request.funnel.is_none()) {
        Some(Note::NoFunnels)
    } else {
        None
    }
}

/// The query of requests that differ in nothing but their funnel, with the words in braces replaced, and the values of the parameters that they
/// brought.
pub(super) fn fill(sql: &str, requests: &[&ReportRequest], client: &Client) -> (String, BoundParameters) {
    let mut parameters = BoundParameters::new();
    if !sql.contains(BY_DIMENSION) {
        return (sql.to_owned(), parameters);
    }
    let by = requests[0].by.filter(|by| *by != WHOLE_SITE).and_then(schema::dimension);
    let (value, detail) = by.and_then(|dimension| dimension.of_a_visit()).unwrap_or(("''", "''"));
    let sql = sql.replace(BY_DIMENSION, value).replace("{detail}", detail);
    let sql = sql.replace("{all_events}", &format!("{}.events", client.database()));
    if sql.contains(GOALS) {
        let goals = &requests[0].goals;
        let sql = sql.replace("{met}", &bits(goals, &mut parameters));
        let sql = sql.replace(GOALS, &names(goals, &mut parameters));
        return (sql, parameters);
    }
    let funnels: Vec<&[Goal]> = requests.iter().map(|request| steps(request)).collect();
    let sql = sql.replace("{met}", &bits(&funnels.concat(), &mut parameters));
    let all: Vec<String> = funnels.iter().map(|steps| names(steps, &mut parameters)).collect();
    (fill_funnels(&sql, &funnels).replace(STEPS, &format!("[{}]", all.join(", "))), parameters)
}

/// The steps of the funnel that a request names; none if the site has no funnel.
fn steps(request: &ReportRequest) -> &[Goal] {
    request.funnel.as_ref().map_or(&[], |funnel| &funnel.steps)
}

/// Whether one query can answer requests for these funnels, whose steps are bits of one number.
pub(super) fn fit_together<'a>(requests: impl Iterator<Item = &'a ReportRequest>) -> bool {
    requests.map(|request| steps(request).len()).sum::<usize>() <= MOST_STEPS
}

fn fill_funnels(sql: &str, funnels: &[&[Goal]]) -> String {
    let (mut tuples, mut first_steps, mut place) = (Vec::new(), 0_u64, 0);
    for (number, steps) in (1..).zip(funnels) {
        let length = steps.len();
        tuples.push(format!("({number}, {place}, {length}, minIf(moment, bitTest(met, {place})))"));
        first_steps |= 1 << place;
        place += length;
    }
    let column = if funnels.len() > 1 { "funnel," } else { "" };
    let sql = sql.replace("{funnels}", &tuples.join(", ")).replace("{funnel_column}", column);
    sql.replace("{first_steps}", &format!("toUInt64({first_steps})"))
}

/// The array of the names of goals.
fn names(goals: &[Goal], parameters: &mut BoundParameters) -> String {
    let names: Vec<String> = goals.iter().map(|goal| bind(parameters, &goal.name, "String")).collect();
    // An array also without elements, which alone have no type.
    format!("CAST([{}], 'Array(String)')", names.join(", "))
}

/// The number whose bits say which of the goals an event meets. A site has at most 50.
fn bits(goals: &[Goal], parameters: &mut BoundParameters) -> String {
    let mut bits = "0".to_owned();
    for (place, goal) in goals.iter().enumerate() {
        let bit = format!("if({}, {}, 0)", condition(&goal.condition, parameters), 1_u64 << place);
        bits = if place == 0 { bit } else { format!("bitOr({bits}, {bit})") };
    }
    format!("toUInt64({bits})")
}

/// The condition on an event in SQL.
fn condition(condition: &GoalCondition, parameters: &mut BoundParameters) -> String {
    let page = |page: &PagePattern, parameters: &mut BoundParameters| {
        let stored = stored_form("path", page.as_str());
        if stored.contains('*') {
            format!("path LIKE {}", bind(parameters, &like(&stored), "String"))
        } else {
            format!("path = {}", bind(parameters, &stored, "String"))
        }
    };
    match condition {
        GoalCondition::Event(name) => {
            format!("kind = 'event' AND name = {}", bind(parameters, name, "String"))
        }
        GoalCondition::Page(pattern) => format!("kind = 'view' AND {}", page(pattern, parameters)),
        GoalCondition::AdClick(ad) => {
            format!("kind = 'ad' AND name = 'click' AND ad = {}", bind(parameters, ad, "String"))
        }
        GoalCondition::Scroll { percent, page: pattern } => {
            let depth = bind(parameters, &percent.to_string(), "UInt8");
            let on_page = pattern.as_ref().map(|pattern| format!(" AND {}", page(pattern, parameters)));
            format!("kind = 'leave' AND scroll_depth >= {depth}{}", on_page.unwrap_or_default())
        }
    }
}

/// A pattern of `LIKE` in which only `*` stands for other letters.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '*' => like.push('%'),
            '%' | '_' | '\\' => like.extend(['\\', letter]),
            other => like.push(other),
        }
    }
    like
}

/// Adds a parameter and returns its placeholder.
fn bind(parameters: &mut BoundParameters, value: &str, kind: &str) -> String {
    let name = format!("g{}", parameters.len());
    let placeholder = format!("{{{name}:{kind}}}");
    parameters.push((name, value.to_owned()));
    placeholder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::catalogue;

    fn sql_of(goal: GoalCondition) -> (String, Vec<String>) {
        let mut parameters = BoundParameters::new();
        let sql = condition(&goal, &mut parameters);
        (sql, parameters.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn what_the_configuration_says_is_a_parameter_and_never_a_part_of_the_query() {
        let hostile = "' OR 1=1 --";
        let page = |text: &str| PagePattern::parse(text).unwrap();
        for (goal, sql, value) in [
            (GoalCondition::Event(hostile.to_owned()), "kind = 'event' AND name = {g0:String}", hostile),
            (
                GoalCondition::AdClick(hostile.to_owned()),
                "kind = 'ad' AND name = 'click' AND ad = {g0:String}",
                hostile,
            ),
            (GoalCondition::Page(page("/a'b")), "kind = 'view' AND path = {g0:String}", "/a'b"),
            (
                GoalCondition::Page(page("/a_b/*/%25")),
                "kind = 'view' AND path LIKE {g0:String}",
                r"/a\_b/%/\%25",
            ),
            (GoalCondition::Page(page("/%D0%B0")), "kind = 'view' AND path = {g0:String}", "/а"),
        ] {
            assert_eq!(sql_of(goal), (sql.to_owned(), vec![value.to_owned()]));
        }
        let scroll = GoalCondition::Scroll { percent: 75, page: Some(page("/news/*")) };
        let sql = "kind = 'leave' AND scroll_depth >= {g0:UInt8} AND path LIKE {g1:String}";
        assert_eq!(sql_of(scroll), (sql.to_owned(), vec!["75".to_owned(), "/news/%".to_owned()]));
    }

    #[test]
    fn goals_and_funnels_can_be_broken_down_by_each_dimension_of_visits() {
        for name in ["goals", "funnel"] {
            let report = catalogue::find(name).unwrap();
            let of_visits = schema::dimensions_of_visits().filter(|name| *name != "total");
            let expected: Vec<&str> = [WHOLE_SITE].into_iter().chain(of_visits).collect();
            assert_eq!(report.by, expected, "{name}");
        }
    }

    #[test]
    fn a_goal_or_a_funnel_that_the_site_has_not_is_refused_with_the_nearest_one() {
        let goal = Goal { name: "Booking".to_owned(), condition: GoalCondition::Event("booking".to_owned()) };
        let all = || vec![goal.clone()];
        assert_eq!(chosen(all(), None).unwrap(), all());
        assert_eq!(chosen(all(), Some("Booking")).unwrap(), all());
        let error = chosen(all(), Some("Bookin")).unwrap_err().to_string();
        assert_eq!(error, "the site has no goal \"Bookin\"; did you mean \"Booking\"?");
        let one = |name: &str| Funnel { name: name.to_owned(), steps: all() };
        assert_eq!(funnel(Vec::new(), None).unwrap(), None);
        assert_eq!(funnel(vec![one("A")], None).unwrap(), Some(one("A")));
        assert_eq!(funnel(vec![one("A"), one("B")], Some("B")).unwrap(), Some(one("B")));
        let error = funnel(vec![one("A"), one("B")], None).unwrap_err().to_string();
        assert_eq!(error, "which funnel? name one with `funnel`: A, B");
    }
}
