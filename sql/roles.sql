-- Roles in ClickHouse. Each may do what its work needs, and nothing else (clause 5.4 of the policy).
--
-- On a server, replace the collector's password below and run this file after `footfall migrate`, as a user who may grant. It may be
-- run again: it adds what is new and leaves unchanged what exists, including bounds. On a cluster, add ON CLUSTER to each
-- statement. For a person, create a user with another name and grant a role to it:
--   CREATE USER anna IDENTIFIED WITH sha256_password BY '…' SETTINGS PROFILE 'footfall_reading' DEFAULT ROLE footfall_analyst
--   GRANT footfall_analyst TO anna
-- A person who may see one site alone: docs/operations/access.md ("People of one site").
-- A user must not have the name of a role, because `GRANT … TO name` would then mean the user.
--
-- The embedded store has a user for each role, with the role's name. src/store/embedded/roles.rs makes them from this file, without the
-- statements under a comment "server:" or "cluster:".
--
-- Written for ClickHouse 26.7. Settings cannot change grants. Bounds of settings are weaker: in 26.7 `SETTINGS name = DEFAULT` and
-- the SETTINGS of a subquery evade them. The quota and `max_server_memory_usage` cannot be evaded.

-- Bounds of reading statements. `readonly = 2` forbids changes and allows settings, except those below. An analyst's statement over years
-- takes seconds, so one that takes a minute or 4 GiB is a mistake or an attack. CONST fixes settings that only a mistake or an
-- attack would change, and settings that name files or schemas or contain SQL.
CREATE SETTINGS PROFILE IF NOT EXISTS footfall_reading SETTINGS
    readonly = 2 CONST,
    max_execution_time = 60 MIN 1 MAX 70,
    max_memory_usage = 4294967296 MIN 1 MAX 4294967296,
    max_temporary_data_on_disk_size_for_query = 1073741824 MIN 1 MAX 1073741824,
    max_threads = 4 MIN 1 MAX 4,
    max_concurrent_queries_for_user = 32 CONST,
    max_concurrent_queries_for_all_users = 64 CONST,
    max_block_size = 65409 MIN 1 MAX 1048576,
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
    cancel_http_readonly_queries_on_client_close = 1,
    use_query_cache = 0 CONST,
    allow_introspection_functions = 0 CONST,
    -- RESTORE looks for the backup before it asks whether it may: without this, at an address, again and again.
    backup_restore_s3_retry_attempts = 0 CONST,
    enable_analyzer = 1 CONST,
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

-- Bounds of the privacy officer, whose statements change rows and wait until the change is complete.
CREATE SETTINGS PROFILE IF NOT EXISTS footfall_privacy SETTINGS
    max_execution_time = 600 MIN 1 MAX 600,
    max_memory_usage = 4294967296 MIN 1 MAX 4294967296,
    max_threads = 4 MIN 1 MAX 4,
    max_concurrent_queries_for_all_users = 64 CONST,
    allow_introspection_functions = 0 CONST,
    backup_restore_s3_retry_attempts = 0 CONST,
    enable_analyzer = 1 CONST,
    additional_result_filter CONST,
    additional_table_filters CONST,
    allow_experimental_eval_table_function CONST,
    format_schema CONST,
    format_schema_source CONST,
    format_template_resultset CONST,
    format_template_row CONST;

-- The collector creates and changes its tables, inserts, closes days, removes duplicate events, and reads what it wrote.
CREATE ROLE IF NOT EXISTS footfall_collector;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON footfall.* TO footfall_collector;
GRANT SELECT, INSERT, ALTER UPDATE, ALTER DELETE, ALTER TABLE, OPTIMIZE ON footfall.* TO footfall_collector;
-- `footfall backup`. Whoever may write all of the data may also write it into the server's directories of backups.
GRANT BACKUP ON footfall.* TO footfall_collector;
GRANT SELECT ON system.tables TO footfall_collector;
-- Needed on servers with table_engines_require_grant.
GRANT TABLE ENGINE ON MergeTree, TABLE ENGINE ON ReplacingMergeTree TO footfall_collector;
-- Whether the tables are those of this version.
GRANT SELECT ON system.databases TO footfall_collector;
GRANT SELECT ON system.columns TO footfall_collector;
-- cluster: what each node is, replicated and Distributed tables, a synced replica for closing days, and replicas that lost their disk
GRANT SELECT ON system.clusters TO footfall_collector;
-- cluster:
GRANT SELECT ON system.macros TO footfall_collector;
-- cluster:
GRANT SELECT ON system.replicas TO footfall_collector;
-- cluster:
GRANT SELECT ON system.mutations TO footfall_collector;
-- cluster:
GRANT SYSTEM SYNC REPLICA ON footfall.* TO footfall_collector;
-- cluster:
GRANT SYSTEM DROP REPLICA ON *.* TO footfall_collector;
-- cluster:
GRANT TABLE ENGINE ON ReplicatedMergeTree, TABLE ENGINE ON ReplicatedReplacingMergeTree, TABLE ENGINE ON Distributed TO footfall_collector;
-- cluster:
GRANT CREATE TEMPORARY TABLE, CLUSTER, REMOTE ON *.* TO footfall_collector;

-- The operator reads every row, and the state of the store.
CREATE ROLE IF NOT EXISTS footfall_operator SETTINGS PROFILE 'footfall_reading';
GRANT SELECT, SHOW ON footfall.* TO footfall_operator;

-- The analyst reads events, visits and daily figures, but neither the counts of collectors nor the audit. Events have pseudonyms, which
-- change every day. This role is for a person whom the operator trusts.
CREATE ROLE IF NOT EXISTS footfall_analyst SETTINGS PROFILE 'footfall_reading';
GRANT SELECT ON footfall.events TO footfall_analyst;
GRANT SELECT ON footfall.visits TO footfall_analyst;
GRANT SELECT ON footfall.visits_stored TO footfall_analyst;
GRANT SELECT ON footfall.visits_between TO footfall_analyst;
GRANT SELECT ON footfall.daily TO footfall_analyst;
GRANT SELECT ON footfall.daily_stored TO footfall_analyst;
GRANT SELECT ON footfall.days TO footfall_analyst;
GRANT SELECT ON footfall.zone TO footfall_analyst;
GRANT SELECT ON footfall.settings TO footfall_analyst;
-- cluster: the shards' tables
GRANT SELECT ON footfall.events_local TO footfall_analyst;
-- cluster:
GRANT SELECT ON footfall.visits_stored_local TO footfall_analyst;
-- cluster:
GRANT SELECT ON footfall.daily_stored_local TO footfall_analyst;

-- The viewer reads published figures alone (docs/privacy.md). The view reads its tables with the rights of the collector.
CREATE ROLE IF NOT EXISTS footfall_viewer SETTINGS PROFILE 'footfall_reading';
GRANT SELECT ON footfall.daily_published TO footfall_viewer, footfall_analyst;

-- The SRE reads errors, failed resources, missing pages and loading times without pseudonyms, the counts of collectors, and the state of
-- the store, and of the audience published figures. It reads neither the audit nor the texts of other users' statements and errors, because
-- they may quote rows.
CREATE ROLE IF NOT EXISTS footfall_sre SETTINGS PROFILE 'footfall_reading';
GRANT SELECT(time, received, expires, site, host, path, release, kind, name, policy, browser, browser_version, engine, os, os_version, device, bot, bot_category, spoofed, data_centre, country, asn, network, ip_version, error_message, error_source, error_line, error_column, error_stack, error_group, lcp_ms, inp_ms, cls, fcp_ms, ttfb_ms, dns_ms, connect_ms, tls_ms, load_ms) ON footfall.events TO footfall_sre;
CREATE ROW POLICY IF NOT EXISTS footfall_sre ON footfall.events USING kind IN ('error', 'resource', 'vitals', 'missing') TO footfall_sre;
-- cluster: the shards' table
GRANT SELECT(time, received, expires, site, host, path, release, kind, name, policy, browser, browser_version, engine, os, os_version, device, bot, bot_category, spoofed, data_centre, country, asn, network, ip_version, error_message, error_source, error_line, error_column, error_stack, error_group, lcp_ms, inp_ms, cls, fcp_ms, ttfb_ms, dns_ms, connect_ms, tls_ms, load_ms) ON footfall.events_local TO footfall_sre;
-- cluster: without it the rows of the shards' table would be open to the role
CREATE ROW POLICY IF NOT EXISTS footfall_sre ON footfall.events_local USING kind IN ('error', 'resource', 'vitals', 'missing') TO footfall_sre;
GRANT SELECT ON footfall.daily_published TO footfall_sre;
GRANT SELECT ON footfall.segments TO footfall_sre;
GRANT SELECT(day, site, collector, segment, reason, expires) ON footfall.removed_events TO footfall_sre;
GRANT SELECT ON footfall.migrations TO footfall_sre;
GRANT SELECT ON footfall.days TO footfall_sre;
GRANT SELECT ON footfall.zone TO footfall_sre;
GRANT SELECT ON footfall.settings TO footfall_sre;
GRANT SELECT ON system.parts TO footfall_sre, footfall_operator;
GRANT SELECT ON system.parts_columns TO footfall_sre, footfall_operator;
GRANT SELECT ON system.merges TO footfall_sre, footfall_operator;
GRANT SELECT ON system.mutations TO footfall_operator;
GRANT SELECT(database, table, mutation_id, create_time, parts_to_do, is_done, is_killed, latest_fail_time) ON system.mutations TO footfall_sre;
GRANT SELECT ON system.replicas TO footfall_sre, footfall_operator;
GRANT SELECT ON system.distribution_queue TO footfall_sre, footfall_operator;
GRANT SELECT ON system.errors TO footfall_operator;
GRANT SELECT(name, code, value, last_error_time, remote) ON system.errors TO footfall_sre;
GRANT SELECT ON system.metrics TO footfall_sre, footfall_operator;
GRANT SELECT ON system.asynchronous_metrics TO footfall_sre, footfall_operator;
GRANT SELECT ON system.events TO footfall_sre, footfall_operator;
GRANT SELECT ON system.disks TO footfall_sre, footfall_operator;
GRANT SELECT(type, event_time, query_duration_ms, query_kind, user, read_rows, read_bytes, memory_usage, exception_code) ON system.query_log TO footfall_sre, footfall_operator;

-- The privacy officer reads the audit, and reads, corrects and deletes events. Days from which events are deleted are computed again.
CREATE ROLE IF NOT EXISTS footfall_privacy SETTINGS PROFILE 'footfall_privacy';
GRANT SELECT ON footfall.audit TO footfall_privacy;
GRANT SELECT, ALTER UPDATE, ALTER DELETE ON footfall.events TO footfall_privacy;
-- A failed change blocks all later changes of the table until KILL MUTATION removes it.
GRANT SELECT ON system.mutations TO footfall_privacy;
-- cluster: the shards' table
GRANT SELECT, ALTER UPDATE, ALTER DELETE ON footfall.events_local TO footfall_privacy;

-- Statements and seconds of run time for each user in an hour: more than people need.
CREATE QUOTA IF NOT EXISTS footfall_reading KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 7200
    TO footfall_operator, footfall_analyst, footfall_viewer, footfall_sre, footfall_privacy;

-- server: the collector's login, for `store.user` and `store.password_file`
CREATE USER IF NOT EXISTS footfall IDENTIFIED WITH sha256_password BY 'replace me' DEFAULT ROLE footfall_collector;
-- server:
GRANT footfall_collector TO footfall;
-- server: an insert into a Distributed table is confirmed when every shard has its part
ALTER USER footfall SETTINGS distributed_foreground_insert = 1;
