-- Roles in ClickHouse: each may do what its work needs and no more (clause 5.4 of the policy).
--
-- On a server, run this file once after `footfall migrate`, as a user who may grant. It may be run again: what is new is added, and
-- what exists stays as it is, bounds included. Replace the collector's password. On a cluster, add ON CLUSTER to each statement.
-- For a person, create a user with a name of its own and grant a role to it:
--   CREATE USER anna IDENTIFIED WITH sha256_password BY '…' SETTINGS PROFILE 'footfall_reading' DEFAULT ROLE footfall_analyst
--   GRANT footfall_analyst TO anna
-- A user must not bear a role's name: `GRANT … TO name` would then mean the user.
--
-- The embedded store has a user for each role, with the role's name; src/store/embedded/roles.rs renders them from this file and
-- leaves out what stands under "server:" and "cluster:".
--
-- Written for ClickHouse 26.7. Grants hold whatever the settings are. Bounds of settings are weaker: in 26.7
-- `SETTINGS name = DEFAULT` and the SETTINGS of a subquery pass them by. The quota and `max_server_memory_usage` remain.

-- Bounds of a statement that reads. `readonly = 2`: nothing is changed, and settings may be chosen, except those that stand here.
-- An analyst's statement over years takes seconds; one that takes a minute or 4 GiB is a mistake or an attack. CONST holds
-- settings that only a mistake or an attack changes, and settings that name files or schemas or hold SQL.
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

-- Bounds of the privacy officer, whose statements change rows and wait until that is done.
CREATE SETTINGS PROFILE IF NOT EXISTS footfall_privacy SETTINGS
    max_execution_time = 600 MIN 1 MAX 600,
    max_memory_usage = 4294967296 MIN 1 MAX 4294967296,
    max_threads = 4 MIN 1 MAX 4,
    max_concurrent_queries_for_all_users = 64 CONST,
    allow_introspection_functions = 0 CONST,
    enable_analyzer = 1 CONST,
    additional_result_filter CONST,
    additional_table_filters CONST,
    allow_experimental_eval_table_function CONST,
    format_schema CONST,
    format_schema_source CONST,
    format_template_resultset CONST,
    format_template_row CONST;

-- The collector creates its tables and changes them, inserts, closes days, removes doubled events, and reads what it wrote.
CREATE ROLE IF NOT EXISTS footfall_collector;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON footfall.* TO footfall_collector;
GRANT SELECT, INSERT, ALTER UPDATE, ALTER DELETE, ALTER TABLE ON footfall.* TO footfall_collector;
GRANT SELECT ON system.tables TO footfall_collector;
-- For servers with table_engines_require_grant; elsewhere it changes nothing.
GRANT TABLE ENGINE ON MergeTree, TABLE ENGINE ON ReplacingMergeTree, TABLE ENGINE ON SummingMergeTree TO footfall_collector;
-- cluster: replicated tables, ON CLUSTER, and the table function cluster(), with which days are closed
GRANT TABLE ENGINE ON ReplicatedMergeTree, TABLE ENGINE ON ReplicatedReplacingMergeTree, TABLE ENGINE ON ReplicatedSummingMergeTree, TABLE ENGINE ON Distributed TO footfall_collector;
-- cluster:
GRANT CREATE TEMPORARY TABLE, CLUSTER, REMOTE ON *.* TO footfall_collector;

-- The operator reads every row, and how the store is.
CREATE ROLE IF NOT EXISTS footfall_operator SETTINGS PROFILE 'footfall_reading';
GRANT SELECT, SHOW ON footfall.* TO footfall_operator;

-- The analyst reads events and what is made of them, but neither bookkeeping nor the audit. Events are pseudonymous, with another
-- pseudonym on each day: this role is for a person whom the operator trusts.
CREATE ROLE IF NOT EXISTS footfall_analyst SETTINGS PROFILE 'footfall_reading';
GRANT SELECT ON footfall.events TO footfall_analyst;
GRANT SELECT ON footfall.visits TO footfall_analyst;
GRANT SELECT ON footfall.visits_open TO footfall_analyst;
GRANT SELECT ON footfall.visits_closed TO footfall_analyst;
GRANT SELECT ON footfall.visits_between TO footfall_analyst;
GRANT SELECT ON footfall.daily TO footfall_analyst;
GRANT SELECT ON footfall.daily_open TO footfall_analyst;
GRANT SELECT ON footfall.daily_closed TO footfall_analyst;
GRANT SELECT ON footfall.daily_between TO footfall_analyst;
GRANT SELECT ON footfall.days TO footfall_analyst;
GRANT SELECT ON footfall.zone TO footfall_analyst;
GRANT SELECT ON footfall.settings TO footfall_analyst;
-- cluster: the shards' tables
GRANT SELECT ON footfall.events_local TO footfall_analyst;
-- cluster:
GRANT SELECT ON footfall.visits_closed_local TO footfall_analyst;
-- cluster:
GRANT SELECT ON footfall.daily_closed_local TO footfall_analyst;

-- The viewer reads published figures. There are none yet, so there is nothing to read.
CREATE ROLE IF NOT EXISTS footfall_viewer SETTINGS PROFILE 'footfall_reading';

-- The SRE reads errors, failed resources, missing pages and loading times, without any pseudonym; bookkeeping; and how the store
-- is. Neither the audit nor the texts of others' statements and errors, which hold what people looked for and what rows hold.
CREATE ROLE IF NOT EXISTS footfall_sre SETTINGS PROFILE 'footfall_reading';
GRANT SELECT(time, received, expires, site, host, path, kind, name, policy, browser, browser_version, engine, os, os_version, device, bot, bot_category, spoofed, data_centre, country, asn, network, ip_version, error_message, error_source, error_line, error_column, error_stack, error_group, lcp_ms, inp_ms, cls, fcp_ms, ttfb_ms, dns_ms, connect_ms, tls_ms, load_ms) ON footfall.events TO footfall_sre;
CREATE ROW POLICY IF NOT EXISTS footfall_sre ON footfall.events USING kind IN ('error', 'resource', 'vitals', 'missing') TO footfall_sre;
GRANT SELECT ON footfall.books TO footfall_sre;
GRANT SELECT ON footfall.segments TO footfall_sre;
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

-- The privacy officer reads the audit, reads events, and corrects and deletes rows of events. Visits and daily figures of closed
-- days are made of events and do not change with them; they end with their own retention.
CREATE ROLE IF NOT EXISTS footfall_privacy SETTINGS PROFILE 'footfall_privacy';
GRANT SELECT ON footfall.audit TO footfall_privacy;
GRANT SELECT, ALTER UPDATE, ALTER DELETE ON footfall.events TO footfall_privacy;
-- A change that fails halfway holds up all later ones of the table until it is taken back: KILL MUTATION.
GRANT SELECT ON system.mutations TO footfall_privacy;
-- cluster: the shards' table
GRANT SELECT, ALTER UPDATE, ALTER DELETE ON footfall.events_local TO footfall_privacy;

-- More than people ask: statements, and seconds of running, of each user in an hour.
CREATE QUOTA IF NOT EXISTS footfall_reading KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 7200
    TO footfall_operator, footfall_analyst, footfall_viewer, footfall_sre, footfall_privacy;

-- server: the collector's login, for `store.user` and `store.password_file`
CREATE USER IF NOT EXISTS footfall IDENTIFIED WITH sha256_password BY 'replace me' DEFAULT ROLE footfall_collector;
-- server:
GRANT footfall_collector TO footfall;
-- server: an insert into a Distributed table answers only when every shard has its part
ALTER USER footfall SETTINGS distributed_foreground_insert = 1;
