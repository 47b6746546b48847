//! The log: to standard error, as text or JSON lines. It contains nothing that a client sent.
//!
//! Libraries never log below the level warning. At lower levels hyper, h2 and rustls write headers, which contain addresses and
//! user agents.
//!
//! A thread writes the log, so that a full pipe blocks nothing, least of all a key rotation.

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Most lines that wait to be written; further lines are dropped.
const MAX_WAITING_LINES: usize = 8_192;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Errors, and problems that may become errors.
    Warn,
    /// Warnings, and normal operation.
    #[default]
    Info,
    /// Everything, with details.
    Debug,
}

/// Logs warnings and errors as text, for commands other than `serve`.
pub(crate) fn init_warnings() -> WorkerGuard {
    init_log(LogFormat::Text, LogLevel::Warn)
}

/// Dropping the returned guard writes the lines that wait.
pub(crate) fn init_log(format: LogFormat, level: LogLevel) -> WorkerGuard {
    let own_level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let targets = Targets::new()
        .with_default(own_level.min(LevelFilter::WARN))
        .with_target("footfall", own_level)
        .with_target("clickhouse_embedded", own_level);
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING_LINES).finish(std::io::stderr());
    let layer = fmt::layer().with_writer(writer).with_target(false);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // This fails only when a log was set up before; then that log is used.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    guard
}
