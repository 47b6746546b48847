//! How long a number may be to stay behind the words before it.

use super::{CampaignText, Context, Label, Link, Section};
use crate::privacy::scrub::words::WordClass;

/// Digits from which a number stands for a person where nothing else is said: shorter ones are years, prices and pages.
const UNNAMED: usize = 6;
/// The same behind a word that may mean people.
const AGENT: usize = 5;
/// Digits from which even the id of an article could be a person's: all numbers that authorities give are longer than 7 digits.
const CONTENT: usize = 8;
/// The same for ids of goods: large shops have hundreds of millions of them.
const GOODS: usize = 10;
/// Longer than any unabbreviated time in milliseconds.
const TIME: usize = 14;

impl Context {
    /// Digits from which a number is replaced, whatever its shape.
    pub(in crate::privacy::scrub) fn least_digits(&self) -> usize {
        use WordClass::*;
        if self.series {
            return UNNAMED;
        }
        if self.campaign != CampaignText::No {
            return usize::MAX;
        }
        let Label::Word(class) = self.label else { return self.least_unclassified() };
        if self.ends_slug() {
            return CONTENT;
        }
        match class {
            Person | Account => self.least_personal(1),
            Agent | NamePart if self.announces_id() => AGENT,
            Record if self.section == Section::Personal && self.link == Link::Path => 1,
            // `visit_number = 2` counts.
            Record => self.least_personal(3).max(2),
            Document => 4,
            Phone if self.marked => 4,
            Phone => 5,
            Secret if self.link != Link::Path => 3,
            Token if matches!(self.link, Link::Assigned | Link::Prose) || self.marked => 4,
            Plate | Device => 4,
            Birth | Name | NameHead | Login | Mail => UNNAMED,
            Goods | Law | Company => GOODS,
            Measure | Position => GOODS,
            Time => TIME,
            Commit => 13,
            Book => 14,
            Campaign => usize::MAX,
            _ if self.code => UNNAMED,
            Content | Public | Neutral | Version | Date => CONTENT,
            _ => self.least_unclassified(),
        }
    }

    fn least_unclassified(&self) -> usize {
        let in_text = !self.path || self.section == Section::Personal;
        match self.label {
            Label::Plain | Label::Word(_) if self.path && in_text => AGENT,
            // `Student does not exist. id=48812`
            Label::Plain if self.personal && self.marked && self.link == Link::Assigned => AGENT,
            Label::Id if self.personal && self.link == Link::Assigned => AGENT,
            Label::Plain | Label::Word(_) if !in_text && !self.code => CONTENT,
            _ => UNNAMED,
        }
    }

    /// The least number of digits behind the word of a person, where a path or an assignment says that an id follows.
    fn least_personal(&self, least: usize) -> usize {
        match self.link {
            // A count, not an id.
            Link::Assigned | Link::Prose if self.plural && !self.marked && !self.code => UNNAMED,
            Link::Path | Link::Assigned if self.marked => 1,
            Link::Path | Link::Assigned | Link::Prose => least,
            _ if self.marked => 3,
            _ if self.code => 3,
            _ => 4,
        }
    }
}
