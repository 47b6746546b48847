// @clickhouse/client: ClickHouse's official Node.js client, with each compression of requests and responses.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import zlib from "node:zlib";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";

const { HOST, HTTP_PORT, ADMIN_USER, ADMIN_PASSWORD, READER_USER, READER_PASSWORD } = process.env;
const ADMIN = { username: ADMIN_USER, password: ADMIN_PASSWORD };
const READER = { username: READER_USER, password: READER_PASSWORD };
const TABLE = "client_clickhouse_js";
const ROWS = 20_000;
const UNKNOWN_TABLE = "60";
const SYNTAX_ERROR = "62";
const THROWN = "395";
const REFUSED = ["164", "497"]; // READONLY, ACCESS_DENIED
const AUTHENTICATION_FAILED = "516";

const NAMES = ["", "it's", 'a "quoted" name', "two\n\nlines\r\n", "tab\tand\\backslash\\n", "\\N", "nul\0byte", "naïve 漢字 🦀", "{name:String}", "a".repeat(3000)];
const name = (i) => NAMES[i % NAMES.length] + i;
const row = (i) => ({
  id: i,
  name: name(i),
  at: new Date(Date.UTC(2026, 10, 22, 4, 5, 6, 789) + i).toISOString().replace("T", " ").replace("Z", ""),
  site: `site-${i % 7}`,
  tags: { "k'": String(i), "": "\n" },
  steps: [name(i), "", "b"].slice(0, i % 4),
  score: i % 2 ? null : i / 2 + 0.5,
  kind: i % 2 ? "event" : "view",
  human: i % 3 === 0,
});

const client = (user, options = {}) => createClient({ url: `http://${HOST}:${HTTP_PORT}`, database: "footfall", log: { level: ClickHouseLogLevel.OFF }, ...user, ...options });

const fails = async (action, codes) =>
  assert.rejects(action, (error) => {
    assert.ok([codes].flat().includes(error.code), `expected code ${codes}: ${error.stack}`);
    return true;
  });

const one = async (client, query, options = {}) => (await (await client.query({ query, format: "JSONEachRow", ...options })).json())[0];

async function writeRows(admin, rows) {
  await admin.command({ query: `DROP TABLE IF EXISTS ${TABLE} SYNC` });
  await admin.command({
    query: `CREATE TABLE ${TABLE} (id UInt64, name String, at DateTime64(3, 'UTC'), site LowCardinality(String), tags Map(String, String),
      steps Array(String), score Nullable(Float64), kind Enum8('view' = 1, 'event' = 2), human Bool) ENGINE = MergeTree ORDER BY id`,
  });
  const inserted = await admin.insert({ table: TABLE, values: rows, format: "JSONEachRow" });
  assert.ok(inserted.executed);
  assert.equal(inserted.summary?.written_rows, String(ROWS));
}

async function rowsAndParametersComeBack(client) {
  assert.ok((await client.ping()).success);
  assert.ok((await client.ping({ select: true })).success, "the user can log in");
  const found = await (await client.query({ query: `SELECT * FROM ${TABLE} ORDER BY id`, format: "JSONEachRow" })).json();
  assert.equal(found.length, ROWS);
  found.forEach((values, i) => assert.deepEqual({ ...values, id: Number(values.id) }, row(i)));
  const query = `SELECT id FROM ${TABLE} WHERE id = {id: UInt64} OR name = {name: String} ORDER BY id`;
  const result = await client.query({ query, format: "JSON", query_params: { id: 7, name: name(14) } });
  const { data, rows } = await result.json();
  assert.equal(rows, 2);
  assert.deepEqual(data.map(({ id }) => Number(id)), [7, 14]);
  const many = await one(client, "SELECT {many: Array(String)} AS many, {none: Nullable(String)} AS none", {
    query_params: { many: [name(3), name(6)], none: null },
  });
  assert.deepEqual(many, { many: [name(3), name(6)], none: null });
}

async function aQueryHasItsOwnSettings(client) {
  const query = "SELECT getSetting('max_block_size') AS size";
  assert.equal(Number((await one(client, query, { clickhouse_settings: { max_block_size: "77" } })).size), 77);
  assert.notEqual(Number((await one(client, query)).size), 77);
}

async function count(client, query) {
  let rows = 0;
  const result = await client.query({ query, format: "JSONCompactEachRow" });
  for await (const part of result.stream()) rows += part.length;
  return rows;
}

async function aLargeResultStreams(client) {
  assert.equal(await count(client, "SELECT number, toString(number) FROM numbers(500000)"), 500_000);
  let bytes = 0;
  const { stream } = await client.exec({ query: "SELECT number FROM numbers(500000) FORMAT RowBinary" });
  for await (const part of stream) bytes += part.length;
  assert.ok(bytes > 0);
}

async function errorsCarryClickHouseErrorCodes(client, compressed) {
  await fails(one(client, "SELECT * FROM nothing"), UNKNOWN_TABLE);
  await fails(one(client, "SELECT FROM WHERE"), SYNTAX_ERROR);
  const failsPartway = "SELECT number, throwIf(number = 1500000, 'partway') FROM numbers(3000000) SETTINGS max_block_size = 65536, max_threads = 1";
  // If a compressed answer is cut off, this client reports the closed connection.
  await fails(count(client, failsPartway), compressed ? [THROWN, "ECONNRESET"] : THROWN);
  assert.deepEqual(await one(client, "SELECT 2 AS two"), { two: 2 }, "the client must work after an error");
}

/** The readers' profile cancels the query of a disconnected client. Other users set this per query. */
async function aQueryCanBeAborted(client, admin) {
  const controller = new AbortController();
  const query_id = randomUUID();
  const query = client.query({
    query: "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1",
    query_id,
    clickhouse_settings: client === admin ? { readonly: "2", cancel_http_readonly_queries_on_client_close: 1 } : {},
    abort_signal: controller.signal,
  });
  const running = async () =>
    Number((await one(admin, "SELECT count() AS many FROM system.processes WHERE query_id = {query_id: String}", { query_params: { query_id } })).many);
  const deadline = Date.now() + 10_000;
  while (!(await running())) assert.ok(Date.now() < deadline, "the query does not start");
  controller.abort();
  await assert.rejects(query, /abort/i);
  while (await running()) assert.ok(Date.now() < deadline, "the query of a disconnected client still runs");
  assert.deepEqual(await one(client, "SELECT 3 AS three"), { three: 3 });
}

async function aStreamIsInserted(admin) {
  const rows = Readable.from((function* () {
    for (let i = 0; i < ROWS; i++) yield { id: ROWS + i, name: "streamed" };
  })());
  await admin.insert({ table: TABLE, values: rows, format: "JSONEachRow", columns: ["id", "name"] });
  assert.equal(Number((await one(admin, `SELECT count() AS many FROM ${TABLE} WHERE name = 'streamed'`)).many), ROWS);
}

async function aSessionHasTemporaryTables() {
  const session = client(ADMIN, { session_id: "client_clickhouse_js" });
  await session.command({ query: "CREATE TEMPORARY TABLE mine (a UInt8)" });
  await session.insert({ table: "mine", values: [{ a: 3 }], format: "JSONEachRow" });
  assert.deepEqual(await one(session, "SELECT a FROM mine"), { a: 3 });
  await session.close();
  const other = client(ADMIN);
  await fails(one(other, "SELECT a FROM mine"), UNKNOWN_TABLE);
  await other.close();
}

async function aReaderCannotWrite(reader) {
  await fails(reader.insert({ table: TABLE, values: [{ id: 1 }], format: "JSONEachRow" }), REFUSED);
  for (const query of ["CREATE TABLE client_unwanted (a UInt8) ENGINE = Memory", `TRUNCATE TABLE ${TABLE}`, `DROP TABLE ${TABLE}`])
    await fails(reader.command({ query }), REFUSED);
}

const setup = client(ADMIN, { database: "default" });
await setup.command({ query: "CREATE DATABASE IF NOT EXISTS footfall" });
await setup.close();
const rows = Array.from({ length: ROWS }, (_, i) => row(i));
const codecs = [false, true, { codec: "br" }];
if (zlib.createZstdCompress) codecs.push({ codec: "zstd" });
for (const codec of codecs) {
  const compression = { request: codec, response: codec };
  const admin = client(ADMIN, { compression });
  // A reader sends no large bodies, but requests compressed answers.
  const reader = client(READER, { compression });
  await writeRows(admin, rows);
  for (const user of [admin, reader]) {
    await rowsAndParametersComeBack(user);
    await aQueryHasItsOwnSettings(user);
    await aLargeResultStreams(user);
    await errorsCarryClickHouseErrorCodes(user, codec !== false);
    await aQueryCanBeAborted(user, admin);
  }
  await aStreamIsInserted(admin);
  await aReaderCannotWrite(reader);
  await Promise.all([admin.close(), reader.close()]);
}
await aSessionHasTemporaryTables();
const intruder = client({ username: ADMIN_USER, password: "wrong" });
await fails(one(intruder, "SELECT 1"), AUTHENTICATION_FAILED);
await intruder.close();
const admin = client(ADMIN);
await admin.command({ query: `DROP TABLE ${TABLE} SYNC` });
await admin.close();
console.log("ok @clickhouse/client", createRequire(import.meta.url)("@clickhouse/client/package.json").version);
