//! The engine's configuration: written beside the data at every start, so that what runs is what this file says.
//!
//! Two roles are all there is. `writer` has every right inside of the store and no grant that reaches outside of it: no table
//! functions `file`, `url`, `s3`, `remote`, no users, no backups. `reader` may look at what its databases hold. ClickHouse
//! enforces these grants; for the function `file`, engines that read files and `INTO OUTFILE` it has none, which `statement`
//! and `confine` make up for. The engine's one user has both roles, so that the process itself keeps a reader from the writer's.
//! `reader` says what a reader's statement may use.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::reader;

/// What the engine may use, and whose tables the reader sees.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes that all statements together may hold; 0 is half of the machine's memory.
    pub memory: u64,
    /// Databases whose tables the reader sees.
    pub readable: Vec<String>,
}

/// Writes the engine's configuration into `directory` and returns the file to start it with.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(directory: &Path, limits: &Limits) -> io::Result<PathBuf> {
    let users = directory.join("users.xml");
    let config = directory.join("config.xml");
    replace(&users, &users_xml(limits))?;
    replace(&config, &config_xml(&users, limits))?;
    Ok(config)
}

/// Whole or not at all, so that a start that is killed leaves no half a file to the next.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let staged = path.with_extension("xml.new");
    fs::write(&staged, text)?;
    fs::rename(staged, path)
}

fn config_xml(users: &Path, limits: &Limits) -> String {
    let users = escape(&users.display().to_string());
    let memory = limits.memory;
    format!(
        r"<clickhouse>
  <users_config>{users}</users_config>
  <!-- 0: half of the machine's memory, the collector and the page cache need the rest. -->
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
  <!-- Marks of about 10 billion rows; the server's default of 5 GiB is for machines of another size. -->
  <mark_cache_size>268435456</mark_cache_size>
  <index_mark_cache_size>67108864</index_mark_cache_size>
  <primary_index_cache_size>268435456</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <!-- Threads that are kept when there is nothing to do. -->
  <max_thread_pool_free_size>16</max_thread_pool_free_size>
  <!-- No section of a log table: system.query_log and its like would grow for ever. -->
  <merge_tree>
    <!-- A confirmed insert survives a power cut. -->
    <fsync_after_insert>1</fsync_after_insert>
    <fsync_part_directory>1</fsync_part_directory>
  </merge_tree>
</clickhouse>
"
    )
}

fn users_xml(limits: &Limits) -> String {
    let readable: String = limits
        .readable
        .iter()
        .map(|database| {
            let database = escape(&quote_name(database));
            format!("        <query>GRANT SELECT, SHOW, dictGet ON {database}.*</query>\n")
        })
        .collect();
    let reader = reader::profile();
    format!(
        r"<clickhouse>
  <profiles>
    <default>
      <!-- Beyond what a reader's constraints allow: a reader cannot change to this profile. -->
      <max_execution_time>0</max_execution_time>
      <!-- The engine's own default is to read a bare expression as a SELECT; a server's is not to. -->
      <implicit_select>0</implicit_select>
      <!-- An answer to an insert means that it is stored. -->
      <async_insert>0</async_insert>
      <allow_introspection_functions>0</allow_introspection_functions>
      <!-- A retried insert must not count twice in what is derived from its table. -->
      <deduplicate_blocks_in_dependent_materialized_views>1</deduplicate_blocks_in_dependent_materialized_views>
      <log_queries>0</log_queries>
    </default>
{reader}  </profiles>
  <roles>
    <writer>
      <grants>
        <query>GRANT SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, SHOW, KILL QUERY, KILL TRANSACTION, MOVE PARTITION BETWEEN SHARDS, SYSTEM, dictGet, CHECK, TABLE ENGINE ON *.*</query>
      </grants>
    </writer>
    <reader>
      <grants>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
{readable}      </grants>
    </reader>
  </roles>
  <users>
    <default>
      <password></password>
      <networks><ip>::1</ip><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants><query>GRANT writer, reader</query></grants>
    </default>
  </users>
  <quotas><default></default></quotas>
</clickhouse>
"
    )
}

fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_s_name_stays_a_name() {
        let limits = Limits { memory: 0, readable: vec!["a`.* <b>".to_owned()] };
        assert!(users_xml(&limits).contains("ON `a\\`.* &lt;b&gt;`.*</query>"));
    }

    #[test]
    fn a_start_writes_both_files() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits { memory: 1 << 30, readable: vec!["footfall".to_owned()] };
        let config = write(directory.path(), &limits).unwrap();
        let text = fs::read_to_string(config).unwrap();
        assert!(text.contains("<max_server_memory_usage>1073741824<"));
        assert!(directory.path().join("users.xml").exists());
    }
}
