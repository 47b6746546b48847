//! Wakes many tasks of a worker from another thread with one system call.
//!
//! The spool's writer acknowledges a batch of beacons at once, from its own thread. Waking a task of a single-threaded
//! runtime from another thread writes to an eventfd each time: fifty system calls for a batch of fifty. A [`WakeBatcher`]
//! collects the wakers in a list, and only the first of them makes the system call. The worker then wakes its own tasks
//! without system calls.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

thread_local! {
    /// The number of the batcher that runs on this thread; 0 on other threads.
    static CURRENT_BATCHER: Cell<usize> = const { Cell::new(0) };
}

pub(in crate::transport) struct WakeBatcher {
    /// From 1.
    number: usize,
    pending: Mutex<PendingWakes>,
}

#[derive(Default)]
struct PendingWakes {
    tasks: Vec<Arc<BatchedWaker>>,
    /// Wakes [`WakeBatcher::run`]; `None` until it runs.
    batcher: Option<Waker>,
}

/// Spawns the streams of HTTP/2 connections on the batcher's thread.
#[derive(Clone)]
pub(super) struct StreamExecutor(pub(super) Arc<WakeBatcher>);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(self.0.clone().run_batched(stream));
    }
}

struct BatchedWaker {
    batcher: Arc<WakeBatcher>,
    waker: Waker,
}

impl WakeBatcher {
    /// `worker` is the worker's number, from 0.
    pub(super) fn new(worker: usize) -> Self {
        Self { number: worker + 1, pending: Mutex::default() }
    }

    /// Returns a waker that wakes the same task as `waker`, through this batcher.
    pub(super) fn waker(self: &Arc<Self>, waker: &Waker) -> Waker {
        Arc::new(BatchedWaker { batcher: self.clone(), waker: waker.clone() }).into()
    }

    async fn run_batched<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let mut waker = None;
        std::future::poll_fn(|cx| {
            // A task has the same waker for its life.
            let waker = waker.get_or_insert_with(|| self.waker(cx.waker()));
            future.as_mut().poll(&mut Context::from_waker(waker))
        })
        .await
    }

    /// Wakes the collected tasks. Never returns; the batcher's own thread must run it.
    pub(in crate::transport) async fn run(&self) {
        CURRENT_BATCHER.set(self.number);
        let mut batch = Vec::new();
        std::future::poll_fn(|cx| -> Poll<()> {
            {
                let mut pending = self.pending.lock();
                if !pending.batcher.as_ref().is_some_and(|batcher| batcher.will_wake(cx.waker())) {
                    pending.batcher = Some(cx.waker().clone());
                }
                std::mem::swap(&mut pending.tasks, &mut batch);
            }
            for task in batch.drain(..) {
                task.waker.wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }
}

impl Wake for BatchedWaker {
    fn wake(self: Arc<Self>) {
        if CURRENT_BATCHER.get() == self.batcher.number {
            self.waker.wake_by_ref();
            return;
        }
        let batcher = self.batcher.clone();
        let mut pending = batcher.pending.lock();
        pending.tasks.push(self);
        // The first waker in an empty list wakes the batcher. Later ones find it woken already.
        let first = if pending.tasks.len() == 1 { pending.batcher.clone() } else { None };
        drop(pending);
        if let Some(batcher) = first {
            batcher.wake();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if CURRENT_BATCHER.get() == self.batcher.number {
            self.waker.wake_by_ref();
        } else {
            self.clone().wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_task_that_another_thread_wakes_runs() {
        let batcher = Arc::new(WakeBatcher::new(3));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let running = batcher.clone();
            tokio::spawn(async move { running.run().await });
            let tasks: Vec<_> = (0..100)
                .map(|number| {
                    let (batcher, done) = (batcher.clone(), done.clone());
                    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(number % 7));
                        sender.send(()).unwrap();
                    });
                    tokio::spawn(async move {
                        batcher.run_batched(receiver).await.unwrap();
                        done.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 100);
    }
}
