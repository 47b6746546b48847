//! The processes of a run, their supervision, and the faults that can be injected.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use footfall::spool::inspect;

use crate::clock::{self, AdjustableClock};
use crate::common::process::{self, Signal};
use crate::common::{Collector, StoreProcess, http, ports};
use crate::disk::SmallDisk;
use crate::key_watch::KeyWatch;
use crate::proxy::{FaultyProxy, ProxyMode};
use crate::results::ChaosResults;

/// Segments are sealed often, so that faults hit every state of a segment. The spool fits on the small disk.
const SETTINGS: &str = "[spool]\nseal_after = \"300ms\"\nmax_bytes = \"64 MiB\"\n";
/// A collector that ended is started again after this time, as by a service manager.
const RESTART: Duration = Duration::from_millis(100);
/// The largest clock offset in seconds. It is several days, so that keys rotate and days close.
const CLOCK_MAX: i64 = 3 * 24 * 3_600;
/// Exit code of `footfall verify` for a discrepancy.
const DISCREPANCY: i32 = 4;
/// Interval between two checks of the processes.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// Interval between two attempts to change the store's constraint or to requeue segments.
const CONSTRAINT_INTERVAL: Duration = Duration::from_millis(500);
/// Refuses about one beacon a second at the default rate, so that some segments contain refused rows and some do not.
const CONSTRAINT: &str = "ADD CONSTRAINT IF NOT EXISTS chaos CHECK cityHash64(page_load, seq) % 503 != 0";
const NO_CONSTRAINT: &str = "DROP CONSTRAINT IF EXISTS chaos";

/// A condition that lasts for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    Normal,
    InsertsRefused,
    InsertsHang,
    AnswersLost,
    InsertsCut,
    StoreStopped,
    DiskFull,
}

/// A kind of fault that happens at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    KillCollector,
    KillStore,
    KillBoth,
    KillTwice,
    CutPowerOfStore,
    FreezeCollector,
    FreezeStore,
    SetClock,
    TurnKey,
    RefuseRows,
    Requeue,
}

impl FaultKind {
    /// Draws the fault's duration or size.
    pub fn draw(self, rng: &mut Rng) -> Fault {
        let short = Duration::from_millis(rng.u64(50..2_000));
        match self {
            Self::KillCollector => Fault::KillCollector,
            Self::KillStore => Fault::KillStore,
            Self::KillBoth => Fault::KillBoth,
            Self::KillTwice => Fault::KillTwice(short / 10),
            Self::CutPowerOfStore => Fault::CutPowerOfStore,
            Self::FreezeCollector => Fault::FreezeCollector(short),
            Self::FreezeStore => Fault::FreezeStore(short),
            Self::SetClock => Fault::SetClock(rng.i64(-CLOCK_MAX..=CLOCK_MAX)),
            Self::TurnKey => Fault::TurnKey,
            Self::RefuseRows => Fault::RefuseRows,
            Self::Requeue => Fault::Requeue,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    KillCollector,
    KillStore,
    KillBoth,
    /// Kills the collector twice. The pause is too short for most clients to reconnect.
    KillTwice(Duration),
    /// Kills the store and removes its deduplication tokens, which the engine never syncs.
    CutPowerOfStore,
    FreezeCollector(Duration),
    FreezeStore(Duration),
    /// Offset from the true time in seconds.
    SetClock(i64),
    /// Gives the collector another key, as an operator does.
    TurnKey,
    /// Makes the store refuse some rows from now on.
    RefuseRows,
    /// If segments are quarantined: makes the store accept all rows again and requeues the segments.
    Requeue,
}

pub struct TestBed {
    pub collector: Collector,
    /// Every key that the collector had.
    pub keys: KeyWatch,
    pub results: ChaosResults,
    store: StoreProcess,
    proxy: FaultyProxy,
    disk: Option<SmallDisk>,
    clock: Option<AdjustableClock>,
    condition: Condition,
    store_stopped: Option<Instant>,
    restart_at: Instant,
    refusal: RowRefusal,
    next_attempt: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowRefusal {
    Off,
    /// The constraint will be added as soon as the store answers.
    Requested,
    Active,
    /// The constraint will be dropped as soon as the store answers, and then all segments will be requeued.
    Ending,
}

impl TestBed {
    /// Starts a store, a proxy and a collector. The collector gets its own disk and clock if the system permits that.
    pub fn start(directory: &std::path::Path) -> Self {
        let mut store = StoreProcess::new(&directory.join("store"));
        store.start();
        let proxy = FaultyProxy::start(store.store.listen, ports::free());
        let store_address = crate::common::StoreClient::without_password(proxy.listen);
        let collector = Collector::shipping_to(store_address, SETTINGS);
        let disk = SmallDisk::mount(directory, &collector.data());
        let clock = AdjustableClock::new(directory);
        let mut collector = match &clock {
            Some(clock) => clock.install_in(collector),
            None => collector,
        };
        let keys = KeyWatch::start(collector.path("key"));
        collector.start();
        let results = ChaosResults {
            disk: disk.as_ref().map(|disk| disk.kind),
            clock: clock.is_some(),
            ..ChaosResults::default()
        };
        Self {
            collector,
            keys,
            results,
            store,
            proxy,
            disk,
            clock,
            condition: Condition::Normal,
            store_stopped: None,
            restart_at: Instant::now(),
            refusal: RowRefusal::Off,
            next_attempt: Instant::now(),
        }
    }

    /// Whether this machine permits the condition.
    pub fn supports(&self, condition: Condition) -> bool {
        condition != Condition::DiskFull || self.disk.is_some()
    }

    /// Waits for this time and restarts the collector if it ends by itself.
    pub fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            self.supervise();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(CHECK_INTERVAL));
        }
    }

    fn supervise(&mut self) {
        if let Some(status) = self.collector.try_wait() {
            *self.results.exits.entry(status.to_string()).or_default() += 1;
            self.restart_at = Instant::now() + RESTART;
        }
        if self.collector.is_running() {
            self.note_memory();
        } else if Instant::now() >= self.restart_at {
            self.collector.spawn();
        }
        if Instant::now() >= self.next_attempt {
            self.continue_refusal();
            self.next_attempt = Instant::now() + CONSTRAINT_INTERVAL;
        }
    }

    /// Takes the next step of starting or ending the refusal of rows. Does nothing while the store does not answer.
    fn continue_refusal(&mut self) {
        let alter = |change: &str| {
            self.store.is_running() && self.store().query(&format!("ALTER TABLE events {change}")).is_ok()
        };
        match self.refusal {
            RowRefusal::Requested if alter(CONSTRAINT) => {
                self.results.refusals += 1;
                self.refusal = RowRefusal::Active;
            }
            RowRefusal::Ending if alter(NO_CONSTRAINT) => {
                let quarantined = self.quarantined();
                if self.collector.command(&["spool", "requeue", "--all"]).status.success() {
                    self.results.requeued += quarantined;
                    self.refusal = RowRefusal::Off;
                }
            }
            _ => {}
        }
    }

    fn quarantined(&self) -> usize {
        inspect(&self.collector.data().join("spool")).map_or(0, |inventory| inventory.quarantined.len())
    }

    fn note_memory(&mut self) {
        let peak = process::peak_memory(self.collector.pid()).unwrap_or_default();
        self.results.memory = self.results.memory.max(peak);
    }

    pub fn set_condition(&mut self, condition: Condition) {
        if condition == self.condition {
            return;
        }
        match self.condition {
            Condition::StoreStopped => {
                self.store.spawn();
                let outage = self.store_stopped.take().map_or(Duration::ZERO, |since| since.elapsed());
                self.results.longest_outage = self.results.longest_outage.max(outage);
            }
            Condition::DiskFull => self.disk.iter().for_each(SmallDisk::free),
            _ => {}
        }
        self.proxy.set_mode(match condition {
            Condition::InsertsRefused => ProxyMode::Refuses,
            Condition::InsertsHang => ProxyMode::Hangs,
            Condition::AnswersLost => ProxyMode::LosesAnswers,
            Condition::InsertsCut => ProxyMode::CutsInserts,
            Condition::Normal | Condition::StoreStopped | Condition::DiskFull => ProxyMode::Forwards,
        });
        match condition {
            Condition::StoreStopped => {
                self.store.kill();
                self.store_stopped = Some(Instant::now());
            }
            Condition::DiskFull => self.disk.iter().for_each(SmallDisk::fill),
            _ => {}
        }
        *self.results.conditions.entry(condition).or_default() += 1;
        self.condition = condition;
    }

    /// Returns how many processes it killed.
    pub fn inject(&mut self, fault: Fault) -> u32 {
        match fault {
            Fault::KillCollector => self.kill_collector(),
            Fault::KillStore => self.kill_store(),
            Fault::KillBoth => self.kill_collector() + self.kill_store(),
            Fault::KillTwice(between) => {
                let first = self.kill_collector();
                self.run_for(between);
                first + self.kill_collector()
            }
            Fault::CutPowerOfStore => {
                let killed = self.kill_store_and(StoreProcess::forget_tokens);
                self.results.power_cuts += killed;
                killed
            }
            Fault::FreezeCollector(time) => {
                self.results.freezes += 1;
                let pid = self.collector.is_running().then(|| self.collector.pid());
                self.freeze(pid, time);
                0
            }
            Fault::FreezeStore(time) => {
                self.results.freezes += 1;
                let pid = self.store.is_running().then(|| self.store.pid());
                self.freeze(pid, time);
                0
            }
            Fault::SetClock(seconds) => {
                if let Some(clock) = &self.clock {
                    clock.set(seconds);
                    self.results.clock_sets += 1;
                }
                0
            }
            Fault::TurnKey => {
                self.results.key_turns +=
                    u32::from(self.collector.command(&["key", "rotate"]).status.success());
                0
            }
            Fault::RefuseRows => {
                if self.refusal == RowRefusal::Off {
                    self.refusal = RowRefusal::Requested;
                }
                0
            }
            Fault::Requeue => {
                if self.refusal == RowRefusal::Active && self.quarantined() > 0 {
                    self.refusal = RowRefusal::Ending;
                }
                0
            }
        }
    }

    fn freeze(&mut self, pid: Option<u32>, time: Duration) {
        let Some(pid) = pid else { return };
        process::signal(pid, Signal::STOP);
        std::thread::sleep(time);
        process::signal(pid, Signal::CONT);
    }

    fn kill_collector(&mut self) -> u32 {
        if !self.collector.is_running() {
            return 0;
        }
        self.note_memory();
        let pid = self.collector.pid();
        self.collector.kill();
        clock::remove_leftovers(pid);
        self.restart_at = Instant::now();
        self.results.collector_kills += 1;
        1
    }

    fn kill_store(&mut self) -> u32 {
        self.kill_store_and(|_| ())
    }

    /// Kills the store, calls `between`, and starts the store again.
    fn kill_store_and(&mut self, between: impl FnOnce(&StoreProcess)) -> u32 {
        if !self.store.is_running() {
            return 0;
        }
        self.store.kill();
        between(&self.store);
        self.store.spawn();
        self.results.store_kills += 1;
        1
    }

    pub fn is_normal(&self) -> bool {
        self.condition == Condition::Normal
    }

    /// Runs `footfall verify` and notes its result. Ignores a store that does not answer.
    pub fn verify(&mut self) {
        // The range must include days of a clock that was ahead.
        let verified = self.collector.command(&["verify", "--to", "2100-01-01"]);
        match verified.status.code() {
            Some(0) => self.results.verified += 1,
            Some(DISCREPANCY) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let output = format!("{}\n{}", text(&verified.stderr), text(&verified.stdout));
                self.results.discrepancy.get_or_insert(output);
            }
            _ => {}
        }
    }

    /// Ends all faults and waits until beacons are accepted, the store answers and no segment is quarantined.
    pub fn recover(&mut self, timeout: Duration) -> Result<(), String> {
        self.set_condition(Condition::Normal);
        self.refusal = RowRefusal::Ending;
        self.results.disturbed = self.proxy.disturbed();
        if let Some(clock) = &self.clock {
            clock.set(0);
        }
        let end = Instant::now() + timeout;
        while !(self.refusal == RowRefusal::Off
            && self.quarantined() == 0
            && self.store.store.pings()
            && http::get(self.collector.admin, "/readyz").is_ok_and(|it| it.status == 200))
        {
            if Instant::now() > end {
                return Err(format!(
                    "the system did not recover within {timeout:?} after the last fault:\n{}",
                    self.collector.log()
                ));
            }
            if self.refusal == RowRefusal::Off && self.quarantined() > 0 {
                self.refusal = RowRefusal::Ending;
            }
            self.run_for(RESTART);
        }
        Ok(())
    }

    /// A client that reaches the store without the proxy.
    pub fn store(&self) -> crate::common::StoreClient {
        self.store.store
    }
}

impl Drop for TestBed {
    fn drop(&mut self) {
        // The collector must end before its disk is unmounted.
        if self.collector.is_running() {
            let pid = self.collector.pid();
            self.collector.kill();
            clock::remove_leftovers(pid);
        }
    }
}

pub type Counts<K> = BTreeMap<K, u32>;
