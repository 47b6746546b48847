//! Arguments in, a command run, an exit code out; nothing else.

/// A beacon makes some thirty small allocations, most of them hyper's and the parser's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // The embedded store is this same program, started again; in its process this call does not return.
    clickhouse_embedded::run_engine_if_requested();
    footfall::command::run()
}
