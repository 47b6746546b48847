//! `footfall serve` as a process: its start, its signals, its end, and what it writes.

use std::io::Write;
use std::time::Duration;

use crate::common::{Collector, HttpConnection, StoreClient, eventually, good_beacon, http, ports, process};

const PATIENCE: Duration = Duration::from_secs(60);

/// A collector whose store does not exist.
fn without_store(settings: &str) -> Collector {
    Collector::shipping_to(StoreClient::without_password(ports::free()), settings)
}

fn post(target: &mut HttpConnection, body: &str) -> u16 {
    let request = format!(
        "POST /b HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (Unheard-Of 77)\r\nX-Forwarded-For: 203.0.113.77\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    target.send(request.as_bytes()).unwrap();
    target.answer().unwrap().status
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let (unread, log) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&log, rustix::fs::OFlags::NONBLOCK).unwrap();
    while (&log).write(&[b'x'; 4_096]).is_ok() {}
    rustix::fs::fcntl_setfl(&log, rustix::fs::OFlags::empty()).unwrap();
    let mut collector = without_store("");
    collector.start_logging_to(log);
    for seq in 0..3 {
        let answer = collector.beacon(&good_beacon("clinic", 77, seq, "/")).unwrap();
        assert_eq!(answer.status, 204);
    }
    drop(unread);
}

#[test]
fn beacons_are_taken_while_there_is_no_store_and_wait_for_it_after_the_end() {
    let mut collector = without_store("");
    collector.start();
    for seq in 0..3 {
        let answer = collector.beacon(&good_beacon("clinic", 77, seq, "/")).unwrap();
        assert_eq!(answer.status, 204);
    }
    let ready = http::get(collector.admin, "/readyz").unwrap();
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));
    assert_eq!(http::get(collector.admin, "/healthz").unwrap().status, 200);
    let metrics = collector.metrics();
    assert!(metrics.contains("footfall_events_accepted_total 3"), "{metrics}");
    assert!(metrics.contains("footfall_key_age_seconds"), "{metrics}");
    assert!(collector.terminate().success(), "{}", collector.log());
    let status = collector.command(&["spool", "status"]);
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(told.contains('3'), "the events wait in the spool: {told}");
}

#[test]
fn how_old_the_built_in_lists_are_is_told_in_the_log_in_metrics_and_by_the_check() {
    let mut collector = without_store("");
    collector.start();
    let (metrics, log) = (collector.metrics(), collector.log());
    let checked = collector.command(&["config", "check"]);
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    for list in ["isbot", "crawlers", "referrer-spam", "data-centres"] {
        assert!(metrics.contains(&format!("footfall_list_age_seconds{{list=\"{list}\"}} ")), "{metrics}");
        assert!(log.contains(list), "{log}");
        assert!(checked.contains(list), "{checked}");
    }
    assert!(checked.contains("crawler-user-agents (npm)") && checked.contains("MIT"), "{checked}");
}

/// Each of the operator's files knows one entry that the built-in list lacks.
#[test]
fn lists_in_files_are_used_and_read_again_at_sighup() {
    let mut collector = without_store("");
    let file = collector.path("footfall.toml");
    let list = collector.path("isbot.txt");
    std::fs::write(&list, "# version: 77\nnosuchfirst\n").unwrap();
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("\n[[site]]\nid = \"no-bots\"\nhosts = [\"clinic.example\"]\ndrop_bots = true\n");
    text.push_str(&format!("\n[lists]\nisbot = \"{}\"\n", list.display()));
    std::fs::write(&file, text).unwrap();
    collector.start();
    let mut seq = 0;
    let mut dropped = |name: &str| {
        seq += 1;
        let headers = format!("User-Agent: {name}/1.0 Chrome/140.0\r\n");
        let beacon = good_beacon("no-bots", 9, seq, "/");
        let answer = http::post(collector.listen, "/b", &headers, beacon.as_bytes()).unwrap();
        answer.header("x-footfall-dropped").is_some_and(|dropped| dropped.contains("bot=1"))
    };
    assert!(dropped("NoSuchFirst"));
    assert!(!dropped("NoSuchSecond"));
    assert!(collector.log().contains("isbot 77"), "{}", collector.log());

    std::fs::write(&list, "nosuchsecond\n").unwrap();
    process::signal(collector.pid(), process::Signal::HUP);
    eventually("the new list is used", PATIENCE, || dropped("NoSuchSecond"));
    assert!(!dropped("NoSuchFirst"));

    std::fs::write(&list, "nosuchsecond\n\nno(such\n").unwrap();
    process::signal(collector.pid(), process::Signal::HUP);
    eventually("the wrong line is reported", PATIENCE, || collector.log().contains("isbot.txt: line 3: "));
    assert!(dropped("NoSuchSecond"), "and changes nothing");
    let checked = collector.command(&["config", "check"]);
    assert_eq!(checked.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("isbot.txt: line 3: "), "{checked:?}");
}

#[test]
fn new_sites_are_taken_up_without_dropping_a_connection() {
    let mut collector = without_store("");
    collector.start();
    let mut open = HttpConnection::connect(collector.listen).unwrap();
    let beacon = good_beacon("other", 1, 0, "/").replace("clinic.example", "other.example");
    assert_eq!(post(&mut open, &beacon), 403);
    let file = collector.path("footfall.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{before}\n[[site]]\nid = \"other\"\nhosts = [\"other.example\"]\n"))
        .unwrap();
    process::signal(collector.pid(), process::Signal::HUP);
    eventually("the new site is taken up", PATIENCE, || post(&mut open, &beacon) == 204);
    std::fs::write(&file, "listen = 7").unwrap();
    process::signal(collector.pid(), process::Signal::HUP);
    eventually("the wrong file is reported", PATIENCE, || collector.log().contains("stays in use"));
    assert_eq!(post(&mut open, &beacon), 204, "and changes nothing");
}

#[test]
fn a_proxy_that_is_not_trusted_is_logged_once() {
    let mut collector = without_store("trusted_proxies = []\n");
    collector.start();
    let warning = || collector.log().matches("outside `trusted_proxies`").count();
    let send = |headers: &str| {
        let seq = warning() as u32;
        let beacon = good_beacon("clinic", 9, seq, "/");
        http::post(collector.listen, "/b", headers, beacon.as_bytes()).unwrap().status
    };
    assert_eq!(send(""), 204);
    assert_eq!(warning(), 0);
    for client in ["203.0.113.7", "203.0.113.8, 203.0.113.9", "nonsense"] {
        send(&format!("X-Forwarded-For: {client}\r\n"));
        eventually("the warning is logged", PATIENCE, || warning() == 1);
    }
    assert!(!collector.log().contains("203.0.113"), "{}", collector.log());
}

#[test]
fn a_pixel_s_page_may_have_any_bytes_in_its_address() {
    let mut collector = without_store("");
    collector.start();
    for path in ["/врачи".as_bytes(), b"/\xe2\xf0\xe0\xf7\xe8", b"/%D0%B2?x=\xff\xfe#\x80", b"/plain"] {
        let mut request = b"GET /b.gif?s=clinic HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: https://clinic.example".to_vec();
        request.extend_from_slice(path);
        request.extend_from_slice(b"\r\n\r\n");
        let answer = http::exchange(collector.listen, &request).unwrap();
        assert_eq!(answer.status, 200, "{}: {}", path.escape_ascii(), answer.text());
    }
    let foreign = b"GET /b.gif?s=clinic HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: https://\xe2.example/\r\n\r\n";
    assert_eq!(http::exchange(collector.listen, foreign).unwrap().status, 403);
}

#[test]
fn what_it_writes_holds_no_address_and_no_user_agent() {
    let mut collector = without_store("");
    collector.start();
    let mut http = HttpConnection::connect(collector.listen).unwrap();
    for (body, status) in [
        (good_beacon("clinic", 5, 0, "/?token=s3cr3t77"), 204),
        (good_beacon("nobody", 5, 1, "/"), 403),
        ("{".to_owned(), 400),
    ] {
        assert_eq!(post(&mut http, &body), status, "{body}");
    }
    let metrics = collector.metrics();
    assert!(collector.terminate().success());
    let mut written = metrics.into_bytes();
    written.extend(collector.log().into_bytes());
    let mut directories = vec![collector.data()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => directories.push(entry.path()),
                false => written.extend(std::fs::read(entry.path()).unwrap()),
            }
        }
    }
    for secret in ["203.0.113.77", "Unheard-Of", "s3cr3t77"] {
        assert!(memchr::memmem::find(&written, secret.as_bytes()).is_none(), "{secret} was written");
    }
    let packed = [203, 0, 113, 77];
    assert!(memchr::memmem::find(&written, &packed).is_none(), "the address was written in binary");
}

#[test]
fn what_cannot_start_says_why() {
    let mut collector = without_store("");
    collector.start();
    let file = std::fs::read_to_string(collector.path("footfall.toml")).unwrap();
    let other = without_store("");
    let taken = file.replace(&collector.data().display().to_string(), &other.data().display().to_string());
    std::fs::write(other.path("footfall.toml"), taken).unwrap();
    let output = other.command(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("line 1: listen: cannot listen on"), "{told}");
    std::fs::write(other.path("footfall.toml"), "listen = 7\nnonsense = 1\n").unwrap();
    let output = other.command(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("line 1") && told.contains("nonsense"), "{told}");
}
