//! Splits a segment whose content the store refuses in two, and the parts again, until each refused row is alone in a segment.
//!
//! The parts are segments of their own, with derived ids. The first holds about half of the events, the second the rest. A third part
//! keeps the segment's own id, so that its number is not missing, its rows of the audit and its counts of dropped events.
//!
//! 1. Finish splits that an earlier error left unfinished.
//! 2. Create `split`. Write each part to `split/PART.segment`: as `.new`, sealed, synced, renamed, directory synced.
//! 3. Rename `NAME.segment` to `quarantine/NAME.split`, and sync both directories. **This is the decision.**
//! 4. Rename each part to the spool's directory.
//! 5. Sync the spool's directory, then `split`.
//! 6. Remove `quarantine/NAME.split` and sync `quarantine`.
//! 7. Add the parts to the queue, in doubt.
//!
//! | crash | what recovery does |
//! |---|---|
//! | in step 2 | deletes the parts; the segment is as it was |
//! | in step 3, the rename lost | the same |
//! | after step 3, or in step 4 | syncs `quarantine`, then goes on with step 4: parts that were not moved yet are moved |
//! | in step 5 | goes on with step 4; there may be nothing left to move |
//! | in step 6, the removal lost | repeats steps 5 and 6 |
//! | after step 6 | nothing |
//!
//! So no row is ever in two files that are both shipped. A part is installed only if its own segment has `NAME.split`: what an earlier
//! split left behind decides nothing for a later one. Tests: `quarantine::split::tests`, and `crash_tests::exhaustive`.

mod divide;
pub(crate) mod install;
mod run;
#[cfg(test)]
mod tests;
