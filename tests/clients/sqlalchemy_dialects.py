"""SQLAlchemy: clickhouse-connect's dialect over HTTP, and clickhouse-sqlalchemy's over HTTP and the native protocol."""

import importlib.metadata
import re
import warnings
from urllib.parse import quote

import sqlalchemy

# Both packages register a dialect named "clickhouse", so each is addressed by its full name here.
warnings.filterwarnings("ignore", message=".*remains registered to another SQLAlchemy dialect")

from clickhouse_connect.cc_sqlalchemy import engines as connect_engines
from clickhouse_connect.cc_sqlalchemy.datatypes import sqltypes as connect_types
from clickhouse_sqlalchemy import engines, types
from sqlalchemy import Column, MetaData, Table, func, insert, inspect, select, text

from common import ADMIN, DATABASE, HOST, HTTP_PORT, NATIVE_PORT, READER, REFUSED, ROWS, UNKNOWN_TABLE, drop, expect_error, name, write_attempts

TABLE = "client_sqlalchemy"

DIALECTS = {
    "clickhousedb": HTTP_PORT,
    "clickhouse+http": HTTP_PORT,
    "clickhouse+native": NATIVE_PORT,
}


def new_engine(dialect, user, database=DATABASE):
    login = quote(user[0]) + (":" + quote(user[1]) if user[1] else ":")
    return sqlalchemy.create_engine(f"{dialect}://{login}@{HOST}:{DIALECTS[dialect]}/{database}")


def new_table(dialect):
    if dialect == "clickhousedb":
        return Table(TABLE, MetaData(), Column("id", connect_types.UInt64, primary_key=True), Column("name", connect_types.String),
                     Column("score", connect_types.Nullable(connect_types.Float64)), connect_engines.MergeTree(order_by="id"), schema=DATABASE)
    return Table(TABLE, MetaData(), Column("id", types.UInt64, primary_key=True), Column("name", types.String),
                 Column("score", types.Nullable(types.Float64)), engines.MergeTree(order_by=("id",)), schema=DATABASE)


def code(error):
    found = re.search(r"Code: (\d+)|code (\d+)", str(error))
    return int(found.group(1) or found.group(2)) if found else None


def rows_come_back(connection, table):
    rows = connection.execute(select(table.c.id, table.c.name, table.c.score).order_by(table.c.id)).fetchall()
    assert len(rows) == ROWS, len(rows)
    for i, values in enumerate(rows):
        assert tuple(values) == (i, name(i), None if i % 2 else i / 2), values
    found = connection.execute(select(table.c.id).where((table.c.id == 7) | (table.c.name == name(16))).order_by(table.c.id)).scalars().all()
    assert found == [7, 16], found
    total = connection.execute(select(func.count(), func.sum(table.c.id)).select_from(table)).one()
    assert tuple(total) == (ROWS, ROWS * (ROWS - 1) // 2), total
    assert connection.execute(text(f"SELECT name FROM {DATABASE}.{TABLE} WHERE id = :id"), {"id": 1}).scalar() == name(1)


def tables_are_listed(connection):
    inspector = inspect(connection)
    assert TABLE in inspector.get_table_names(DATABASE)
    assert [column["name"] for column in inspector.get_columns(TABLE, DATABASE)] == ["id", "name", "score"]


def a_reader_cannot_write(connection, table):
    for statement in write_attempts(TABLE):
        expect_error(lambda: connection.execute(text(statement)), REFUSED, code)
    expect_error(lambda: connection.execute(insert(table), [{"id": 1, "name": "", "score": None}]), REFUSED, code)


with new_engine("clickhousedb", ADMIN, "default").connect() as connection:
    connection.execute(text(f"CREATE DATABASE IF NOT EXISTS {DATABASE}"))

for dialect in DIALECTS:
    admin, reader, table = new_engine(dialect, ADMIN), new_engine(dialect, READER), new_table(dialect)
    with admin.connect() as connection:
        connection.execute(text(drop(TABLE)))
        table.create(connection)
        connection.execute(insert(table), [{"id": i, "name": name(i), "score": None if i % 2 else i / 2} for i in range(ROWS)])
    for engine in (admin, reader):
        with engine.connect() as connection:
            rows_come_back(connection, table)
            tables_are_listed(connection)
            expect_error(lambda: connection.execute(text("SELECT * FROM nothing")), UNKNOWN_TABLE, code)
    with reader.connect() as connection:
        a_reader_cannot_write(connection, table)
    admin.dispose()
    reader.dispose()

with admin.connect() as connection:
    connection.execute(text(drop(TABLE)))
print("ok SQLAlchemy", importlib.metadata.version("sqlalchemy"), "clickhouse-sqlalchemy", importlib.metadata.version("clickhouse-sqlalchemy"))
