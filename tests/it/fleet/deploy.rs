//! `deploy/cluster`: the files agree with each other, and the member's configuration is right.

use std::collections::BTreeSet;
use std::path::Path;

use footfall::config::Config;

const COMPOSE: &str = include_str!("../../../deploy/cluster/compose.yaml");
const NODE: &str = include_str!("../../../deploy/cluster/clickhouse.xml");
const KEEPER: &str = include_str!("../../../deploy/cluster/keeper.xml");
const MEMBER: &str = include_str!("../../../deploy/cluster/footfall.toml");

/// The texts of an element, wherever it stands.
fn elements<'t>(xml: &'t str, name: &str) -> Vec<&'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().trim()).collect()
}

/// Names and lines of the services.
fn services() -> Vec<(&'static str, Vec<&'static str>)> {
    let section = COMPOSE.split("\nservices:\n").nth(1).unwrap().split("\nvolumes:\n").next().unwrap();
    let mut services: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in section.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
            Some(name) => services.push((name.strip_suffix(':').unwrap(), Vec::new())),
            None => services.last_mut().unwrap().1.push(line.trim()),
        }
    }
    services
}

/// The value of an environment variable in the lines of a service.
fn variable<'t>(lines: &[&'t str], name: &str) -> Option<&'t str> {
    let line = lines.iter().find(|line| line.starts_with("environment:"))?;
    line.split(&format!("{name}: \"")).nth(1)?.split('"').next()
}

#[test]
fn the_nodes_and_keepers_of_the_compose_file_are_those_of_the_configurations() {
    let services = services();
    let names: BTreeSet<&str> = services.iter().map(|(name, _)| *name).collect();
    let mut named: BTreeSet<&str> = elements(NODE, "host").into_iter().collect();
    assert_eq!(named, names, "every service is in clickhouse.xml");
    named.retain(|name| name.starts_with("keeper"));
    assert_eq!(elements(KEEPER, "hostname").into_iter().collect::<BTreeSet<_>>(), named);

    let shards = elements(elements(NODE, "remote_servers")[0], "shard");
    for (name, lines) in &services {
        assert!(lines.contains(&format!("hostname: {name}").as_str()), "{name} is found by its name");
        let is_node = name.starts_with("clickhouse");
        assert!(lines.contains(&if is_node { "<<: *clickhouse" } else { "<<: *keeper" }));
        if is_node {
            let number = |text| variable(lines, text).unwrap().parse::<usize>().unwrap();
            let (shard, replica) = (number("SHARD"), number("REPLICA"));
            assert_eq!(
                elements(shards[shard - 1], "host")[replica - 1],
                *name,
                "macros and remote_servers agree"
            );
        } else {
            let id = variable(lines, "KEEPER_ID").unwrap();
            assert!(KEEPER.contains(&format!("<id>{id}</id><hostname>{name}</hostname>")));
        }
        for mounted in lines.iter().filter_map(|line| line.strip_prefix("- ")) {
            let source = mounted.split(':').next().unwrap();
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cluster");
            match source.strip_prefix("./") {
                Some(file) => assert!(directory.join(file).is_file(), "{file}"),
                None => assert_eq!(source, *name, "each has a volume of its own"),
            }
        }
    }
    // Every variable that the configurations read is set.
    for (text, names) in [(NODE, ["SHARD", "REPLICA", "CLUSTER_SECRET"].as_slice()), (KEEPER, &["KEEPER_ID"])]
    {
        let read: Vec<&str> =
            text.split("from_env=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(read, names);
    }
    assert!(COMPOSE.contains("CLUSTER_SECRET=%s"));
    let port =
        |xml: &'static str| elements(elements(xml, "zookeeper").first().copied().unwrap_or(xml), "port");
    assert!(port(NODE).iter().all(|port| elements(KEEPER, "tcp_port") == [*port]));
}

#[test]
fn the_configuration_of_a_member_names_each_node_of_the_compose_file() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = MEMBER.replace("\"password\"", &format!("{password:?}"));
    let config = Config::check("footfall.toml", &text, &[]).unwrap();
    assert!(config.key_fleet && config.published.noise_key.is_some());
    let ports =
        COMPOSE.lines().filter_map(|line| line.trim().strip_prefix("ports: [\"")?.split(":8123").next());
    let urls: Vec<String> = ports.map(|port| format!("http://{port}")).collect();
    assert_eq!(urls.len(), 4);
    assert!(urls.iter().all(|url| MEMBER.contains(&format!("\"{url}\""))), "{urls:?}");
}
