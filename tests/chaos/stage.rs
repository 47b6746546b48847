//! The processes of a run, their supervisor, and what can be done to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use footfall::spool::inspect;

use crate::clock::{self, Clock};
use crate::common::process::{self, Signal};
use crate::common::{Collector, StoreProcess, http, ports};
use crate::outcome::Outcome;
use crate::proxy::{Proxy, Way};
use crate::volume::Volume;

/// Segments are sealed often, so that faults meet every stage of a segment's life; the spool fits the small disk.
const SETTINGS: &str = "[spool]\nseal_after = \"300ms\"\nmax_bytes = \"64 MiB\"\n";
/// A collector that ended is started again after this, as a service manager would.
const RESTART: Duration = Duration::from_millis(100);
/// A day and more, so that epochs turn and days close; seconds.
const CLOCK_MAX: i64 = 3 * 24 * 3_600;
/// Exit code of `footfall verify` when the books do not balance.
const UNBALANCED: i32 = 4;
/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(10);
/// Between two attempts to change what rows the store takes, or to have segments tried again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// What makes the store refuse about one beacon a second at the default rate: some segments have such rows, and some have none.
const CONSTRAINT: &str = "ADD CONSTRAINT IF NOT EXISTS chaos CHECK page_load % 503 != 0";
const NO_CONSTRAINT: &str = "DROP CONSTRAINT IF EXISTS chaos";

/// What a run's circumstances are for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weather {
    Calm,
    InsertsRefused,
    InsertsHang,
    AnswersLost,
    InsertsCut,
    StoreGone,
    DiskFull,
}

/// What is done at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    KillCollector,
    KillStore,
    KillBoth,
    KillTwice,
    CutPowerOfStore,
    FreezeCollector,
    FreezeStore,
    SetClock,
    RefuseRows,
    Retry,
}

impl Strike {
    /// The blow, with its time or size drawn.
    pub fn drawn(self, rng: &mut Rng) -> Blow {
        let short = Duration::from_millis(rng.u64(50..2_000));
        match self {
            Self::KillCollector => Blow::KillCollector,
            Self::KillStore => Blow::KillStore,
            Self::KillBoth => Blow::KillBoth,
            Self::KillTwice => Blow::KillTwice(short / 10),
            Self::CutPowerOfStore => Blow::CutPowerOfStore,
            Self::FreezeCollector => Blow::FreezeCollector(short),
            Self::FreezeStore => Blow::FreezeStore(short),
            Self::SetClock => Blow::SetClock(rng.i64(-CLOCK_MAX..=CLOCK_MAX)),
            Self::RefuseRows => Blow::RefuseRows,
            Self::Retry => Blow::Retry,
        }
    }
}

/// A strike as it falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    KillCollector,
    KillStore,
    KillBoth,
    /// The collector, and again so soon after it was started that those who were cut off have hardly come back.
    KillTwice(Duration),
    /// The store is killed and forgets the tokens of its inserts, which the engine never syncs.
    CutPowerOfStore,
    FreezeCollector(Duration),
    FreezeStore(Duration),
    /// Seconds ahead of the true time.
    SetClock(i64),
    /// From now on the store refuses some rows for what is in them.
    RefuseRows,
    /// Once some were set aside: the store takes all rows again, and an operator has those shipped after all.
    Retry,
}

/// Everything that runs.
pub struct Stage {
    pub collector: Collector,
    pub outcome: Outcome,
    store: StoreProcess,
    proxy: Proxy,
    volume: Option<Volume>,
    clock: Option<Clock>,
    weather: Weather,
    store_gone: Option<Instant>,
    restart_at: Instant,
    refusal: Refusal,
    ask_at: Instant,
}

/// How far the store is with refusing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    None,
    /// To begin as soon as the store answers.
    Wanted,
    Begun,
    /// To end as soon as the store answers; then all that was set aside is to be tried again.
    Unwanted,
}

impl Stage {
    /// Starts a store, the way to it, and a collector on a disk and with a clock of its own where the system lets it.
    pub fn set(directory: &std::path::Path) -> Self {
        let mut store = StoreProcess::new(&directory.join("store"));
        store.start();
        let proxy = Proxy::before(store.store.listen, ports::free());
        let way = crate::common::Store::at(proxy.listen);
        let collector = Collector::shipping_to(way, SETTINGS);
        let volume = Volume::mount(directory, &collector.data());
        let clock = Clock::new(directory);
        let mut collector = match &clock {
            Some(clock) => clock.worn_by(collector),
            None => collector,
        };
        collector.start();
        let outcome = Outcome {
            disk: volume.as_ref().map(|volume| volume.kind),
            clock: clock.is_some(),
            ..Outcome::default()
        };
        Self {
            collector,
            outcome,
            store,
            proxy,
            volume,
            clock,
            weather: Weather::Calm,
            store_gone: None,
            restart_at: Instant::now(),
            refusal: Refusal::None,
            ask_at: Instant::now(),
        }
    }

    /// Whether this machine lets it happen.
    pub fn can(&self, weather: Weather) -> bool {
        weather != Weather::DiskFull || self.volume.is_some()
    }

    /// Lets the processes run for a while, starting again what ended by itself.
    pub fn tend(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            self.supervise();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn supervise(&mut self) {
        if let Some(status) = self.collector.ended() {
            *self.outcome.ended.entry(status.to_string()).or_default() += 1;
            self.restart_at = Instant::now() + RESTART;
        }
        if self.collector.runs() {
            self.note_memory();
        } else if Instant::now() >= self.restart_at {
            self.collector.spawn();
        }
        if Instant::now() >= self.ask_at {
            self.change_refusal();
            self.ask_at = Instant::now() + ASK_AGAIN;
        }
    }

    /// Does what is left to do of beginning or ending the refusal of rows. A store that is away is asked again.
    fn change_refusal(&mut self) {
        let alter = |change: &str| {
            self.store.runs() && self.store().query(&format!("ALTER TABLE events {change}")).is_ok()
        };
        match self.refusal {
            Refusal::Wanted if alter(CONSTRAINT) => {
                self.outcome.refusals += 1;
                self.refusal = Refusal::Begun;
            }
            Refusal::Unwanted if alter(NO_CONSTRAINT) => {
                let aside = self.aside();
                if self.collector.command(&["spool", "retry", "--all"]).status.success() {
                    self.outcome.retried += aside;
                    self.refusal = Refusal::None;
                }
            }
            _ => {}
        }
    }

    /// How many segments lie aside.
    fn aside(&self) -> usize {
        inspect(&self.collector.data().join("spool")).map_or(0, |inventory| inventory.aside.len())
    }

    fn note_memory(&mut self) {
        let peak = process::peak_memory(self.collector.pid()).unwrap_or_default();
        self.outcome.memory = self.outcome.memory.max(peak);
    }

    /// Changes the weather.
    pub fn change(&mut self, weather: Weather) {
        if weather == self.weather {
            return;
        }
        match self.weather {
            Weather::StoreGone => {
                self.store.spawn();
                let gone = self.store_gone.take().map_or(Duration::ZERO, |since| since.elapsed());
                self.outcome.longest_outage = self.outcome.longest_outage.max(gone);
            }
            Weather::DiskFull => self.volume.iter().for_each(Volume::free),
            _ => {}
        }
        self.proxy.set(match weather {
            Weather::InsertsRefused => Way::Refuses,
            Weather::InsertsHang => Way::Hangs,
            Weather::AnswersLost => Way::LosesAnswers,
            Weather::InsertsCut => Way::CutsInserts,
            Weather::Calm | Weather::StoreGone | Weather::DiskFull => Way::Open,
        });
        match weather {
            Weather::StoreGone => {
                self.store.kill();
                self.store_gone = Some(Instant::now());
            }
            Weather::DiskFull => self.volume.iter().for_each(Volume::fill),
            _ => {}
        }
        *self.outcome.weathers.entry(weather).or_default() += 1;
        self.weather = weather;
    }

    /// Strikes once; returns how many processes were killed.
    pub fn strike(&mut self, blow: Blow) -> u32 {
        match blow {
            Blow::KillCollector => self.kill_collector(),
            Blow::KillStore => self.kill_store(),
            Blow::KillBoth => self.kill_collector() + self.kill_store(),
            Blow::KillTwice(between) => {
                let first = self.kill_collector();
                self.tend(between);
                first + self.kill_collector()
            }
            Blow::CutPowerOfStore => {
                let killed = self.kill_store_and(StoreProcess::forget_tokens);
                self.outcome.power_cuts += killed;
                killed
            }
            Blow::FreezeCollector(time) => {
                self.outcome.freezes += 1;
                let pid = self.collector.runs().then(|| self.collector.pid());
                self.freeze(pid, time);
                0
            }
            Blow::FreezeStore(time) => {
                self.outcome.freezes += 1;
                let pid = self.store.runs().then(|| self.store.pid());
                self.freeze(pid, time);
                0
            }
            Blow::SetClock(seconds) => {
                if let Some(clock) = &self.clock {
                    clock.set(seconds);
                    self.outcome.clock_sets += 1;
                }
                0
            }
            Blow::RefuseRows => {
                if self.refusal == Refusal::None {
                    self.refusal = Refusal::Wanted;
                }
                0
            }
            Blow::Retry => {
                if self.refusal == Refusal::Begun && self.aside() > 0 {
                    self.refusal = Refusal::Unwanted;
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
        if !self.collector.runs() {
            return 0;
        }
        self.note_memory();
        let pid = self.collector.pid();
        self.collector.kill();
        clock::forget(pid);
        self.restart_at = Instant::now();
        self.outcome.collector_kills += 1;
        1
    }

    fn kill_store(&mut self) -> u32 {
        self.kill_store_and(|_| ())
    }

    /// Kills the store, does something while it is dead, and starts it again.
    fn kill_store_and(&mut self, between: impl FnOnce(&StoreProcess)) -> u32 {
        if !self.store.runs() {
            return 0;
        }
        self.store.kill();
        between(&self.store);
        self.store.spawn();
        self.outcome.store_kills += 1;
        1
    }

    /// Whether nothing is wrong but what the last blow did.
    pub fn is_calm(&self) -> bool {
        self.weather == Weather::Calm
    }

    /// Runs `footfall verify` beside everything else. A store that does not answer is no news here.
    pub fn verify(&mut self) {
        // Days of a clock that was ahead among them.
        let output = self.collector.command(&["verify", "--to", "2100-01-01"]);
        match output.status.code() {
            Some(0) => self.outcome.verified += 1,
            Some(UNBALANCED) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let said = format!("{}\n{}", text(&output.stderr), text(&output.stdout));
                self.outcome.unbalanced.get_or_insert(said);
            }
            _ => {}
        }
    }

    /// Makes everything well again and waits until beacons are taken and the store answers.
    pub fn calm(&mut self, patience: Duration) -> Result<(), String> {
        self.change(Weather::Calm);
        self.refusal = Refusal::Unwanted;
        self.outcome.spoilt = self.proxy.spoilt();
        if let Some(clock) = &self.clock {
            clock.set(0);
        }
        let end = Instant::now() + patience;
        while !(self.refusal == Refusal::None
            && self.aside() == 0
            && self.store.store.pings()
            && http::get(self.collector.admin, "/readyz").is_ok_and(|it| it.status == 200))
        {
            if Instant::now() > end {
                return Err(format!(
                    "not everything is well {patience:?} after the last fault:\n{}",
                    self.collector.log()
                ));
            }
            if self.refusal == Refusal::None && self.aside() > 0 {
                self.refusal = Refusal::Unwanted;
            }
            self.tend(RESTART);
        }
        Ok(())
    }

    /// What the store holds, asked of itself.
    pub fn store(&self) -> crate::common::Store {
        self.store.store
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Before the disk goes from under it.
        if self.collector.runs() {
            let pid = self.collector.pid();
            self.collector.kill();
            clock::forget(pid);
        }
    }
}

/// How often each thing happened.
pub type Counts<K> = BTreeMap<K, u32>;
