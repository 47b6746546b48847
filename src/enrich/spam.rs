//! Referrer spam: visits made up to show a site's address to whoever reads the reports.

/// Whether a referrer's host, in lower case, is on the list of spammers or below one.
pub fn is_spam_referrer(host: &str) -> bool {
    host == "semalt.com"
}
