//! Goals and funnels, checked.

/// Most steps of a funnel.
pub(super) const MAX_STEPS: usize = 8;

/// Something that a visitor can do, with its name in reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    pub name: String,
    pub condition: GoalCondition,
}

/// The events that meet a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoalCondition {
    /// The site's own event of this name.
    Event(String),
    /// A view of such a page.
    Page(PagePattern),
    /// A click on a block of this advertising campaign.
    AdClick(String),
    /// A page was left that was seen down to so many percent.
    Scroll { percent: u8, page: Option<PagePattern> },
}

/// Steps that a visitor can take one after the other within a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funnel {
    pub name: String,
    /// From 2 to 8.
    pub steps: Vec<Goal>,
}

/// The path of a page, in which each `*` stands for any letters, also none and slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePattern(String);

impl PagePattern {
    /// Longest pattern in bytes.
    const MAX_BYTES: usize = 512;

    /// # Errors
    /// When the text is not a path. The error says what a path is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_path = text.starts_with('/') && !text.contains(['?', '#']) && !text.contains(char::is_control);
        if is_path && text.len() <= Self::MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "must be the path of a page, such as \"/thanks\" or \"/thanks/*\", without host and query, not {text:?}"
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
