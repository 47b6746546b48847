"""aiochclient: an asynchronous client over HTTP, with and without `compress_response`."""

import asyncio
import importlib.metadata

import aiohttp
from aiochclient import ChClient, ChClientError

from common import (ADMIN, AUTHENTICATION_FAILED, COLUMNS, DATABASE, FAILS_PARTWAY, HOST, HTTP_PORT, READER, REFUSED, ROWS,
                    SYNTAX_ERROR, UNKNOWN_TABLE, code_in_text, create, drop, name, row, write_attempts)

TABLE = "client_aiochclient"
# This client encodes text itself. It mishandles quotes in arrays and maps, and drops NUL bytes.
READ = [column for column in COLUMNS if column not in ("tags", "steps")]
POSITIONS = [list(COLUMNS).index(column) for column in READ]


def new_client(session, user, database=DATABASE, **options):
    return ChClient(session, url=f"http://{HOST}:{HTTP_PORT}/", user=user[0], password=user[1] or None, database=database, **options)


def readable(i):
    values = row(i)
    values[1] = values[1].replace("\0", "")
    values[2] = values[2].replace(tzinfo=None)
    return [values[position] for position in POSITIONS]


async def expect_error(awaitable, codes):
    codes = codes if isinstance(codes, tuple) else (codes,)
    try:
        result = await awaitable
    except ChClientError as error:
        assert code_in_text(error) in codes, f"expected code {codes}: {error}"
    else:
        raise AssertionError(f"expected an error with code {codes}, got {result}")


async def write_rows(admin):
    for statement in create(TABLE):
        await admin.execute(statement)
    await admin.execute(f"INSERT INTO {TABLE} ({', '.join(READ)}) VALUES", *(tuple(readable(i)) for i in range(ROWS)))


async def rows_and_parameters_come_back(client):
    assert await client.is_alive()
    found = await client.fetch(f"SELECT {', '.join(READ)} FROM {TABLE} ORDER BY id")
    assert len(found) == ROWS, len(found)
    for i, values in enumerate(found):
        assert list(values.values()) == readable(i), f"\nexpected\n{readable(i)}\ngot\n{list(values.values())}"
    found = await client.fetch(f"SELECT id FROM {TABLE} WHERE id = {{id}} OR name = {{name}} ORDER BY id", params={"id": 7, "name": name(16)})
    assert [values["id"] for values in found] == [7, 16], found
    in_json = await client.fetch(f"SELECT name, site FROM {TABLE} WHERE id < 20 ORDER BY id", json=True)
    assert in_json[5]["name"] == name(5) and in_json[5]["site"] == "site-5", in_json[5]


async def settings_apply_to_one_client_only(session, user):
    client = new_client(session, user, max_block_size=77)
    assert await client.fetchval("SELECT getSetting('max_block_size')") == 77


async def a_large_result_streams(client):
    counted = 0
    async for _ in client.iterate("SELECT number, toString(number) FROM numbers(200000)", decode=False):
        counted += 1
    assert counted == 200_000, counted


async def errors_carry_clickhouse_error_codes(client):
    await expect_error(client.fetch("SELECT * FROM nothing"), UNKNOWN_TABLE)
    await expect_error(client.fetch("SELECT FROM WHERE"), SYNTAX_ERROR)
    # This client raises different exceptions here. It must not accept a partial result as complete.
    try:
        async for _ in client.iterate(FAILS_PARTWAY, decode=False):
            pass
    except (ChClientError, aiohttp.ClientError, AssertionError):
        pass
    else:
        raise AssertionError("a partial result was accepted as complete")
    assert await client.fetchval("SELECT 2") == 2, "the client must work after an error"


async def a_session_has_temporary_tables(session):
    client = new_client(session, ADMIN, session_id="client_aiochclient")
    await client.execute("CREATE TEMPORARY TABLE mine (a UInt8)")
    await client.execute("INSERT INTO mine VALUES", (3,))
    assert await client.fetchval("SELECT a FROM mine") == 3
    await expect_error(new_client(session, ADMIN).fetchval("SELECT a FROM mine"), UNKNOWN_TABLE)


async def a_reader_cannot_write(reader):
    for statement in write_attempts(TABLE):
        await expect_error(reader.execute(statement), REFUSED)
    await expect_error(reader.execute(f"INSERT INTO {TABLE} (id) VALUES", (1,)), REFUSED)


async def main():
    # The server closes idle connections after 10 s, aiohttp after 15 s unless told otherwise.
    connector = aiohttp.TCPConnector(keepalive_timeout=5)
    async with aiohttp.ClientSession(connector=connector) as session:
        await new_client(session, ADMIN, "default").execute(create(TABLE)[0])
        for compressed in (False, True):
            admin, reader = (new_client(session, user, compress_response=compressed) for user in (ADMIN, READER))
            await write_rows(admin)
            for user, client in ((ADMIN, admin), (READER, reader)):
                await rows_and_parameters_come_back(client)
                await settings_apply_to_one_client_only(session, user)
                await a_large_result_streams(client)
                await errors_carry_clickhouse_error_codes(client)
            await a_reader_cannot_write(reader)
        await a_session_has_temporary_tables(session)
        await expect_error(new_client(session, (ADMIN[0], "wrong")).fetch("SELECT 1"), AUTHENTICATION_FAILED)
        await admin.execute(drop(TABLE))


asyncio.run(main())
print("ok aiochclient", importlib.metadata.version("aiochclient"))
