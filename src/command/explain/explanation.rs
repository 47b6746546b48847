//! Carries a request through the collector's own pipeline, and keeps what each step found. Nothing is stored.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, FORWARDED, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Map, Value};

use super::differences;
use super::request::SampleRequest;
use crate::access::{Role, TokenFile, TokenHolder, TokenVerifier};
use crate::beacon::{Beacon, BeaconTransfer, LeftOut, WIRE_FORMATS, WireFormat, WireInput};
use crate::config::{Config, Site};
use crate::enrich::{BrowserInfo, DecidingRules};
use crate::event::{BotCategory, DropReason, EventRow};
use crate::ingest::assemble;
use crate::ingest::{
    BeaconOutcome, BeaconPipeline, IngestError, PipelineStep, PipelineTrace, Sender, SendingPage,
    SignatureState,
};
use crate::privacy::consent::OptOutSignal;
use crate::privacy::{GeoPlace, Peer};
use crate::server::{RefusalReason, X_FOOTFALL_ADDRESS, pixel_referer};
use crate::transport::{TrustedProxies, X_FORWARDED_FOR, single_address};

/// What the collector would do with a request, and why.
#[derive(Debug, Default, Serialize)]
pub(super) struct Explanation {
    pub(super) steps: Vec<ExplainedStep>,
    /// Each event that can be read, in order.
    pub(super) events: Vec<ExplainedEvent>,
    /// Events and fields that cannot be read.
    pub(super) left_out: Vec<String>,
    pub(super) answer: ExplainedAnswer,
    /// Which rule decided each part of the browser.
    pub(super) rules: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct ExplainedStep {
    pub(super) step: &'static str,
    pub(super) finding: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct ExplainedEvent {
    /// Its number within the page load.
    pub(super) number: u32,
    pub(super) kind: &'static str,
    /// Why it is not stored.
    pub(super) dropped: Option<&'static str>,
    /// What is stored in another form than it was sent in.
    pub(super) changes: Vec<String>,
    /// The row, without columns that a dropped event does not have.
    pub(super) columns: Map<String, Value>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct ExplainedAnswer {
    pub(super) status: u16,
    /// Why the request is refused.
    pub(super) reason: Option<&'static str>,
    pub(super) explanation: String,
    pub(super) stored: usize,
    /// Dropped events by reason.
    pub(super) dropped: Map<String, Value>,
}

impl Explanation {
    pub(super) fn add(&mut self, step: &'static str, finding: impl Into<String>) {
        self.steps.push(ExplainedStep { step, finding: finding.into() });
    }

    fn refuse(&mut self, reason: RefusalReason, fault: Option<String>) {
        let explanation = match fault {
            Some(fault) => format!("{fault}; {}", reason.advice()),
            None => reason.advice().to_owned(),
        };
        self.answer = ExplainedAnswer {
            status: reason.status(),
            reason: Some(reason.name()),
            explanation,
            ..ExplainedAnswer::default()
        };
    }

    fn drop_events(&mut self, reason: DropReason, events: usize) {
        let slot = self.answer.dropped.entry(reason.name()).or_insert(0.into());
        *slot = (slot.as_u64().unwrap_or_default() + events as u64).into();
    }
}

pub(super) struct Explainer<'a> {
    pub(super) config: &'a Config,
    pub(super) pipeline: &'a BeaconPipeline,
}

impl Explainer<'_> {
    pub(super) fn explain(&self, request: &SampleRequest, peer: IpAddr) -> Explanation {
        let mut explanation = Explanation::default();
        let path = request.uri.path();
        explanation
            .add("request", format!("{} {path}, a body of {} bytes", request.method, request.body.len()));
        request.notes.iter().for_each(|note| explanation.add("note", note.as_str()));
        let Some(format) = WIRE_FORMATS.iter().find(|format| format.path == path) else {
            let paths = WIRE_FORMATS.iter().map(|format| format.path).collect::<Vec<_>>().join(", ");
            explanation.answer.status = 404;
            explanation.answer.explanation = format!("no beacon is taken at {path}, only at {paths}");
            return explanation;
        };
        explanation.add("format", format!("{}: {}", format.name, format.about));
        if let Err(reason) = check_method(request, format, &mut explanation) {
            if let Some(reason) = reason {
                explanation.refuse(reason, None);
            }
            return explanation;
        }
        match self.sender(request, format, peer, &mut explanation) {
            Ok(holder) => self.run(request, format, peer, holder.as_deref(), explanation),
            Err(reason) => {
                explanation.refuse(reason, None);
                explanation
            }
        }
    }

    /// The holder of the token, if a server sends.
    fn sender(
        &self,
        request: &SampleRequest,
        format: &WireFormat,
        peer: IpAddr,
        explanation: &mut Explanation,
    ) -> Result<Option<std::sync::Arc<TokenHolder>>, RefusalReason> {
        let is_server =
            format.transfer != BeaconTransfer::Pixel && TokenVerifier::presents_token(&request.headers);
        if !is_server {
            let client = match peer.is_unspecified() {
                true => "unknown: `ip` or `--ip` gives it".to_owned(),
                false => self.client(peer, &request.headers).1,
            };
            explanation.add("client", client);
            return Ok(None);
        }
        let (verifier, _) = TokenVerifier::open(TokenFile::new(&self.config.data));
        match verifier.authenticate(&request.headers) {
            Ok(Some(holder)) if holder.role == Role::Sender => {
                explanation.add("token", format!("of {}, a sender", holder.name));
                self.visitor(peer, &request.headers).ok_or(RefusalReason::VisitorAddress)?;
                Ok(Some(holder))
            }
            Ok(_) => Err(RefusalReason::TokenRole),
            Err(_) => Err(RefusalReason::Token),
        }
    }

    /// The visitor that a server names.
    fn visitor(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let through_proxy = TrustedProxies::new(self.config.trusted_proxies.clone()).contains(peer);
        match headers.get(&X_FOOTFALL_ADDRESS) {
            Some(_) => single_address(headers, &X_FOOTFALL_ADDRESS),
            None if through_proxy => None,
            None => single_address(headers, &X_FORWARDED_FOR),
        }
    }

    /// The client's address, and how it was found.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, String) {
        let trusted = TrustedProxies::new(self.config.trusted_proxies.clone());
        let named = headers.contains_key(&X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
        if !trusted.contains(peer) {
            let ignored = if named {
                ": its X-Forwarded-For or Forwarded is ignored, because it is not in `trusted_proxies`"
            } else {
                ""
            };
            return (peer, format!("the peer {peer}{ignored}"));
        }
        let client = trusted.client(peer, headers);
        let text = match (client == peer, named) {
            (false, _) => format!("{client}, named by the trusted proxy {peer}"),
            (true, true) => format!(
                "the trusted proxy {peer} itself: its headers cannot be read, or name trusted proxies alone"
            ),
            (true, false) => {
                format!(
                    "{peer}, a trusted proxy that names no client: all visitors behind it count as one. A request that was copied \
                     from a browser has no such header yet, because the proxy adds it; name the client with `--ip`"
                )
            }
        };
        (client, text)
    }

    fn run(
        &self,
        request: &SampleRequest,
        format: &WireFormat,
        peer: IpAddr,
        holder: Option<&TokenHolder>,
        mut explanation: Explanation,
    ) -> Explanation {
        let headers = &request.headers;
        let sender = match holder {
            Some(holder) => {
                let visitor = self.visitor(peer, headers).unwrap_or(peer);
                Sender::Server { visitor: Peer::new(visitor), holder }
            }
            None => Sender::Page(Peer::new(self.client(peer, headers).0)),
        };
        let is_pixel = format.transfer == BeaconTransfer::Pixel;
        let referer = if is_pixel { pixel_referer(headers) } else { Default::default() };
        let input = WireInput {
            body: if is_pixel { b"" } else { &request.body },
            query: request.uri.query().unwrap_or_default(),
            referer: &referer,
            random_page_load: || fastrand::u64(..),
        };
        let mut trace = StepTrace(explanation);
        let result = self.pipeline.run(sender, headers, (format, &input), &mut trace, |beacon, outcome| {
            assemble_events(beacon, outcome)
        });
        explanation = trace.0;
        match result {
            Ok(Assembled { events, left_out, dropped }) => {
                explanation.left_out.extend(left_out);
                dropped.into_iter().for_each(|(reason, events)| explanation.drop_events(reason, events));
                explanation.answer.status = if is_pixel { 200 } else { 204 };
                explanation.answer.stored = events.iter().filter(|event| event.dropped.is_none()).count();
                explanation.events = events;
            }
            Err(refused) => {
                let fault = refused.cause.fault().map(|fault| format!("{} {}", fault.path, fault.problem));
                explanation.refuse(RefusalReason::from(&refused.cause), fault);
            }
        }
        explanation
    }
}

/// Checks method and head. An error without a reason is answered 405.
fn check_method(
    request: &SampleRequest,
    format: &WireFormat,
    explanation: &mut Explanation,
) -> Result<(), Option<RefusalReason>> {
    let allowed = match format.transfer {
        BeaconTransfer::Post { .. } => Method::POST,
        BeaconTransfer::Pixel => Method::GET,
    };
    if request.method != allowed {
        explanation.answer.status = 405;
        explanation.answer.explanation = format!("{} takes {allowed}, not {}", format.path, request.method);
        return Err(None);
    }
    if request.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Some(RefusalReason::Length));
    }
    if let BeaconTransfer::Post { content_types } = format.transfer
        && let Some(reason) = RefusalReason::from_head(&request.head(), content_types, request.body.len())
    {
        return Err(Some(reason));
    }
    if request.headers.contains_key(AUTHORIZATION) && format.transfer == BeaconTransfer::Pixel {
        explanation.add("token", "ignored: pixels have none");
    }
    Ok(())
}

struct Assembled {
    events: Vec<ExplainedEvent>,
    left_out: Vec<String>,
    dropped: Vec<(DropReason, usize)>,
}

fn assemble_events(beacon: &Beacon<'_>, outcome: BeaconOutcome<'_>) -> Result<Assembled, IngestError> {
    let name = |part: &LeftOut| {
        let what = if part.is_event { "the event" } else { "the field" };
        format!("{} {}: {what} is left out", part.fault.path, part.fault.problem)
    };
    let malformed = beacon.left_out.iter().filter(|part| part.is_event).count();
    let mut assembled = Assembled {
        events: Vec::new(),
        left_out: beacon.left_out.iter().map(name).collect(),
        dropped: vec![
            (DropReason::Malformed, malformed),
            (DropReason::Internal, beacon.internal_links as usize),
        ],
    };
    let event = |index: u32, kind, dropped: Option<DropReason>| ExplainedEvent {
        number: beacon.first_seq + index,
        kind,
        dropped: dropped.map(DropReason::name),
        ..ExplainedEvent::default()
    };
    match outcome {
        BeaconOutcome::Drop(_, reason) => {
            let all =
                beacon.events.iter().map(|sent| event(sent.index, sent.detail.kind().name(), Some(reason)));
            assembled.events = all.collect();
            // All of its events have this reason.
            assembled.dropped =
                vec![(DropReason::Malformed, malformed), (reason, beacon.event_count() as usize)];
        }
        BeaconOutcome::Assemble(context) => {
            let mut rows = Vec::new();
            let emit = |number, row: &EventRow<'_>| {
                let mut columns = Map::new();
                row.for_each_column(|name, value| drop(columns.insert(name.to_owned(), value)));
                rows.push((number, columns));
            };
            let wanted = |_, category: BotCategory| !context.site.drop_bots.drops(category);
            let dropped_events = assemble::rows(context, beacon, wanted, emit)?;
            assembled.left_out.extend(dropped_events.left_out.iter().map(name));
            for sent in &beacon.events {
                let number = beacon.first_seq + sent.index;
                let row =
                    rows.iter_mut().find(|(of, _)| *of == number).map(|(_, columns)| std::mem::take(columns));
                let found = dropped_events.events.iter().find(|(index, _)| *index == sent.index);
                // On a page of the site, only a spammer's referrer is left.
                let dropped = found.map_or(DropReason::Bot, |(_, reason)| *reason);
                let dropped = if row.is_some() { None } else { Some(dropped) };
                assembled.dropped.extend(dropped.map(|reason| (reason, 1)));
                let mut explained = event(sent.index, sent.detail.kind().name(), dropped);
                if let Some(columns) = row {
                    explained.changes = differences::find(sent.page.as_ref(), &sent.detail, &columns);
                    explained.columns = columns;
                }
                assembled.events.push(explained);
            }
        }
    }
    assembled.dropped.retain(|(_, events)| *events > 0);
    Ok(assembled)
}

/// Turns steps into text.
struct StepTrace(Explanation);

impl PipelineTrace for StepTrace {
    fn step(&mut self, step: PipelineStep<'_>) {
        let (name, finding) = match step {
            PipelineStep::Parsed(beacon) => ("beacon", parsed(beacon)),
            PipelineStep::SiteFound(site) => ("site", site_text(site)),
            PipelineStep::PageChecked(page) => ("page", page_text(page).to_owned()),
            PipelineStep::SignatureChecked(state) => ("signature", signature(state).to_owned()),
            PipelineStep::SenderChecked => ("sender", "the token may send for this site".to_owned()),
            PipelineStep::ConsentChecked(signal) => ("consent", consent(signal).to_owned()),
            PipelineStep::BrowserRecognised(browser) => {
                self.0.rules = rules(&browser.rules);
                ("browser", browser_text(browser))
            }
            PipelineStep::VisitorIdentified(identity) => ("place", place(&identity.place)),
            PipelineStep::CookiesKept(cookies) => ("cookies", cookies_text(cookies)),
        };
        self.0.add(name, finding);
    }
}

fn parsed(beacon: &Beacon<'_>) -> String {
    let lost = beacon.left_out.iter().filter(|part| part.is_event).count();
    let events = beacon.events.len();
    format!("{} events can be read, {lost} cannot; their numbers begin at {}", events, beacon.first_seq)
}

fn site_text(site: &Site) -> String {
    let hosts: Vec<String> = site.hosts.iter().map(ToString::to_string).collect();
    format!("{}, with pages on {}", site.id, hosts.join(", "))
}

fn page_text(page: SendingPage) -> &'static str {
    match page {
        SendingPage::Origin => "Origin is one of the site's hosts",
        SendingPage::Referer => "Referer is on one of the site's hosts; Origin is missing or null",
        SendingPage::Unknown => {
            "neither Origin nor Referer says which page sends, as under `no-referrer`: accepted"
        }
    }
}

fn signature(state: SignatureState) -> &'static str {
    match state {
        SignatureState::NotUsed => "the site's names are not signed",
        SignatureState::Absent => "none, and the site requires none",
        SignatureState::Valid => "valid",
    }
}

fn consent(signal: Option<OptOutSignal>) -> &'static str {
    match signal {
        None => "the visitor does not refuse",
        Some(OptOutSignal::GlobalPrivacyControl) => "the visitor refuses: Sec-GPC: 1",
        Some(OptOutSignal::DoNotTrack) => "the visitor refuses: DNT: 1",
        Some(OptOutSignal::Cookie) => "the visitor refuses: cookie footfall_optout=1",
    }
}

fn browser_text(browser: &BrowserInfo) -> String {
    let with_version = |name: &str, version: &str| match (name, version) {
        ("", _) => "unknown".to_owned(),
        (name, "") => name.to_owned(),
        (name, version) => format!("{name} {version}"),
    };
    let mut text = format!(
        "{} on {}, device {}",
        with_version(&browser.name, &browser.version),
        with_version(&browser.os, &browser.os_version),
        browser.device.name()
    );
    if !browser.bot.is_empty() {
        text += &format!("; the bot {} ({})", browser.bot, browser.bot_category.name());
    }
    if browser.spoofed {
        text += "; spoofed";
    }
    let decided: Vec<String> = rules(&browser.rules)
        .into_iter()
        .map(|(column, rule)| format!("{column} by {}", rule.as_str().unwrap_or_default()))
        .collect();
    if decided.is_empty() { text } else { format!("{text} ({})", decided.join(", ")) }
}

fn rules(rules: &DecidingRules) -> Map<String, Value> {
    let DecidingRules { browser, os, device, bot, spoofed } = *rules;
    let decided = [("browser", browser), ("os", os), ("device", device), ("bot", bot), ("spoofed", spoofed)];
    let decided = decided.into_iter().filter(|(_, rule)| !rule.is_empty());
    decided.map(|(column, rule)| (column.to_owned(), rule.into())).collect()
}

fn place(place: &GeoPlace) -> String {
    let parts = [place.country(), place.region(), place.city(), place.network()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "unknown: no file of `geo` has the address".to_owned() } else { parts.join(", ") }
}

fn cookies_text(cookies: &[(&str, &str)]) -> String {
    if cookies.is_empty() {
        return "none kept".to_owned();
    }
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}
