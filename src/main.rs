//! Arguments in, a command run, an exit code out; nothing else.

/// A beacon makes some thirty small allocations, most of them hyper's and the parser's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    footfall::command::run()
}
