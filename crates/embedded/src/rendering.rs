//! Renders [`Options`] as ClickHouse's configuration files for the server and the users.

use std::fmt::Write as _;

use crate::configuration::{Constraint, HEALTH_USER, Options, Profile, User};

/// The user of the engine's own session. Clients cannot use it, because it may have one session only.
const SESSION_USER: &str = "default";
/// Most connections of all servers together.
const MAX_CONNECTIONS: u32 = 512;
/// Most concurrent queries: one for each connection. Limits for some users belong in their profiles; a smaller limit here would let
/// them block the others.
const MAX_STATEMENTS: u32 = MAX_CONNECTIONS;
/// Seconds within which the head of a request must arrive, so that silent connections are closed.
const HEAD_SECONDS: u32 = 10;
/// The directory of backups, in that of the data: the engine may write nowhere else.
pub const BACKUPS: &str = "backups";
/// The networks of users without a password.
const LOOPBACK: &str = "loopback";

impl Options {
    /// The server's configuration; `users` is where ClickHouse finds the users, and `instance` names this start.
    pub(crate) fn config_xml(&self, users: &str, instance: &str) -> String {
        let host = self.http.ip();
        let http = self.http.port();
        let native =
            self.native.map_or_else(String::new, |native| format!("<tcp_port>{}</tcp_port>", native.port()));
        let memory = self.memory;
        let name = escape(&self.display_name);
        let merge_tree: String =
            self.merge_tree.iter().map(|(name, value)| element(name, &escape(value))).collect();
        let macros: String = self.macros.iter().map(|(name, value)| element(name, &escape(value))).collect();
        let more = &self.more_configuration;
        let backups = escape(&self.data.join(BACKUPS).display().to_string());
        let handlers = handlers(self.access.users.iter().any(|user| user.password_sha256.is_none()));
        format!(
            r"<clickhouse>
  <users_config>{users}</users_config>
  <display_name>{name}</display_name>
  <macros><instance>{instance}</instance>{macros}</macros>
  <listen_host>{host}</listen_host>
  <http_port>{http}</http_port>{native}
  <max_connections>{MAX_CONNECTIONS}</max_connections>
  <max_concurrent_queries>{MAX_STATEMENTS}</max_concurrent_queries>
  <keep_alive_timeout>{HEAD_SECONDS}</keep_alive_timeout>
  <!-- 0: half of the machine's memory; the program and the page cache need the rest. -->
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
  <!-- Marks of about 10 billion rows; the server's default of 5 GiB is for larger machines. -->
  <mark_cache_size>268435456</mark_cache_size>
  <index_mark_cache_size>67108864</index_mark_cache_size>
  <primary_index_cache_size>268435456</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <!-- Rows that do not fit into memory go to the disk, of all statements together. -->
  <backups><allowed_path>{backups}</allowed_path></backups>
  <max_temporary_data_on_disk_size>4294967296</max_temporary_data_on_disk_size>
  <!-- Threads that are kept when there is nothing to do. -->
  <max_thread_pool_free_size>16</max_thread_pool_free_size>
  <!-- No host may be connected to, no log table grows, and no crash is reported to anybody. -->
  <remote_url_allow_hosts></remote_url_allow_hosts>
  <send_crash_reports><enabled>false</enabled></send_crash_reports>
  <access_control_improvements>
    <users_without_row_policies_can_read_rows>true</users_without_row_policies_can_read_rows>
    <on_cluster_queries_require_cluster_grant>true</on_cluster_queries_require_cluster_grant>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
    <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
    <settings_constraints_replace_previous>true</settings_constraints_replace_previous>
    <table_engines_require_grant>true</table_engines_require_grant>
    <enable_read_write_grants>true</enable_read_write_grants>
  </access_control_improvements>
{handlers}  <merge_tree>{merge_tree}</merge_tree>{more}
</clickhouse>
"
        )
    }

    /// The users; `health` is the password of the user with which the supervisor asks whether the server works.
    pub(crate) fn users_xml(&self, health: &str) -> String {
        let mut xml = String::from("<clickhouse>\n  <profiles>\n    <default>");
        let default = self.access.profiles.iter().find(|profile| profile.name == "default");
        xml += &default.map_or_else(String::new, settings);
        // As on a server, a bare expression is an error. Queries are not logged.
        let _ = writeln!(
            xml,
            "<implicit_select>0</implicit_select><log_queries>0</log_queries>\
             <http_headers_read_timeout>{HEAD_SECONDS}</http_headers_read_timeout></default>"
        );
        // The engine's own session: it starts the servers, and is the only session that this user may have.
        xml += "    <session><max_sessions_for_user>1</max_sessions_for_user></session>\n";
        for profile in self.access.profiles.iter().filter(|profile| profile.name != "default") {
            let _ = writeln!(xml, "    {}", element(&profile.name, &settings(profile)));
        }
        xml += "  </profiles>\n  <quotas>\n    <default/>\n";
        let statements = self.listeners().count();
        let _ = writeln!(
            xml,
            "    <session><interval><duration>2000000000</duration><queries>{statements}</queries></interval></session>"
        );
        for quota in &self.access.quotas {
            let interval = format!(
                "<interval><duration>{}</duration><queries>{}</queries><execution_time>{}</execution_time></interval>",
                quota.period.as_secs(),
                quota.queries,
                quota.execution_time
            );
            let _ = writeln!(xml, "    {}", element(&quota.name, &interval));
        }
        xml += "  </quotas>\n  <users>\n";
        let session = User::new(SESSION_USER).grant("GRANT SYSTEM LISTEN ON *.*");
        xml += &user(
            &User { profile: Some("session".into()), quota: Some("session".into()), ..session },
            "127.0.0.1",
        );
        xml += &user(&User::new(HEALTH_USER).with_password(health), "::/0");
        for each in &self.access.users {
            xml += &user(each, if each.password_sha256.is_some() { "::/0" } else { LOOPBACK });
        }
        xml + "  </users>\n</clickhouse>\n"
    }
}

fn user(user: &User, networks: &str) -> String {
    let password = match &user.password_sha256 {
        Some(hash) => element("password_sha256_hex", hash),
        None => element("no_password", ""),
    };
    let networks = match networks {
        LOOPBACK => "<ip>127.0.0.0/8</ip><ip>::1</ip>".to_owned(),
        network => element("ip", network),
    };
    let grants: String = user.grants.iter().map(|grant| element("query", &escape(grant))).collect();
    let filters: String = user
        .row_filters
        .iter()
        .map(|filter| {
            let condition = element("filter", &escape(&filter.condition));
            element(&filter.database, &element(&filter.table, &condition))
        })
        .collect();
    let inner = [
        password,
        element("networks", &networks),
        element("profile", user.profile.as_deref().unwrap_or("default")),
        element("quota", user.quota.as_deref().unwrap_or("default")),
        // Without this element a user would have all grants.
        element("grants", if grants.is_empty() { "<query>GRANT USAGE ON *.*</query>" } else { &grants }),
        element("databases", &filters),
    ];
    format!("    {}\n", element(&user.name, &inner.concat()))
}

fn settings(profile: &Profile) -> String {
    let values = profile
        .settings
        .iter()
        .filter_map(|setting| setting.value.as_ref().map(|value| element(&setting.name, &escape(value))));
    let constraints = profile.settings.iter().filter_map(|setting| match &setting.constraint {
        Constraint::Free => None,
        Constraint::Constant => Some(element(&setting.name, "<const/>")),
        Constraint::Range(least, most) => {
            Some(element(&setting.name, &format!("<min>{}</min><max>{}</max>", escape(least), escape(most))))
        }
    });
    format!("{}{}", values.collect::<String>(), element("constraints", &constraints.collect::<String>()))
}

/// The rules for HTTP requests. Requests of web pages are refused: every page can send requests to a loopback address. While a user has no
/// password, a request must be addressed to an IP address or `localhost`: a page can point its own host name at this machine.
fn handlers(host_must_be_local: bool) -> String {
    const REFUSED: &str = "<handler><type>static</type><status>403</status>\
         <response_content>requests of web pages are refused</response_content></handler>";
    let host = if host_must_be_local {
        r"<headers><Host>regex:(?i)(localhost|[0-9.]+|\[[0-9a-f:.]+\])(:[0-9]+)?</Host></headers>"
    } else {
        ""
    };
    let mut xml = String::from("  <http_handlers>\n");
    for headers in
        ["<Origin>regex:.+</Origin>", "<Sec-Fetch-Site>regex:(?i)(cross-site|same-site)</Sec-Fetch-Site>"]
    {
        let _ = writeln!(xml, "    <rule><headers>{headers}</headers>{REFUSED}</rule>");
    }
    // Health checks need no user.
    let greeting = "<handler><type>static</type><response_content>Ok.&#10;</response_content></handler>";
    let _ = writeln!(
        xml,
        "    <rule><url>/</url><empty_query_string/>{host}<methods>GET,HEAD</methods>{greeting}</rule>"
    );
    for (url, handler) in [
        ("/ping", "<type>ping</type>"),
        ("/replicas_status", "<type>replicas_status</type>"),
        (
            r"regex:/(query)?(\?.*)?",
            "<type>dynamic_query_handler</type><query_param_name>query</query_param_name>",
        ),
    ] {
        let _ = writeln!(
            xml,
            "    <rule><url>{url}</url>{host}<methods>GET,HEAD,POST,OPTIONS</methods><handler>{handler}</handler></rule>"
        );
    }
    xml + "  </http_handlers>\n"
}

fn element(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_their_elements() {
        let address = "127.0.0.1:8123".parse().unwrap();
        let mut options = Options::new("lib.so".into(), "data".into(), address);
        options.access.users.push(User::new("reader").grant("GRANT SELECT ON `a<b>&c`.*"));
        let xml = options.users_xml("secret");
        assert!(xml.contains("<query>GRANT SELECT ON `a&lt;b&gt;&amp;c`.*</query>"), "{xml}");
        assert!(!xml.contains("secret"), "only its hash");
    }
}
