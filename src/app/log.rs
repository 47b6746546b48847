//! The log: to standard error, as text or as JSON lines, without anything that a client sent.
//!
//! Libraries are kept at warnings whatever is asked for: hyper, h2 and rustls write headers, and with them addresses and
//! user agents, into their more talkative levels.
//!
//! A thread of its own writes it, so that whoever does not read it holds up nothing: least of all the turn of a key.

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Lines that wait to be written, at most; later ones are dropped.
const MOST_WAITING: usize = 8_192;

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much of our own is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And why.
    Debug,
}

/// Logs what somebody should do something about, as text, for commands other than `serve`.
pub(crate) fn init_warnings() -> WorkerGuard {
    init(Format::Text, Level::Warn)
}

/// Begins to log; the guard, dropped at the end, writes what waits.
pub(crate) fn init(format: Format, level: Level) -> WorkerGuard {
    let own = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let targets = Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_target("footfall", own)
        .with_target("clickhouse_embedded", own);
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(MOST_WAITING).finish(std::io::stderr());
    let layer = fmt::layer().with_writer(writer).with_target(false);
    let layer = match format {
        Format::Text => layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        Format::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // It fails only when a log was set up before, which then is the one to use.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    guard
}
