"""Shared by the tests of third-party clients: the server's address, two users, a table with values that are hard to encode.

Every test reads HOST, HTTP_PORT, NATIVE_PORT, ADMIN_USER, ADMIN_PASSWORD, READER_USER and READER_PASSWORD from the environment.
The administrator may create databases and tables; the reader may only read the database `footfall`.
"""

import datetime
import decimal
import ipaddress
import os
import uuid

HOST = os.environ["HOST"]
HTTP_PORT = int(os.environ["HTTP_PORT"])
NATIVE_PORT = int(os.environ["NATIVE_PORT"])
ADMIN = (os.environ["ADMIN_USER"], os.environ["ADMIN_PASSWORD"])
READER = (os.environ["READER_USER"], os.environ["READER_PASSWORD"])

DATABASE = "footfall"
ROWS = 20_000

# Values that break clients with faulty quoting, line splitting or decoding.
NAMES = ["", "it's", 'a "quoted" name', "two\n\nlines\r\n", "tab\tand\\backslash\\n", r"\N", "NULL", "nul\0byte", "naïve 漢字 🦀",
         "{name:String}", "%s ? $1", "'; DROP TABLE t --", "a" * 3000]

COLUMNS = {
    "id": "UInt64",
    "name": "String",
    "at": "DateTime64(3, 'UTC')",
    "day": "Date",
    "site": "LowCardinality(String)",
    "tags": "Map(String, String)",
    "steps": "Array(String)",
    "score": "Nullable(Float64)",
    "price": "Decimal(18, 4)",
    "kind": "Enum8('view' = 1, 'event' = 2)",
    "address": "IPv6",
    "visitor": "UUID",
    "human": "Bool",
}

AT = datetime.datetime(2026, 11, 22, 4, 5, 6, 789000, datetime.timezone.utc)

# ClickHouse error codes that a client must expose.
UNKNOWN_TABLE = 60
SYNTAX_ERROR = 62
THROWN = 395
REFUSED = (164, 497)  # READONLY, ACCESS_DENIED
AUTHENTICATION_FAILED = 516

# Fails after 1,500,000 rows, when the server has already sent most of them.
FAILS_PARTWAY = ("SELECT number, throwIf(number = 1500000, 'partway') AS thrown FROM numbers(3000000)"
                  " SETTINGS max_block_size = 65536, max_threads = 1")


def name(i):
    return NAMES[i % len(NAMES)] + str(i)


def row(i):
    return [
        i,
        name(i),
        AT + datetime.timedelta(milliseconds=i),
        (AT + datetime.timedelta(days=i % 100)).date(),
        f"site-{i % 7}",
        {"k'": str(i), "": "\n"},
        [name(i), "", "b"][: i % 4],
        None if i % 2 else i / 2,
        decimal.Decimal(i) / 10_000,
        ("view", "event")[i % 2],
        ipaddress.IPv6Address(0x20010DB8 << 96 | i),
        uuid.UUID(int=i),
        i % 3 == 0,
    ]


def create(table):
    """Returns the statements that create an empty table."""
    columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
    return [
        f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
        f"DROP TABLE IF EXISTS {DATABASE}.{table} SYNC",
        f"CREATE TABLE {DATABASE}.{table} ({columns}) ENGINE = MergeTree ORDER BY id",
    ]


def drop(table):
    return f"DROP TABLE IF EXISTS {DATABASE}.{table} SYNC"


def write_attempts(table):
    """Returns statements that the server must deny to a reader."""
    return [
        f"INSERT INTO {DATABASE}.{table} (id) SELECT 1",
        f"CREATE TABLE {DATABASE}.client_unwanted (a UInt8) ENGINE = Memory",
        f"ALTER TABLE {DATABASE}.{table} DELETE WHERE 1",
        f"TRUNCATE TABLE {DATABASE}.{table}",
        f"DROP TABLE {DATABASE}.{table}",
    ]


def check_rows(found):
    """Compares all rows of a table, ordered by id, with the rows that were written."""
    assert len(found) == ROWS, f"expected {ROWS} rows, got {len(found)}"
    for i, values in enumerate(found):
        assert list(values) == row(i), f"\nexpected\n{row(i)}\ngot\n{list(values)}"


def expect_error(action, codes, code_of):
    """Runs an action that must fail, and checks ClickHouse's error code. `code_of` extracts it from the exception."""
    codes = codes if isinstance(codes, tuple) else (codes,)
    try:
        result = action()
    except Exception as error:  # noqa: BLE001: each client has its own exception types
        code = code_of(error)
        assert code in codes, f"expected code {codes}, got {code}: {type(error).__name__}: {str(error)[:500]}"
    else:
        raise AssertionError(f"expected an error with code {codes}, got {str(result)[:200]}")


def code_in_text(error):
    """Returns the number after "Code:" in a message of ClickHouse, or None."""
    _, found, rest = str(error).partition("Code: ")
    if not found:
        _, found, rest = str(error).partition("code ")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return int(digits) if digits else None
