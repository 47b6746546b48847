//! TLS: both protocols by ALPN, and replacement of the certificate while connections are open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use footfall::config;
use footfall::transport::tls::Certificates;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{TestServer, beacon};
use crate::common::eventually;

/// Writes a new certificate for `stats.example` and returns it.
fn certify(directory: &Path) -> CertificateDer<'static> {
    let certified = rcgen::generate_simple_self_signed(["stats.example".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    certified.cert.der().clone()
}

fn files(directory: &Path) -> config::TlsConfig {
    config::TlsConfig { certificate: directory.join("cert.pem"), key: directory.join("key.pem") }
}

async fn connect(
    server: &TestServer,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<Client> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(server.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("stats.example").unwrap(), stream).await
}

type Client = TlsStream<tokio::net::TcpStream>;

async fn ask(client: &mut Client) -> String {
    client.write_all(&beacon("", "good")).await.unwrap();
    let mut read = vec![0; 4096];
    let count = client.read(&mut read).await.unwrap();
    String::from_utf8_lossy(&read[..count]).into_owned()
}

#[test]
fn both_protocols_are_offered() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certify(directory.path());
    let server = TestServer::with(|options| options.transport.tls = Some(files(directory.path())));
    server.runtime.block_on(async {
        let mut client = connect(&server, &trusted, b"http/1.1").await.unwrap();
        assert!(ask(&mut client).await.starts_with("HTTP/1.1 204"));
        let client = connect(&server, &trusted, b"h2").await.unwrap();
        assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = hyper_util::rt::TokioIo::new(client);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let body = http_body_util::Full::new(hyper::body::Bytes::from_static(b"good"));
        let request = hyper::Request::post("https://stats.example/b").body(body).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 204);
    });
}

#[test]
fn a_new_certificate_serves_new_connections_and_old_ones_continue() {
    let directory = tempfile::tempdir().unwrap();
    let first = certify(directory.path());
    let server = TestServer::with(|options| options.transport.tls = Some(files(directory.path())));
    let certificates = server.running.as_ref().unwrap().certificates().unwrap().clone();
    server.runtime.spawn(async move { certificates.follow(Duration::from_millis(20)).await });
    server.runtime.block_on(async {
        let mut old = connect(&server, &first, b"http/1.1").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let second = certify(directory.path());
        let mut tries = 0;
        let mut new = loop {
            match connect(&server, &second, b"http/1.1").await {
                Ok(client) => break client,
                Err(error) => assert!(tries < 1000, "the new certificate is not used: {error}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(ask(&mut new).await.starts_with("HTTP/1.1 204"));
        assert!(ask(&mut old).await.starts_with("HTTP/1.1 204"));
        assert!(connect(&server, &first, b"http/1.1").await.is_err());
    });
}

#[test]
fn a_request_right_after_the_handshake_is_answered_though_a_drain_has_begun() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certify(directory.path());
    let mut server = TestServer::with(|options| options.transport.tls = Some(files(directory.path())));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client = connect(&server, &trusted, b"http/1.1").await.unwrap();
        let running = server.running.take().unwrap();
        let drain = server.runtime.spawn(running.drain());
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answer = ask(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 204") && answer.contains("connection: close"), "{answer}");
        drop(client);
        assert_eq!(drain.await.unwrap().aborted, 0);
    });
}

#[test]
fn plain_http_on_the_tls_port_is_closed_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    certify(directory.path());
    let server = TestServer::with(|options| options.transport.tls = Some(files(directory.path())));
    let mut http = server.connect();
    http.send(&beacon("", "good")).unwrap();
    assert!(http.answer().is_err());
    assert_eq!(server.fake.begun(), 0);
    eventually("it is counted", Duration::from_secs(30), || {
        server.metrics().contains("footfall_connections_failed_total 1")
    });
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let error = |files| Certificates::load(files).err().expect("it is refused").to_string();
    assert!(error(&files).contains("cert.pem"));
    certify(directory.path());
    let key = std::fs::read(&files.key).unwrap();
    std::fs::write(&files.key, "").unwrap();
    assert!(error(&files).contains("key.pem"));
    certify(directory.path());
    std::fs::write(&files.key, key).unwrap();
    assert!(error(&files).contains("does not belong to"), "{}", error(&files));
    std::fs::write(&files.certificate, "no PEM").unwrap();
    assert!(error(&files).contains("holds no certificate"), "{}", error(&files));
}
