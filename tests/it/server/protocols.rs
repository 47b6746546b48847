//! HTTP/1.1 (keep-alive, pipelining, HEAD, 100-continue), HTTP/1.0, and HTTP/2 without TLS.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};

use footfall::transport::bounds::{MAX_PROXY_STREAMS, MAX_WAITING_BODIES};

use super::{TestServer, beacon};

#[test]
fn a_connection_carries_sequential_and_pipelined_requests() {
    let server = TestServer::start();
    let mut http = server.connect();
    for _ in 0..3 {
        http.send(&beacon("", "good")).unwrap();
        assert_eq!(http.answer().unwrap().status, 204);
    }
    let mut pipeline = Vec::new();
    for text in ["good", "malformed", "bot", "unknown", "good"] {
        pipeline.extend(beacon("", text));
    }
    pipeline.extend(b"GET /s.js HTTP/1.1\r\nHost: x\r\n\r\n");
    http.send(&pipeline).unwrap();
    let statuses: Vec<u16> = (0..6).map(|_| http.answer().unwrap().status).collect();
    assert_eq!(statuses, [204, 400, 204, 403, 204, 200]);
}

#[test]
fn a_long_pipeline_is_answered_in_order() {
    let server = TestServer::start();
    let mut http = server.connect();
    let mut pipeline = Vec::new();
    for number in 0..500 {
        pipeline.extend(beacon("", if number % 2 == 0 { "good" } else { "unknown" }));
    }
    http.send(&pipeline).unwrap();
    for number in 0..500 {
        assert_eq!(http.answer().unwrap().status, if number % 2 == 0 { 204 } else { 403 });
    }
}

#[test]
fn a_client_that_closes_its_sending_side_still_gets_its_response() {
    let server = TestServer::start();
    let mut http = server.connect();
    http.send(&beacon("", "wait")).unwrap();
    http.shutdown_write().unwrap();
    server.fake.release(1);
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn head_gets_the_response_to_get_without_its_body() {
    let server = TestServer::start();
    for path in ["/s.js", "/", "/b.gif", "/nothing"] {
        let mut http = server.connect();
        http.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let get = http.answer().unwrap();
        http.send(
            format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
        )
        .unwrap();
        http.shutdown_write().unwrap();
        let raw = http.read_to_end().unwrap();
        let text = String::from_utf8_lossy(&raw);
        let (head, next) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", get.body.len())), "{path}: {head}");
        assert!(head.starts_with(&format!("HTTP/1.1 {}", get.status)), "{path}: {head}");
        assert!(next.starts_with("HTTP/1.1 200"), "{path}: the next answer follows at once: {next}");
    }
}

#[test]
fn expect_100_continue_is_answered_only_for_an_acceptable_body() {
    let server = TestServer::start();
    let mut http = server.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").unwrap();
    assert_eq!(http.answer().unwrap().status, 100);
    http.send(b"good").unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
    let mut http = server.connect();
    let large = "POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n";
    http.send(large.as_bytes()).unwrap();
    assert_eq!(http.answer().unwrap().status, 413);
}

#[test]
fn http_1_0_needs_no_host_and_closes() {
    let server = TestServer::start();
    let mut http = server.connect();
    http.send(b"POST /b HTTP/1.0\r\nContent-Length: 4\r\n\r\ngood").unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
    assert!(http.answer().is_err());
}

#[test]
fn a_request_that_comes_byte_by_byte_is_read() {
    let server = TestServer::start();
    let mut http = server.connect();
    for byte in beacon("", "good") {
        http.send(&[byte]).unwrap();
    }
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn http_2_works_with_prior_knowledge() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = |method: &str, path: &str, body: &'static str| {
            let uri = format!("http://stats.example{path}");
            Request::builder()
                .method(method)
                .uri(uri)
                .body(Full::new(Bytes::from_static(body.as_bytes())))
                .unwrap()
        };
        let answers: Vec<_> = ["good", "unknown", "malformed"]
            .map(|text| sender.send_request(request("POST", "/b", text)))
            .into();
        let mut statuses = Vec::new();
        for answer in answers {
            let answer = answer.await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            statuses.push(answer.status().as_u16());
        }
        assert_eq!(statuses, [204, 403, 400]);
        let head = sender.send_request(request("HEAD", "/s.js", "")).await.unwrap();
        let get = sender.send_request(request("GET", "/s.js", "")).await.unwrap();
        assert_eq!(head.headers()["content-length"], get.headers()["content-length"]);
        assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
        assert!(!get.into_body().collect().await.unwrap().to_bytes().is_empty());
        let large = Full::new(Bytes::from(vec![b'x'; 64 * 1024 + 1]));
        let large = Request::post("http://stats.example/b").body(large).unwrap();
        assert_eq!(sender.send_request(large).await.unwrap().status(), 413);
    });
}

#[test]
fn an_idle_http_2_connection_is_closed_and_a_drain_ends_the_others() {
    let mut server =
        TestServer::with(|options| options.transport.timeouts.idle = std::time::Duration::from_millis(200));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let connect = async || {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
            TokioExecutor::new(),
            TokioIo::new(stream),
        )
        .await
        .unwrap();
        (sender, tokio::spawn(connection))
    };
    let beacon = |text: &'static str| {
        Request::post("http://stats.example/b").body(Full::new(Bytes::from_static(text.as_bytes()))).unwrap()
    };
    runtime.block_on(async {
        let (mut sender, connection) = connect().await;
        assert_eq!(sender.send_request(beacon("good")).await.unwrap().status(), 204);
        // Resolves after the server sent GOAWAY.
        let _ = connection.await.unwrap();
        let (mut sender, connection) = connect().await;
        let waiting = tokio::spawn(sender.send_request(beacon("wait")));
        while server.fake.begun() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let running = server.running.take().unwrap();
        let drain = server.runtime.spawn(running.drain());
        server.fake.release(1);
        assert_eq!(waiting.await.unwrap().unwrap().status(), 204);
        let _ = connection.await.unwrap();
        assert_eq!(drain.await.unwrap().aborted, 0);
    });
}

#[test]
fn a_503_for_too_many_waiting_bodies_is_counted_as_503() {
    const STREAMS: usize = MAX_PROXY_STREAMS as usize;
    // A trusted proxy may open the most streams.
    let server =
        TestServer::with(|options| options.transport.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    server.runtime.block_on(async {
        let mut waiting = Vec::new();
        for _ in 0..MAX_WAITING_BODIES.div_ceil(STREAMS) + 1 {
            let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
            // No response body may be sent.
            let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(0)
                .handshake(TokioIo::new(stream))
                .await
                .unwrap();
            tokio::spawn(connection);
            for _ in 0..STREAMS.min(MAX_WAITING_BODIES + 1 - waiting.len()) {
                let request = Request::get("http://stats.example/").body(Full::<Bytes>::default()).unwrap();
                waiting.push((sender.send_request(request).await.unwrap(), sender.clone()));
            }
        }
        let mut statuses = waiting.iter().map(|(answer, _)| answer.status().as_u16());
        assert!(statuses.by_ref().take(MAX_WAITING_BODIES).all(|status| status == 200));
        assert_eq!(statuses.collect::<Vec<_>>(), [503]);
    });
    let metrics = server.metrics();
    for line in [
        format!("footfall_requests_total{{route=\"other\",status=\"200\"}} {MAX_WAITING_BODIES}"),
        "footfall_requests_total{route=\"other\",status=\"503\"} 1".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}
