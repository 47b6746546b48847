//! Wakes many connections from another thread at the price of one.
//!
//! The spool's writer acknowledges a whole batch of beacons at once, from its own thread. Waking a task of a
//! single-threaded runtime from outside writes to an eventfd, each time: for a batch of fifty, fifty system calls, each
//! dearer than parsing a beacon. A [`Hub`] collects the wakings of a thread in a list, and only the first of them writes;
//! the thread then wakes its tasks by itself, for nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

thread_local! {
    /// The number of the hub that lives on this thread; 0 on all others.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// The wakings of one thread.
pub(super) struct Hub {
    /// From 1.
    number: usize,
    woken: Mutex<Woken>,
}

#[derive(Default)]
struct Woken {
    tasks: Vec<Arc<Task>>,
    /// The task that wakes the others; `None` until it runs.
    hub: Option<Waker>,
}

/// Spawns the streams of HTTP/2 connections on the thread of a hub.
#[derive(Clone)]
pub(super) struct Streams(pub(super) Arc<Hub>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(self.0.clone().through(stream));
    }
}

struct Task {
    hub: Arc<Hub>,
    waker: Waker,
}

impl Hub {
    /// The hub of the thread of this number, from 0.
    pub(super) fn new(thread: usize) -> Self {
        Self { number: thread + 1, woken: Mutex::default() }
    }

    /// A waker that does as `waker`, through this hub.
    pub(super) fn waker(self: &Arc<Self>, waker: &Waker) -> Waker {
        Arc::new(Task { hub: self.clone(), waker: waker.clone() }).into()
    }

    /// Runs `future` with such a waker.
    pub(super) async fn through<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let mut waker = None;
        std::future::poll_fn(|cx| {
            // A task's waker stays the same for its life.
            let waker = waker.get_or_insert_with(|| self.waker(cx.waker()));
            future.as_mut().poll(&mut Context::from_waker(waker))
        })
        .await
    }

    /// Wakes tasks as they are asked for, for ever; to be run by the hub's own thread.
    pub(super) async fn run(&self) {
        HERE.set(self.number);
        let mut batch = Vec::new();
        std::future::poll_fn(|cx| -> Poll<()> {
            {
                let mut woken = self.woken.lock();
                if !woken.hub.as_ref().is_some_and(|hub| hub.will_wake(cx.waker())) {
                    woken.hub = Some(cx.waker().clone());
                }
                std::mem::swap(&mut woken.tasks, &mut batch);
            }
            for task in batch.drain(..) {
                task.waker.wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if HERE.get() == self.hub.number {
            self.waker.wake_by_ref();
            return;
        }
        let hub = self.hub.clone();
        let mut woken = hub.woken.lock();
        woken.tasks.push(self);
        // Whoever finds the list empty wakes its reader; the others find it awake, or about to be.
        let first = if woken.tasks.len() == 1 { woken.hub.clone() } else { None };
        drop(woken);
        if let Some(hub) = first {
            hub.wake();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if HERE.get() == self.hub.number {
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
        let hub = Arc::new(Hub::new(3));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let running = hub.clone();
            tokio::spawn(async move { running.run().await });
            let tasks: Vec<_> = (0..100)
                .map(|number| {
                    let (hub, done) = (hub.clone(), done.clone());
                    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(number % 7));
                        sender.send(()).unwrap();
                    });
                    tokio::spawn(async move {
                        hub.through(receiver).await.unwrap();
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
