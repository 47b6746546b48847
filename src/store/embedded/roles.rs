//! The users of the embedded store: one for each role of `sql/roles.sql`, with its grants, its profile and its quota.
//!
//! Only the file describes roles. Its statements are parsed by their form; a statement of an unknown form fails the tests.

use std::sync::LazyLock;
use std::time::Duration;

use clickhouse_embedded::{Access, Constraint, Profile, Quota, RowFilter, Setting, User};

use crate::store::sql;

/// The user that writes, as the collector does.
pub const COLLECTOR: &str = "footfall_collector";
pub const ANALYST: &str = "footfall_analyst";
/// The user of reports and commands. It has the operator's rights and limits, and exists only in the embedded store.
pub const REPORTS: &str = "footfall_reports";
/// The role whose rights [`REPORTS`] has.
const OPERATOR: &str = "footfall_operator";

/// The roles of servers and of the embedded store.
const FILE: &str = include_str!("../../../sql/roles.sql");
/// Settings of every user: a confirmed insert is stored, and a repeated insert does not count twice in derived tables.
const DEFAULTS: [(&str, &str); 4] = [
    ("async_insert", "0"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    ("max_execution_time", "0"),
    // A backup at an address, to which the engine may not connect, is not tried again and again.
    ("backup_restore_s3_retry_attempts", "0"),
];

/// The users of the file without passwords, with profiles and quotas.
static ACCESS: LazyLock<Access> = LazyLock::new(parse);

/// The names of all users, including the user of reports and commands.
pub(super) fn names() -> Vec<&'static str> {
    ACCESS.users.iter().map(|user| user.name.as_str()).collect()
}

pub(super) fn access() -> Access {
    ACCESS.clone()
}

fn parse() -> Access {
    let mut access = Access::default();
    let defaults = DEFAULTS.map(|(name, value)| Setting {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        constraint: Constraint::Free,
    });
    access.profiles.push(Profile { name: "default".to_owned(), settings: defaults.to_vec() });
    for statement in statements(FILE) {
        // The file is part of the program, and a test reads all of it.
        assert!(add_statement(&statement, &mut access), "sql/roles.sql: {statement}");
    }
    if let Some(operator) = access.users.iter().find(|user| user.name == OPERATOR) {
        // Footfall itself limits the number and time of reports.
        let reports = User { name: REPORTS.to_owned(), quota: None, ..operator.clone() };
        access.users.push(reports);
    }
    access
}

/// The statements that concern the embedded store, each on one line.
fn statements(file: &str) -> Vec<String> {
    let is_elsewhere = |comment: &String| comment.starts_with("server:") || comment.starts_with("cluster:");
    let statements = sql::statements(file).into_iter();
    let here = statements.filter(|statement| !statement.comments.iter().any(is_elsewhere));
    here.map(|statement| statement.text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Adds the contents of a statement, and returns whether its form is known.
fn add_statement(statement: &str, access: &mut Access) -> bool {
    let strip = |head: &str| statement.strip_prefix(head);
    let known = if let Some(rest) = strip("CREATE SETTINGS PROFILE IF NOT EXISTS ") {
        profile(rest).map(|profile| access.profiles.push(profile))
    } else if let Some(rest) = strip("CREATE ROLE IF NOT EXISTS ") {
        let (name, profile) = rest.split_once(" SETTINGS PROFILE ").unwrap_or((rest, ""));
        let profile = Some(profile.trim_matches('\'').to_owned()).filter(|profile| !profile.is_empty());
        access.users.push(User { profile, ..User::new(name) });
        Some(())
    } else if let Some(rest) = strip("CREATE ROW POLICY IF NOT EXISTS ") {
        row_policy(rest, access)
    } else if let Some(rest) = strip("CREATE QUOTA IF NOT EXISTS ") {
        quota(rest, access)
    } else {
        statement.starts_with("GRANT ").then_some(()).and_then(|()| grant(statement, access))
    };
    known.is_some()
}

/// `NAME SETTINGS name = value CONST, name = value MIN least MAX most, name CONST, …`
fn profile(text: &str) -> Option<Profile> {
    let (name, settings) = text.split_once(" SETTINGS ")?;
    let settings = settings.split(',').map(|setting| {
        let words: Vec<&str> = setting.split_whitespace().collect();
        let (name, value, constraint) = match words[..] {
            [name, "CONST"] => (name, None, Constraint::Constant),
            [name, "=", value] => (name, Some(value), Constraint::Free),
            [name, "=", value, "CONST"] => (name, Some(value), Constraint::Constant),
            [name, "=", value, "MIN", least, "MAX", most] => {
                (name, Some(value), Constraint::Range(least.to_owned(), most.to_owned()))
            }
            _ => return None,
        };
        Some(Setting { name: name.to_owned(), value: value.map(str::to_owned), constraint })
    });
    Some(Profile { name: name.to_owned(), settings: settings.collect::<Option<_>>()? })
}

/// `GRANT … TO role, role`
fn grant(statement: &str, access: &mut Access) -> Option<()> {
    let (grant, roles) = statement.rsplit_once(" TO ")?;
    for role in roles.split(", ") {
        user(access, role)?.grants.push(grant.to_owned());
    }
    Some(())
}

/// `NAME ON database.table USING condition TO role`
fn row_policy(text: &str, access: &mut Access) -> Option<()> {
    let (_, rest) = text.split_once(" ON ")?;
    let (table, rest) = rest.split_once(" USING ")?;
    let (condition, role) = rest.rsplit_once(" TO ")?;
    let (database, table) = table.split_once('.')?;
    user(access, role)?.row_filters.push(RowFilter {
        database: database.to_owned(),
        table: table.to_owned(),
        condition: condition.to_owned(),
    });
    Some(())
}

/// `NAME KEYED BY user_name FOR INTERVAL 1 hour MAX queries = N, execution_time = S TO role, role`
fn quota(text: &str, access: &mut Access) -> Option<()> {
    let (name, rest) = text.split_once(" KEYED BY user_name FOR INTERVAL 1 hour MAX ")?;
    let (bounds, roles) = rest.rsplit_once(" TO ")?;
    let bound = |name: &str| {
        bounds.split(", ").find_map(|bound| bound.strip_prefix(name)?.strip_prefix(" = ")?.parse().ok())
    };
    let (queries, execution_time) = (bound("queries")?, bound("execution_time")?);
    access.quotas.push(Quota {
        name: name.to_owned(),
        period: Duration::from_secs(3_600),
        queries,
        execution_time,
    });
    for role in roles.split(", ") {
        user(access, role)?.quota = Some(name.to_owned());
    }
    Some(())
}

fn user<'a>(access: &'a mut Access, name: &str) -> Option<&'a mut User> {
    access.users.iter_mut().find(|user| user.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_file_is_parsed() {
        let mut access = Access::default();
        for statement in statements(FILE) {
            assert!(add_statement(&statement, &mut access), "{statement}");
        }
        let roles = ["collector", "operator", "analyst", "viewer", "sre", "privacy"];
        let users: Vec<&str> = access.users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(users, roles.map(|role| format!("footfall_{role}")));
        assert_eq!(names().last(), Some(&REPORTS));
    }

    #[test]
    fn statements_for_servers_and_clusters_are_left_out() {
        let grants: Vec<String> = access().users.into_iter().flat_map(|user| user.grants).collect();
        for absent in ["REMOTE", "CLUSTER", "Distributed", "_local"] {
            assert!(!grants.iter().any(|grant| grant.contains(absent)), "{absent}");
        }
        let collector = access().users.into_iter().find(|user| user.name == COLLECTOR).unwrap();
        for absent in ["SYSTEM SHUTDOWN", "DICTIONARY", "ON *.*"] {
            assert!(!collector.grants.iter().any(|grant| grant.contains(absent)), "{absent}");
        }
    }

    #[test]
    fn every_reader_has_limits_and_the_collector_has_none() {
        let access = access();
        let of = |name: &str| access.users.iter().find(|user| user.name == name).unwrap();
        assert_eq!((&of(COLLECTOR).profile, &of(COLLECTOR).quota), (&None, &None));
        for role in [ANALYST, "footfall_sre", "footfall_viewer", OPERATOR] {
            assert_eq!(of(role).profile.as_deref(), Some("footfall_reading"), "{role}");
            assert_eq!(of(role).quota.as_deref(), Some("footfall_reading"), "{role}");
        }
        assert_eq!(of(REPORTS).profile.as_deref(), Some("footfall_reading"));
        assert_eq!(of("footfall_viewer").grants, ["GRANT SELECT ON footfall.daily_published"]);
        assert_eq!(of("footfall_sre").row_filters.len(), 1);
    }
}
