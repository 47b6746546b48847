//! Why a text is not a valid filter.

/// Longest filter in bytes: far more than a path and an operator.
pub(super) const MAX_BYTES: usize = 4096;
/// Most values in one filter. Each becomes a query parameter.
pub(super) const MAX_VALUES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("filter {0:?} has no operator: write COLUMN=VALUE, or !=, ~ (contains), !~, <, <=, >, >=")]
    NoOperator(String),
    #[error("filter on unknown column {name:?}{}; columns are {known}", .nearest.map_or(String::new(), |known| format!(": did you mean {known}?")))]
    UnknownColumn {
        name: String,
        /// The column that was probably meant.
        nearest: Option<&'static str>,
        /// The names of all columns.
        known: String,
    },
    /// A map column without an entry.
    #[error("name the entry of {0}: {0}.NAME=VALUE")]
    NoEntry(String),
    #[error("name one entry of {0}: {0}.NAME or {0}.\"NAME\"")]
    SeveralEntries(String),
    /// An entry of a column that is not a map.
    #[error("column {0} has no entries: write {0}=VALUE")]
    PlainColumn(String),
    #[error("column {column} takes no operator {operator}")]
    Operator { column: &'static str, operator: &'static str },
    #[error("{value:?} is not a value of column {column}: it takes {takes}")]
    Value {
        column: &'static str,
        value: String,
        /// What the column accepts.
        takes: String,
    },
    #[error("a filter is at most {MAX_BYTES} bytes long, with at most {MAX_VALUES} values")]
    TooLong,
}
