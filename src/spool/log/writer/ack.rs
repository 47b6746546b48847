//! The acknowledgement of an append. All appends of a batch share one state, so an append allocates nothing and a sync wakes
//! everyone who waits for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::spool::log::error::SpoolError;

const WAITING: u8 = 0;
const SYNCED: u8 = 1;
const FAILED: u8 = 2;

/// Resolves when the appended records are synced, or when they cannot be.
///
/// The records are written even if the ack is dropped.
#[derive(Debug)]
#[must_use = "an append is durable only when its ack says so"]
pub struct Ack {
    /// `None`: there is nothing to wait for.
    commit: Option<Arc<Commit>>,
    /// Index of our waker among those of the commit.
    slot: Option<usize>,
}

impl Ack {
    pub(crate) fn ready() -> Self {
        Self { commit: None, slot: None }
    }

    pub(crate) fn new(commit: Arc<Commit>) -> Self {
        Self { commit: Some(commit), slot: None }
    }
}

impl Future for Ack {
    type Output = Result<(), SpoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(commit) = &this.commit else { return Poll::Ready(Ok(())) };
        if let Some(result) = commit.result() {
            return Poll::Ready(result);
        }
        let mut wakers = commit.wakers.lock();
        // The writer sets the state under this lock. A state that is still waiting here means that it has yet to take the wakers.
        if let Some(result) = commit.result() {
            return Poll::Ready(result);
        }
        match this.slot {
            None => {
                this.slot = Some(wakers.len());
                wakers.push(context.waker().clone());
            }
            Some(slot) => wakers[slot].clone_from(context.waker()),
        }
        Poll::Pending
    }
}

/// The outcome of one write and one sync, for everyone whose records they made durable.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    state: AtomicU8,
    failure: OnceLock<SpoolError>,
    wakers: Mutex<Vec<Waker>>,
}

impl Commit {
    /// A commit that waits, with an empty list of wakers whose memory an earlier one has allocated.
    pub(crate) fn with_buffer(wakers: Vec<Waker>) -> Self {
        Self { wakers: Mutex::new(wakers), ..Self::default() }
    }

    /// Sets the result and wakes everyone who waits. Returns the emptied list of wakers for the next commit.
    pub(crate) fn finish(&self, result: Result<(), SpoolError>) -> Vec<Waker> {
        let state = match result {
            Ok(()) => SYNCED,
            Err(error) => {
                let _ = self.failure.set(error);
                FAILED
            }
        };
        let mut wakers = {
            let mut wakers = self.wakers.lock();
            self.state.store(state, Ordering::Release);
            std::mem::take(&mut *wakers)
        };
        for waker in wakers.drain(..) {
            waker.wake();
        }
        wakers
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state.load(Ordering::Acquire) != WAITING
    }

    fn result(&self) -> Option<Result<(), SpoolError>> {
        match self.state.load(Ordering::Acquire) {
            WAITING => None,
            SYNCED => Some(Ok(())),
            _ => Some(Err(self.failure.get().cloned().unwrap_or(SpoolError::Closed))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(ack: &mut Ack) -> Poll<Result<(), SpoolError>> {
        Pin::new(ack).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn all_acks_of_a_commit_resolve_together_and_not_before() {
        let commit = Arc::new(Commit::default());
        let (mut one, mut two) = (Ack::new(commit.clone()), Ack::new(commit.clone()));
        assert!(poll(&mut one).is_pending());
        assert!(poll(&mut one).is_pending(), "a second poll takes no second slot");
        assert!(poll(&mut two).is_pending());
        assert!(commit.finish(Ok(())).is_empty());
        assert!(matches!(poll(&mut one), Poll::Ready(Ok(()))));
        assert!(matches!(poll(&mut two), Poll::Ready(Ok(()))));
    }

    #[test]
    fn a_failed_commit_fails_earlier_and_later_waiters() {
        let commit = Arc::new(Commit::default());
        let mut early = Ack::new(commit.clone());
        assert!(poll(&mut early).is_pending());
        commit.finish(Err(SpoolError::Broken("no disk".into())));
        assert!(matches!(poll(&mut early), Poll::Ready(Err(SpoolError::Broken(_)))));
        assert!(matches!(poll(&mut Ack::new(commit)), Poll::Ready(Err(SpoolError::Broken(_)))));
    }

    #[test]
    fn wakers_registered_before_the_sync_are_woken_by_it() {
        use std::task::Wake;
        struct Count(std::sync::atomic::AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::new(Count(0.into()));
        let waker = Waker::from(count.clone());
        let commit = Arc::new(Commit::default());
        let mut acks: Vec<_> = (0..5).map(|_| Ack::new(commit.clone())).collect();
        for ack in &mut acks {
            assert!(Pin::new(ack).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        commit.finish(Ok(()));
        assert_eq!(count.0.load(Ordering::SeqCst), 5);
    }
}
