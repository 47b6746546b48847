//! Runs the command that the arguments name, and exits with its exit code.

/// A beacon needs about thirty small allocations, most of them in hyper and the parser.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // The embedded store's process is this program, started again. There this call does not return.
    clickhouse_embedded::run_engine_if_requested();
    footfall::command::run()
}
