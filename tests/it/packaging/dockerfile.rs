//! `deploy/Dockerfile`: its stages are carried out as far as no registry is needed, and the image that comes out accepts beacons.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::debian;
use super::endpoints::Endpoints;
use super::image::{Builder, stages};
use crate::common::process::{self, Signal};
use crate::common::{allowed, eventually};

const DOCKERFILE: &str = include_str!("../../../deploy/Dockerfile");
const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn every_image_is_pinned_to_the_debian_that_the_program_is_built_on() {
    let stages = stages(DOCKERFILE);
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    let images: Vec<&str> =
        stages.iter().map(|stage| stage.from.as_str()).filter(|from| !names.contains(from)).collect();
    for image in &images {
        assert!(image.rsplit('/').next().is_some_and(|name| name.contains(':')), "{image} has no tag");
        assert!(image.contains("bookworm") || image.contains("debian12"), "{image}");
    }
    let rust = format!("docker.io/library/rust:{}-slim-bookworm", env!("CARGO_PKG_RUST_VERSION"));
    assert!(images.contains(&&*rust), "{rust} is not the image that builds");
}

#[test]
fn the_engine_is_the_one_that_the_program_takes() {
    let url = clickhouse_embedded::install::url().expect("a package is pinned for Linux on x86-64");
    assert!(DOCKERFILE.contains(&format!("ARG ENGINE={url}\n")), "{url}");
    // No image has npm.
    assert!(!DOCKERFILE.contains("npm ") && !DOCKERFILE.contains("node:"), "{DOCKERFILE}");
}

/// A `cargo` that builds as this test was built: what is compiled already is used, and nothing is optimised for minutes.
fn write_cargo(directory: &Path) -> PathBuf {
    let cargo = std::env::var("CARGO").expect("cargo test sets it");
    let path = directory.join("cargo");
    let script = format!(
        "#!/bin/sh\nfor word do shift; [ \"$word\" = --release ] || set -- \"$@\" \"$word\"; done\n'{cargo}' \"$@\"\n\
         rm -rf target/release && ln -s debug target/release\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Gives the build stage the toolchain, the crates and the compiled dependencies of this machine, without changing them.
fn use_this_machine_s_toolchain(builder: &mut Builder, scratch: &Path) {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let toolchain = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cargo"),
        PathBuf::from,
    );
    let cargo = write_cargo(scratch);
    let target = Path::new(FOOTFALL).parent().and_then(Path::parent).unwrap();
    let overlay = |of: &Path, at: &str| {
        let name = at.replace('/', "-");
        format!(
            "mkdir -p \"$ROOT{at}\" \"$SCRATCH/upper{name}\" \"$SCRATCH/work{name}\"
             mount -t overlay overlay -o \"lowerdir={},upperdir=$SCRATCH/upper{name},workdir=$SCRATCH/work{name}\" \"$ROOT{at}\"\n",
            of.display()
        )
    };
    builder.mounts = format!(
        "mkdir -p \"$ROOT{toolchain}\"\nmount --bind '{toolchain}' \"$ROOT{toolchain}\"\n\
         touch \"$ROOT/usr/local/bin/cargo\"\nmount --bind '{}' \"$ROOT/usr/local/bin/cargo\"\n{}{}",
        cargo.display(),
        overlay(&home, &home.display().to_string()),
        overlay(target, "/src/target"),
    );
    let path = format!("/usr/local/bin:{toolchain}/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    builder.variables = [
        ("PATH", path),
        ("CARGO_HOME", home.display().to_string()),
        ("CARGO_NET_OFFLINE", "true".to_owned()),
        ("CARGO_INCREMENTAL", "0".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
}

/// Kills it, or an image that a failed test started would go on.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_stages_build_and_the_image_runs_read_only_and_stores_events() {
    if debian::root().is_none() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(scratch.path());
    let stages = stages(DOCKERFILE);
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["build", "engine", "collector", ""]);

    use_this_machine_s_toolchain(&mut builder, scratch.path());
    builder.build(&stages[0]);

    // The package of 178 MB is not downloaded. An archive that someone fetched is unpacked, otherwise the engine is there already.
    builder.variables.clear();
    let engine = footfall::store::embedded::library().expect("make engine");
    let cached =
        format!("/out/cache/footfall/{}", engine.parent().unwrap().file_name().unwrap().to_str().unwrap());
    builder.mounts = match std::env::var_os("TEST_ENGINE_ARCHIVE") {
        Some(archive) => {
            builder.downloads = archive.into();
            String::new()
        }
        None => {
            fs::write(&builder.downloads, "no archive").unwrap();
            // What stands for it in the image is replaced when that runs: it has 560 MB.
            format!("mkdir -p \"$ROOT{cached}\"\ntouch \"$ROOT{cached}/libchdb.so\"\n")
        }
    };
    builder.build(&stages[1]);
    builder.mounts.clear();
    builder.build(&stages[2]);
    let image = builder.build(&stages[3]);

    let endpoints = Endpoints::new();
    let path = |name: &str| scratch.path().join(name);
    fs::create_dir(path("data")).unwrap();
    fs::create_dir(path("container")).unwrap();
    fs::write(path("footfall.toml"), endpoints.configuration()).unwrap();
    let log = fs::File::create(path("log")).unwrap();
    let installed = cached.replace("/out/cache", "/opt/cache");
    let mounts = match std::env::var_os("TEST_ENGINE_ARCHIVE") {
        Some(_) => String::new(),
        None => format!("mount --bind '{}' \"$ROOT{installed}/libchdb.so\"", engine.display()),
    };
    let started = image.start(&path("container"), &path("data"), &path("footfall.toml"), &mounts, log);
    let mut running = Running(started);
    let log = || fs::read_to_string(path("log")).unwrap_or_default();
    eventually("the image accepts beacons", PATIENCE, || {
        let ended = running.0.try_wait().unwrap();
        assert!(ended.is_none(), "the image ended with {ended:?}:\n{}", log());
        endpoints.beacon(1) == 204
    });
    let began = Instant::now();
    while endpoints.events() < 1 {
        assert!(began.elapsed() < allowed(PATIENCE), "the event is not stored:\n{}", log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    for line in ["Uid:\t65532\t65532\t65532\t65532", "NoNewPrivs:\t1", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    assert_eq!(endpoints.metric("footfall_key_locked"), Some(1.0));
    process::signal(running.0.id(), Signal::TERM);
    let status = running.0.wait().unwrap();
    assert!(status.success(), "{status}:\n{}", log());
}
