//! The Debian package of `tools/deb/build`: installed, started, upgraded, removed and purged under systemd.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::debian::{Container, SHARED};
use super::endpoints::Endpoints;
use crate::common::eventually;

const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/deb/build");
const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");
const UNITS: [&str; 4] =
    ["footfall.service", "footfall.socket", "footfall-key-expire.service", "footfall-key-expire.timer"];
/// How long an event may take into the store on a machine that is busy with other tests.
const STORED: Duration = Duration::from_secs(90);

/// Builds the package in a directory. It is not compressed, which would take longer than all that is tested.
fn build(directory: &Path) -> PathBuf {
    let output =
        Command::new(BUILD).arg(FOOTFALL).arg(directory).env("DEB_COMPRESSION", "none").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

fn dpkg_deb(arguments: &[&str], package: &Path) -> String {
    let output = Command::new("dpkg-deb").args(arguments).arg(package).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_package_holds_units_user_configuration_manual_and_completions() {
    let directory = tempfile::tempdir().unwrap();
    let package = build(directory.path());
    let contents = dpkg_deb(&["--contents"], &package);
    for file in [
        "usr/bin/footfall",
        "usr/lib/systemd/system/footfall.service",
        "usr/lib/systemd/system/footfall.socket",
        "usr/lib/systemd/system/footfall-key-expire.service",
        "usr/lib/systemd/system/footfall-key-expire.timer",
        "usr/lib/sysusers.d/footfall.conf",
        "etc/footfall/footfall.toml",
        "usr/share/man/man1/footfall.1.gz",
        "usr/share/man/man1/footfall-spool-discard.1.gz",
        "usr/share/bash-completion/completions/footfall",
        "usr/share/zsh/vendor-completions/_footfall",
        "usr/share/fish/vendor_completions.d/footfall.fish",
        "usr/share/doc/footfall/docs/operations/runbook.md",
        "usr/share/doc/footfall/deploy/prometheus/rules.yml",
        "usr/share/doc/footfall/copyright",
    ] {
        assert!(
            contents.lines().any(|line| line.ends_with(&format!(" ./{file}"))),
            "{file} is not in\n{contents}"
        );
    }
    // Every file belongs to root, and nobody else may write to it.
    for line in contents.lines() {
        let mode = line.split(' ').next().unwrap();
        assert!(line.contains(" root/root "), "{line}");
        assert!(mode.starts_with('l') || mode.as_bytes()[5] == b'-' && mode.as_bytes()[8] == b'-', "{line}");
    }
    let control = dpkg_deb(&["--field"], &package);
    assert!(control.contains(concat!("\nVersion: ", env!("CARGO_PKG_VERSION"), "\n")), "{control}");
    assert!(control.contains("\nDepends: libc6 (>= 2."), "{control}");
    // The paths of an installation by hand are not in the units.
    let unpacked = directory.path().join("unpacked");
    dpkg_deb(&["--extract", package.to_str().unwrap()], &unpacked);
    for unit in UNITS {
        let text = std::fs::read_to_string(unpacked.join("usr/lib/systemd/system").join(unit)).unwrap();
        assert!(!text.contains("/usr/local") && !text.contains("#   "), "{text}");
        assert!(text.contains("[Unit]"), "{text}");
    }
}

#[test]
fn the_package_is_installed_started_upgraded_removed_and_purged() {
    let engine = footfall::store::embedded::library().expect("make engine");
    let engine = engine.parent().unwrap();
    let there = format!("{SHARED}/engine");
    let Some(container) = Container::boot(&[(engine, &there)]) else { return };
    let endpoints = Endpoints::new();
    let package = build(&container.path("."));
    let package = format!("{SHARED}/{}", package.file_name().unwrap().to_str().unwrap());

    let said = container.done(&format!("dpkg --install {package}"));
    assert!(said.contains("Name your sites in /etc/footfall/footfall.toml"), "{said}");
    assert_eq!(container.done("stat --format=%U:%G:%a /etc/footfall/footfall.toml"), "root:footfall:640");
    assert_eq!(container.done("getent passwd footfall | cut -d : -f 7"), "/usr/sbin/nologin");
    assert_eq!(container.property("footfall", "ActiveState"), "inactive", "the sites are not named yet");
    for unit in UNITS {
        let verified = container.run(&format!("systemd-analyze verify /usr/lib/systemd/system/{unit}"));
        assert_eq!((verified.status.success(), &*verified.stderr), (true, &b""[..]), "{verified:?}");
    }
    container
        .done("bash -c 'source /usr/share/bash-completion/completions/footfall && complete -p footfall'");

    let cached = format!("/var/cache/footfall/{}", engine.file_name().unwrap().to_str().unwrap());
    std::fs::write(container.path("own.toml"), endpoints.configuration()).unwrap();
    container.done(&format!(
        "mkdir -p /var/cache/footfall && ln -s {there} {cached}
         XDG_CACHE_HOME=/var/cache footfall config check --config /etc/footfall/footfall.toml
         cat own.toml > /etc/footfall/footfall.toml
         systemctl enable --now footfall footfall-key-expire.timer"
    ));
    assert_eq!(endpoints.beacon(1), 204, "{}", container.journal());
    eventually("the event is stored", STORED, || endpoints.events() == 1);

    container.done("systemctl start footfall-key-expire.service");
    let pid = container.property("footfall", "MainPID");
    container.done(&format!("dpkg --install {package}"));
    assert_ne!(container.property("footfall", "MainPID"), pid, "an upgrade starts the new program");
    assert_eq!(container.done("stat --format=%U:%G:%a /etc/footfall/footfall.toml"), "root:footfall:640");
    assert_eq!(endpoints.beacon(2), 204, "and keeps the settings: {}", container.journal());
    eventually("the event is stored", STORED, || endpoints.events() == 2);

    container.done("dpkg --remove footfall");
    assert_eq!(endpoints.beacon(3), 0, "nothing listens any more");
    assert_ne!(container.property("footfall-key-expire.timer", "ActiveState"), "active");
    container.done("test -e /etc/footfall/footfall.toml && test -d /var/lib/footfall/spool");
    let said = container.done("dpkg --purge footfall");
    assert!(said.contains("/var/lib/footfall keeps its events"), "{said}");
    container.done(
        "test ! -e /etc/footfall && test ! -e /var/cache/footfall && test ! -e /run/footfall
         test -d /var/lib/footfall/spool
         test -z \"$(find / -xdev -path /proc -prune -o -path /mnt -prune -o -path /var/lib -prune -o -name '*footfall*' -print)\"",
    );
}
