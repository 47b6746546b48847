//! The settings that a statement gives values to, at any depth.
//!
//! It reads lists of settings as ClickHouse does, and refuses one that neither goes on nor ends where a list can: what stands
//! behind would not be looked at. Which settings may be given is said by `reader`.

use super::lexer::Kind;
use super::statement::Statement;

/// What may stand behind the last setting of a `SETTINGS`, besides its end.
const BEHIND_SETTINGS: &[&str] = &[
    "AS",
    "COMMENT",
    "EMPTY",
    "EXCEPT",
    "FORMAT",
    "INTERSECT",
    "INTO",
    "ORDER",
    "PARTITION",
    "POPULATE",
    "PRIMARY",
    "SAMPLE",
    "SELECT",
    "SETTINGS",
    "TTL",
    "UNION",
    "VALUES",
    "WITH",
];

impl Statement<'_> {
    /// Every setting before `limit` that `SET` or a `SETTINGS` of any depth gives a value, and the first token of the value.
    /// A name without one is a flag that is raised.
    ///
    /// # Errors
    /// With the word that stands where a list of settings should go on or end: what stands behind it may be one.
    pub(super) fn assignments(&self, limit: usize) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        for index in (0..self.tokens.len()).take_while(|index| self.tokens[*index].start < limit) {
            match self.word(index).as_str() {
                "SET" if index == 0 => {
                    self.list(1, &mut found)?;
                    // Another kind of `SET` would go unseen.
                    if found.is_empty() && !matches!(self.word(1).as_str(), "ROLE" | "DEFAULT") {
                        return Err(self.word(1));
                    }
                }
                "SETTINGS" => self.list(index + 1, &mut found)?,
                // `ALTER TABLE … MODIFY SETTING a = 1, MODIFY …`: what follows is looked at as it comes.
                "SETTING" => drop(self.list(index + 1, &mut found)),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Reads a list of settings from the token `at`.
    fn list(&self, mut at: usize, found: &mut Vec<(String, String)>) -> Result<(), String> {
        let before = found.len();
        // A dictionary's stand in brackets, and so do the columns of a table that is called `settings`.
        if self.kind(at) == Some(Kind::Open) {
            if self.word(at + 2) != "=" {
                return Ok(());
            }
            at += 1;
        }
        while let Some(token) =
            self.tokens.get(at).filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
        {
            let name = self.name(token);
            match self.word(at + 1).as_str() {
                "=" => {
                    let value = self.tokens.get(at + 2).map(|value| self.text(value)).unwrap_or_default();
                    found.push((name, value));
                    at = self.past_value(at + 2);
                }
                // No setting here has parts; what follows shall not hide behind one.
                "." => return Err(format!("{name}.")),
                // A table may be called `settings`; no setting of one word is a flag.
                _ if name.contains('_') => {
                    found.push((name, "1".to_owned()));
                    at += 1;
                }
                _ if found.len() == before => return Ok(()),
                _ => break,
            }
            if self.word(at) != "," {
                return self.ends(at);
            }
            at += 1;
        }
        if found.len() == before { Ok(()) } else { self.ends(at) }
    }

    /// Whether a list of settings may end before the token `at`.
    fn ends(&self, at: usize) -> Result<(), String> {
        match self.tokens.get(at) {
            None => Ok(()),
            Some(token) if matches!(token.kind, Kind::Close | Kind::Semicolon) => Ok(()),
            Some(_) if BEHIND_SETTINGS.contains(&self.word(at).as_str()) => Ok(()),
            Some(token) => Err(self.text(token)),
        }
    }

    /// Behind a setting's value: a sign, a text, a number with its parts, a name with or without arguments, or brackets.
    fn past_value(&self, mut at: usize) -> usize {
        while matches!(self.word(at).as_str(), "+" | "-") {
            at += 1;
        }
        if self.kind(at) != Some(Kind::Open) {
            let digits = |at: usize| self.word(at).starts_with(|first: char| first.is_ascii_digit());
            let mut number = digits(at) || self.word(at) == ".";
            at += 1;
            // `1.5`, `1.5e-3`: what touches a number is part of it.
            while number
                && at > 0
                && self.tokens.get(at).is_some_and(|token| token.start == self.tokens[at - 1].end)
            {
                let exponent =
                    self.word(at - 1).ends_with('E') && matches!(self.word(at).as_str(), "+" | "-");
                number = exponent || digits(at) || self.word(at) == ".";
                at += usize::from(number);
            }
        }
        if self.kind(at) == Some(Kind::Open) { self.past_brackets(at) } else { at }
    }

    /// Behind the bracket that closes the one at `at`.
    fn past_brackets(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.tokens.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_behind_any_value_and_before_any_end() {
        for (sql, names) in [
            ("SELECT 1 SETTINGS a = 1, b_c, d = DEFAULT FORMAT TSV", "a b_c d"),
            ("SELECT 1 SETTINGS flag_a FORMAT TSV", "flag_a"),
            ("SELECT 1 SETTINGS a = -1.5e-3, b = {'x': [1, 2]}, c = [1, (2, 3)], d = f(a = 1, b)", "a b c d"),
            ("SELECT 1 SETTINGS a = {x:UInt8}, `b` = 'x' UNION ALL SELECT 2, 3", "a b"),
            ("SELECT * FROM (SELECT 1 SETTINGS a = 1) SETTINGS b = 2", "a b"),
            ("INSERT INTO t SETTINGS a = 1 VALUES", "a"),
            ("CREATE TABLE t (a Int8) ENGINE = Memory SETTINGS a = 1, b = 2 COMMENT 'x'", "a b"),
            ("CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(NULL()) SETTINGS(a = 1, b = 2)", "a b"),
            ("ALTER TABLE t MODIFY SETTING a = 1, MODIFY SETTING b = 2, DROP COLUMN c", "a b"),
            ("SET a = 1, b = 'x'", "a b"),
            ("SELECT * FROM system.settings WHERE name = 'x'", ""),
            ("CREATE TABLE settings (time_zone String, a_b UInt8) ENGINE = Memory", ""),
            ("SELECT settings, 1 FROM settings AS s", ""),
        ] {
            let found = Statement::new(sql.as_bytes()).assignments(usize::MAX).unwrap();
            let found: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found.join(" "), names, "{sql}");
        }
    }

    #[test]
    fn a_list_of_settings_that_goes_on_in_doubt_is_refused() {
        for sql in [
            "SELECT 1 SETTINGS a = 1 ? , format_schema = 'x'",
            "SELECT 1 SETTINGS a = 1, = format_schema = 'x'",
            "SELECT 1 SETTINGS a = 1 / 2, format_schema = 'x'",
            "SET a = 1, 'b' = 2",
        ] {
            assert!(Statement::new(sql.as_bytes()).assignments(usize::MAX).is_err(), "{sql}");
        }
    }
}
