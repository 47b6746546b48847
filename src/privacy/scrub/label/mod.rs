//! Keeps what the words before a value say about it, while a scanner reads a text.
//!
//! A *label* is the class of the last words: `patient_id`, `/patients/`, `Карта №`. How it is linked to the value (a path, an
//! assignment, a space) decides with it how long a number may be to stay.

mod compound;
mod hints;
mod kind;
mod least;

use compound::{ShortWord, combine, is_capital, is_code};
pub(super) use kind::{Label, Link};

use super::camel::for_each_word;
use super::shapes::names;
use super::words::{self, KnownWord, Lookup, WordClass};

/// What the earlier segments of a path speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Section {
    #[default]
    Unknown,
    Content,
    Personal,
}

/// Whether a text names a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum CampaignText {
    #[default]
    No,
    /// The name of an advertisement.
    Advertisement,
    /// A campaign parameter, `utm_…`.
    Parameter,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context {
    pub(super) label: Label,
    pub(super) link: Link,
    /// Whether the numbers are those of campaigns unless they are shaped like a person's.
    campaign: CampaignText,
    /// Whether people in public are spoken of, whose names stay.
    pub(super) public: bool,
    /// Whether the value is the whole text: that of a parameter or property.
    pub(super) whole: bool,
    /// `id`, `№` or the like stands between the label and the value.
    marked: bool,
    plural: bool,
    /// The label has one letter.
    short: bool,
    /// The assignment is a colon.
    colon: bool,
    /// The label's value was read.
    used: bool,
    /// Capitals that could begin a document's number follow the label: `AB 1234567`.
    code: bool,
    series: bool,
    /// Whether the text is within a path.
    path: bool,
    /// Whether the sentence speaks of a day of birth.
    birth: bool,
    /// Whether the text is within a list of values.
    list: bool,
    /// What an object of JSON is, in whose braces the text is: `"patient":{"id":48812}`.
    outer: Label,
    section: Section,
    /// Whether a word of this segment is about a person, and how many words it has.
    personal: bool,
    words: u8,
    last: ShortWord,
}

impl Context {
    /// The context of a value whose name is given: of a parameter, a property, a cookie.
    pub(super) fn for_field(name: &str) -> Self {
        let mut context = Self { whole: true, ..Self::default() };
        for_each_word(name, |word| {
            context.word(word);
        });
        if context.label == Label::Plain {
            for_each_word(name, |word| {
                if let Some(class) = words::class_by_ending(word) {
                    context.label = Label::Word(class);
                }
            });
        }
        context.link = if context.label == Label::Unnamed { Link::None } else { Link::Assigned };
        context
    }

    /// The context of a value that is known to be of a class.
    pub(super) fn for_class(class: WordClass) -> Self {
        Self { label: Label::Word(class), link: Link::Assigned, whole: true, ..Self::default() }
    }

    pub(super) fn for_campaign(campaign: CampaignText) -> Self {
        Self { campaign, ..Self::default() }
    }

    /// The context of the path on a host.
    pub(super) fn for_host(host: &[u8]) -> Self {
        let class = match host {
            b"t.me" | b"telegram.me" | b"telegram.dog" => WordClass::Login,
            b"wa.me" => WordClass::Phone,
            _ => return Self::default(),
        };
        Self { label: Label::Word(class), link: Link::Joined, short: true, ..Self::default() }
    }

    /// Notes a date in a path, behind which articles stand.
    pub(super) fn date(&mut self) {
        if self.path && self.label == Label::Unnamed {
            self.section = Section::Content;
            self.label = Label::Plain;
        }
        self.value();
    }

    /// The context of a part of the value.
    #[must_use]
    pub(super) fn for_part(mut self) -> Self {
        self.whole = false;
        self
    }

    /// The context of a value in quotation marks, which is as good as assigned.
    #[must_use]
    pub(super) fn quoted(mut self) -> Self {
        if matches!(self.link, Link::Near | Link::Prose) {
            self.link = Link::Assigned;
        }
        self
    }

    /// The context of a query below a path: `?id=7` is about what the path names.
    #[must_use]
    pub(super) fn below(mut self, path: impl FnOnce() -> Self) -> Self {
        if self.label != Label::Id {
            return self;
        }
        let mut path = path();
        path.leave_segment();
        match path.section {
            // `/invite?code=…`
            _ if path.is(WordClass::Token) => self.label = path.label,
            Section::Unknown => {}
            Section::Content => self.label = Label::Word(WordClass::Content),
            Section::Personal => self.label = Label::Word(WordClass::Person),
        }
        self
    }

    pub(super) fn is(&self, class: WordClass) -> bool {
        self.label == Label::Word(class) && !self.ends_slug()
    }

    /// Whether the label is but the last word of an article's address, which may be any: `/jobs/how-to-answer-the-phone-659649`.
    fn ends_slug(&self) -> bool {
        let least = match self.section {
            Section::Content => 2,
            Section::Unknown => 3,
            Section::Personal => u8::MAX,
        };
        self.path && self.link == Link::Joined && self.words >= least && !self.marked
    }

    pub(super) fn campaign(&self) -> CampaignText {
        self.campaign
    }

    /// Whether the label's value was read already.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether the label is about one person.
    pub(super) fn is_person(&self) -> bool {
        matches!(self.label, Label::Word(WordClass::Person | WordClass::Account | WordClass::Record))
            && !self.ends_slug()
    }

    /// Whether the name of a field says that its value is a person's or an id.
    pub(super) fn names_person(&self) -> bool {
        match self.label {
            Label::Word(class) => class.is_personal(),
            Label::Id => true,
            Label::Unnamed | Label::Plain => false,
        }
    }

    /// Whether a word of the table says what the value is.
    pub(super) fn is_classified(&self) -> bool {
        matches!(self.label, Label::Word(_))
    }

    pub(super) fn class(&self) -> Option<WordClass> {
        match self.label {
            Label::Word(class) if !self.used => Some(class),
            _ => None,
        }
    }

    /// Whether the label is the short `u`, behind which pages never stand.
    pub(super) fn is_short_account(&self) -> bool {
        self.short
    }

    pub(super) fn is_path(&self) -> bool {
        self.path
    }

    /// Reads letters before digits, which say something only when they are a word of the table or begin a number.
    pub(super) fn letters_before_digits(&mut self, letters: &str) {
        let is_code_of_goods = self.link == Link::Assigned && self.is(WordClass::Content);
        if (is_code(letters) && !is_code_of_goods) || words::look_up(letters).is_some() {
            self.word(letters);
        }
    }

    /// Reads a word of letters alone. Returns its class if the table has it.
    pub(super) fn word(&mut self, word: &str) -> Option<WordClass> {
        let joined = if self.link == Link::Joined { self.last.joined(word) } else { None };
        self.last.set(word);
        match joined.map_or_else(|| words::look_up_pair(word), Lookup::Known) {
            // A single letter means a user only as a whole segment or name: `/u/`, and not `%u`.
            Lookup::Known(known) if !is_capital(word) && (word.len() > 1 || self.begins_name()) => {
                self.known_word(known);
                self.short = word.len() == 1;
                return Some(known.class);
            }
            Lookup::Pair(first, second) => {
                self.known_word(first);
                self.known_word(second);
            }
            _ => self.unknown_word(word),
        }
        None
    }

    /// Whether the next word begins a segment of a path or the name of a field.
    fn begins_name(&self) -> bool {
        self.link == Link::Path || (self.whole && self.label == Label::Unnamed)
    }

    fn known_word(&mut self, KnownWord { class, plural }: KnownWord) {
        let before = if self.used || matches!(self.link, Link::Assigned | Link::Prose | Link::None) {
            Label::Unnamed
        } else {
            self.label
        };
        let before = if before == Label::Unnamed && self.outer != Label::Unnamed {
            self.for_object(class)
        } else {
            before
        };
        match class {
            WordClass::Public => self.public = true,
            WordClass::Person | WordClass::Account | WordClass::Name | WordClass::Login => {
                self.public = false
            }
            _ => {}
        }
        let label = combine(before, class, self.link);
        let adds = matches!(class, WordClass::Transparent | WordClass::Connective);
        self.marked = adds && label == before && (self.marked || class == WordClass::Transparent);
        // `код подтверждения`
        self.marked |= before == Label::Id && matches!(class, WordClass::Token | WordClass::Secret);
        self.birth |= class == WordClass::Birth;
        self.personal |= matches!(class, WordClass::Person | WordClass::Account | WordClass::Record);
        self.words = self.words.saturating_add(1);
        if !adds || label != before {
            self.plural = plural && !adds;
        }
        self.label = label;
        self.used = false;
        self.code = false;
        self.series = false;
        self.link = Link::Joined;
    }

    fn unknown_word(&mut self, word: &str) {
        if is_code(word) {
            self.code = true;
            // `ТТТ 1234567890`: an insurance of cars.
            self.series = word.chars().count() == 3 && !word.is_ascii();
            return;
        }
        self.series = false;
        // `/clients/ab-48812`
        let most = if self.link == Link::Path { 2 } else { 1 };
        if word.chars().count() <= most && self.is_person() && !self.used {
            return;
        }
        self.code = false;
        self.words = self.words.saturating_add(1);
        if names::is_profession(word) {
            self.public = true;
            self.label = Label::Word(WordClass::Public);
        } else if self.link == Link::Joined
            && (self.is(WordClass::Campaign)
                || (!self.path && (self.is(WordClass::Content) || self.is(WordClass::Goods))))
        {
            // `utm_` and `campaign_` before any word, and `product_click`.
        } else if self.link == Link::Path && self.is(WordClass::Token) && !self.used {
            // `/share/trip/x7Kp2mQz`
        } else {
            self.label = Label::Plain;
        }
        self.marked = false;
        self.plural = false;
        self.used = false;
        self.link = Link::Joined;
    }

    /// Notes that a value was read, replaced or not.
    pub(super) fn value(&mut self) {
        self.used = true;
        self.series = false;
        self.link = Link::Joined;
    }

    /// Reads an ASCII character between words.
    pub(super) fn separator(&mut self, byte: u8) {
        match byte {
            b'/' => {
                self.leave_segment();
                self.link = Link::Path;
                self.path = true;
                self.code = false;
            }
            b'=' | b':' if self.link != Link::None => {
                self.link = Link::Assigned;
                self.colon = byte == b':';
            }
            // A quotation mark belongs to the value, or to the name before a colon.
            b'"' | b'\'' if self.link == Link::Assigned => self.path = false,
            b'&' | b'?' => self.reset(),
            b'\n' | b'|' | b';' => {
                let campaign = self.campaign;
                *self = Self { campaign, ..Self::default() };
            }
            b',' if self.list && self.is_person() => {
                self.used = false;
                if self.marked {
                    self.link = Link::Assigned;
                }
            }
            b'{' | b'}' => self.brace(byte),
            b',' | b'!' | b')' => self.reset(),
            b'#' => self.mark(),
            b']' => {
                self.list = false;
                self.outer = Label::Unnamed;
            }
            _ => self.space(),
        }
    }

    /// Reads `№`.
    pub(super) fn mark(&mut self) {
        self.space();
        self.marked = true;
    }

    /// Reads a space, a quotation mark or the like.
    pub(super) fn space(&mut self) {
        self.path = false;
        match self.link {
            Link::Joined | Link::Path => self.link = Link::Near,
            Link::Assigned if self.colon => self.link = Link::Prose,
            _ => {}
        }
    }

    /// Begins anew, as after the end of a sentence.
    pub(super) fn reset(&mut self) {
        let Self { campaign, public, section, list, outer, .. } = *self;
        *self = Self { campaign, public, section, list, outer, ..Self::default() };
    }

    /// Goes on in a segment of a path.
    pub(super) fn stay_in_path(&mut self) {
        self.path = true;
    }

    fn leave_segment(&mut self) {
        use WordClass::*;
        match self.label {
            Label::Word(Content | Goods | Public | Law | Company | Book) => self.section = Section::Content,
            // A slug may have any word.
            _ if self.personal && self.words <= 2 => self.section = Section::Personal,
            _ => {}
        }
        self.personal = false;
        self.words = 0;
    }

    /// Whether a year may stand where the value stands.
    pub(super) fn allows_year(&self) -> bool {
        !self.marked && matches!(self.link, Link::Joined | Link::Near)
    }

    /// Whether groups of digits can be a phone number or the like without a plus.
    pub(super) fn allows_shapes(&self) -> bool {
        !matches!(self.label, Label::Word(WordClass::Law | WordClass::Version)) || self.link == Link::Path
    }

    /// Notes that letters and digits stand before the next number as in the number of a document: `SG48-5643734`.
    pub(super) fn begin_series(&mut self) {
        self.code = true;
        self.series = true;
    }

    /// Whether the next number belongs to the number of a document.
    pub(super) fn is_series(&self) -> bool {
        self.series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_together_say_what_a_value_is() {
        use WordClass::*;
        for (name, class) in [
            ("patientId", Person),
            ("user_agent", Neutral),
            ("card_type", Neutral),
            ("patient_name", Name),
            ("user[name]", Login),
            ("имя пациента", Name),
            ("product_name", Neutral),
            ("номер телефона", Phone),
            ("date_of_birth", Birth),
            ("birth_year_range", Neutral),
            ("utm_source", Campaign),
            ("email_address", Mail),
            ("ip_address", Neutral),
            ("order_total", Measure),
            ("doctor_id", Public),
        ] {
            assert_eq!(Context::for_field(name).label, Label::Word(class), "{name}");
        }
    }
}
