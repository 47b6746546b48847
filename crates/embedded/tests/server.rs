//! The real engine under supervision. The library is found as `install` leaves it; without it the tests fail and say so.

// A test that cannot go on fails, and says where.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clickhouse_embedded::{Confinement, NotReady, Options, Server, User, install, sandbox};

const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    clickhouse_embedded::run_engine_if_requested();
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let tests: &[(&str, fn())] = &[
        ("a_user_reads_and_writes_what_it_was_granted", a_user_reads_and_writes_what_it_was_granted),
        ("a_port_that_is_taken_is_named", a_port_that_is_taken_is_named),
        ("a_data_directory_serves_one_process", a_data_directory_serves_one_process),
        ("a_killed_engine_is_started_again", a_killed_engine_is_started_again),
        ("an_engine_ends_with_the_program_that_started_it", an_engine_ends_with_the_program_that_started_it),
        (
            "a_server_that_is_stopped_at_any_moment_of_its_start_ends",
            a_server_that_is_stopped_at_any_moment_of_its_start_ends,
        ),
        (
            "an_engine_that_hangs_is_killed_and_started_again",
            an_engine_that_hangs_is_killed_and_started_again,
        ),
        ("a_full_disk_fails_inserts_and_loses_nothing", a_full_disk_fails_inserts_and_loses_nothing),
        ("a_server_starts_again_and_again", a_server_starts_again_and_again),
        ("a_confined_process_keeps_to_its_directory", a_confined_process_keeps_to_its_directory),
        ("no_statement_reads_a_file", no_statement_reads_a_file),
        ("an_engine_that_cannot_load_its_tables_says_so", an_engine_that_cannot_load_its_tables_says_so),
        ("the_null_device_stays_as_it_is", the_null_device_stays_as_it_is),
        ("the_session_of_the_engine_is_closed_to_clients", the_session_of_the_engine_is_closed_to_clients),
        ("a_library_that_cannot_be_loaded_is_named", a_library_that_cannot_be_loaded_is_named),
    ];
    let mut passed = 0;
    for (name, test) in tests.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only)))
    {
        println!("test {name} ...");
        test();
        passed += 1;
    }
    println!("{passed} passed, 0 failed");
}

fn library() -> PathBuf {
    let named = std::env::var_os("LIBCHDB").map(PathBuf::from);
    let cached = || install::path_in(&install::cache_directory("footfall").unwrap()).unwrap();
    let path = named.unwrap_or_else(cached);
    assert!(path.is_file(), "the engine is not at {}: install it, or name it in LIBCHDB", path.display());
    path
}

/// An address that stays free: outgoing connections and other tests use other addresses of the loopback network.
fn free() -> SocketAddr {
    static HOST: OnceLock<[u8; 3]> = OnceLock::new();
    let [a, b, c] = *HOST.get_or_init(|| {
        let mut random = [0; 3];
        getrandom::fill(&mut random).unwrap();
        random.map(|byte| 1 + byte % 250)
    });
    TcpListener::bind(SocketAddr::from(([127, a, b, c], 0))).unwrap().local_addr().unwrap()
}

fn options(data: &Path) -> Options {
    let mut options = Options::new(library(), data.to_owned(), free());
    options.confinement = Confinement::BestEffort;
    options.access.users = vec![
        User::new("admin").with_password("secret").grant("GRANT ALL ON *.*"),
        User::new("reader").grant("GRANT SELECT ON system.one"),
    ];
    options
}

fn start(options: &Options) -> Server {
    let server = Server::start(options.clone()).unwrap();
    server.wait_until_ready(PATIENCE).unwrap();
    server
}

fn query(address: SocketAddr, user: &str, password: &str, sql: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = clickhouse::Client::default()
        .with_url(format!("http://{address}"))
        .with_user(user)
        .with_password(password);
    runtime.block_on(async {
        let mut bytes = client.query(sql).fetch_bytes("TabSeparated").map_err(|error| error.to_string())?;
        let bytes = bytes.collect().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill(process: u32) {
    let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}

fn a_user_reads_and_writes_what_it_was_granted() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.native = Some(free());
    let server = start(&options);
    let admin = |sql: &str| query(options.http, "admin", "secret", sql);
    admin("CREATE TABLE default.t (a UInt64) ENGINE = MergeTree ORDER BY a").unwrap();
    admin("INSERT INTO default.t SELECT number FROM numbers(10)").unwrap();
    assert_eq!(admin("SELECT sum(a) FROM default.t").unwrap(), "45\n");
    assert_eq!(query(options.http, "reader", "", "SELECT dummy FROM system.one").unwrap(), "0\n");
    let refused = query(options.http, "reader", "", "SELECT * FROM default.t").unwrap_err();
    assert!(refused.contains("ACCESS_DENIED"), "{refused}");
    for (user, password) in [("admin", "wrong"), ("admin", ""), ("nobody", "")] {
        let refused = query(options.http, user, password, "SELECT 1").unwrap_err();
        assert!(refused.contains("AUTHENTICATION_FAILED"), "{user}: {refused}");
    }
    assert!(TcpStream::connect(options.native.unwrap()).is_ok());
    server.stop();
    assert!(
        TcpStream::connect(options.http).is_err() && TcpStream::connect(options.native.unwrap()).is_err()
    );
    let server = start(&options);
    assert_eq!(admin("SELECT count() FROM default.t").unwrap(), "10\n");
    server.stop();
}

fn a_port_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for native in [false, true] {
        let mut options = options(directory.path());
        options.native = Some(free());
        let taken = if native { options.native.unwrap() } else { options.http };
        let listener = TcpListener::bind(taken).unwrap();
        let server = Server::start(options.clone()).unwrap();
        let Err(NotReady::Failed(reason)) = server.wait_until_ready(PATIENCE) else { panic!("it is ready") };
        assert!(reason.contains(&format!("cannot listen on {taken}")), "{reason}");
        drop(listener);
        eventually("the server starts once the port is free", || server.is_ready());
    }
}

fn a_data_directory_serves_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let _first = start(&options(directory.path()));
    let second = Server::start(options(directory.path())).unwrap();
    let Err(NotReady::Failed(reason)) = second.wait_until_ready(PATIENCE) else { panic!("it is ready") };
    assert!(reason.contains("is in use by another process"), "{reason}");
}

fn a_killed_engine_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let server = start(&options);
    let admin = |sql: &str| query(options.http, "admin", "secret", sql);
    admin("CREATE TABLE default.t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1")
        .unwrap();
    admin("INSERT INTO default.t VALUES (1)").unwrap();
    let first = server.process_id().unwrap();
    kill(first);
    eventually("another process is ready", || server.is_ready() && server.process_id() != Some(first));
    assert_eq!(admin("SELECT count() FROM default.t").unwrap(), "1\n");
    server.stop();
}

/// This program starts itself as one that has a server and is killed.
fn an_engine_ends_with_the_program_that_started_it() {
    const INNER: &str = "TEST_INNER";
    if let Some(data) = std::env::var_os(INNER) {
        let server = start(&options(Path::new(&data)));
        println!("engine {}", server.process_id().unwrap());
        std::thread::sleep(PATIENCE);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut program = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("an_engine_ends")
        .env(INNER, directory.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(program.stdout.take().unwrap()));
    let engine =
        lines.map_while(Result::ok).find_map(|line| line.strip_prefix("engine ").map(str::to_owned)).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    eventually("the engine ends", || !Path::new(&format!("/proc/{engine}")).exists());
}

fn a_server_that_is_stopped_at_any_moment_of_its_start_ends() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    for pause in (0..400).step_by(20) {
        let server = Server::start(options.clone()).unwrap();
        eventually("a process", || server.process_id().is_some());
        let engine = server.process_id().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        let began = Instant::now();
        server.stop();
        println!("stopped {pause} ms after its start, ended {:?} later", began.elapsed());
        assert!(!Path::new(&format!("/proc/{engine}")).exists(), "it goes on after {pause} ms");
    }
    start(&options).stop();
}

fn an_engine_that_hangs_is_killed_and_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { hang_timeout: Duration::from_secs(1), ..options(directory.path()) };
    let server = start(&options);
    let hanging = server.process_id().unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(hanging).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    eventually("it is not ready", || !server.is_ready());
    eventually("another process is ready", || server.is_ready() && server.process_id() != Some(hanging));
    assert!(!Path::new(&format!("/proc/{hanging}")).exists());
    server.stop();
}

/// On a file system of its own, which only root can mount.
fn a_full_disk_fails_inserts_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let path = directory.path().to_str().unwrap();
        std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(path)
            .status()
            .is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"]) {
        println!("no file system can be mounted here: a full disk is not tested");
        return;
    }
    let data = directory.path().join("data");
    let filler = directory.path().join("filler");
    let options = options(&data);
    let admin = |sql: &str| query(options.http, "admin", "secret", sql);
    let server = start(&options);
    admin("CREATE TABLE default.t (a UInt64) ENGINE = MergeTree ORDER BY a").unwrap();
    admin("INSERT INTO default.t SELECT number FROM numbers(1000)").unwrap();
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 64 << 10]).is_ok() {}
    let refused = admin("INSERT INTO default.t SELECT rand64() FROM numbers(1000000)").unwrap_err();
    println!("an insert on a full disk: {}", refused.lines().next().unwrap_or_default());
    assert_eq!(admin("SELECT count() FROM default.t").unwrap(), "1000\n");
    server.stop();
    // A start on a full disk may fail; it is tried again until there is space.
    let server = Server::start(options.clone()).unwrap();
    println!("a start on a full disk: {:?}", server.wait_until_ready(Duration::from_secs(5)));
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    eventually("the server is ready", || server.is_ready());
    assert_eq!(admin("SELECT count() FROM default.t").unwrap(), "1000\n");
    admin("INSERT INTO default.t SELECT number FROM numbers(1000)").unwrap();
    assert_eq!(admin("SELECT count() FROM default.t").unwrap(), "2000\n");
    server.stop();
    assert!(mount(&["umount"]));
}

/// `RESTARTS` says how often; every second end is a kill.
fn a_server_starts_again_and_again() {
    let count: u64 = std::env::var("RESTARTS").map_or(10, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let admin = |sql: &str| query(options.http, "admin", "secret", sql);
    for restart in 0..count {
        let server = start(&options);
        admin("CREATE TABLE IF NOT EXISTS default.t (a UInt64) ENGINE = MergeTree ORDER BY a").unwrap();
        admin(&format!("INSERT INTO default.t VALUES ({restart})")).unwrap();
        if restart % 2 == 1 {
            kill(server.process_id().unwrap());
        }
        server.stop();
    }
    let server = start(&options);
    assert_eq!(admin("SELECT count(), uniqExact(a) FROM default.t").unwrap(), format!("{count}\t{count}\n"));
    server.stop();
}

/// This program starts itself once more, confined: what is given up does not come back.
fn a_confined_process_keeps_to_its_directory() {
    const CONFINED: &str = "TEST_CONFINED";
    if let Some(directory) = std::env::var_os(CONFINED) {
        return confined(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy("/bin/true", data.join("program")).unwrap();
    std::fs::write(directory.path().join("secret"), "SECRETFILE").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("a_confined_process")
        .env(CONFINED, directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!directory.path().join("written").exists());
}

fn confined(directory: &Path) {
    let data = directory.join("data");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let enforced = sandbox::confine(&data, &library(), &[]).unwrap();
    if enforced == sandbox::Enforced::Not {
        return println!("this kernel has no Landlock: nothing is tested");
    }
    let denied = |kind: std::io::ErrorKind| kind == std::io::ErrorKind::PermissionDenied;
    for path in [directory.join("secret").as_path(), Path::new("/etc/passwd"), directory] {
        assert!(denied(std::fs::File::open(path).unwrap_err().kind()), "{}", path.display());
    }
    assert!(denied(std::fs::write(directory.join("written"), "x").unwrap_err().kind()));
    for program in [data.join("program"), "/bin/true".into()] {
        let error = std::process::Command::new(&program).status().unwrap_err();
        assert!(denied(error.kind()), "{}: {error}", program.display());
    }
    std::fs::write(data.join("own"), "x").unwrap();
    if enforced == sandbox::Enforced::Fully {
        assert!(denied(TcpStream::connect(listener.local_addr().unwrap()).unwrap_err().kind()));
    }
}

/// The engine makes the file of its history private, and would do so with a device.
fn the_null_device_stays_as_it_is() {
    let mode = || std::os::unix::fs::MetadataExt::mode(&std::fs::metadata("/dev/null").unwrap());
    let before = mode();
    let directory = tempfile::tempdir().unwrap();
    start(&options(directory.path())).stop();
    assert_eq!(mode(), before);
}

fn no_statement_reads_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory.path().join("data"));
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "SECRETFILE").unwrap();
    let server = start(&options);
    let inside = options.data.join("engine/status");
    for path in [&secret, &inside] {
        let path = path.display();
        for sql in [
            format!("SELECT file('{path}')"),
            format!("SELECT file('{path}', 'x')"),
            format!("SELECT arrayMap(file, ['{path}'])"),
            format!("SELECT * APPLY(file) FROM (SELECT '{path}')"),
            format!("SELECT `f\\x69le`('{path}')"),
            format!("SELECT file('{path}') SETTINGS enable_analyzer = 0"),
        ] {
            let refused = query(options.http, "admin", "secret", &sql).unwrap_err();
            assert!(!refused.contains("SECRETFILE") && !refused.contains("PID"), "{sql}: {refused}");
        }
    }
    if sandbox::is_available() {
        let sql = format!("SELECT * FROM file('{}', 'LineAsString')", secret.display());
        let refused = query(options.http, "admin", "secret", &sql).unwrap_err();
        assert!(!refused.contains("SECRETFILE"), "{refused}");
        // The engine would try a refused connection for two minutes.
        let url = format!(
            "SELECT * FROM url('http://{}/', 'LineAsString') SETTINGS http_max_tries = 1",
            options.http
        );
        assert!(query(options.http, "admin", "secret", &url).is_err());
    } else {
        println!("this kernel has no Landlock: confinement is not tested");
    }
    let process = server.process_id().unwrap();
    let environment = std::fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
    assert!(!environment.contains("PATH="), "{environment}");
    server.stop();
}

fn the_session_of_the_engine_is_closed_to_clients() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let server = start(&options);
    for (user, sql) in [("default", "SELECT 1"), ("default", "SYSTEM STOP LISTEN HTTP"), ("", "SELECT 1")] {
        assert!(query(options.http, user, "", sql).is_err(), "{user}: {sql}");
    }
    assert!(query(options.http, "supervisor", "", "SELECT 1").unwrap_err().contains("AUTHENTICATION_FAILED"));
    server.stop();
}

fn an_engine_that_cannot_load_its_tables_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = directory.path().join("engine/metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    std::fs::write(metadata.join("broken.sql"), "this is no statement").unwrap();
    let server = Server::start(options(directory.path())).unwrap();
    let Err(NotReady::Failed(reason)) = server.wait_until_ready(PATIENCE) else { panic!("it is ready") };
    println!("{reason}");
    assert!(reason.contains("the engine"), "{reason}");
}

fn a_library_that_cannot_be_loaded_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let library = directory.path().join("libchdb.so");
    std::fs::write(&library, "not a library").unwrap();
    let options = Options { library: library.clone(), ..options(&directory.path().join("data")) };
    let server = Server::start(options).unwrap();
    let Err(NotReady::Failed(reason)) = server.wait_until_ready(PATIENCE) else { panic!("it is ready") };
    assert!(reason.contains(&library.display().to_string()), "{reason}");
}
