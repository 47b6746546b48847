//! The answer to an append: one shared state for each batch, so that an append allocates nothing and a sync wakes all
//! that waited for it at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::spool::SpoolError;

const WAITING: u8 = 0;
const SYNCED: u8 = 1;
const FAILED: u8 = 2;

/// Resolves when what was appended is on disk, synced, or is known not to be.
///
/// Dropping it changes nothing: the frame is written all the same.
#[derive(Debug)]
#[must_use = "an append is durable only when its ack says so"]
pub struct Ack {
    /// Absent: there is nothing to wait for.
    batch: Option<Arc<Batch>>,
    /// Our place among the batch's wakers, once we have one.
    slot: Option<usize>,
}

impl Ack {
    pub(crate) fn ready() -> Self {
        Self { batch: None, slot: None }
    }

    pub(crate) fn of(batch: Arc<Batch>) -> Self {
        Self { batch: Some(batch), slot: None }
    }
}

impl Future for Ack {
    type Output = Result<(), SpoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(batch) = &this.batch else { return Poll::Ready(Ok(())) };
        if let Some(answer) = batch.answer() {
            return Poll::Ready(answer);
        }
        let mut wakers = batch.wakers.lock();
        // The writer sets the state under this lock: seen as waiting here, it has yet to take the wakers.
        if let Some(answer) = batch.answer() {
            return Poll::Ready(answer);
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

/// What one write and one sync make durable.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    state: AtomicU8,
    failure: OnceLock<SpoolError>,
    wakers: Mutex<Vec<Waker>>,
}

impl Batch {
    /// A batch that waits, with room for wakers left over from an earlier one.
    pub(crate) fn with_room(wakers: Vec<Waker>) -> Self {
        Self { wakers: Mutex::new(wakers), ..Self::default() }
    }

    /// Tells all that wait. Returns the emptied list of wakers for the next batch.
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

    /// Whether it is known how it ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.state.load(Ordering::Acquire) != WAITING
    }

    fn answer(&self) -> Option<Result<(), SpoolError>> {
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
    fn all_acks_of_a_batch_resolve_together_and_not_before() {
        let batch = Arc::new(Batch::default());
        let (mut one, mut two) = (Ack::of(batch.clone()), Ack::of(batch.clone()));
        assert!(poll(&mut one).is_pending());
        assert!(poll(&mut one).is_pending(), "a second poll takes no second slot");
        assert!(poll(&mut two).is_pending());
        assert!(batch.finish(Ok(())).is_empty());
        assert!(matches!(poll(&mut one), Poll::Ready(Ok(()))));
        assert!(matches!(poll(&mut two), Poll::Ready(Ok(()))));
    }

    #[test]
    fn a_failed_batch_fails_those_who_waited_and_those_who_ask_later() {
        let batch = Arc::new(Batch::default());
        let mut early = Ack::of(batch.clone());
        assert!(poll(&mut early).is_pending());
        batch.finish(Err(SpoolError::Broken("no disk".into())));
        assert!(matches!(poll(&mut early), Poll::Ready(Err(SpoolError::Broken(_)))));
        assert!(matches!(poll(&mut Ack::of(batch)), Poll::Ready(Err(SpoolError::Broken(_)))));
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
        let batch = Arc::new(Batch::default());
        let mut acks: Vec<_> = (0..5).map(|_| Ack::of(batch.clone())).collect();
        for ack in &mut acks {
            assert!(Pin::new(ack).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        batch.finish(Ok(()));
        assert_eq!(count.0.load(Ordering::SeqCst), 5);
    }
}
