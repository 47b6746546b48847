//! The SQL condition that a row is one of a scope.

use std::fmt;

use crate::privacy::{Subject, SubjectScope};
use crate::store::sql;

/// Displays as the condition on rows of `events` and of `blocked_events`.
#[derive(Clone, Copy)]
pub(super) struct RowCondition<'a>(pub(super) &'a SubjectScope);

impl RowCondition<'_> {
    /// The same on rows of `visits_stored`; `None`: visits do not have what it names.
    pub(super) fn of_visits(self) -> Option<String> {
        match self.0 {
            SubjectScope::Visitor(subject) => Some(visitor(subject)),
            SubjectScope::Cookie { .. } => None,
            SubjectScope::Site { site } => Some(format!("site = {}", sql::string(site))),
        }
    }
}

impl fmt::Display for RowCondition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // No event of an epoch is older than it. `toDate(time)` is what the table is ordered by.
            SubjectScope::Visitor(subject) => write!(
                f,
                "{} AND toDate(time) >= toDate(fromUnixTimestamp({epoch}), 'UTC') AND time >= fromUnixTimestamp({epoch})",
                visitor(subject),
                epoch = subject.epoch
            ),
            SubjectScope::Cookie { site, name, value } => {
                let (site, name, value) = (sql::string(site), sql::string(name), sql::string(value));
                // A key that is missing reads as an empty value.
                write!(f, "site = {site} AND mapContains(cookies, {name}) AND cookies[{name}] = {value}")
            }
            SubjectScope::Site { site } => write!(f, "site = {}", sql::string(site)),
        }
    }
}

fn visitor(subject: &Subject) -> String {
    let Subject { site, epoch, visitor } = subject;
    format!("site = {} AND visitor = {visitor} AND epoch = {epoch}", sql::string(site))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_of_any_value_is_not_that_of_events_without_it() {
        for value in ["", "B"] {
            let (site, name) = ("clinic".to_owned(), "ab".to_owned());
            let scope = SubjectScope::Cookie { site, name, value: value.to_owned() };
            let expected =
                format!("site = 'clinic' AND mapContains(cookies, 'ab') AND cookies['ab'] = '{value}'");
            assert_eq!(RowCondition(&scope).to_string(), expected);
        }
    }
}
