//! Wipes what functions that returned left on the stack.

/// Overwrites `BYTES` of the stack below the caller with zeros.
///
/// Freed memory of the heap is zeroed by the allocator; nothing does so for the stack. A thread that handles visitors' addresses calls this
/// from time to time, from a shallow call.
#[inline(never)]
pub fn wipe_stack<const BYTES: usize>() {
    let mut stack = [0_u8; BYTES];
    // The compiler may not leave out what something could read.
    std::hint::black_box(&mut stack);
}
