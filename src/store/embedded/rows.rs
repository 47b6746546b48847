//! Statements that return rows, streamed.
//!
//! The engine's own streaming makes a document of each block, so that JSON or Parquet would come in pieces that do not
//! fit together. Instead the engine writes the result, in its final format, into a pipe: what it may hold is the pipe's
//! size, and it waits when the client is slow. Results of up to [`BUFFER`] are held until the statement has ended, so
//! that one that fails early has the status it deserves.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use bytes::Bytes;
use hyper::HeaderMap;

use super::codec::exception_of;
use super::engine::{Analysis, Class, Counts, Exception};
use super::reply::{PIECE, Reply};
use super::run::{Job, put};
use super::session::Lease;
use super::statement::Statement;
use super::wire;

/// Bytes of a result that are held back until the statement has ended, as ClickHouse's HTTP buffer.
const BUFFER: usize = 1 << 20;

type Outcome = Result<Counts, Exception>;

/// Runs a statement that returns rows; the whole answer, or `None` when it has been sent.
///
/// # Errors
/// What ClickHouse says; after the answer has begun it is told within it.
pub(super) fn run(
    job: &Job,
    mut lease: Lease,
    statement: &Statement<'_>,
    text: &[u8],
    reply: &mut Reply,
    began: Instant,
) -> Result<Option<(HeaderMap, Bytes)>, Exception> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(system)?;
    let (sql, format) = into_pipe(job, statement, text, write.as_raw_fd());
    let piped = Analysis { statements: 1, class: Class::Control };
    if lease.connection().analyse(&sql) != piped {
        return job.command(lease, &text[..statement.end()], began).map(Some);
    }
    let (sender, outcome) = channel();
    std::thread::scope(|scope| {
        let pump = scope.spawn(|| Pump { job, format: &format, began, outcome }.run(File::from(read), reply));
        let counts =
            lease.connection().query(&sql, &format, &job.ask.parameters).map(|answer| answer.counts());
        job.cancel.end();
        // A session must be free again before its client knows that the statement has ended.
        drop(lease);
        let _pump_failed = sender.send(counts);
        drop(write);
        pump.join()
            .unwrap_or_else(|_| Err(Exception::new(1001, "STD_EXCEPTION", "the reader of a result panicked")))
    })
}

/// The statement that writes its result into the pipe, and the result's format.
fn into_pipe(job: &Job, statement: &Statement<'_>, text: &[u8], pipe: i32) -> (Vec<u8>, String) {
    let end = statement.end();
    let (start, behind, format) =
        statement.format().unwrap_or_else(|| (end, end, job.ask.default_format().to_owned()));
    let mut sql = text[..start].to_vec();
    // A line break first: the statement may end in a comment.
    sql.extend_from_slice(format!("\nINTO OUTFILE '/dev/fd/{pipe}' APPEND FORMAT {format} ").as_bytes());
    sql.extend_from_slice(&text[behind..end]);
    sql.extend_from_slice(format!("\n{}", job.mark).as_bytes());
    (sql, format)
}

/// Moves a result from the pipe to the client.
struct Pump<'a> {
    job: &'a Job,
    format: &'a str,
    began: Instant,
    outcome: Receiver<Outcome>,
}

impl Pump<'_> {
    fn run(self, mut pipe: File, reply: &mut Reply) -> Result<Option<(HeaderMap, Bytes)>, Exception> {
        let mut buffer = Vec::new();
        (&mut pipe).take(BUFFER as u64).read_to_end(&mut buffer).map_err(|error| exception_of(&error))?;
        if buffer.len() < BUFFER {
            let counts = self.end()?;
            let mut headers = self.job.headers(Some(self.format), &counts, self.began);
            let body = self.job.encoded(&buffer, &mut headers)?;
            return Ok(Some((headers, body)));
        }
        if self.job.ask.wait_end {
            return self.later(buffer, &mut pipe, reply);
        }
        let headers = self.job.headers(Some(self.format), &Counts::default(), self.began);
        self.stream(headers, &mut buffer.as_slice().chain(&mut pipe), reply)
    }

    /// Waits for the statement's end.
    fn end(&self) -> Outcome {
        let gone = || Exception::new(1001, "STD_EXCEPTION", "the statement ended without a word");
        self.outcome.recv().map_err(|_| gone())?
    }

    /// Keeps the result on disk until the statement has ended, then sends it.
    fn later(
        self,
        buffer: Vec<u8>,
        pipe: &mut File,
        reply: &mut Reply,
    ) -> Result<Option<(HeaderMap, Bytes)>, Exception> {
        let failed = |error: io::Error| exception_of(&error);
        let mut file = self.unnamed_file().map_err(failed)?;
        file.write_all(&buffer).map_err(failed)?;
        drop(buffer);
        io::copy(pipe, &mut file).map_err(failed)?;
        let counts = self.end()?;
        file.rewind().map_err(failed)?;
        let headers = self.job.headers(Some(self.format), &counts, self.began);
        let (sender, outcome) = channel();
        let _kept = sender.send(Ok(counts));
        Pump { outcome, ..self }.stream(headers, &mut file, reply)
    }

    /// A file that is gone when it is closed.
    fn unnamed_file(&self) -> io::Result<File> {
        std::fs::create_dir_all(&self.job.store.temporary)?;
        let path = self.job.store.temporary.join(self.job.mark.replace(['/', '*', ' '], ""));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }

    fn stream(
        self,
        mut headers: HeaderMap,
        source: &mut dyn Read,
        reply: &mut Reply,
    ) -> Result<Option<(HeaderMap, Bytes)>, Exception> {
        let tag = tag();
        put(&mut headers, "x-clickhouse-exception-tag", &tag);
        let mut probe = HeaderMap::new();
        // The encoder's header must be known before the head leaves, and the encoder writes behind the head.
        drop(self.job.encoder(io::sink(), &mut probe));
        headers.extend(probe.drain().filter_map(|(name, value)| name.map(|name| (name, value))));
        let sink = reply.start(headers);
        let mut encoder = self.job.encoder(sink, &mut probe).map_err(|error| exception_of(&error))?;
        let mut piece = vec![0; PIECE];
        let mut gone = false;
        loop {
            let length = source.read(&mut piece).map_err(|error| exception_of(&error))?;
            if length == 0 {
                break;
            }
            // When the client is gone the statement is being killed; the pipe is emptied until it is, for the engine
            // does not mind a closed one.
            gone = gone || encoder.write_all(&piece[..length]).is_err();
        }
        if let Err(error) = self.end() {
            let message = wire::message(&error, &self.job.store.version);
            // A piece of its own: clients look for it at the end of one. The response then ends in order, since a
            // connection that is cut loses what is still on its way, and with it the reason.
            let told = encoder
                .flush()
                .and_then(|()| encoder.write_all(&wire::exception_block(&message, &tag)))
                .and_then(|()| encoder.flush());
            let _gone = told.and_then(|()| encoder.finish().map(drop));
            return Ok(None);
        }
        let _gone = encoder.finish();
        Ok(None)
    }
}

/// Sixteen random letters that no result holds but by chance.
fn tag() -> String {
    let mut bytes = [0_u8; 16];
    // Only chance hangs on it; a system without randomness would have failed long before.
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn system(error: rustix::io::Errno) -> Exception {
    Exception::new(1001, "STD_EXCEPTION", error)
}
