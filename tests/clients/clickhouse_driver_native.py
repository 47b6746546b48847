"""clickhouse-driver: the native protocol, plain and with LZ4, LZ4HC and ZSTD."""

import datetime
import importlib.metadata
import ipaddress

from clickhouse_driver import Client, connect
from clickhouse_driver.errors import ServerException

from common import (ADMIN, AUTHENTICATION_FAILED, COLUMNS, DATABASE, FAILS_PARTWAY, HOST, NATIVE_PORT, READER, REFUSED, ROWS,
                    SYNTAX_ERROR, THROWN, UNKNOWN_TABLE, check_rows, create, drop, expect_error, name, row, write_attempts)

TABLE = "client_clickhouse_driver"


def new_client(user, **options):
    return Client(HOST, port=NATIVE_PORT, user=user[0], password=user[1], **options)


def code(error):
    assert isinstance(error, ServerException), repr(error)
    return error.code


def write_rows(admin):
    for statement in create(TABLE):
        admin.execute(statement)
    rows = [row(i) for i in range(ROWS)]
    assert admin.execute(f"INSERT INTO {DATABASE}.{TABLE} ({', '.join(COLUMNS)}) VALUES", rows) == ROWS


def rows_and_parameters_come_back(client):
    check_rows(client.execute(f"SELECT * FROM {DATABASE}.{TABLE} ORDER BY id"))
    # Parameters that the client substitutes itself.
    query = f"SELECT id FROM {DATABASE}.{TABLE} WHERE id = %(id)s OR name = %(name)s ORDER BY id"
    assert client.execute(query, {"id": 7, "name": name(16)}) == [(7,), (16,)]
    rows, columns = client.execute("SELECT toDate('2026-11-22') AS day, toIPv4('192.0.2.1') AS address", with_column_types=True)
    assert rows == [(datetime.date(2026, 11, 22), ipaddress.IPv4Address("192.0.2.1"))], rows
    assert columns == [("day", "Date"), ("address", "IPv4")], columns


def the_server_substitutes_parameters(user, compression):
    client = new_client(user, compression=compression, settings={"server_side_params": True})
    query = "SELECT {name:String}, {id:UInt64}"
    assert client.execute(query, {"name": name(2), "id": 7}) == [(name(2), 7)]
    client.disconnect()


def a_query_has_its_own_settings(client):
    query = "SELECT getSetting('max_block_size')"
    assert client.execute(query, settings={"max_block_size": 77}) == [(77,)]
    assert client.execute(query) != [(77,)]


def a_large_result_streams(client):
    counted = 0
    for _ in client.execute_iter("SELECT number, toString(number) FROM numbers(500000)", settings={"max_block_size": 10_000}):
        counted += 1
    assert counted == 500_000, counted
    progress = client.execute_with_progress("SELECT sum(number) FROM numbers(20000000)")
    assert progress.get_result() == [(199_999_990_000_000,)]
    assert client.last_query.profile_info.rows == 1


def errors_carry_clickhouse_error_codes(client):
    expect_error(lambda: client.execute(f"SELECT * FROM {DATABASE}.nothing"), UNKNOWN_TABLE, code)
    expect_error(lambda: client.execute("SELECT FROM WHERE"), SYNTAX_ERROR, code)
    expect_error(lambda: sum(1 for _ in client.execute_iter(FAILS_PARTWAY)), THROWN, code)
    assert client.execute("SELECT 2") == [(2,)], "the client must work after an error"


def a_query_can_be_cancelled(client):
    stream = client.execute_iter("SELECT number FROM numbers(1000000000)", chunk_size=1)
    next(stream)
    client.cancel()
    assert client.execute("SELECT 3") == [(3,)]


def external_tables_go_with_a_query(client):
    ids = [{"name": "ids", "structure": [("id", "UInt64")], "data": [{"id": 1}, {"id": 2}]}]
    counted = client.execute(f"SELECT count() FROM {DATABASE}.{TABLE} WHERE id IN ids", external_tables=ids)
    assert counted == [(2,)], counted


def a_connection_is_a_session(admin, other):
    admin.execute("CREATE TEMPORARY TABLE mine (a UInt8)")
    admin.execute("INSERT INTO mine VALUES", [(3,)])
    assert admin.execute("SELECT a FROM mine") == [(3,)]
    expect_error(lambda: other.execute("SELECT a FROM mine"), UNKNOWN_TABLE, code)


def a_reader_cannot_write(reader):
    for statement in write_attempts(TABLE):
        expect_error(lambda: reader.execute(statement), REFUSED, code)
    expect_error(lambda: reader.execute(f"INSERT INTO {DATABASE}.{TABLE} (id) VALUES", [(1,)]), REFUSED, code)
    expect_error(lambda: reader.execute("SELECT * FROM system.users"), REFUSED, code)


def the_python_database_api_works(user):
    with connect(host=HOST, port=NATIVE_PORT, user=user[0], password=user[1], database=DATABASE) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id, name FROM {TABLE} WHERE id < %(bound)s ORDER BY id", {"bound": 3})
            assert cursor.fetchone() == (0, name(0))
            assert cursor.fetchall() == [(1, name(1)), (2, name(2))]


for compression in (False, "lz4", "lz4hc", "zstd"):
    admin, reader = new_client(ADMIN, compression=compression), new_client(READER, compression=compression)
    write_rows(admin)
    for user, client in ((ADMIN, admin), (READER, reader)):
        rows_and_parameters_come_back(client)
        the_server_substitutes_parameters(user, compression)
        a_query_has_its_own_settings(client)
        a_large_result_streams(client)
        errors_carry_clickhouse_error_codes(client)
        a_query_can_be_cancelled(client)
        external_tables_go_with_a_query(client)
    a_connection_is_a_session(admin, new_client(ADMIN))
    a_reader_cannot_write(reader)
    admin.disconnect()
    reader.disconnect()

for user in (ADMIN, READER):
    the_python_database_api_works(user)
expect_error(lambda: new_client((ADMIN[0], "wrong")).execute("SELECT 1"), AUTHENTICATION_FAILED, code)
new_client(ADMIN).execute(drop(TABLE))
print("ok clickhouse-driver", importlib.metadata.version("clickhouse-driver"))
