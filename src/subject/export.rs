//! Finding a visitor, and exporting all rows with the meaning of their columns.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::dictionary;
use super::error::SubjectError;
use super::look_up::{self, SubjectQuery};
use super::request::{RequestState, SubjectRequest, now, scope_json};
use super::service::Subjects;
use crate::error_chain::error_chain;
use crate::privacy::{InvalidReferenceCode, SubjectScope};
use crate::spool::SpoolPlace;

/// Keys that an answer names.
const KEYS: usize = 3;
const EARLIER_DAYS: &str = "nothing can be linked: each day's key is destroyed when the day ends";

impl Subjects {
    /// The scope that a query names. Its address, user agent and cookie value are not kept.
    ///
    /// # Errors
    /// When the query is incomplete, names what is unknown, or asks for a day whose key is destroyed.
    pub async fn resolve(&self, query: &SubjectQuery) -> Result<SubjectScope, SubjectError> {
        query.check()?;
        if let Some(id) = &query.request {
            let request = self.get(id).and_then(|request| request.scope);
            return request.ok_or_else(|| SubjectError::UnknownRequest(id.clone()));
        }
        if let Some(code) = &query.reference {
            let code =
                code.parse().map_err(|error: InvalidReferenceCode| SubjectError::Query(error.to_string()))?;
            let known = self.collector.references().subject(code, self.epoch());
            let subject = known.ok_or(SubjectError::UnknownReference)?;
            return Ok(SubjectScope::Visitor(subject));
        }
        if let Some(day) = query.day {
            self.check_day(day).await?;
        }
        match self.collector.site(&query.site) {
            Some(site) => look_up::scope(&self.collector, &site, query),
            // A site that is no longer configured can be erased.
            None if query.whole_site && !query.site.is_empty() => {
                Ok(SubjectScope::Site { site: query.site.clone() })
            }
            None => Err(SubjectError::UnknownSite(query.site.clone())),
        }
    }

    async fn check_day(&self, day: jiff::civil::Date) -> Result<(), SubjectError> {
        if look_up::is_linkable(day, self.epoch(), &self.zone) {
            return Ok(());
        }
        let begins = day.to_zoned(self.zone.clone()).map_or(0, |start| start.timestamp().as_second());
        let destroyed = match self.store.get() {
            Some(store) => store.destroyed_keys(Some(begins), KEYS).await?,
            None => Vec::new(),
        };
        Err(SubjectError::KeyGone { day, destroyed })
    }

    /// Counts the rows of a visitor by place and day. The audit gets a row.
    ///
    /// # Errors
    /// As [`Self::resolve`]. A store that does not answer is part of the answer.
    pub async fn find(&self, query: &SubjectQuery, operator: &str) -> Result<Value, SubjectError> {
        let scope = self.resolve(query).await?;
        let status = self.collector.privacy().keys().status();
        let since = Timestamp::from_second(status.epoch.into()).unwrap_or_default();
        let spooled = self.search_spool(&scope).await?;
        let blocked =
            self.list().into_iter().find(|known| known.blocks() && known.scope.as_ref() == Some(&scope));
        let mut answer = json!({
            "site": scope.site(),
            "scope": scope_json(&scope),
            "linkable_since": since.to_string(),
            "key": status.fingerprint.to_string(),
            "waiting_events": spooled.waiting_events,
            "quarantined_events": spooled.quarantined_events,
            "unreadable_files": spooled.unreadable_files,
            "blocked_by": blocked.map(|request| request.id),
            "earlier_days": EARLIER_DAYS,
        });
        match self.find_stored(&scope).await {
            Ok(stored) => {
                for (name, value) in stored.as_object().into_iter().flatten() {
                    answer[name] = value.clone();
                }
            }
            Err(error) => answer["store"] = error_chain(&error).into(),
        }
        let events = [&answer["events"], &answer["blocked_events"]].map(|count| count.as_u64());
        let detail = json!({
            "site": scope.site(),
            "by": query.identified_by(),
            "operator": operator,
            "events": events.into_iter().flatten().sum::<u64>() + spooled.waiting_events + spooled.quarantined_events,
        });
        self.spool.append_audit("subject found", &detail.to_string())?.await?;
        Ok(answer)
    }

    async fn find_stored(&self, scope: &SubjectScope) -> Result<Value, SubjectError> {
        let store = self.ready_store()?;
        let rows = store.count(scope).await?;
        let mut found = json!({
            "events": rows.events,
            "blocked_events": rows.blocked_events,
            "days": store.by_day(scope).await?,
            "destroyed_keys": store.destroyed_keys(None, KEYS).await?,
        });
        if matches!(scope, SubjectScope::Cookie { .. }) {
            let visitors = store.visitors(scope).await?.into_iter();
            let shown = visitors.map(|(subject, events)| {
                json!({ "epoch": subject.epoch, "visitor": subject.visitor.to_string(), "events": events })
            });
            found["visitors"] = shown.collect();
        }
        Ok(found)
    }

    /// All rows of the visitor of an export, and what their columns mean. The audit gets a row. The request stays, so that an answer that
    /// does not arrive can be asked for again after midnight; [`Self::close_export`] ends it.
    ///
    /// # Errors
    /// When the request is not an open export, or the store does not answer.
    pub async fn export(&self, id: &str) -> Result<Value, SubjectError> {
        let unknown = || SubjectError::UnknownRequest(id.to_owned());
        let request =
            self.get(id).filter(|request| request.state == RequestState::Open).ok_or_else(unknown)?;
        let scope = request.scope.clone().ok_or_else(unknown)?;
        let store = self.ready_store()?.clone();
        // First, because events pass from the spool into the store.
        let (mut waiting, quarantined, unreadable) = self.spooled_rows(&scope).await?;
        let events = store.rows("events", &scope).await?;
        let known: HashSet<_> = events.iter().map(identity).collect();
        waiting.retain(|row| !known.contains(&identity(row)));
        let visits = store.rows("visits", &scope).await?;
        let blocked = store.rows("blocked_events", &scope).await?;
        let counted = json!({
            "events": events.len(),
            "visits": visits.len(),
            "blocked_events": blocked.len(),
            "waiting_events": waiting.len(),
            "quarantined_events": quarantined.len(),
        });
        let request = self.change(id, |request| {
            request.events = (events.len() + blocked.len() + waiting.len() + quarantined.len()) as u64;
            request.search = counted.clone();
        })?;
        self.spool.append_audit(request.action.done(), &request.audit_detail().to_string())?.await?;
        Ok(json!({
            "exported": now(),
            "about": request_json(&request),
            "rows": counted,
            "earlier_days": EARLIER_DAYS,
            "destroyed_keys": store.destroyed_keys(None, KEYS).await?,
            "columns": { "events": dictionary::columns("events"), "visits": dictionary::columns("visits") },
            "events": events,
            "visits": visits,
            "blocked_events": blocked,
            "waiting_events": waiting,
            "quarantined_events": quarantined,
            "unreadable_files": unreadable,
        }))
    }

    /// Rows that wait, rows in quarantine, and files that cannot be read completely.
    async fn spooled_rows(
        &self,
        scope: &SubjectScope,
    ) -> Result<(Vec<Value>, Vec<Value>, Vec<String>), SubjectError> {
        let (spool, scope) = (self.spool.clone(), scope.clone());
        let read = tokio::task::spawn_blocking(move || {
            let (mut waiting, mut quarantined) = (Vec::new(), Vec::new());
            let unreadable = spool.visit_events(&mut |place, mut row| {
                if scope.has_row(&row) {
                    quote_wide_numbers(&mut row);
                    match place {
                        SpoolPlace::Waiting => waiting.push(row),
                        SpoolPlace::Quarantine => quarantined.push(row),
                    }
                }
            })?;
            Ok::<_, crate::spool::SpoolError>((waiting, quarantined, unreadable))
        });
        Ok(read.await.expect("it does not panic and is not aborted")?)
    }
}

fn request_json(request: &SubjectRequest) -> Value {
    let mut about = request.audit_detail();
    about["scope"] = request.scope.as_ref().map(scope_json).unwrap_or_default();
    about
}

/// Turns numbers of 64 bits into texts, as the store does.
fn quote_wide_numbers(row: &mut Value) {
    for name in ["page_load", "visitor", "address", "error_group"] {
        if let Some(number) = row[name].as_u64() {
            row[name] = number.to_string().into();
        }
    }
}

/// The key that identifies an event.
fn identity(row: &Value) -> (String, u64) {
    (row["page_load"].as_str().unwrap_or_default().to_owned(), row["seq"].as_u64().unwrap_or_default())
}
