//! Remembers every key that a collector has, so that its pseudonyms can be told at the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::common::EpochKeys;

/// A collector looks once a second whether its key must turn, so a key is in force for longer than this.
const INTERVAL: Duration = Duration::from_millis(5);

pub struct KeyWatch {
    keys: Arc<Mutex<EpochKeys>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KeyWatch {
    /// Watches a key directory, which may not exist yet.
    pub fn start(directory: PathBuf) -> Self {
        let (keys, ended) = (Arc::<Mutex<EpochKeys>>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (keys, ended) = (keys.clone(), ended.clone());
            move || {
                while !ended.load(Ordering::Relaxed) {
                    keys.lock().add(&directory);
                    std::thread::sleep(INTERVAL);
                }
            }
        });
        Self { keys, ended, thread: Some(thread) }
    }

    pub fn seen(&self) -> EpochKeys {
        self.keys.lock().clone()
    }
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
