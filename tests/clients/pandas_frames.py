"""pandas: data frames with clickhouse-connect over HTTP and with clickhouse-driver over the native protocol."""

import importlib.metadata

import clickhouse_connect
import clickhouse_driver
import pandas

from common import (ADMIN, DATABASE, HOST, HTTP_PORT, NATIVE_PORT, READER, REFUSED, ROWS, code_in_text, drop, expect_error, name)

TABLE = "client_pandas"
COLUMNS = {"id": "UInt64", "name": "String", "at": "DateTime64(3, 'UTC')", "site": "LowCardinality(String)", "score": "Nullable(Float64)"}


def frame():
    ids = pandas.Series(range(ROWS), dtype="uint64")
    return pandas.DataFrame({
        "id": ids,
        "name": [name(i) for i in range(ROWS)],
        "at": pandas.Timestamp("2026-11-22 04:05:06.789", tz="UTC") + pandas.to_timedelta(ids, unit="ms"),
        "site": [f"site-{i % 7}" for i in range(ROWS)],
        "score": [None if i % 2 else i / 2 for i in range(ROWS)],
    })


def compare(found):
    """Compares values. Column types may differ between clients."""
    written = frame()
    assert list(found.columns) == list(written.columns), list(found.columns)
    assert len(found) == ROWS, len(found)
    assert (found["id"].astype("uint64") == written["id"]).all()
    assert list(found["name"]) == list(written["name"])
    assert (pandas.to_datetime(found["at"], utc=True).dt.as_unit("ms") == written["at"].dt.as_unit("ms")).all()
    assert list(found["site"].astype(str)) == list(written["site"])
    assert found["score"].isna().equals(written["score"].isna())
    assert found["score"].sum() == written["score"].sum()


def create_table(client):
    columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
    client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    client.command(drop(TABLE))
    client.command(f"CREATE TABLE {DATABASE}.{TABLE} ({columns}) ENGINE = MergeTree ORDER BY id")


def over_http(user, **options):
    return clickhouse_connect.get_client(host=HOST, port=HTTP_PORT, username=user[0], password=user[1], **options)


def over_native(user, **options):
    return clickhouse_driver.Client(HOST, port=NATIVE_PORT, user=user[0], password=user[1], **options)


everything = f"SELECT * FROM {DATABASE}.{TABLE} ORDER BY id"

for compress in (False, "lz4", "zstd"):
    admin, reader = over_http(ADMIN, compress=compress), over_http(READER, compress=compress)
    create_table(admin)
    admin.insert_df(TABLE, frame(), database=DATABASE)
    for client in (admin, reader):
        compare(client.query_df(everything))
        some = client.query_df(f"{everything} LIMIT {{many:UInt32}}", parameters={"many": 10})
        assert list(some["id"]) == list(range(10))
        with client.query_df_stream("SELECT number, toString(number) AS text FROM numbers(300000)") as stream:
            assert sum(len(part) for part in stream) == 300_000
    expect_error(lambda: reader.insert_df(TABLE, frame(), database=DATABASE), REFUSED, code_in_text)
    admin.close()
    reader.close()

for compression in (False, "lz4"):
    admin, reader = (over_native(user, compression=compression, settings={"use_numpy": True}) for user in (ADMIN, READER))
    admin.execute(f"TRUNCATE TABLE {DATABASE}.{TABLE}")
    # This client does not support the string type of pandas 3 in LowCardinality columns.
    objects = frame().astype({"name": object, "site": object})
    assert admin.insert_dataframe(f"INSERT INTO {DATABASE}.{TABLE} VALUES", objects) == ROWS
    for client in (admin, reader):
        compare(client.query_dataframe(everything))
        some = client.query_dataframe(f"{everything} LIMIT %(many)s", {"many": 10})
        assert list(some["id"]) == list(range(10))
    expect_error(lambda: reader.insert_dataframe(f"INSERT INTO {DATABASE}.{TABLE} VALUES", objects), REFUSED, lambda error: error.code)
    reader.disconnect()

admin.execute(drop(TABLE))
admin.disconnect()
print("ok pandas", importlib.metadata.version("pandas"))
