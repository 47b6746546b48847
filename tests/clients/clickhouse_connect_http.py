"""clickhouse-connect: ClickHouse's official Python client, over HTTP, with each compression."""

import importlib.metadata
import io
import logging

import clickhouse_connect
from clickhouse_connect.driver.external import ExternalData

from common import (ADMIN, COLUMNS, DATABASE, FAILS_PARTWAY, HOST, HTTP_PORT, READER, REFUSED, ROWS, SYNTAX_ERROR, THROWN, UNKNOWN_TABLE,
                    AUTHENTICATION_FAILED, check_rows, code_in_text, create, drop, expect_error, name, row, write_attempts)

# The client logs the closed connection that tells it of a failure during a result.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

TABLE = "client_clickhouse_connect"


def connect(user, **options):
    return clickhouse_connect.get_client(host=HOST, port=HTTP_PORT, username=user[0], password=user[1], **options)


def drain(stream):
    with stream as rows:
        return sum(1 for _ in rows)


def write_rows(admin):
    for statement in create(TABLE):
        admin.command(statement)
    rows = [row(i) for i in range(ROWS)]
    summary = admin.insert(TABLE, rows, column_names=list(COLUMNS), database=DATABASE)
    assert summary.written_rows == ROWS, summary.summary


def rows_and_parameters_come_back(client):
    assert client.command("SELECT 1") == 1
    assert client.server_version.startswith("26."), client.server_version
    result = client.query(f"SELECT * FROM {DATABASE}.{TABLE} ORDER BY id", query_tz="UTC", tz_mode="aware")
    check_rows(result.result_rows)
    result = client.query(f"SELECT id FROM {DATABASE}.{TABLE} WHERE id = {{id:UInt64}} OR name = {{name:String}} ORDER BY id",
                          parameters={"id": 7, "name": name(16)})
    assert result.result_rows == [(7,), (16,)], result.result_rows
    result = client.query("SELECT {many:Array(String)}, {none:Nullable(String)}", parameters={"many": [name(3), name(7)], "none": None})
    assert result.first_row == ([name(3), name(7)], None), result.first_row


def a_query_has_its_own_settings(client):
    query = "SELECT getSetting('max_block_size')"
    assert client.query(query, settings={"max_block_size": 77}).first_row == (77,)
    assert client.query(query).first_row != (77,)


def a_large_result_streams(client):
    assert drain(client.query_rows_stream("SELECT number, toString(number) FROM numbers(500000)")) == 500_000
    assert client.raw_query("SELECT 1 AS x FORMAT JSONEachRow") == b'{"x":1}\n'
    with client.raw_stream("SELECT number FROM numbers(500000)", fmt="CSV") as stream:
        assert sum(line.count(b"\n") for line in stream) == 500_000


def errors_carry_clickhouse_error_codes(client):
    expect_error(lambda: client.query(f"SELECT * FROM {DATABASE}.nothing"), UNKNOWN_TABLE, code_in_text)
    expect_error(lambda: client.query("SELECT FROM WHERE"), SYNTAX_ERROR, code_in_text)
    expect_error(lambda: drain(client.query_rows_stream(FAILS_PARTWAY)), THROWN, code_in_text)
    assert client.command("SELECT 2") == 2, "the client must work after an error"


def external_data_goes_with_a_query(client):
    external = ExternalData(file_name="ids.tsv", data=b"1\n2\n", fmt="TSV", structure="id UInt64")
    counted = client.query(f"SELECT count() FROM {DATABASE}.{TABLE} WHERE id IN ids", external_data=external)
    assert counted.first_row == (2,)


def a_session_has_temporary_tables(admin, other):
    admin.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    admin.command("INSERT INTO mine VALUES (3)")
    assert admin.command("SELECT a FROM mine") == 3
    expect_error(lambda: other.command("SELECT a FROM mine"), UNKNOWN_TABLE, code_in_text)


def a_file_is_inserted(admin):
    lines = b"".join(b"%d,from a file\n" % (ROWS + i) for i in range(10))
    admin.raw_insert(f"{DATABASE}.{TABLE}", column_names=["id", "name"], insert_block=io.BytesIO(lines), fmt="CSV")
    assert admin.command(f"SELECT count() FROM {DATABASE}.{TABLE} WHERE name = 'from a file'") == 10


def a_reader_cannot_write(reader):
    for statement in write_attempts(TABLE):
        expect_error(lambda: reader.command(statement), REFUSED, code_in_text)
    expect_error(lambda: reader.insert(TABLE, [[1]], column_names=["id"], database=DATABASE), REFUSED, code_in_text)
    expect_error(lambda: reader.query("SELECT * FROM system.users"), REFUSED, code_in_text)


for compress in (False, True, "lz4", "zstd", "gzip"):
    admin, reader = connect(ADMIN, compress=compress), connect(READER, compress=compress)
    write_rows(admin)
    for client in (admin, reader):
        rows_and_parameters_come_back(client)
        a_query_has_its_own_settings(client)
        a_large_result_streams(client)
        errors_carry_clickhouse_error_codes(client)
        external_data_goes_with_a_query(client)
    a_session_has_temporary_tables(admin, connect(ADMIN))
    a_file_is_inserted(admin)
    a_reader_cannot_write(reader)
    admin.close()
    reader.close()

# As dashboards configure it: without sessions, with a setting for every query. Then with a wrong password.
dashboard = connect(READER, autogenerate_session_id=False, settings={"max_execution_time": 30}, database=DATABASE)
assert dashboard.query(f"SELECT count() FROM {TABLE}").first_row == (ROWS + 10,)
assert dashboard.query("SELECT getSetting('max_execution_time')").first_row == (30,)
expect_error(lambda: connect((ADMIN[0], "wrong")), AUTHENTICATION_FAILED, code_in_text)
connect(ADMIN).command(drop(TABLE))
print("ok clickhouse-connect", importlib.metadata.version("clickhouse-connect"))
