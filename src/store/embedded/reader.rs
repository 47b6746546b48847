//! What a reader's statement may use, and which settings it may choose.
//!
//! The engine holds the bounds by constraints of a profile, but not everywhere: `= DEFAULT` and `SETTINGS` of a subquery pass
//! them by. And some settings are programs or files in disguise (`additional_result_filter`, `format_schema`,
//! `format_template_row`). So a reader may choose from a list, and what the list does not name is refused, in the address, in
//! `SET` and in `SETTINGS` at any depth alike. Some are refused to the writer too, since they reach outside of the store.

use std::fmt::Write as _;

use super::engine::Exception;
use super::statement::is_outside_function;

/// Name of the profile under which readers' statements run.
const PROFILE: &str = "reader";

/// What a reader's statement may use: setting, value, and whether a reader may choose less.
///
/// `sql/roles.sql` has the same for a server.
///
/// An analyst's query over years takes seconds; what takes a minute or 4 GiB is a mistake or an attack. Bounds that only mistakes
/// and attacks meet (depths, elements, untracked memory) stand at the engine's own defaults and are held there.
const BOUNDS: &[(&str, u64, Freedom)] = &[
    ("max_execution_time", 60, Freedom::Less),
    ("max_memory_usage", 4 << 30, Freedom::Less),
    // Rows that do not fit into memory go to the disk that the spool needs.
    ("max_temporary_data_on_disk_size_for_query", 1 << 30, Freedom::Less),
    ("max_threads", 4, Freedom::Less),
    ("max_block_size", 65_409, Freedom::Less),
    ("max_ast_depth", 1000, Freedom::None),
    ("max_ast_elements", 50_000, Freedom::None),
    ("max_expanded_ast_elements", 500_000, Freedom::None),
    ("max_parser_depth", 1000, Freedom::None),
    ("max_parser_backtracks", 1_000_000, Freedom::None),
    ("max_query_size", 1 << 20, Freedom::None),
    ("max_subquery_depth", 100, Freedom::None),
    ("max_recursive_cte_evaluation_depth", 1000, Freedom::None),
    // What is not counted is not bounded.
    ("max_untracked_memory", 4 << 20, Freedom::None),
    ("function_sleep_max_microseconds_per_block", 3_000_000, Freedom::None),
    ("use_query_cache", 0, Freedom::None),
    ("allow_introspection_functions", 0, Freedom::None),
    ("input_format_values_interpret_expressions", 0, Freedom::None),
    ("input_format_values_deduce_templates_of_expressions", 0, Freedom::None),
];

/// Settings that a reader may choose besides the bounds: how a result looks, and less of everything.
const CHOICES: &[&str] = &[
    "aggregate_functions_null_for_empty",
    "cancel_http_readonly_queries_on_client_close",
    // clickhouse-connect sets it on every query.
    "cast_string_to_dynamic_use_inference",
    "count_distinct_implementation",
    "default_format",
    "empty_result_for_aggregation_by_empty_set",
    "extremes",
    "final",
    "interactive_delay",
    "limit",
    "log_comment",
    "offset",
    "read_overflow_mode",
    "result_overflow_mode",
    "send_progress_in_http_headers",
    "session_timezone",
    "totals_mode",
    "transform_null_in",
    "union_default_mode",
    "wait_end_of_query",
];
/// The same by how they begin.
const CHOICES_THAT_BEGIN: &[&str] = &[
    "date_time_",
    "format_csv_",
    "format_tsv_",
    "group_by_",
    "http_",
    "join_",
    "max_bytes_to_",
    "max_result_",
    "max_rows_to_",
    "optimize_",
    "output_format_",
];

/// Settings that read or write files, ask the network, or hold SQL that nobody has looked through: nobody's.
const OUTSIDE: &[&str] = &[
    "additional_result_filter",
    "additional_table_filters",
    "allow_experimental_eval_table_function",
    "format_avro_schema_registry_url",
    "format_schema",
    "format_schema_source",
    "format_template_resultset",
    "format_template_row",
    "output_format_schema",
    "parallel_replicas_custom_key",
];

/// The same of the embedded store alone: `disk` is a table's setting, and the others are bounds of a server's reader. Expressions
/// in a body are SQL that nobody has looked through.
const OUTSIDE_HERE: &[&str] = &[
    "disk",
    "input_format_values_deduce_templates_of_expressions",
    "input_format_values_interpret_expressions",
];

/// Of `VALUES`, literals are taken and no expressions, for the writer too; [`OUTSIDE_HERE`] keeps it so.
pub(super) const VALUES_ARE_DATA: &str = "SET input_format_values_interpret_expressions = 0, \
     input_format_values_deduce_templates_of_expressions = 0";

/// Whether a reader may lower a bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freedom {
    /// From 1 up to the bound.
    Less,
    /// It stands.
    None,
}

/// What puts a fresh connection under the bounds. Changing to the profile brings the constraints but not the values, which is
/// why they come first; with them in force no other profile can be changed to.
pub(super) fn preamble() -> [String; 2] {
    let values: Vec<String> = BOUNDS.iter().map(|(name, value, _)| format!("{name} = {value}")).collect();
    [format!("SET {}", values.join(", ")), format!("SET profile = '{PROFILE}'")]
}

/// The profile, for the engine's configuration.
pub(super) fn profile() -> String {
    let mut constraints = String::new();
    for (name, value, freedom) in BOUNDS {
        // Zero would mean no bound at all. Writing to a string cannot fail.
        let _ = match freedom {
            Freedom::Less => {
                writeln!(constraints, "        <{name}><min>1</min><max>{value}</max></{name}>")
            }
            Freedom::None => writeln!(constraints, "        <{name}><const/></{name}>"),
        };
    }
    format!("    <{PROFILE}>\n      <constraints>\n{constraints}      </constraints>\n    </{PROFILE}>\n")
}

/// Whether a statement or an address may give a setting this value; `reader` says for whom.
///
/// # Errors
/// With the exceptions that ClickHouse has for settings that are held, or closed to a role.
pub(super) fn may_set(name: &str, value: &str, reader: bool) -> Result<(), Exception> {
    let denied = |why: &str| {
        let text = format!("The setting {name} {why}");
        Err(Exception::new(super::wire::code::ACCESS_DENIED, "ACCESS_DENIED", text))
    };
    // A parameter can give a function's name, for `{name:Identifier}`; an escape can spell any.
    let bare = value.trim_matches(['\'', '"', '`']).to_ascii_lowercase();
    let names_function =
        name.starts_with("param_") && (is_outside_function(&bare) || bare.contains(['\\', '$']));
    if OUTSIDE.contains(&name) || OUTSIDE_HERE.contains(&name) || name.contains('\\') || names_function {
        return denied("reaches outside of the store, which is not served");
    }
    if !reader {
        return Ok(());
    }
    if let Some((_, most, freedom)) = BOUNDS.iter().find(|(bound, ..)| *bound == name) {
        let fits = value.parse::<u64>().is_ok_and(|value| (1..=*most).contains(&value));
        if *freedom == Freedom::Less && fits {
            return Ok(());
        }
        let text = format!("The setting {name} stands at {most} for footfall_reader");
        return Err(Exception::new(452, "SETTING_CONSTRAINT_VIOLATION", text));
    }
    if CHOICES.contains(&name) || CHOICES_THAT_BEGIN.iter().any(|begin| name.starts_with(begin)) {
        return Ok(());
    }
    denied("is not one that footfall_reader may choose")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_may_be_lowered_and_never_lifted() {
        for (name, value, allowed) in [
            ("max_execution_time", "1", true),
            ("max_execution_time", "60", true),
            ("max_execution_time", "61", false),
            ("max_execution_time", "0", false),
            ("max_execution_time", "-1", false),
            ("max_execution_time", "1e9", false),
            ("max_execution_time", "DEFAULT", false),
            ("max_execution_time", "", false),
            ("max_parser_depth", "1000", false),
            ("output_format_json_quote_64bit_integers", "1", true),
            ("output_format_schema", "x", false),
            ("readonly", "2", false),
            ("profile", "default", false),
        ] {
            assert_eq!(may_set(name, value, true).is_ok(), allowed, "{name} = {value}");
        }
        assert!(may_set("readonly", "0", false).is_ok() && may_set("format_schema", "x", false).is_err());
    }

    #[test]
    fn the_roles_of_a_server_have_the_same_bounds() {
        let file = include_str!("../../../sql/roles.sql");
        let (_, profile) = file.split_once("PROFILE IF NOT EXISTS footfall_reader SETTINGS\n").unwrap();
        let mut settings: Vec<&str> = profile.split_once(';').unwrap().0.split(',').map(str::trim).collect();
        settings.retain(|setting| *setting != "readonly = 2 CONST");
        let bounds = BOUNDS.iter().map(|(name, value, freedom)| match freedom {
            Freedom::Less => format!("{name} = {value} MIN 1 MAX {value}"),
            Freedom::None => format!("{name} = {value} CONST"),
        });
        let held = OUTSIDE.iter().map(|name| format!("{name} CONST"));
        assert_eq!(settings, bounds.chain(held).collect::<Vec<_>>());
    }
}
