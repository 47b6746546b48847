//! Reading a configuration from its file and the environment.

use std::path::Path;

use super::check;
use super::model::Config;
use super::raw::{ConfigProblems, Severity};
use super::written::WrittenSettings;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}: cannot be read")]
    Unreadable { file: String, source: std::io::Error },
    /// Settings are wrong. All of them are listed.
    #[error("{file}: the configuration is wrong\n{problems}")]
    Wrong {
        /// The file, or `environment` when there is none.
        file: String,
        problems: ConfigProblems,
    },
}

/// A configuration with the problems that were found so far. Where a setting is wrong, it has its default.
#[derive(Clone)]
pub struct ReadConfig {
    file: String,
    config: Config,
    written: WrittenSettings,
    problems: ConfigProblems,
}

impl ReadConfig {
    /// Reads the file, if any, and applies the environment variables.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`].
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let name = file.map_or_else(|| "environment".to_owned(), |file| file.display().to_string());
        let text = match file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Unreadable { file: name.clone(), source })?,
        };
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self::parse(&name, &text, &environment))
    }

    /// Reads the text of a file and environment variables. Problems call the file `name`.
    pub(crate) fn parse(name: &str, text: &str, environment: &[(String, String)]) -> Self {
        let mut problems = ConfigProblems::new(name);
        let (config, written) = check::check(text, environment, &mut problems);
        Self { file: name.to_owned(), config, written, problems }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn written(&self) -> &WrittenSettings {
        &self.written
    }

    /// Whether the setting has a problem already, so that the configuration has its default instead.
    pub(crate) fn is_refused(&self, key: &str) -> bool {
        self.problems.is_refused(key)
    }

    /// Notes a problem of a setting: `listen`, `tls.key`, or `geo[1]` for the second one of a list. `what` follows the key in the message.
    pub(crate) fn note(&mut self, severity: Severity, key: &str, what: &str) {
        let (location, shown) = (self.written.location(key), key.split('[').next().unwrap_or(key));
        self.problems.add(&location, severity, format!("{shown}: {what}"));
        if severity == Severity::Stops {
            self.problems.refuse(shown);
        }
    }

    /// The same configuration, changed.
    #[must_use]
    pub(crate) fn map(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }

    /// The configuration, with the problems that do not keep the collector from starting.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] with every problem, if one keeps it from starting.
    pub fn startable(self) -> Result<(Config, ConfigProblems), ConfigError> {
        self.without(Severity::Stops)
    }

    /// The configuration, with the remarks on it.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] with every problem, if one is more than a remark.
    pub fn complete(self) -> Result<(Config, ConfigProblems), ConfigError> {
        self.without(Severity::Degrades)
    }

    fn without(self, severity: Severity) -> Result<(Config, ConfigProblems), ConfigError> {
        let problems = self.problems.sorted();
        if problems.has(severity) {
            return Err(ConfigError::Wrong { file: self.file, problems });
        }
        Ok((self.config, problems))
    }
}

impl Config {
    /// Reads the file, if any, applies the environment variables and checks the settings by themselves.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        ReadConfig::read(file)?.startable().map(|(config, _)| config)
    }

    /// Checks the text of a file and environment variables. Errors call the file `name`.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], with every problem at once.
    pub fn check(name: &str, text: &str, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        ReadConfig::parse(name, text, environment).startable().map(|(config, _)| config)
    }
}
