//! Reading a configuration from its file and the environment.

use std::path::Path;

use super::check;
use super::model::Config;
use super::raw::ConfigProblems;

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

impl Config {
    /// Reads the file, if any, applies the environment variables and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let name = file.map_or_else(|| "environment".to_owned(), |file| file.display().to_string());
        let text = match file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Unreadable { file: name.clone(), source })?,
        };
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::check(&name, &text, &environment)
    }

    /// Checks the text of a file and environment variables. Errors call the file `name`.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], with every problem at once.
    pub fn check(name: &str, text: &str, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut problems = ConfigProblems::default();
        let config = check::check(text, environment, &mut problems);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Wrong { file: name.to_owned(), problems: problems.sorted() })
        }
    }
}
