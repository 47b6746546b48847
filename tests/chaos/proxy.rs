//! The way from the collector to its store, which can be made bad: refusing, silent, cut in the middle of an insert or
//! before its answer. It forwards bytes and knows no HTTP beyond where a request may be answered.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Between two looks at what the way is like now.
const LOOK: Duration = Duration::from_millis(20);
/// Of an insert that is cut, so many bytes go through: its head and some of its rows.
const CUT_AFTER: u64 = 20 << 10;
const REFUSAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 999\r\n\
    Content-Length: 44\r\nConnection: close\r\n\r\nCode: 999. DB::Exception: the way is blocked\n";

/// What the way does to those who take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// It lets everything through.
    Open,
    /// Every request is answered with 500.
    Refuses,
    /// Requests go nowhere, and no answer comes.
    Hangs,
    /// Requests reach the store whole; its answers do not come back, and the connection is cut.
    LosesAnswers,
    /// The connection is cut in the middle of a larger request.
    CutsInserts,
}

impl Way {
    const ALL: [Self; 5] = [Self::Open, Self::Refuses, Self::Hangs, Self::LosesAnswers, Self::CutsInserts];
}

/// A listener before the store.
pub struct Proxy {
    /// Where the collector finds its store.
    pub listen: SocketAddr,
    state: Arc<State>,
}

struct State {
    store: SocketAddr,
    way: AtomicU8,
    /// Requests that were refused, held up, cut or robbed of their answer.
    spoilt: AtomicU64,
}

impl State {
    fn way(&self) -> Way {
        Way::ALL[usize::from(self.way.load(Ordering::SeqCst))]
    }

    fn spoil(&self) {
        self.spoilt.fetch_add(1, Ordering::Relaxed);
    }
}

impl Proxy {
    /// Listens at `listen`, before the store.
    pub fn before(store: SocketAddr, listen: SocketAddr) -> Self {
        let listener = TcpListener::bind(listen).expect("a free loopback port can be listened on");
        let state = Arc::new(State { store, way: AtomicU8::new(0), spoilt: AtomicU64::new(0) });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                // Whatever fails here is a connection that fails, which is what this is for.
                std::thread::spawn(move || drop(forward(client, &state)));
            }
        });
        Self { listen, state }
    }

    /// Makes the way what it is from now on, also for connections that are open.
    pub fn set(&self, way: Way) {
        self.state.way.store(way as u8, Ordering::SeqCst);
    }

    /// Requests that were spoilt so far.
    pub fn spoilt(&self) -> u64 {
        self.state.spoilt.load(Ordering::Relaxed)
    }
}

fn forward(mut client: TcpStream, state: &Arc<State>) -> std::io::Result<()> {
    let mut first = [0; 1];
    client.peek(&mut first)?;
    if state.way() == Way::Refuses {
        state.spoil();
        // Read what comes, so that the answer is not lost in a reset.
        client.set_read_timeout(Some(LOOK))?;
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

/// Copies one direction until its end, or until the way breaks it.
fn copy(mut from: TcpStream, mut to: TcpStream, state: &State, upwards: bool) {
    let mut buffer = vec![0; 16 << 10];
    // Since the last answer or request: a request's length is not known here.
    let mut passed = 0;
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        passed += read as u64;
        match (state.way(), upwards) {
            (Way::Hangs, _) => {
                state.spoil();
                while state.way() == Way::Hangs {
                    std::thread::sleep(LOOK);
                }
                break;
            }
            (Way::LosesAnswers, false) => {
                state.spoil();
                break;
            }
            (Way::CutsInserts, true) if passed > CUT_AFTER => {
                let _ = to.write_all(&buffer[..read / 2]);
                state.spoil();
                break;
            }
            (Way::Refuses, true) => {
                state.spoil();
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
