//! The cluster with its collectors, the single store that it is compared with, and what is checked after each fault.

use std::collections::BTreeMap;
use std::error::Error;
use std::iter::successors;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use footfall::config::{ClusterConfig, Quorum, StoreConfig};
use footfall::secret::Secret;
use footfall::store::Client;
use footfall::store::days::DayCloser;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::clock::AdjustableClock;
use crate::common::{Collector, EpochKeys, StoreProcess};
use crate::load::{Ledger, Plan, Running};
use crate::nodes::{CLUSTER, ClusterNodes, Commands};

/// Everything must be in order so long after the last fault.
const TIMEOUT: Duration = Duration::from_secs(240);
/// Segments are sealed often, so that faults hit every state of a segment.
const SETTINGS: &str = "[spool]\nseal_after = \"1s\"\n";
/// Invented visitors whose days are closed before the first fault, and closed again now and then.
const DEMO: [&str; 5] = ["demo", "--visitors", "120", "--days", "5"];
const SITES: &str = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n[[site]]\nid = \"demo\"\nhosts = [\"demo.example\"]\n\
                     [[site]]\nid = \"away\"\nhosts = [\"clinic.example\"]\n";
/// No node is at this address.
pub const NOWHERE: &str = "http://127.0.0.1:1";
/// One in so many reports is compared after each fault; all are, before the first and after the last.
const REPORTS_PART: usize = 7;
/// The exit code of `footfall migrate` when nodes were left out.
const LEFT_OUT: i32 = 6;
/// The pause between two rounds of a closer.
const PAUSE: Duration = Duration::from_millis(300);

pub struct ClusterBed {
    pub nodes: ClusterNodes,
    pub collectors: Vec<Collector>,
    /// For collectors that are given it.
    pub clock: AdjustableClock,
    /// Of all collectors, without their store.
    settings: String,
    single: Collector,
    single_store: StoreProcess,
    /// What the single store answers to each report.
    answers: Mutex<Vec<(Vec<String>, String)>>,
    comparisons: AtomicUsize,
    /// Reports of the cluster that were those of the single store.
    compared: AtomicUsize,
    loads: Vec<Running>,
    /// The keys that each collector has had since the load began: a run may go on over midnight.
    keys: Vec<EpochKeys>,
    closers: Vec<Closer>,
    closings: Arc<Closings>,
}

/// What the closers did so far.
#[derive(Default)]
struct Closings {
    rounds: AtomicU64,
    days: AtomicUsize,
    duplicates: AtomicU64,
}

/// A thread that closes days without a pause, as a collector whose clock is two days ahead.
struct Closer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ClusterBed {
    /// Starts the cluster, and three collectors that migrate it at once.
    pub fn start(commands: Commands, clock: AdjustableClock, root: &Path) -> Self {
        let mut nodes = ClusterNodes::new(commands, root);
        nodes.start();
        let noise_key = root.join("noise.key");
        let settings =
            format!("timezone = \"UTC\"\n{SETTINGS}[published]\nnoise_key = {noise_key:?}\n{SITES}");
        let collectors = (0..3).map(|first| {
            let store = nodes.nodes[first].store;
            let address = store_settings(&nodes.urls(first));
            Collector::with_store(store, &address, &settings)
        });
        let collectors: Vec<_> = collectors.collect();
        let mut single_store = StoreProcess::new(&root.join("single"));
        single_store.start();
        let single = Collector::shipping_to(single_store.store, &settings);
        let (answers, loads, closers, closings) = (Mutex::default(), Vec::new(), Vec::new(), Arc::default());
        Self {
            nodes,
            collectors,
            clock,
            settings,
            single,
            single_store,
            answers,
            comparisons: AtomicUsize::new(0),
            compared: AtomicUsize::new(0),
            loads,
            keys: Vec::new(),
            closers,
            closings,
        }
    }

    /// A collector of the cluster that is not among the others and does not run yet.
    pub fn another_collector(&self) -> Collector {
        Collector::with_store(self.nodes.nodes[0].store, &store_settings(&self.nodes.urls(0)), &self.settings)
    }

    /// Starts `footfall migrate` of all collectors at the same moment.
    pub fn migrate_all_at_once(&self) -> Result<(), String> {
        let collectors = 0..self.collectors.len();
        std::thread::scope(|scope| {
            let running: Vec<_> =
                collectors.map(|number| scope.spawn(move || self.migrate(number))).collect();
            running.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
        })
    }

    pub fn migrate(&self, collector: usize) -> Result<(), String> {
        succeed(&self.collectors[collector], &["migrate"])
    }

    /// `footfall migrate` does its work while a node is down, and names that node.
    pub fn migrate_without_a_node(&self) -> Result<(), String> {
        let output = self.collectors[0].command(&["migrate"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_done =
            output.status.code() == Some(LEFT_OUT) && text.contains("it answers at no address of store.url");
        if is_done { Ok(()) } else { Err(format!("{}: {text}", output.status)) }
    }

    /// Rounds of closing that ended so far.
    pub fn rounds(&self) -> u64 {
        self.closings.rounds.load(Ordering::Relaxed)
    }

    /// Fills both stores with the same visitors, and closes their days.
    pub fn fill(&self) -> Result<(), String> {
        for collector in [&self.collectors[0], &self.single] {
            succeed(collector, &DEMO)?;
        }
        Ok(())
    }

    /// Names the nodes that were added in the settings of the collectors, and starts these again.
    pub fn name_all_nodes(&mut self) {
        for (first, collector) in self.collectors.iter_mut().enumerate() {
            set_urls(collector, &self.nodes.urls(first));
            collector.terminate();
            collector.start();
        }
        self.stop_closers();
        self.start_closers();
    }

    pub fn start_load(&mut self, root: &Path, rate: u32) {
        for (number, collector) in self.collectors.iter_mut().enumerate() {
            if !collector.is_running() {
                collector.start();
            }
            let plan = Plan {
                target: collector.listen,
                connections: 8,
                events: 2,
                site: "clinic".to_owned(),
                seed: number as u64,
                rate: Some(rate),
                longest_pause: Duration::from_secs(2),
            };
            let ledger =
                Ledger::kept_in(&root.join(format!("ledger{number}"))).expect("a ledger can be kept");
            self.loads.push(Running::start(plan, ledger));
            self.keys.push(collector.key());
        }
        self.start_closers();
    }

    pub fn start_closers(&mut self) {
        for first in 0..2 {
            self.closers.push(Closer::start(self.client(first), self.closings.clone()));
        }
    }

    /// Waits until the round of each is over.
    pub fn stop_closers(&mut self) {
        for closer in self.closers.drain(..) {
            closer.stop.store(true, Ordering::Relaxed);
            closer.thread.join().expect("a closer does not panic");
        }
    }

    /// Waits until a round of closing that begins now has ended.
    pub fn wait_for_closing(&self, when: &str) -> Result<(), String> {
        let rounds = self.rounds();
        self.wait(&format!("days are closed {when}"), || {
            // Two closers: a round of each may be under way.
            if self.rounds() >= rounds + 3 { Ok(()) } else { Err("no round of closing ended".to_owned()) }
        })
    }

    /// A client of the cluster whose statements go to one node before the others.
    pub fn client(&self, first: usize) -> Client {
        Client::new(&StoreConfig::Server {
            urls: self.nodes.urls(first),
            database: "footfall".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
            cluster: Some(ClusterConfig { name: CLUSTER.to_owned(), quorum: Quorum::Auto }),
        })
    }

    pub fn single_store(&self) -> &StoreProcess {
        &self.single_store
    }

    pub fn client_of_single_store(&self) -> Client {
        Client::new(&StoreConfig::Server {
            urls: vec![format!("http://{}", self.single_store.store.listen)],
            database: "footfall".to_owned(),
            user: "admin".to_owned(),
            password: Secret::default(),
            cluster: None,
        })
    }

    /// Waits until everything is in order again, and checks it while the load goes on.
    pub fn check(&mut self, after: &str) -> Result<(), String> {
        self.note_keys();
        self.wait_for_closing(&format!("again after {after}"))?;
        self.wait(&format!("`footfall verify` finds nothing after {after}"), || {
            self.collectors.iter().try_for_each(|collector| succeed(collector, &["verify"]))
        })?;
        self.wait(&format!("replicas are alike after {after}"), || self.compare_replicas())?;
        self.compare_reports("demo", REPORTS_PART)
            .map_err(|difference| format!("after {after}: {difference}"))
    }

    fn note_keys(&mut self) {
        for (keys, collector) in self.keys.iter_mut().zip(&self.collectors) {
            keys.add(&collector.path("key"));
        }
    }

    /// Repeats `done` until it succeeds.
    pub fn wait(&self, what: &str, mut done: impl FnMut() -> Result<(), String>) -> Result<(), String> {
        let until = Instant::now() + TIMEOUT;
        while let Err(reason) = done() {
            if Instant::now() > until {
                return Err(format!("not within {TIMEOUT:?}: {what}: {reason}"));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// Compares the closed days before today. Events of others change meanwhile.
    pub fn compare_replicas(&self) -> Result<(), String> {
        self.compare_days(DAYS_BEFORE).map(drop)
    }

    /// Whether all replicas of a shard have the same closed days, events and figures in force, and these are of all events. Returns the days of each shard.
    pub fn compare_days(&self, days: &str) -> Result<BTreeMap<u32, Vec<String>>, String> {
        let mut shards: BTreeMap<u32, (String, Vec<String>)> = BTreeMap::new();
        for node in &self.nodes.nodes {
            let rows = node.store.query(&state(days)).map_err(|error| format!("{}: {error}", node.name()))?;
            let rows: Vec<_> = String::from_utf8_lossy(&rows).lines().map(str::to_owned).collect();
            if let Some(row) = rows.iter().find(|row| row.ends_with("\tincomplete")) {
                return Err(format!("{}: {row}", node.name()));
            }
            let (name, first) = shards.entry(node.shard).or_insert_with(|| (node.name(), rows.clone()));
            if *first != rows {
                return Err(format!("{name}: {first:?}; {}: {rows:?}", node.name()));
            }
        }
        Ok(shards.into_iter().map(|(shard, (_, rows))| (shard, rows)).collect())
    }

    /// Whether reports of a site's closed days are those of the single store: every `one_of`th of them, beginning with another one each time. The
    /// collectors are asked in turn, and each asks another node.
    pub fn compare_reports(&self, site: &str, one_of: usize) -> Result<(), String> {
        let first = self.comparisons.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().expect("no thread panicked");
        if answers.is_empty() {
            *answers = questions(&self.single, site)
                .into_iter()
                .map(|question| {
                    let answer = rows(&self.single, &question);
                    (question, answer)
                })
                .collect();
        }
        for (number, (question, expected)) in answers.iter().enumerate().skip(first % one_of).step_by(one_of)
        {
            let found = rows(&self.collectors[number % self.collectors.len()], question);
            if found != *expected {
                return Err(format!("{question:?}: one store: {expected}; the cluster: {found}"));
            }
            self.compared.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The id of every stored row of a site's events.
    pub fn stored_ids(&self, site: &str) -> Result<Vec<u64>, String> {
        let sql = format!("SELECT page_load, seq FROM events WHERE site = '{site}' FORMAT RowBinary");
        let rows = self.nodes.nodes[0].store.query(&sql).map_err(|error| error.to_string())?;
        Ok(rows.as_chunks().0.iter().map(event_id).collect())
    }

    /// Ends the load and closers, and compares the cluster with the ledgers. Returns the number of acknowledged events.
    pub fn finish(&mut self) -> Result<usize, String> {
        let ledgers: Vec<_> = self.loads.drain(..).map(|load| load.stop().1).collect();
        self.note_keys();
        let store = self.nodes.nodes[0].store;
        let expected: usize = ledgers.iter().map(Ledger::len).sum();
        self.wait("all acknowledged events are stored", || {
            let sql = "SELECT uniqExact(event_id) FROM events WHERE site = 'clinic'";
            let stored = store.query(sql).map_err(|error| error.to_string())?;
            let stored = String::from_utf8_lossy(&stored).trim().to_owned();
            if stored == expected.to_string() { Ok(()) } else { Err(format!("{stored} of {expected}")) }
        })?;
        self.wait_for_closing("with the last events")?;
        self.stop_closers();
        let stored = self.stored_ids("clinic")?;
        for (ledger, key) in ledgers.iter().zip(&self.keys) {
            let ids = |page_load, number| key.event_ids("clinic", page_load, number);
            let difference = ledger.compare(stored.iter().copied(), ids);
            if !difference.missing.is_empty() || !difference.twice.is_empty() {
                let (missing, twice) = (difference.missing.len(), difference.twice.len());
                return Err(format!("{missing} acknowledged events are missing, {twice} are stored twice"));
            }
        }
        if stored.len() != expected {
            return Err(format!("{} events are stored, {expected} were acknowledged", stored.len()));
        }
        self.wait("replicas are alike at the end", || self.compare_replicas())?;
        self.compare_reports("demo", 1)?;
        self.print_what_was_checked();
        Ok(expected)
    }

    fn print_what_was_checked(&self) {
        let Closings { rounds, days, duplicates } = &*self.closings;
        let (rounds, duplicates) = (rounds.load(Ordering::Relaxed), duplicates.load(Ordering::Relaxed));
        let (days, compared) = (days.load(Ordering::Relaxed), self.compared.load(Ordering::Relaxed));
        let complete: usize =
            self.nodes.nodes.iter().map(|node| node.store.rows(&state(DAYS_BEFORE)).len()).sum();
        println!(
            "{rounds} rounds closed days {days} times and removed the doubled rows of {duplicates} events"
        );
        println!(
            "{complete} closed days of replicas are complete and alike; {compared} reports were those of the single store"
        );
    }
}

impl Closer {
    fn start(client: Client, closings: Arc<Closings>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let closer = DayCloser::new(client, TimeZone::UTC).expect("UTC has a name");
            let mut printed = String::new();
            while !told.load(Ordering::Relaxed) {
                let ahead = Timestamp::now() + 48.hours();
                match runtime.block_on(closer.close_due(ahead)) {
                    Ok(closed) => {
                        closings.rounds.fetch_add(u64::from(!closed.is_elsewhere), Ordering::Relaxed);
                        closings.days.fetch_add(closed.days.len(), Ordering::Relaxed);
                        closings.duplicates.fetch_add(closed.duplicates, Ordering::Relaxed);
                    }
                    // A fault lasts for many rounds.
                    Err(error) => {
                        let problem = with_causes(&error);
                        if problem != printed {
                            eprintln!("closing failed: {problem}");
                            printed = problem;
                        }
                    }
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { stop, thread }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let causes = successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The arguments of each report of a site's closed days.
fn questions(collector: &Collector, site: &str) -> Vec<Vec<String>> {
    let list = collector.command(&["report"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let is_name = |line: &&str| line.starts_with(|letter: char| letter.is_ascii_lowercase());
    let names = list.lines().skip(2).filter(is_name).filter_map(|line| line.split_whitespace().next());
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (from, to) = ((today - 4.days()).to_string(), (today - 1.days()).to_string());
    let of = |name: &str, more: &[&str]| -> Vec<String> {
        let arguments =
            ["report", name, "--site", site, "--from", &from, "--to", &to, "--format", "json", "--k", "1"];
        arguments.iter().chain(more).map(|argument| (*argument).to_owned()).collect()
    };
    let names = names.filter(|name| *name != "realtime");
    names.flat_map(|name| [of(name, &[]), of(name, &["--bots"])]).collect()
}

/// The lines of `[store]`.
pub fn store_settings(urls: &[String]) -> String {
    format!("url = {urls:?}\nuser = \"default\"\ncluster = \"{CLUSTER}\"")
}

/// Gives a collector other addresses for its next start.
pub fn set_urls(collector: &Collector, urls: &[String]) {
    let file = collector.path("footfall.toml");
    let text = std::fs::read_to_string(&file).expect("there are settings");
    let line = text.lines().find(|line| line.starts_with("url = ")).expect("a line names the nodes");
    let text = text.replace(line, &format!("url = {urls:?}"));
    std::fs::write(&file, text).expect("settings can be written");
}

pub fn succeed(collector: &Collector, arguments: &[&str]) -> Result<(), String> {
    let output = collector.command(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{arguments:?}: {}: {}{}", output.status, text(&output.stdout), text(&output.stderr)))
}

/// The rows of a report's answer, or what went wrong.
fn rows(collector: &Collector, arguments: &[String]) -> String {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output = collector.command(&arguments);
    let answer: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
    let rows = answer.as_ref().and_then(|answer| answer.get("rows")).map(ToString::to_string);
    rows.unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn event_id(bytes: &[u8; 12]) -> u64 {
    let (page_load, seq) = bytes.split_first_chunk().expect("a row has 12 bytes");
    let seq = u32::from_le_bytes(seq.try_into().expect("a number has 4 bytes"));
    crate::common::pseudonyms::event_identity(u64::from_le_bytes(*page_load), seq)
}

/// Days whose events do not change any more.
const DAYS_BEFORE: &str = "day < today()";

/// What a replica has of each closed day, and whether its events are those that the day was closed with.
fn state(days: &str) -> String {
    format!(
        "SELECT day, recorded.events, stored.events, stored.hash, visits.hash, daily.hash, \
        if(recorded.events = stored.events AND visits.events > 0 AND daily.events > 0, 'complete', 'incomplete') \
        FROM (SELECT day, argMax(d.events, d.generation) AS events, max(d.generation) AS generation FROM days_local AS d WHERE {days} GROUP BY day) AS recorded \
        LEFT JOIN (SELECT toDate(time, 'UTC') AS day, count() AS events, sum(cityHash64(page_load, seq)) AS hash FROM events_local GROUP BY day) AS stored USING (day) \
        LEFT JOIN (SELECT day, generation, sum(events) AS events, sum(cityHash64(* EXCEPT (generation, is_open))) AS hash FROM visits_stored_local GROUP BY day, generation) \
        AS visits USING (day, generation) \
        LEFT JOIN (SELECT day, generation, sum(events) AS events, sum(cityHash64(* EXCEPT (generation, is_open))) AS hash FROM daily_stored_local GROUP BY day, generation) \
        AS daily USING (day, generation) ORDER BY day FORMAT TSV"
    )
}
