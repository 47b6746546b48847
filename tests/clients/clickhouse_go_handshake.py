"""Speaks the protocol of clickhouse-go 2.48: native and HTTP, plain and with LZ4.

clickhouse-go is not in the package registries that the tests use, so this file sends what it sends: hello, addendum, ping, queries with
its settings and parameters, inserts. It is as strict as clickhouse-go: an unknown packet, column type or serialization is an error.
"""

import base64
import http.client
import socket
import struct
import time
import uuid
import zoneinfo
from urllib.parse import urlencode

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

from common import (ADMIN, AUTHENTICATION_FAILED, DATABASE, FAILS_PARTWAY, HOST, HTTP_PORT, NATIVE_PORT, READER, REFUSED, ROWS, THROWN,
                    UNKNOWN_TABLE, code_in_text, drop, name)

TABLE = f"{DATABASE}.client_clickhouse_go"
CLIENT = "clickhouse-go/2.48.0 (lv:go/1.25.4; os:linux)"
REVISION = 54460  # the newest that clickhouse-go knows: DBMS_MIN_PROTOCOL_VERSION_WITH_SERVER_QUERY_TIME_IN_PROGRESS
# For a deadline in one minute, clickhouse-go sends the remaining seconds plus five.
DEADLINE = {"max_execution_time": "64"}
HELLO = "SELECT displayName(), version(), revision(), timezone()"
UNKNOWN_SETTING = 115
MAX_IDLE_SECONDS = 2

QUERY, DATA, CANCEL, PING = 1, 2, 3, 4
(SERVER_HELLO, SERVER_DATA, SERVER_EXCEPTION, SERVER_PROGRESS, SERVER_PONG, SERVER_END, SERVER_PROFILE_INFO, SERVER_TOTALS,
 SERVER_EXTREMES, _, SERVER_LOG, SERVER_TABLE_COLUMNS, _, _, SERVER_PROFILE_EVENTS) = range(15)
IMPORTANT, CUSTOM = 1, 2
LZ4 = 0x82


class ServerError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


# --- writing -------------------------------------------------------------------------------------------------------------


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return varint(len(value)) + value


def block(columns, info=True):
    """Encodes a block. Columns are (name, type, encoded values, count)."""
    out = varint(1) + b"\0" + varint(2) + struct.pack("<i", -1) + varint(0) if info else b""
    out += varint(len(columns)) + varint(columns[0][3] if columns else 0)
    for column, kind, values, _ in columns:
        # In the native protocol of this revision each column has a serialization byte; an insert over HTTP has none.
        out += text(column) + text(kind) + (b"\0" if info else b"") + values
    return out


def checksum(data):
    """Returns the checksum that precedes a compressed block."""
    number = CityHash128(data)
    return struct.pack("<QQ", number >> 64, number & (1 << 64) - 1)


def compressed(data):
    packed = lz4.block.compress(data, store_size=False)
    body = struct.pack("<BII", LZ4, len(packed) + 9, len(data)) + packed
    return checksum(body) + body


def rows_to_insert():
    ids, names = struct.pack(f"<{ROWS}Q", *range(ROWS)), b"".join(text(name(i)) for i in range(ROWS))
    return [("id", "UInt64", ids, ROWS), ("name", "String", names, ROWS)]


# --- reading -------------------------------------------------------------------------------------------------------------


class Reader:
    """Reads from a socket or a body. `compression` is on only while a block is read."""

    def __init__(self, stream):
        self.stream, self.unpacked, self.compression = stream, b"", False

    def raw(self, count):
        data = self.stream.read(count)
        if len(data) < count:
            raise EOFError(f"expected {count} bytes, got {len(data)}")
        return data

    def bytes(self, count):
        if not self.compression:
            return self.raw(count)
        while len(self.unpacked) < count:
            expected = self.raw(16)
            head = self.raw(9)
            method, packed, size = struct.unpack("<BII", head)
            body = self.raw(packed - 9)
            assert checksum(head + body) == expected, "a compressed block has a wrong checksum"
            assert method == LZ4, f"compression {method:#x} was not requested"
            self.unpacked += lz4.block.decompress(body, uncompressed_size=size)
        data, self.unpacked = self.unpacked[:count], self.unpacked[count:]
        return data

    def number(self, form):
        return struct.unpack("<" + form, self.bytes(struct.calcsize(form)))[0]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.bytes(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def text(self):
        return self.bytes(self.varint()).decode()

    def column(self, kind, count):
        forms = {"UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q", "Int8": "b", "Int32": "i", "Int64": "q", "Float64": "d", "DateTime": "I"}
        if kind == "String":
            return [self.text() for _ in range(count)]
        form = "b" if kind.startswith("Enum8(") else forms[kind]
        return list(struct.unpack(f"<{count}{form}", self.bytes(count * struct.calcsize(form))))

    def block(self):
        assert self.varint() == 1 and self.bytes(1) in b"\0\1" and self.varint() == 2
        self.bytes(4)
        assert self.varint() == 0, "the block header has fields that this revision does not have"
        columns, rows = self.varint(), self.varint()
        found = {}
        for _ in range(columns):
            column, kind = self.text(), self.text()
            assert self.bytes(1) == b"\0", f"column {column} has a serialization that clickhouse-go rejects"
            found[column] = self.column(kind, rows)
        assert not self.unpacked, "data follows the end of the block"
        return found

    def exception(self):
        code, _, message, _, nested = self.number("i"), self.text(), self.text(), self.text(), self.number("B")
        while nested:
            self.number("i"), self.text(), self.text(), self.text()
            nested = self.number("B")
        return ServerError(code, message)


# --- the native protocol -------------------------------------------------------------------------------------------------


class Native:
    def __init__(self, user, compress, database=DATABASE):
        self.compress = compress
        self.socket = socket.create_connection((HOST, NATIVE_PORT), timeout=60)
        self.reader = Reader(self.socket.makefile("rb"))
        self.socket.sendall(b"\0" + text(CLIENT) + varint(2) + varint(48) + varint(REVISION) + text(database) + text(user[0]) + text(user[1]))
        packet = self.reader.number("B")
        if packet == SERVER_EXCEPTION:
            raise self.reader.exception()
        assert packet == SERVER_HELLO, packet
        self.name, self.version = self.reader.text(), (self.reader.varint(), self.reader.varint())
        self.revision, timezone, self.display_name, self.patch = (self.reader.varint(), self.reader.text(), self.reader.text(),
                                                                 self.reader.varint())
        assert self.name == "ClickHouse" and self.version >= (26, 0) and self.display_name, (self.name, self.version, self.display_name)
        assert self.revision >= REVISION, f"the server speaks an older protocol, {self.revision}"
        zoneinfo.ZoneInfo(timezone)
        # The addendum: an empty quota key. The server does not answer it.
        self.socket.sendall(text(""))

    def close(self):
        self.reader.stream.close()
        self.socket.close()

    def ping(self):
        self.socket.sendall(bytes([PING]))
        packet = self.reader.number("B")
        while packet == SERVER_PROGRESS:
            self.progress()
            packet = self.reader.number("B")
        assert packet == SERVER_PONG, f"packet {packet} in answer to a ping"

    def progress(self):
        return [self.reader.varint() for _ in range(6)]

    def block(self, compressible):
        assert self.reader.text() == "", "result blocks must have an empty name"
        self.reader.compression = compressible and self.compress
        found = self.reader.block()
        self.reader.compression = False
        return found

    def send_block(self, columns):
        data = block(columns)
        self.socket.sendall(bytes([DATA]) + text("") + (compressed(data) if self.compress else data))

    def send_query(self, query, settings=(), parameters=(), query_id="", span=None):
        port = self.socket.getsockname()
        info = bytes([1]) + text("") + text("") + text(f"{port[0]}:{port[1]}") + struct.pack("<q", 0) + bytes([1])
        info += text("root") + text("host") + text(CLIENT) + varint(2) + varint(48) + varint(REVISION)
        info += text("") + varint(0) + varint(0)
        # The trace context, if any; then three fields for parallel replicas.
        info += bytes([1]) + span.bytes + span.bytes[:8] + text("") + b"\1" if span else b"\0"
        info += varint(0) * 3
        packed = b"".join(text(key) + varint(IMPORTANT) + text(value) for key, value in dict(settings).items())
        filled = b"".join(text(key) + varint(CUSTOM) + text("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'")
                          for key, value in dict(parameters).items())
        self.socket.sendall(bytes([QUERY]) + text(query_id) + info + packed + text("") + text("") + bytes([2, self.compress]) + text(query)
                            + filled + text(""))
        self.send_block([])

    def packets(self):
        """Yields the blocks of a result."""
        while True:
            packet = self.reader.number("B")
            if packet in (SERVER_DATA, SERVER_TOTALS, SERVER_EXTREMES):
                yield self.block(True)
            elif packet == SERVER_END:
                return
            elif packet == SERVER_EXCEPTION:
                raise self.reader.exception()
            elif packet == SERVER_PROGRESS:
                self.progress()
            elif packet == SERVER_PROFILE_INFO:
                self.reader.varint(), self.reader.varint(), self.reader.varint(), self.reader.number("B"), self.reader.varint(), self.reader.number("B")
            elif packet == SERVER_TABLE_COLUMNS:
                self.reader.text(), self.reader.text()
            elif packet in (SERVER_PROFILE_EVENTS, SERVER_LOG):
                self.block(False)
            else:
                raise AssertionError(f"packet {packet} is unknown to clickhouse-go")

    def query(self, query, **options):
        self.send_query(query, **options)
        rows = []
        for found in self.packets():
            rows += zip(*found.values())
        return rows

    def insert(self, query, columns):
        self.send_query(query + " FORMAT Native", settings=DEADLINE)
        packets = self.packets()
        sample = next(packets)
        assert list(sample) == [column[0] for column in columns], f"the server expects {list(sample)}"
        self.send_block(columns)
        self.send_block([])
        for _ in packets:
            pass


# --- HTTP ----------------------------------------------------------------------------------------------------------------


class Http:
    def __init__(self, user, compress):
        self.user, self.compress = user, compress
        self.connection = http.client.HTTPConnection(HOST, HTTP_PORT, timeout=60)
        self.last_used = time.monotonic()
        ((display_name, version, revision, timezone),) = self.query(HELLO)
        assert display_name and version.startswith("26.") and revision >= REVISION, (display_name, version, revision)
        zoneinfo.ZoneInfo(timezone)

    def close(self):
        self.connection.close()

    def post(self, body, parameters, headers=()):
        login = base64.b64encode(":".join(self.user).encode()).decode()
        parameters = {"client_protocol_version": REVISION, "database": DATABASE, "default_format": "Native", **parameters}
        # Go sorts parameters by name.
        # A server closes connections that were idle for long, as they are on a busy machine. Go reconnects then.
        if time.monotonic() - self.last_used > MAX_IDLE_SECONDS:
            self.connection.close()
        try:
            self.connection.request("POST", "/?" + urlencode(sorted(parameters.items())), body,
                                    {"User-Agent": CLIENT, "Authorization": "Basic " + login, **dict(headers)})
        except BrokenPipeError:
            # The server may deny a request and close before it has read the whole body. Like Go, read its answer.
            pass
        answer = self.connection.getresponse()
        try:
            data = answer.read()
        except http.client.IncompleteRead as broken:
            data = broken.partial
        self.last_used = time.monotonic()
        if answer.status != 200:
            code = answer.getheader("X-ClickHouse-Exception-Code")
            assert code, f"an error without X-ClickHouse-Exception-Code: {answer.status} {data[:300]}"
            raise ServerError(int(code), data[:300])
        return data

    def query(self, query, settings=(), parameters=(), **_):
        query_parameters = {**dict(settings), **{f"param_{key}": value for key, value in dict(parameters).items()}}
        if self.compress:
            query_parameters["compress"] = "1"
        data = self.post(query.encode(), query_parameters)
        rows, stream = [], Reader(Body(data))
        stream.compression = bool(self.compress)
        try:
            while stream.stream.rest():
                rows += zip(*stream.block().values())
        except Exception as error:  # undecodable bytes may be an exception frame
            tail = stream.unpacked + data[-(32 << 10):]
            if b"\r\n__exception__\r\n" in tail:
                message = tail.partition(b"\r\n__exception__\r\n")[2].decode(errors="replace")
                raise ServerError(code_in_text(message), message[:300]) from error
            raise
        return rows

    def ping(self):
        assert self.query("SELECT 1") == [(1,)]

    def insert(self, query, columns):
        described = self.query(f"DESCRIBE TABLE {TABLE}")
        kinds = [(found[0], found[1]) for found in described]
        assert kinds == [column[:2] for column in columns] and len(described[0]) == 7, described
        data = block(columns, info=False)
        parameters = {**DEADLINE, "query": query + " FORMAT Native"}
        if self.compress:
            parameters |= {"compress": "1", "decompress": "1"}
            data = compressed(data)
        # clickhouse-go sends the body in chunks.
        chunks = (data[at:at + 32_768] for at in range(0, len(data), 32_768))
        self.post(chunks, parameters, {"Content-Type": "application/octet-stream"})


class Body:
    def __init__(self, data):
        self.data, self.at = data, 0

    def rest(self):
        return len(self.data) - self.at

    def read(self, count):
        data = self.data[self.at:self.at + count]
        self.at += len(data)
        return data


# --- the tests -----------------------------------------------------------------------------------------------------------


def expect_code(action, codes):
    codes = codes if isinstance(codes, tuple) else (codes,)
    try:
        result = action()
    except ServerError as error:
        assert error.code in codes, f"expected code {codes}: {error}"
    else:
        raise AssertionError(f"expected an error with code {codes}, got {str(result)[:200]}")


def create_table():
    admin = Native(ADMIN, False, database="default")
    admin.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    admin.query(drop("client_clickhouse_go"))
    admin.query(f"CREATE TABLE {TABLE} (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
    admin.close()


def a_client_reads(client):
    client.ping()
    client.ping()
    found = client.query(f"SELECT id, name FROM {TABLE} ORDER BY id", settings=DEADLINE)
    assert found == [(i, name(i)) for i in range(ROWS)], f"{len(found)} rows, {found[:3]}"
    found = client.query("SELECT {id:UInt64} AS id, {name:String} AS name", settings=DEADLINE, parameters={"id": "7", "name": name(1)})
    assert found == [(7, name(1))], found
    found = client.query("SELECT toUInt64(getSetting('max_execution_time')) AS seconds", settings=DEADLINE)
    assert found == [(64,)], f"the deadline did not arrive: {found}"
    found = client.query("SELECT 1 AS one", query_id=str(uuid.uuid4()), span=uuid.uuid4())
    assert found == [(1,)], found


def a_client_streams(client):
    assert len(client.query("SELECT number, toString(number) AS text FROM numbers(200000)", settings={**DEADLINE, "max_block_size": "10000"})) == 200_000


def a_client_sees_errors(client):
    expect_code(lambda: client.query(f"SELECT * FROM {DATABASE}.nothing", settings=DEADLINE), UNKNOWN_TABLE)
    if client.compress and isinstance(client, Http):
        # clickhouse-go finds no message in the rest of a compressed HTTP answer. Decoding fails, so it still sees an error.
        try:
            client.query(FAILS_PARTWAY)
        except (ServerError, EOFError, AssertionError):
            pass
        else:
            raise AssertionError("a partial result was accepted as complete")
        client.close()
    else:
        expect_code(lambda: client.query(FAILS_PARTWAY), THROWN)
        if isinstance(client, Http):
            client.close()
    assert client.query("SELECT 2 AS two") == [(2,)], "the client must work after an error"


def an_unknown_setting_is_an_error(client):
    """The server closes a native connection here, because the rest of the query is unread."""
    expect_code(lambda: client.query("SELECT 1", settings={"no_such_setting": "1"}), UNKNOWN_SETTING)
    client.close()


def a_cancelled_query_ends(user):
    client, other = Native(user, True), Native(ADMIN, False)
    query_id = str(uuid.uuid4())
    client.send_query("SELECT number FROM numbers(100000000000)", settings=DEADLINE, query_id=query_id)
    next(client.packets())
    client.socket.sendall(varint(CANCEL))
    client.close()
    running = "SELECT toUInt64(count()) AS many FROM system.processes WHERE query_id = {query_id:String}"
    for _ in range(1000):
        if other.query(running, parameters={"query_id": query_id}) == [(0,)]:
            break
    else:
        raise AssertionError("a cancelled query still runs")
    other.close()


for compress in (False, True):
    for connect in (Native, Http):
        create_table()
        admin, reader = connect(ADMIN, compress), connect(READER, compress)
        admin.insert(f"INSERT INTO {TABLE} (id, name)", rows_to_insert())
        for client in (admin, reader):
            a_client_reads(client)
            a_client_streams(client)
            a_client_sees_errors(client)
        expect_code(lambda: reader.insert(f"INSERT INTO {TABLE} (id, name)", rows_to_insert()), REFUSED)
        admin.close()
        reader.close()

for user in (ADMIN, READER):
    for connect in (Native, Http):
        an_unknown_setting_is_an_error(connect(user, False))
    a_cancelled_query_ends(user)
for connect in (Native, Http):
    expect_code(lambda: connect((ADMIN[0], "wrong"), False), AUTHENTICATION_FAILED)
admin = Native(ADMIN, False)
admin.query(drop("client_clickhouse_go"))
admin.close()
print("ok clickhouse-go's handshake 2.48.0")
