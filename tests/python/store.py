"""clickhouse-connect against the embedded store: run with its address, HOST:PORT. Exits with 0 when all is well."""

import datetime
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

host, port = sys.argv[1].rsplit(":", 1)


def connect(**options):
    return clickhouse_connect.get_client(host=host, port=int(port), username="footfall_writer", **options)


def refused(action, text):
    try:
        action()
    except DatabaseError as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"expected a refusal that says {text!r}")


for compress in (False, True, "lz4", "zstd", "gzip"):
    client = connect(compress=compress)
    assert client.command("SELECT 1") == 1
    assert client.server_version.startswith("26.")
    client.command("CREATE OR REPLACE TABLE t (id UInt64, name String, at DateTime64(3, 'UTC'), tags Map(String, String), n Nullable(Float64)) ENGINE = MergeTree ORDER BY id")
    at = datetime.datetime(2026, 11, 22, 4, 5, 6, 789000)
    rows = [[i, f"it's\n\n{i}", at, {"k": str(i)}, None if i % 2 else i / 2] for i in range(20_000)]
    summary = client.insert("t", rows, column_names=["id", "name", "at", "tags", "n"])
    assert summary.written_rows == 20_000, summary.summary
    result = client.query("SELECT * FROM t WHERE id = {id:UInt64} OR name = {name:String} ORDER BY id",
                          parameters={"id": 7, "name": "it's\n\n8"})
    assert [row[0] for row in result.result_rows] == [7, 8], result.result_rows
    assert result.result_rows[0][3] == {"k": "7"} and result.result_rows[0][4] is None
    assert result.result_rows[0][2].replace(tzinfo=None) == at, result.result_rows[0][2]
    assert client.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 77}).first_row == (77,)
    assert client.query("SELECT getSetting('max_block_size')").first_row != (77,)
    with client.query_rows_stream("SELECT number FROM numbers(2000000)") as stream:
        assert sum(1 for _ in stream) == 2_000_000
    assert client.raw_query("SELECT 1 AS x FORMAT JSONEachRow") == b'{"x":1}\n'
    # A session is this client's own: what it makes stays, and nobody else sees it.
    client.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    client.command("INSERT INTO mine VALUES (3)")
    assert client.command("SELECT a FROM mine") == 3
    external = ExternalData(file_name="ids.tsv", data=b"1\n2\n", fmt="TSV", structure="id UInt64")
    assert client.query("SELECT count() FROM t WHERE id IN ids", external_data=external).first_row == (2,)
    refused(lambda: client.query("SELECT * FROM nothing"), "UNKNOWN_TABLE")
    failing = "SELECT throwIf(number = 5000000, 'half way') FROM numbers(10000000) SETTINGS max_block_size = 65536"

    def drain():
        with client.query_rows_stream(failing) as failing_stream:
            for _ in failing_stream:
                pass

    refused(drain, "half way")
    client.close()

reader = clickhouse_connect.get_client(host=host, port=int(port), username="footfall_reader")
assert reader.command("SELECT 2") == 2
refused(lambda: reader.command("CREATE TABLE u (a UInt8) ENGINE = Memory"), "ACCESS_DENIED")
print("ok")
