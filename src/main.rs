//! Runs the command that the arguments name, and exits with its exit code.

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Memory is zeroed when it is freed: buffers of requests hold addresses and user agents. A beacon needs about thirty small
/// allocations, most of them in hyper and the parser.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> std::process::ExitCode {
    // The allocator asks for huge pages, and then a few kilobytes in use keep 2 MiB. A kernel that refuses costs memory, nothing else.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // The embedded store's process is this program, started again. There this call does not return.
    clickhouse_embedded::run_engine_if_requested();
    footfall::command::run()
}
