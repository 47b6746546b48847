//! Prints an error together with its causes.

use std::error::Error;

/// The causes of an error, from its own text to the first cause. A cause that the text before it already ends with is left
/// out: some libraries print their causes themselves.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut printed = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !printed.ends_with(&text) {
            causes.push(text.clone());
        }
        printed = text;
        next = cause.source();
    }
    causes
}

/// An error and its causes on one line: `the outermost: a cause: the first cause`.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    std::iter::once(error.to_string()).chain(causes(error)).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Level {
        text: &'static str,
        source: Option<Box<Level>>,
    }

    #[test]
    fn each_cause_is_printed_once() {
        let level = |text, source| Some(Box::new(Level { text, source }));
        let error = level("no start: no file: gone", level("no file: gone", level("gone", None))).unwrap();
        assert_eq!(error_chain(&*error), "no start: no file: gone");
        let error = level("no start", level("no file", level("gone", None))).unwrap();
        assert_eq!(error_chain(&*error), "no start: no file: gone");
    }
}
