//! A request of a visitor: action, scope, ground, operator and result.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::names;
use crate::privacy::SubjectScope;

names! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum SubjectAction {
        /// Move the events out of reports, and store no new ones.
        Block => "block",
        /// Bring them back.
        Unblock => "unblock",
        Erase => "erase",
        Export => "export",
    }
}

impl SubjectAction {
    /// The action in the audit's row, once it is carried out.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Block => "subject blocked",
            Self::Unblock => "subject unblocked",
            Self::Erase => "subject erased",
            Self::Export => "subject exported",
        }
    }
}

names! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum RequestState {
        /// It is being carried out, or waits for the store.
        Open => "open",
        /// A block, or an erasure from the visitor's page: done, and new events are not stored.
        InForce => "in force",
        /// Nothing is left to do. The request no longer names a visitor.
        Done => "done",
    }
}

/// Why something is done, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ground {
    /// The reason, in words or as the number of a letter.
    pub ground: String,
    /// The person who does it.
    pub operator: String,
    /// The state body that asked (5.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The number of its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// A request as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectRequest {
    pub id: String,
    pub action: SubjectAction,
    pub state: RequestState,
    pub site: String,
    /// `None` when it is done: nobody can be linked with it any more.
    pub(super) scope: Option<SubjectScope>,
    #[serde(flatten)]
    pub ground: Ground,
    /// Whether it was asked for on the visitor's page, where anybody can.
    #[serde(default)]
    pub(super) is_from_page: bool,
    pub accepted: String,
    pub done: Option<String>,
    /// Days whose figures must be computed again. They are known before the first row is changed.
    pub(super) days: BTreeSet<Date>,
    /// Events that were changed so far, in the store and in the quarantine.
    pub events: u64,
    pub(super) quarantined_events: u64,
    /// Those of `events` that belong to an earlier completion: a block is carried out again when events arrive late.
    pub(super) completed_events: u64,
    /// The search that proves it, once it is done.
    pub(super) search: Value,
    /// Why the last attempt did not complete it.
    pub(super) waits_for: Option<String>,
}

impl SubjectRequest {
    pub(super) fn new(
        id: String,
        action: SubjectAction,
        scope: SubjectScope,
        ground: Ground,
        is_from_page: bool,
    ) -> Self {
        Self {
            id,
            action,
            state: RequestState::Open,
            site: scope.site().to_owned(),
            scope: Some(scope),
            ground,
            is_from_page,
            accepted: now(),
            done: None,
            days: BTreeSet::default(),
            events: 0,
            quarantined_events: 0,
            completed_events: 0,
            search: Value::Null,
            waits_for: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == RequestState::Open
    }

    /// Whether no new events of its scope may be stored.
    pub(super) fn blocks(&self) -> bool {
        match self.action {
            // While an erasure is open, events that came meanwhile would make it endless.
            SubjectAction::Block | SubjectAction::Erase => self.state != RequestState::Done,
            SubjectAction::Unblock | SubjectAction::Export => false,
        }
    }

    /// Whether its visitor stays blocked once it is carried out. The visitor's page promises it until midnight.
    pub(super) fn stays_in_force(&self) -> bool {
        self.action == SubjectAction::Block || self.is_from_page
    }

    /// Whether it names a visitor of this epoch.
    pub(super) fn is_of_epoch(&self, epoch: u32) -> bool {
        matches!(&self.scope, Some(SubjectScope::Visitor(subject)) if subject.epoch == epoch)
    }

    /// Ends the request, and forgets the visitor that it named.
    pub(super) fn close(&mut self, now: String) {
        self.state = RequestState::Done;
        self.done.get_or_insert(now);
        self.scope = None;
        self.waits_for = None;
    }

    /// The request as the operator sees it. Once it is done, it names no pseudonym.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({
            "request": self.id,
            "action": self.action.name(),
            "state": self.state.name(),
            "site": self.site,
            "ground": self.ground.ground,
            "operator": self.ground.operator,
            "accepted": self.accepted,
            "done": self.done,
            "events": self.events,
            "quarantined_events": self.quarantined_events,
            "days": self.days,
        });
        let optional = [
            ("authority", self.ground.authority.clone().map(Value::from)),
            ("number", self.ground.number.clone().map(Value::from)),
            ("waits_for", self.waits_for.clone().map(Value::from)),
            ("search", Some(self.search.clone()).filter(|search| !search.is_null())),
            ("scope", self.scope.as_ref().map(scope_json)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                shown[name] = value;
            }
        }
        shown
    }

    /// The row of the audit. It has no pseudonym.
    pub(super) fn audit_detail(&self) -> Value {
        let mut detail = self.to_json();
        for name in ["scope", "waits_for", "state", "done"] {
            detail.as_object_mut().expect("an object").remove(name);
        }
        detail
    }
}

/// The time in whole seconds: the audit has the time of its row.
pub(super) fn now() -> String {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string()
}

/// A scope as JSON. A pseudonym is a text, because a reader of JSON may round numbers of 64 bits.
pub(super) fn scope_json(scope: &SubjectScope) -> Value {
    match scope {
        SubjectScope::Visitor(subject) => {
            json!({ "by": "visitor", "epoch": subject.epoch, "visitor": subject.visitor.to_string() })
        }
        // The value may be personal.
        SubjectScope::Cookie { name, .. } => json!({ "by": "cookie", "name": name }),
        SubjectScope::Site { site } => json!({ "by": "site", "site": site }),
    }
}
