//! nginx with a block of the manual, below a directory of its own.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::requests::{ANSWER_TIMEOUT, CLIENT, Client, USER_AGENT};
use crate::common::process::{self, Signal};
use crate::common::{eventually, ports};

const PAGE: &str = include_str!("../../../docs/operations/proxy-and-tls.md");
const PATIENCE: Duration = Duration::from_secs(30);
/// The upstream and the certificate of the manual, which the test replaces.
const UPSTREAM: &str = "127.0.0.1:8080";
const CERTIFICATES: &str = "/etc/letsencrypt/live/stats.clinic.example";

pub struct Nginx {
    pub address: SocketAddr,
    child: Child,
    directory: TempDir,
    /// The certificate, where it speaks TLS.
    trusted: Option<CertificateDer<'static>>,
}

/// The fenced blocks for nginx, in their order.
fn blocks() -> [&'static str; 3] {
    let blocks: Vec<_> =
        PAGE.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    blocks.try_into().expect("the page has three blocks: an own name, and two parts for the site's name")
}

/// The program that `make deps-nginx` fetched, or the system's.
fn program() -> Option<PathBuf> {
    let cache = clickhouse_embedded::install::cache_directory("footfall")?.join("nginx/nginx");
    let found = [cache, PathBuf::from("/usr/sbin/nginx")].into_iter().find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: there is no nginx; `make deps-nginx` fetches it");
    }
    found
}

/// Replaces what must occur.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

impl Nginx {
    /// The server of the manual, in an nginx that logs as Debian's does.
    pub fn on_its_own_name(upstream: SocketAddr) -> Option<Self> {
        let [block, _, _] = blocks();
        let certified = rcgen::generate_simple_self_signed(["stats.clinic.example".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("fullchain.pem"), certified.cert.pem()).unwrap();
        std::fs::write(directory.path().join("privkey.pem"), certified.signing_key.serialize_pem()).unwrap();
        let address = ports::free();
        let block = replaced(block, UPSTREAM, &upstream.to_string());
        let block = replaced(&block, "listen 443", &format!("listen {address}"));
        let block = replaced(&block, CERTIFICATES, &directory.path().display().to_string());
        let logs = "access_log access.log combined;\nerror_log error.log info;\n";
        Self::start(&format!("{logs}{block}"), address, directory, Some(certified.cert.der().clone()))
    }

    /// The server of a site that shows its error pages and logs its pages.
    pub fn on_the_site_s_name(upstream: SocketAddr) -> Option<Self> {
        let [_, http, locations] = blocks();
        let address = ports::free();
        let http = replaced(http, UPSTREAM, &upstream.to_string());
        let http = replaced(&http, "/var/log/nginx/", "");
        let server = format!(
            "server {{\nlisten {address};\nserver_name stats.clinic.example;\nerror_page 400 403 404 413 414 494 /4xx.html;\n\
             error_page 500 502 503 504 /50x.html;\nlocation = /4xx.html {{ return 200 wrong; }}\n\
             location = /50x.html {{ return 200 broken; }}\nlocation / {{ return 200 page; }}\n{locations}}}\n"
        );
        Self::start(&format!("{http}{server}"), address, tempfile::tempdir().unwrap(), None)
    }

    fn start(
        http: &str,
        address: SocketAddr,
        directory: TempDir,
        trusted: Option<CertificateDer<'static>>,
    ) -> Option<Self> {
        let program = program()?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};\n"))
            .concat();
        let own = "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {}\n";
        let text = format!("{own}http {{\n{temporary}{http}\n}}\n");
        std::fs::write(directory.path().join("nginx.conf"), text).unwrap();
        let stderr = std::fs::File::create(directory.path().join("stderr")).unwrap();
        let child = Command::new(program)
            .arg("-p")
            .arg(directory.path())
            .args(["-c", "nginx.conf", "-e", "start.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut nginx = Self { address, child, directory, trusted };
        eventually("nginx listens", PATIENCE, || {
            let ended = nginx.child.try_wait().unwrap();
            assert!(ended.is_none(), "nginx ended:\n{}", nginx.written());
            std::net::TcpStream::connect(address).is_ok()
        });
        Some(nginx)
    }

    /// The status of the answer.
    pub fn exchange(&self, bytes: &[u8]) -> u16 {
        let answer = self.send(bytes, ANSWER_TIMEOUT);
        let status = answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {}\n{}", answer.escape_ascii(), self.written()))
    }

    /// Sends bytes from [`CLIENT`] and returns the first piece of the answer, or nothing if none comes in time.
    pub fn send(&self, bytes: &[u8], timeout: Duration) -> Vec<u8> {
        let client = Client::connect(self.address);
        client.0.set_read_timeout(Some(timeout)).unwrap();
        let mut answer = vec![0; 16 << 10];
        let length = match &self.trusted {
            None => talk(client.0, bytes, &mut answer),
            Some(trusted) => {
                let mut roots = RootCertStore::empty();
                roots.add(trusted.clone()).unwrap();
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::try_from("stats.clinic.example").unwrap();
                let connection = ClientConnection::new(Arc::new(config), name).unwrap();
                talk(StreamOwned::new(connection, client.0), bytes, &mut answer)
            }
        };
        answer.truncate(length);
        answer
    }

    pub fn access_log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("access.log")).unwrap_or_default()
    }

    /// Fails if any file holds the client's address or user agent.
    #[track_caller]
    pub fn assert_no_trace(&self, of: &str) {
        let written = self.written();
        for trace in [CLIENT.to_string(), USER_AGENT.to_owned()] {
            assert!(!written.contains(&trace), "{of}: {trace} is in\n{written}");
        }
    }

    /// Everything in its directory but its configuration.
    fn written(&self) -> String {
        fn add(directory: &Path, text: &mut String) {
            for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    add(&entry, text);
                } else if entry.extension().is_none_or(|extension| extension != "conf" && extension != "pem")
                {
                    let content = std::fs::read(&entry).unwrap_or_default();
                    *text += &format!("{}:\n{}\n", entry.display(), String::from_utf8_lossy(&content));
                }
            }
        }
        let mut text = String::new();
        add(self.directory.path(), &mut text);
        text
    }
}

/// Sends and reads once. A server may answer, or close, before it has read everything.
fn talk(mut stream: impl Read + Write, bytes: &[u8], answer: &mut [u8]) -> usize {
    let _ = stream.write_all(bytes);
    let _ = stream.flush();
    stream.read(answer).unwrap_or_default()
}

impl Drop for Nginx {
    fn drop(&mut self) {
        process::signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}
