//! `deploy/footfall.service` under systemd 252, installed as its head says.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::debian::{Container, SHARED};
use super::endpoints::Endpoints;
use crate::common::{SetOnDrop, allowed, eventually};
use crate::deploy::unit_file::install_commands;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");
/// How long an event may take into the store on a machine that is busy with other tests.
const STORED: Duration = Duration::from_secs(90);
const PATIENCE: Duration = Duration::from_secs(60);

/// A container with what a release has. Nothing is installed yet.
fn with_release(endpoints: &Endpoints) -> Option<Container> {
    let engine = footfall::store::embedded::library().expect("make engine");
    let engine = engine.parent().unwrap();
    // A library that is there need not be downloaded.
    let cached = format!("/var/cache/footfall/{}", engine.file_name().unwrap().to_str().unwrap());
    let program = format!("{SHARED}/footfall");
    let container = Container::boot(&[(Path::new(FOOTFALL), &program), (engine, &cached)])?;
    let deploy = container.path("deploy");
    std::fs::create_dir(&deploy).unwrap();
    for entry in std::fs::read_dir(DEPLOY).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::copy(&entry, deploy.join(entry.file_name().unwrap())).unwrap();
        }
    }
    // The container has the network of this machine, so the ports must be free here.
    std::fs::write(deploy.join("footfall.toml"), endpoints.configuration()).unwrap();
    Some(container)
}

#[test]
fn the_unit_s_install_steps_lead_to_a_service_that_stores_events_reloads_and_is_watched() {
    let endpoints = Endpoints::new();
    let Some(container) = with_release(&endpoints) else { return };
    let unit = std::fs::read_to_string(Path::new(DEPLOY).join("footfall.service")).unwrap();
    for step in install_commands(&unit) {
        container.done(step);
    }

    // `systemctl enable --now` returned, so it listens.
    assert_eq!(container.property("footfall", "ActiveState"), "active");
    assert_eq!(endpoints.beacon(1), 204, "{}", container.journal());
    eventually("the event is stored", STORED, || endpoints.events() == 1);
    let pid = container.property("footfall", "MainPID");
    let status = container.done(&format!("cat /proc/{pid}/status"));
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    assert_eq!(
        container.done(&format!("stat --format=%U /proc/{pid}/stat")),
        "root",
        "it forbids core dumps"
    );
    assert!(
        status.lines().any(|line| line.starts_with("Uid:\t") && !line.starts_with("Uid:\t0")),
        "{status}"
    );
    assert_eq!(endpoints.metric("footfall_key_locked"), Some(1.0), "{}", container.journal());
    // What the process knows of itself, though other users' processes are hidden and it cannot be dumped.
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"] {
        assert!(endpoints.metric(name).is_some_and(|value| value > 0.0), "{name}");
    }
    assert_eq!(container.property("footfall", "MemorySwapMax"), "0");
    let shown = container.done("systemctl status --no-pager footfall");
    assert!(shown.contains("Status: \"accepting beacons"), "{shown}");

    assert_eq!(container.property("footfall-key-expire.timer", "ActiveState"), "active");
    container.done("systemctl start footfall-key-expire.service");
    assert_eq!(container.property("footfall-key-expire", "Result"), "success", "{}", container.journal());

    reload(&container, &endpoints);
    end_a_process_that_hangs(&container, &endpoints);

    container.done("systemctl stop footfall");
    assert_eq!(container.property("footfall", "Result"), "success", "{}", container.journal());
}

fn reload(container: &Container, endpoints: &Endpoints) {
    let pid = container.property("footfall", "MainPID");
    let add =
        "printf '[[site]]\\nid = \"other\"\\nhosts = [\"other.example\"]\\n' >> /etc/footfall/footfall.toml";
    container.done(&format!("{add}\nsystemctl reload footfall"));
    eventually("the site is reloaded", PATIENCE, || {
        container.property("footfall", "StatusText") == "reloaded"
            || container.journal().contains("sites reloaded")
    });
    assert_eq!(container.property("footfall", "MainPID"), pid);
    assert_eq!(endpoints.metric("footfall_config_last_reload_successful"), Some(1.0));
}

/// The unit waits for a minute; the test for some seconds.
fn end_a_process_that_hangs(container: &Container, endpoints: &Endpoints) {
    assert_eq!(container.property("footfall", "WatchdogUSec"), "1min");
    container.done(
        "mkdir -p /etc/systemd/system/footfall.service.d
         printf '[Service]\\nWatchdogSec=10\\n' > /etc/systemd/system/footfall.service.d/watchdog.conf
         systemctl daemon-reload
         systemctl restart footfall",
    );
    // It is fed, or it would be killed in this time.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(12) {
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(container.property("footfall", "NRestarts"), "0", "{}", container.journal());
    assert_eq!(endpoints.beacon(2), 204);
    let pid = container.property("footfall", "MainPID");
    container.done(&format!("kill -STOP {pid}"));
    eventually("it is started again", allowed(PATIENCE), || {
        container.property("footfall", "NRestarts") == "1"
    });
    assert!(container.journal().contains("Failed with result 'watchdog'"), "{}", container.journal());
    eventually("it accepts beacons", PATIENCE, || endpoints.beacon(3) == 204);
    eventually("no acknowledged event is lost", STORED, || endpoints.events() == 3);
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_little_exposed() {
    let Some(container) = with_release(&Endpoints::new()) else { return };
    container.done("cp footfall /usr/local/bin/ && cp deploy/footfall.service /etc/systemd/system/");
    let verified = container.run("systemd-analyze verify /etc/systemd/system/footfall.service");
    assert_eq!((verified.status.success(), &*verified.stderr), (true, &b""[..]), "{verified:?}");
    // From 0, nothing, to 10, everything.
    container.done("systemctl daemon-reload && systemd-analyze security --threshold=20 footfall.service");
}

/// Clients that send beacons at the same time.
const VISITORS: u64 = 4;

/// A port below 1024 that nothing listens on.
fn low_port() -> u16 {
    let mut ports = (600..1_000).filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    ports.next().expect("a low port is free")
}

#[test]
fn with_the_socket_unit_a_restart_refuses_nobody_and_a_low_port_needs_no_capability() {
    let mut endpoints = Endpoints::new();
    let Some(container) = with_release(&endpoints) else { return };
    let unit = std::fs::read_to_string(Path::new(DEPLOY).join("footfall.service")).unwrap();
    for step in install_commands(&unit) {
        container.done(step);
    }
    endpoints.listen.set_port(low_port());
    let socket = std::fs::read_to_string(Path::new(DEPLOY).join("footfall.socket")).unwrap();
    let port = format!("ListenStream={}", endpoints.listen);
    std::fs::write(container.path("deploy/footfall.socket"), socket.replace("ListenStream=8080", &port))
        .unwrap();
    let drop_in = "[Service]\\nAmbientCapabilities=\\nCapabilityBoundingSet=\\n";
    container.done(&format!(
        "mkdir -p /etc/systemd/system/footfall.service.d
         printf '{drop_in}' > /etc/systemd/system/footfall.service.d/override.conf"
    ));
    for step in install_commands(&socket).into_iter().filter(|step| !step.starts_with("systemctl edit")) {
        container.done(step);
    }
    assert_eq!(endpoints.beacon(1), 204, "{}", container.journal());
    let pid = container.property("footfall", "MainPID");
    let status = container.done(&format!("cat /proc/{pid}/status"));
    assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");

    // Visitors come while it is restarted, twice.
    let answers = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _is_over = SetOnDrop(&is_over);
        for visitor in 1..=VISITORS {
            let (endpoints, answers, is_over) = (&endpoints, &answers, &is_over);
            scope.spawn(move || {
                for page_load in 1.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let status = endpoints.beacon(visitor * 1_000_000 + page_load);
                    answers.lock().unwrap().push(status);
                }
            });
        }
        let wait_for_more = || {
            let before = answers.lock().unwrap().len();
            eventually("more are answered", PATIENCE, || answers.lock().unwrap().len() > before + 50);
        };
        wait_for_more();
        for _ in 0..2 {
            container.done("systemctl restart footfall");
            wait_for_more();
        }
    });
    let answers = answers.into_inner().unwrap();
    let refused: Vec<_> = answers.iter().filter(|status| **status != 204).collect();
    assert!(refused.is_empty(), "{refused:?} of {}\n{}", answers.len(), container.journal());
    assert_ne!(container.property("footfall", "MainPID"), pid);
    let expected = answers.len() as u64 + 1;
    eventually("every event is stored once", STORED, || endpoints.events() == expected);
    let verified = container.run("systemd-analyze verify /etc/systemd/system/footfall.socket");
    assert_eq!((verified.status.success(), &*verified.stderr), (true, &b""[..]), "{verified:?}");
}
