//! Wipes what functions that returned left on the stack.
//!
//! Freed memory of the heap is zeroed by the allocator; nothing does so for the stack. A thread that handles visitors' addresses does it from
//! time to time. A wipe reaches what is below its caller, so it must be called from a shallow frame.

use std::cell::Cell;

/// Bytes of the stack that a request may use: a debug build uses 80 KiB.
const REQUEST_BYTES: usize = 256 << 10;

thread_local! {
    static IS_REQUESTED: Cell<bool> = const { Cell::new(false) };
}

/// Overwrites `BYTES` of the stack below the caller with zeros.
#[inline(never)]
pub(crate) fn wipe<const BYTES: usize>() {
    let mut stack = [0_u8; BYTES];
    // The compiler may not leave out what something could read.
    std::hint::black_box(&mut stack);
}

/// Has the stack wiped when this thread's runtime waits the next time. A task is too deep to do it itself.
pub(crate) fn request_wipe() {
    IS_REQUESTED.set(true);
}

/// For the runtime's `on_thread_park`.
pub(crate) fn wipe_if_requested() {
    if IS_REQUESTED.take() {
        wipe::<REQUEST_BYTES>();
    }
}
