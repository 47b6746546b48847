//! A proxy between the collector and its store that can refuse requests, hang, cut inserts or lose responses.
//!
//! It forwards bytes. It knows of HTTP only where a request may be answered.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Interval between two checks of the mode.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// An insert is cut after this many bytes: its head and some of its rows.
const CUT_AFTER: u64 = 20 << 10;
const REFUSAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 999\r\n\
    Content-Length: 42\r\nConnection: close\r\n\r\nCode: 999. DB::Exception: refused by test\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ProxyMode {
    Forwards,
    /// It answers new connections with 500 and closes those that are open.
    Refuses,
    /// It forwards no request and sends no response.
    Hangs,
    /// It forwards requests, drops their responses and closes the connection.
    LosesAnswers,
    /// It closes the connection in the middle of a larger request.
    CutsInserts,
}

impl ProxyMode {
    const ALL: [Self; 5] =
        [Self::Forwards, Self::Refuses, Self::Hangs, Self::LosesAnswers, Self::CutsInserts];
}

pub struct FaultyProxy {
    pub listen: SocketAddr,
    state: Arc<State>,
}

struct State {
    store: SocketAddr,
    mode: AtomicU8,
    /// Requests that were refused, delayed or cut, or whose response was lost.
    disturbed: AtomicU64,
}

impl State {
    fn mode(&self) -> ProxyMode {
        ProxyMode::ALL[usize::from(self.mode.load(Ordering::SeqCst))]
    }

    fn count_disturbed(&self) {
        self.disturbed.fetch_add(1, Ordering::Relaxed);
    }
}

impl FaultyProxy {
    pub fn start(store: SocketAddr, listen: SocketAddr) -> Self {
        let listener = TcpListener::bind(listen).expect("a free loopback port can be listened on");
        let state = Arc::new(State { store, mode: AtomicU8::new(0), disturbed: AtomicU64::new(0) });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                // An error here is a failed connection, as the test wants it.
                std::thread::spawn(move || drop(forward(client, &state)));
            }
        });
        Self { listen, state }
    }

    /// Changes the mode, also for open connections.
    pub fn set_mode(&self, mode: ProxyMode) {
        self.state.mode.store(mode as u8, Ordering::SeqCst);
    }

    pub fn disturbed(&self) -> u64 {
        self.state.disturbed.load(Ordering::Relaxed)
    }
}

fn forward(mut client: TcpStream, state: &Arc<State>) -> std::io::Result<()> {
    let mut first = [0; 1];
    client.peek(&mut first)?;
    if state.mode() == ProxyMode::Refuses {
        state.count_disturbed();
        // Unread bytes would make the kernel send RST, and the response could be lost.
        client.set_read_timeout(Some(CHECK_INTERVAL))?;
        let mut sink = vec![0; 64 << 10];
        while client.read(&mut sink).is_ok_and(|read| read > 0) {}
        return client.write_all(REFUSAL);
    }
    let server = TcpStream::connect(state.store)?;
    let (up, down) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let shared = state.clone();
    std::thread::spawn(move || copy(up.0, up.1, &shared, true));
    copy(down.0, down.1, state, false);
    Ok(())
}

/// Copies one direction until it ends or the mode interrupts it.
fn copy(mut from: TcpStream, mut to: TcpStream, state: &State, upwards: bool) {
    let mut buffer = vec![0; 16 << 10];
    // Bytes of the whole connection, since this proxy does not know where a request ends.
    let mut passed = 0;
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        passed += read as u64;
        match (state.mode(), upwards) {
            (ProxyMode::Hangs, _) => {
                state.count_disturbed();
                while state.mode() == ProxyMode::Hangs {
                    std::thread::sleep(CHECK_INTERVAL);
                }
                break;
            }
            (ProxyMode::LosesAnswers, false) => {
                state.count_disturbed();
                break;
            }
            (ProxyMode::CutsInserts, true) if passed > CUT_AFTER => {
                let _ = to.write_all(&buffer[..read / 2]);
                state.count_disturbed();
                break;
            }
            (ProxyMode::Refuses, true) => {
                state.count_disturbed();
                break;
            }
            _ => {}
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
