-- Users for a ClickHouse server or cluster: each may do what its work needs and no more (clause 5.4). Run it once, as a user who may
-- grant, after `footfall migrate`; add ON CLUSTER on a cluster, and replace the passwords. The embedded store has
-- footfall_writer and footfall_reader built in and needs none of this.

-- The collector: makes the tables, inserts, closes days. It reads what it wrote (verify, duplicates), nothing else.
-- distributed_foreground_insert: an insert into a Distributed table answers only when every shard has its part.
CREATE ROLE IF NOT EXISTS footfall_writer SETTINGS distributed_foreground_insert = 1;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON footfall.* TO footfall_writer;
GRANT SELECT, INSERT, ALTER UPDATE, ALTER DELETE, ALTER TABLE ON footfall.* TO footfall_writer;
GRANT SELECT ON system.tables TO footfall_writer;
GRANT CLUSTER, REMOTE ON *.* TO footfall_writer;

-- The analyst, and the reports: reads events and what is made of them; no bookkeeping, no audit, no change of settings beyond
-- those that the reports need.
CREATE ROLE IF NOT EXISTS footfall_reader
    SETTINGS max_execution_time = 60, max_memory_usage = 8000000000;
GRANT SELECT ON footfall.events TO footfall_reader;
GRANT SELECT ON footfall.visits TO footfall_reader;
GRANT SELECT ON footfall.visits_open TO footfall_reader;
GRANT SELECT ON footfall.visits_closed TO footfall_reader;
GRANT SELECT ON footfall.visits_between TO footfall_reader;
GRANT SELECT ON footfall.daily TO footfall_reader;
GRANT SELECT ON footfall.daily_open TO footfall_reader;
GRANT SELECT ON footfall.daily_closed TO footfall_reader;
GRANT SELECT ON footfall.daily_between TO footfall_reader;
GRANT SELECT ON footfall.days TO footfall_reader;
GRANT SELECT ON footfall.zone TO footfall_reader;
GRANT SELECT ON footfall.settings TO footfall_reader;

-- The SRE: what the reader sees, and whether the store is well: books, audit, parts, merges, mutations, the query log.
CREATE ROLE IF NOT EXISTS footfall_sre SETTINGS max_execution_time = 300;
GRANT footfall_reader TO footfall_sre;
GRANT SELECT ON footfall.books TO footfall_sre;
GRANT SELECT ON footfall.audit TO footfall_sre;
GRANT SELECT ON footfall.migrations TO footfall_sre;
GRANT SELECT ON system.parts TO footfall_sre;
GRANT SELECT ON system.parts_columns TO footfall_sre;
GRANT SELECT ON system.merges TO footfall_sre;
GRANT SELECT ON system.mutations TO footfall_sre;
GRANT SELECT ON system.replicas TO footfall_sre;
GRANT SELECT ON system.distribution_queue TO footfall_sre;
GRANT SELECT ON system.query_log TO footfall_sre;
GRANT SELECT ON system.errors TO footfall_sre;

CREATE USER IF NOT EXISTS footfall_writer IDENTIFIED WITH sha256_password BY 'replace me' DEFAULT ROLE footfall_writer;
CREATE USER IF NOT EXISTS footfall_analyst IDENTIFIED WITH sha256_password BY 'replace me' DEFAULT ROLE footfall_reader;
CREATE USER IF NOT EXISTS footfall_sre IDENTIFIED WITH sha256_password BY 'replace me' DEFAULT ROLE footfall_sre;
GRANT footfall_writer TO footfall_writer;
GRANT footfall_reader TO footfall_analyst;
GRANT footfall_sre TO footfall_sre;
