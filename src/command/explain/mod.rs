//! `footfall explain`: what the collector would do with a beacon, and why. It answers "why is a visit missing?", and measures recognition.
//!
//! The beacon passes the collector's own pipeline. Pseudonyms are made with a key that is thrown away afterwards, so the command cannot
//! reveal whether a person visited the site.

mod arguments;
mod curl;
mod differences;
mod explanation;
mod hints;
mod line;
mod render;
mod request;
mod sites;

use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::HeaderMap;
use serde_json::{Map, Value};

pub(crate) use arguments::ExplainArguments;
use arguments::ExplainFormat;
use explanation::{Explainer, Explanation};
use line::ExplainLine;
use request::SampleRequest;
use sites::ExplainSites;

use crate::app::{Exit, ExitError};
use crate::command::arguments::CommonArguments;
use crate::config::Config;
use crate::ingest::BeaconPipeline;
use crate::privacy::{GeoLookup, KeyRing, Privacy, SystemClock};
use crate::transport::{TrustedProxies, X_FORWARDED_FOR};

/// Longest input that is read at once, in bytes: a request, or a line.
const MAX_INPUT: u64 = 1 << 20;
/// The remote end of a request that does not say it.
const LOCAL_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// # Errors
/// When the configuration is wrong, the site is unknown, or the input cannot be read. A line that cannot be read does not keep those
/// behind it from being explained.
pub(crate) fn run(arguments: ExplainArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let usage = |error: String| ExitError::new(Exit::Usage, error);
    let fields = arguments.fields().map_err(usage)?;
    let sites = ExplainSites::new(&config, arguments.site.as_deref())?;
    let directory = TemporaryKeyDirectory::new()?;
    let keys = KeyRing::open(&directory.0, true, config.timezone.clone(), Arc::new(SystemClock))?;
    let pipeline = BeaconPipeline::new(&config, Privacy::new(keys, GeoLookup::open(&config.geo)));
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut session = Session {
        arguments,
        fields,
        config: &config,
        sites,
        pipeline,
        is_strict: true,
        out,
        read: 0,
        failed: 0,
    };
    session.run()?;
    session.out.flush()?;
    match (session.failed, session.read) {
        (0, _) => Ok(()),
        (_, 1) => Err("the input cannot be explained".into()),
        (failed, read) => Err(format!("{failed} of {read} lines cannot be explained").into()),
    }
}

struct Session<'a, W> {
    arguments: ExplainArguments,
    /// The fields of each line that the options give.
    fields: Map<String, Value>,
    config: &'a Config,
    sites: ExplainSites,
    pipeline: BeaconPipeline,
    /// Whether the pipeline has the sites of the configuration now.
    is_strict: bool,
    out: W,
    read: u64,
    failed: u64,
}

impl<W: Write> Session<'_, W> {
    fn run(&mut self) -> Result<(), ExitError> {
        let file = self.arguments.file.take();
        if file.is_none() && !self.fields.is_empty() {
            return self.line("{}", ExplainFormat::Text);
        }
        match file.filter(|file| file != Path::new("-")) {
            Some(file) => {
                let opened =
                    std::fs::File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                self.read_from(std::io::BufReader::new(opened))
            }
            None => self.read_from(std::io::stdin().lock()),
        }
    }

    fn read_from(&mut self, mut input: impl BufRead) -> Result<(), ExitError> {
        let mut first = Vec::new();
        while first.trim_ascii().is_empty() {
            first.clear();
            if input.by_ref().take(MAX_INPUT).read_until(b'\n', &mut first)? == 0 {
                return Ok(());
            }
        }
        let is_whole = request::is_request(&first) || curl::is_curl(&first) || is_unfinished(&first);
        if is_whole {
            let mut rest = Vec::new();
            input.by_ref().take(MAX_INPUT).read_to_end(&mut rest)?;
            let text = [&first[..], &rest].concat();
            if request::is_request(&text) {
                return self.request(request::parse(&text));
            }
            if curl::is_curl(&text) {
                return self.request(curl::parse(&text));
            }
            if serde_json::from_slice::<Map<String, Value>>(&text).is_ok() {
                return self.line(&String::from_utf8_lossy(&text), ExplainFormat::Json);
            }
            first = text;
        }
        let mut lines = std::io::Cursor::new(first).chain(input);
        let mut line = Vec::new();
        while {
            line.clear();
            lines.by_ref().take(MAX_INPUT).read_until(b'\n', &mut line)?
        } > 0
        {
            if !line.trim_ascii().is_empty() {
                self.line(String::from_utf8_lossy(&line).trim(), ExplainFormat::Json)?;
            }
        }
        Ok(())
    }

    /// A line of plain words, or a beacon.
    fn line(&mut self, text: &str, format: ExplainFormat) -> Result<(), ExitError> {
        let object: Map<String, Value> = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(error) => return self.fail(&error.to_string()),
        };
        if object.contains_key("v") && object.contains_key("e") {
            return self.request(Ok(SampleRequest::beacon(HeaderMap::new(), text.as_bytes().to_vec())));
        }
        let mut fields = self.fields.clone();
        fields.extend(object);
        let line = match ExplainLine::parse(fields) {
            Ok(line) => line,
            Err(error) => return self.fail(&error),
        };
        let is_strict = format == ExplainFormat::Text;
        let request = self.sites.for_line(&line, is_strict).and_then(|site| {
            let request = line.into_request(&site)?;
            Ok((request, site))
        });
        let (sent, site) = match request {
            Ok(request) => request,
            Err(error) => return self.fail(&error),
        };
        let peer = sent.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.show(&sent.request, peer, format, site.is_configured)
    }

    /// A whole request. Options add to its headers.
    fn request(&mut self, request: Result<SampleRequest, String>) -> Result<(), ExitError> {
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return self.fail(&error),
        };
        let texts = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut headers: Vec<(String, String)> = Vec::new();
        headers.extend(self.fields.get("ua").map(|ua| ("user-agent".to_owned(), texts(ua))));
        let given = self.fields.get("headers").and_then(Value::as_object);
        headers.extend(given.into_iter().flatten().map(|(name, value)| (name.clone(), texts(value))));
        for (name, value) in headers {
            request.headers.remove(&name);
            if let Err(error) = request::add_header(&mut request.headers, name.as_bytes(), value.as_bytes()) {
                return self.fail(&error);
            }
        }
        let peer = self.arguments.peer.or(self.arguments.ip).unwrap_or(LOCAL_PEER);
        self.show(&request, peer, ExplainFormat::Text, true)
    }

    /// The request with a header that names the client, as a proxy on this machine would send it.
    fn naming_client(&self, request: &SampleRequest, client: IpAddr) -> SampleRequest {
        let mut request = request.clone();
        if client.is_unspecified() || client == LOCAL_PEER || request.headers.contains_key(&X_FORWARDED_FOR) {
            return request;
        }
        if TrustedProxies::new(self.config.trusted_proxies.clone()).contains(LOCAL_PEER) {
            let value = client.to_string().try_into().expect("an address is a valid header");
            request.headers.insert(&X_FORWARDED_FOR, value);
        } else {
            // A program that reads standard output alone gets the command.
            let _ = writeln!(
                std::io::stderr(),
                "curl sends from its own address, not from {client}: only a proxy within `trusted_proxies` may name another"
            );
        }
        request
    }

    fn show(
        &mut self,
        request: &SampleRequest,
        peer: IpAddr,
        format: ExplainFormat,
        is_configured: bool,
    ) -> Result<(), ExitError> {
        self.read += 1;
        if self.arguments.curl {
            let request = self.naming_client(request, peer);
            return Ok(writeln!(self.out, "{}", curl::print(&request, &self.sites.base(self.config)))?);
        }
        let is_line = format == ExplainFormat::Json;
        match self.arguments.format.unwrap_or(format) {
            ExplainFormat::Text => {
                let explanation = self.explain(request, peer, is_configured);
                render::write(&explanation, &mut self.out)?;
            }
            ExplainFormat::Json if is_line => {
                let columns = self.columns(request, peer, is_configured);
                serde_json::to_writer(&mut self.out, &columns)?;
                self.out.write_all(b"\n")?;
            }
            ExplainFormat::Json => {
                let explanation = self.explain(request, peer, is_configured);
                serde_json::to_writer(&mut self.out, &explanation)?;
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn explain(&mut self, request: &SampleRequest, peer: IpAddr, is_configured: bool) -> Explanation {
        let config = if is_configured { self.config } else { self.sites.lenient() };
        if self.is_strict != is_configured {
            self.pipeline.reload(config);
            self.is_strict = is_configured;
        }
        Explainer { config, pipeline: &self.pipeline }.explain(request, peer)
    }

    /// The row of a line's event, also if it would be dropped.
    fn columns(&mut self, request: &SampleRequest, peer: IpAddr, is_configured: bool) -> Map<String, Value> {
        let mut explanation = self.explain(request, peer, is_configured);
        let dropped = explanation.events.first().and_then(|event| event.dropped);
        if dropped.is_some() {
            let mut counted = request.clone();
            for name in ["sec-gpc", "dnt", "cookie"] {
                counted.headers.remove(name);
            }
            explanation = self.explain(&counted, peer, false);
        }
        let mut columns = explanation.events.pop().map(|event| event.columns).unwrap_or_default();
        if columns.is_empty() {
            self.failed += 1;
            let Explanation { answer, left_out, .. } = explanation;
            let error = if answer.explanation.is_empty() { left_out.join("; ") } else { answer.explanation };
            columns.insert("line".to_owned(), self.read.into());
            columns.insert("error".to_owned(), error.into());
            return columns;
        }
        columns.insert("rules".to_owned(), explanation.rules.into());
        if let Some(reason) = dropped {
            columns.insert("dropped".to_owned(), reason.into());
        }
        if !explanation.left_out.is_empty() {
            columns.insert("left_out".to_owned(), explanation.left_out.into());
        }
        columns
    }

    /// Notes a line that cannot be explained, and goes on.
    fn fail(&mut self, error: &str) -> Result<(), ExitError> {
        self.read += 1;
        self.failed += 1;
        let line = serde_json::json!({ "line": self.read, "error": error });
        match self.arguments.format {
            Some(ExplainFormat::Text) => writeln!(self.out, "line {}: {error}", self.read)?,
            _ => writeln!(self.out, "{line}")?,
        }
        Ok(())
    }
}

/// Whether a line is the beginning of a JSON object over several lines.
fn is_unfinished(line: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<Map<String, Value>>(line);
    parsed.is_err_and(|error| error.is_eof())
}

/// A directory for a key that is thrown away; in memory if the system has `/dev/shm`.
struct TemporaryKeyDirectory(PathBuf);

impl TemporaryKeyDirectory {
    fn new() -> std::io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = parent.join(format!("footfall-explain-{}", std::process::id()));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for TemporaryKeyDirectory {
    fn drop(&mut self) {
        // If this fails, only a key that protects nothing is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
