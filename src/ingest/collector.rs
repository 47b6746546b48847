//! Stores what comes out of the pipeline, from the bytes of a beacon to synced rows.
//!
//! All steps up to the spool run without waiting, in buffers that the thread reuses. Then the request waits for the disk.

use std::cell::RefCell;
use std::sync::Arc;

use hyper::HeaderMap;

use crate::beacon::{Beacon, WireFormat, WireInput};
use crate::config::{Config, Site};
use crate::event::{DropReason, EventRow};
use crate::ingest::assemble::{self, PageContext};
use crate::ingest::duplicate_filter::DuplicateFilter;
use crate::ingest::outcome::{Accepted, IngestError, RefusedBeacon, Sender};
use crate::ingest::pipeline::{BeaconOutcome, BeaconPipeline, VisitPreview};
use crate::privacy::{Peer, Privacy, ReferenceCodes};
use crate::spool::{Ack, Durability, EventEntry, EventRecord, Recovered, Spool};

pub struct Collector {
    pipeline: BeaconPipeline,
    duplicates: DuplicateFilter,
    spool: Arc<Spool>,
    references: ReferenceCodes,
}

/// A beacon that was handed to the spool. Without an ack nothing of it was written.
struct PendingBeacon {
    accepted: Accepted,
    ack: Option<Ack>,
}

/// Buffers of one thread, reused for each beacon.
#[derive(Default)]
struct Scratch {
    rows: Vec<u8>,
    events: Vec<EventEntry>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Collector {
    /// A collector with an open spool. `recovered` holds the events that are on disk already.
    pub fn new(config: &Config, privacy: Privacy, spool: Arc<Spool>, recovered: &Recovered) -> Self {
        let pipeline = BeaconPipeline::new(config, privacy);
        Self {
            pipeline,
            duplicates: DuplicateFilter::new(&recovered.ids),
            spool,
            references: ReferenceCodes::default(),
        }
    }

    /// Replaces the sites and the version of the policy. Open requests keep the old ones.
    pub fn reload(&self, config: &Config) {
        self.pipeline.reload(config);
    }

    /// A configured site.
    pub fn site(&self, id: &str) -> Option<Arc<Site>> {
        self.pipeline.site(id)
    }

    /// The configured sites, in no particular order.
    pub fn sites(&self) -> Vec<Arc<Site>> {
        self.pipeline.sites()
    }

    /// The number of configured sites.
    pub fn site_count(&self) -> usize {
        self.pipeline.site_count()
    }

    /// The privacy stage, which holds the key and the places.
    pub fn privacy(&self) -> &Privacy {
        self.pipeline.privacy()
    }

    /// What would be kept of a visit ([`BeaconPipeline::preview`]).
    pub fn preview(&self, visitor: Peer, headers: &HeaderMap, site: Option<&str>) -> Option<VisitPreview> {
        self.pipeline.preview(visitor, headers, site)
    }

    /// The codes with which visitors name their rows.
    pub fn references(&self) -> &ReferenceCodes {
        &self.references
    }

    /// Stores a beacon of this format. When this returns, every stored event is synced.
    ///
    /// # Errors
    /// [`RefusedBeacon`]; the sender may try again after [`IngestError::Unavailable`].
    pub async fn collect(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        format: &WireFormat,
        input: &WireInput<'_>,
    ) -> Result<Accepted, RefusedBeacon> {
        self.accept(sender, headers, format, input)?.synced().await
    }

    /// Does everything except waiting for the disk.
    fn accept(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        format: &WireFormat,
        input: &WireInput<'_>,
    ) -> Result<PendingBeacon, RefusedBeacon> {
        self.pipeline.run(sender, headers, (format, input), &mut (), |beacon, outcome| match outcome {
            BeaconOutcome::Drop(site, reason) => Ok(self.drop_all(site, reason, beacon)),
            BeaconOutcome::Assemble(context) => {
                SCRATCH.with_borrow_mut(|scratch| self.store(context, beacon, scratch))
            }
        })
    }

    /// Appends the new events of a beacon to the spool, as one frame.
    fn store(
        &self,
        context: &PageContext<'_>,
        beacon: &Beacon<'_>,
        scratch: &mut Scratch,
    ) -> Result<PendingBeacon, IngestError> {
        let Scratch { rows, events } = scratch;
        rows.clear();
        events.clear();
        let mut dropped = [0; DropReason::ALL.len()];
        let mut known = self.duplicates.lock_page(beacon.page_load);
        let wanted = |number, bot_category| {
            // Bots by user agent were dropped before. A bot here is known by the page's referrer.
            if context.site.drop_bots.drops(bot_category) {
                dropped[DropReason::Bot as usize] += 1;
                return false;
            }
            let page_load = context.page_load;
            let new = known.insert(page_load.filter_id(number), page_load.previous_filter_ids(number));
            if !new {
                dropped[DropReason::Duplicate as usize] += 1;
            }
            new
        };
        let emit = |number, row: &EventRow<'_>| {
            let start = rows.len();
            row.encode(rows);
            let row_len = u32::try_from(rows.len() - start).expect("a beacon is far below 4 GiB");
            events.push(EventEntry { filter_id: context.page_load.filter_id(number), row_len });
        };
        let assembled = assemble::rows(context, beacon, wanted, emit).map_err(IngestError::from);
        let frame = EventRecord { site: &context.site.id, events, rows };
        let has_duplicates = dropped[DropReason::Duplicate as usize] > 0;
        let appended = assembled.and_then(|without_page| match (frame.events, has_duplicates) {
            ([], false) => Ok((without_page, None)),
            // The first copy may not be synced yet, and a 2xx must wait for it.
            ([], true) => Ok((without_page, Some(self.spool.sync_point()))),
            _ => Ok((without_page, Some(self.spool.append(frame, Durability::Synced)?))),
        });
        let (without_page, ack) = appended.inspect_err(|_| {
            for event in &*events {
                known.remove(event.filter_id);
            }
        })?;
        drop(known);
        let stored = u32::try_from(events.len()).expect("at most MAX_EVENTS");
        dropped[DropReason::Internal as usize] = beacon.internal_links;
        let mut accepted = Accepted { stored, dropped, left_out: without_page.left_out, site: None };
        for (_, reason) in without_page.events {
            accepted.dropped[reason as usize] += 1;
        }
        Ok(self.finish(context.site, beacon, accepted, ack))
    }

    fn drop_all(&self, site: &Site, reason: DropReason, beacon: &Beacon<'_>) -> PendingBeacon {
        let mut accepted = Accepted::default();
        accepted.dropped[reason as usize] = beacon.event_count();
        self.finish(site, beacon, accepted, None)
    }

    /// Adds what the parser left out, and counts the dropped events.
    fn finish(
        &self,
        site: &Site,
        beacon: &Beacon<'_>,
        accepted: Accepted,
        ack: Option<Ack>,
    ) -> PendingBeacon {
        let mut accepted = accepted;
        for part in &beacon.left_out {
            accepted.dropped[DropReason::Malformed as usize] += u32::from(part.is_event);
        }
        accepted.left_out.extend_from_slice(&beacon.left_out);
        accepted.site = (!accepted.left_out.is_empty()).then(|| site.id.clone());
        for reason in DropReason::ALL {
            let events = accepted.dropped[reason as usize];
            if events > 0 {
                self.spool.count_dropped(&site.id, reason, events);
            }
        }
        PendingBeacon { accepted, ack }
    }
}

impl PendingBeacon {
    async fn synced(self) -> Result<Accepted, RefusedBeacon> {
        if let Some(ack) = self.ack {
            ack.await?;
        }
        Ok(self.accepted)
    }
}
