-- Users for a ClickHouse server or cluster: each may do what its work needs and no more (clause 5.4). Run it once, as a user who may
-- grant, after `footfall migrate`, and replace the passwords; on a cluster add ON CLUSTER to each statement. It may be run again: what is
-- there is left as it is, and what is new is granted. Written for ClickHouse 26.7; an older server may not know a setting that is held
-- here, and then has no use for the hold. The embedded store has footfall_writer and footfall_reader built in and needs none of this.
--
-- What a role does not have, ClickHouse refuses whatever the settings are. Bounds of settings are weaker: `SET name = DEFAULT` and the
-- SETTINGS of a subquery pass them by (26.7). The embedded store closes that way in front of the engine; on a server the quotas below
-- bound what is left of it, and `max_server_memory_usage` the rest.

-- How much a reader's statement may use, as in the embedded store (src/store/embedded/reader.rs). readonly = 2: nothing is changed, and
-- settings may be chosen but for those that stand here. A bound may be lowered. CONST holds what only mistakes and attacks want changed,
-- what would hide expressions, and what names files, schemas or filters that are read as SQL.
CREATE SETTINGS PROFILE IF NOT EXISTS footfall_reader SETTINGS
    readonly = 2 CONST,
    max_execution_time = 60 MIN 1 MAX 60,
    max_memory_usage = 4294967296 MIN 1 MAX 4294967296,
    max_temporary_data_on_disk_size_for_query = 1073741824 MIN 1 MAX 1073741824,
    max_threads = 4 MIN 1 MAX 4,
    max_block_size = 65409 MIN 1 MAX 65409,
    max_ast_depth = 1000 CONST,
    max_ast_elements = 50000 CONST,
    max_expanded_ast_elements = 500000 CONST,
    max_parser_depth = 1000 CONST,
    max_parser_backtracks = 1000000 CONST,
    max_query_size = 1048576 CONST,
    max_subquery_depth = 100 CONST,
    max_recursive_cte_evaluation_depth = 1000 CONST,
    max_untracked_memory = 4194304 CONST,
    function_sleep_max_microseconds_per_block = 3000000 CONST,
    use_query_cache = 0 CONST,
    allow_introspection_functions = 0 CONST,
    input_format_values_interpret_expressions = 0 CONST,
    input_format_values_deduce_templates_of_expressions = 0 CONST,
    additional_result_filter CONST,
    additional_table_filters CONST,
    allow_experimental_eval_table_function CONST,
    format_avro_schema_registry_url CONST,
    format_schema CONST,
    format_schema_source CONST,
    format_template_resultset CONST,
    format_template_row CONST,
    output_format_schema CONST,
    parallel_replicas_custom_key CONST;

-- The privacy officer's statements change rows, and wait until that is done.
CREATE SETTINGS PROFILE IF NOT EXISTS footfall_privacy SETTINGS
    max_execution_time = 600 MIN 1 MAX 600,
    max_memory_usage = 4294967296 MIN 1 MAX 4294967296,
    max_threads = 4 MIN 1 MAX 4,
    allow_introspection_functions = 0 CONST,
    additional_result_filter CONST,
    additional_table_filters CONST,
    allow_experimental_eval_table_function CONST,
    format_schema CONST,
    format_schema_source CONST,
    format_template_resultset CONST,
    format_template_row CONST;

-- The collector: makes the tables and changes them, inserts, closes days, takes doubled events out. It reads what it wrote.
-- distributed_foreground_insert: an insert into a Distributed table answers only when every shard has its part.
CREATE ROLE IF NOT EXISTS footfall_writer SETTINGS distributed_foreground_insert = 1;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON footfall.* TO footfall_writer;
GRANT SELECT, INSERT, ALTER UPDATE, ALTER DELETE, ALTER TABLE ON footfall.* TO footfall_writer;
GRANT SELECT ON system.tables TO footfall_writer;
-- For servers with table_engines_require_grant; elsewhere they change nothing.
GRANT TABLE ENGINE ON MergeTree, TABLE ENGINE ON ReplacingMergeTree TO footfall_writer;
GRANT TABLE ENGINE ON ReplicatedMergeTree, TABLE ENGINE ON ReplicatedReplacingMergeTree, TABLE ENGINE ON Distributed TO footfall_writer;
-- For a cluster: ON CLUSTER, and the table function cluster() with which days are closed. Leave them out on a single server.
GRANT CREATE TEMPORARY TABLE, CLUSTER, REMOTE ON *.* TO footfall_writer;

-- The analyst: reads events and what is made of them; no bookkeeping, no audit. Events are pseudonymous (another pseudonym on each
-- site and day); who shall see figures and no events gets a token for the reports instead.
CREATE ROLE IF NOT EXISTS footfall_reader SETTINGS PROFILE 'footfall_reader';
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
-- For a cluster, whose shards hold the rows in these.
GRANT SELECT ON footfall.events_local TO footfall_reader;
GRANT SELECT ON footfall.visits_closed_local TO footfall_reader;
GRANT SELECT ON footfall.daily_closed_local TO footfall_reader;

-- The SRE: what the reader sees, and whether the store is well: books, segments, migrations, parts, merges, mutations. Not the audit,
-- which is the privacy officer's, and not the query log as a whole: the texts of statements hold what people looked for.
CREATE ROLE IF NOT EXISTS footfall_sre SETTINGS PROFILE 'footfall_reader';
GRANT footfall_reader TO footfall_sre;
GRANT SELECT ON footfall.books TO footfall_sre;
GRANT SELECT ON footfall.segments TO footfall_sre;
GRANT SELECT ON footfall.migrations TO footfall_sre;
GRANT SELECT ON system.parts TO footfall_sre;
GRANT SELECT ON system.parts_columns TO footfall_sre;
GRANT SELECT ON system.merges TO footfall_sre;
GRANT SELECT ON system.mutations TO footfall_sre;
GRANT SELECT ON system.replicas TO footfall_sre;
GRANT SELECT ON system.distribution_queue TO footfall_sre;
GRANT SELECT(type, event_time, query_duration_ms, query_kind, user, read_rows, read_bytes, memory_usage, exception_code) ON system.query_log TO footfall_sre;
GRANT SELECT ON system.errors TO footfall_sre;

-- The privacy officer: subject rights. Reads events and the audit, corrects and deletes rows of events, and nothing else: no schema, no
-- other table. Commands for subjects' requests are not built yet; until then this is done by hand. Visits and daily figures of closed
-- days are made from events and are not changed by it; they end by their own retention.
CREATE ROLE IF NOT EXISTS footfall_privacy SETTINGS PROFILE 'footfall_privacy';
GRANT SELECT ON footfall.audit TO footfall_privacy;
GRANT SELECT, ALTER UPDATE, ALTER DELETE ON footfall.events TO footfall_privacy;
GRANT SELECT, ALTER UPDATE, ALTER DELETE ON footfall.events_local TO footfall_privacy;

-- Far more than people ask, and an end to what asks without end: statements, and seconds of running, of each user in an hour.
CREATE QUOTA IF NOT EXISTS footfall_reader KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 7200
    TO footfall_reader, footfall_sre, footfall_privacy;

-- No user bears a role's name: `GRANT … TO name` would give to the user. The profile is named for the user too, since
-- `SET ROLE NONE` takes the role's away.
CREATE USER IF NOT EXISTS footfall_collector IDENTIFIED WITH sha256_password BY 'replace me';
CREATE USER IF NOT EXISTS footfall_analyst IDENTIFIED WITH sha256_password BY 'replace me' SETTINGS PROFILE 'footfall_reader';
CREATE USER IF NOT EXISTS footfall_operator IDENTIFIED WITH sha256_password BY 'replace me' SETTINGS PROFILE 'footfall_reader';
CREATE USER IF NOT EXISTS footfall_officer IDENTIFIED WITH sha256_password BY 'replace me' SETTINGS PROFILE 'footfall_privacy';
GRANT footfall_writer TO footfall_collector;
GRANT footfall_reader TO footfall_analyst;
GRANT footfall_sre TO footfall_operator;
GRANT footfall_privacy TO footfall_officer;
ALTER USER footfall_collector DEFAULT ROLE footfall_writer;
ALTER USER footfall_analyst DEFAULT ROLE footfall_reader;
ALTER USER footfall_operator DEFAULT ROLE footfall_sre;
ALTER USER footfall_officer DEFAULT ROLE footfall_privacy;
