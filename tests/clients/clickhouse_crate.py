"""The clickhouse crate's own integration tests, against our server.

The crate's source in Cargo's registry includes them. They connect as `default` to localhost:8123, so two lines of a copy are changed to
read the address and the user from the environment. Every failure must be listed with its reason in
clickhouse_crate_expected_failures.txt.
"""

import os
import pathlib
import re
import shutil
import subprocess
import urllib.request

from common import ADMIN, HOST, HTTP_PORT

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXPECTED = HERE / "clickhouse_crate_expected_failures.txt"
# 224 pass with version 0.15.3. Far fewer would mean that most did not run.
MIN_PASSED = 210

# Everything that the tests need, without TLS.
FEATURES = "chrono,futures03,inserter,lz4,opentelemetry,test-util,time,uuid,zstd"

# The tests need this companion crate, which the published manifest does not list.
EXTRA_DEPENDENCIES = """
[dev-dependencies.clickhouse-ext-arrow]
version = "=0.1.0"

[patch.crates-io]
clickhouse = { path = "." }
"""

LOGIN = '.with_user(crate::require_env_var("CLICKHOUSE_USER")).with_password(crate::require_env_var("CLICKHOUSE_PASSWORD"))'
CHANGES = {
    "tests/it/main.rs": (
        'client.with_url("http://localhost:8123")',
        'client.with_url(require_env_var("CLICKHOUSE_URL"))' + LOGIN,
    ),
    "tests/it/database.rs": (
        'Client::default().with_url(format!("http://localhost:8123?{query}"))',
        'Client::default().with_url(format!("{}?{query}", crate::require_env_var("CLICKHOUSE_URL")))' + LOGIN,
    ),
}


def locked_version():
    lock = (ROOT / "Cargo.lock").read_text()
    return re.search(r'name = "clickhouse"\nversion = "([^"]+)"', lock).group(1)


def packaged_source(version):
    registry = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "registry" / "src"
    found = sorted(registry.glob(f"*/clickhouse-{version}"))
    if not found:
        subprocess.run(["cargo", "fetch", "--locked"], cwd=ROOT, check=True)
        found = sorted(registry.glob(f"*/clickhouse-{version}"))
    assert found, f"cargo's registry {registry} has no clickhouse-{version}"
    return found[0]


def copy_source(version, source):
    """Writes the changed copy once, because a new copy would be compiled again."""
    stamp = source / "changes"
    changes = repr((EXTRA_DEPENDENCIES, CHANGES))
    if stamp.exists() and stamp.read_text() == changes:
        return
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(packaged_source(version), source)
    (source / "rust-toolchain.toml").unlink(missing_ok=True)
    with open(source / "Cargo.toml", "a") as manifest:
        manifest.write(EXTRA_DEPENDENCIES)
    for file, (published, ours) in CHANGES.items():
        text = (source / file).read_text()
        assert text.count(published) == 1, f"{file} of clickhouse {version} no longer has {published}"
        (source / file).write_text(text.replace(published, ours))
    stamp.write_text(changes)


def drop_databases():
    """Drops the databases that the tests leave behind."""
    def run_query(query):
        login = {"X-ClickHouse-User": ADMIN[0], "X-ClickHouse-Key": ADMIN[1]}
        with urllib.request.urlopen(urllib.request.Request(environment["CLICKHOUSE_URL"], query.encode(), login)) as answer:
            return answer.read().decode()

    for database in run_query("SELECT name FROM system.databases WHERE startsWith(name, 'chrs__')").split():
        run_query(f"DROP DATABASE `{database}`")


def expected_failures():
    lines = [line.split(maxsplit=1) for line in EXPECTED.read_text().splitlines() if line and not line.startswith("#")]
    assert all(len(line) == 2 for line in lines), f"each line of {EXPECTED} is a test and a reason"
    return dict(lines)


version = locked_version()
cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "footfall" / f"clickhouse-crate-{version}"
cache.mkdir(parents=True, exist_ok=True)
copy_source(version, cache / "source")
environment = {
    **os.environ,
    "CARGO_TARGET_DIR": str(cache / "target"),
    "CLICKHOUSE_TEST_ENVIRONMENT": "local",
    "CLICKHOUSE_URL": f"http://{HOST}:{HTTP_PORT}",
    "CLICKHOUSE_USER": ADMIN[0],
    "CLICKHOUSE_PASSWORD": ADMIN[1],
    # The build is much smaller without debug information.
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_INCREMENTAL": "0",
}
# These expect rows from a query before its time limit of 100 ms. On a busy machine the query may have none by then.
TIME_DEPENDENT = {"cursor_error::deferred_lz4", "cursor_error::wait_end_of_query"}

command = ["cargo", "test", "--features", FEATURES, "--test", "it", "--no-fail-fast"]
subprocess.run([*command, "--no-run"], cwd=cache / "source", env=environment, check=True)
# Each test has a database of its own name, so two tests can run at the same time.
run = subprocess.run([*command, "--", "--test-threads=2"], cwd=cache / "source", env=environment, stdout=subprocess.PIPE, text=True)
(cache / "output").write_text(run.stdout)
drop_databases()
results = dict(re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", run.stdout, re.MULTILINE))
failed = {test for test, result in results.items() if result == "FAILED"}
if os.getloadavg()[0] > os.cpu_count():
    failed -= TIME_DEPENDENT
passed = sum(result == "ok" for result in results.values())
expected = expected_failures()

unexpected = sorted(failed - expected.keys())
assert not unexpected, f"these tests of the crate failed, see {cache / 'output'}:\n" + "\n".join(unexpected)
assert passed >= MIN_PASSED, f"{passed} of the crate's tests passed, fewer than {MIN_PASSED}, see {cache / 'output'}"
fixed = sorted(expected.keys() - failed)
assert not fixed, f"these tests pass or no longer exist; remove them from {EXPECTED}:\n" + "\n".join(fixed)
print(f"ok clickhouse crate {version}: {passed} of {len(results)} tests passed, {len(failed)} failed as expected")
