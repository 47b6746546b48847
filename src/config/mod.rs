//! Raw settings in, a checked [`Config`] out. No other module sees a setting that was not checked.
//!
//! Settings come from `footfall.toml`, then from `FOOTFALL_*` environment variables. Every key has a default, so that
//! `footfall serve` runs without a file. All errors are reported at once, each with its line or variable.

mod check;
mod goal;
mod host;
mod load;
mod model;
mod path_template;
mod raw;
mod site;
mod site_check;
#[cfg(test)]
mod tests;
mod value;
mod written;

pub use check::{DEFAULT_K, DEFAULT_SEAL_BYTES, MAX_SEAL_ROWS};
pub use goal::{Funnel, Goal, GoalCondition, PagePattern};
pub use host::HostPattern;
pub(crate) use host::WebAddress;
pub use load::{ConfigError, ReadConfig};
pub use model::{
    AccessConfig, BrowserUrl, ClientLimits, ClusterConfig, Config, DATABASE, ListFiles, PublishedConfig,
    Quorum, SpoolLimits, StoreConfig, TlsConfig,
};
pub use path_template::{PathTemplate, PathTemplates, TemplateSegment, is_own};
pub use raw::{ConfigProblems, Severity};
pub use site::{CookieRule, DropBots, NamePatterns, Retention, SignatureRules, Site, Sites};
pub(crate) use written::WrittenSettings;
