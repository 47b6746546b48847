//! Configurations as an operator writes them, right and wrong.

use std::path::PathBuf;

use super::*;
use crate::event::BotCategory;

fn check(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment: Vec<_> =
        environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::check("test.toml", text, &environment).map_err(|error| error.to_string())
}

#[test]
fn nothing_at_all_is_a_configuration_for_localhost() {
    let config = check("", &[]).unwrap();
    assert_eq!(config.listen.port(), 8080);
    assert!(matches!(config.store, StoreConfig::Embedded { .. }));
    let site = config.sites.get("localhost").unwrap();
    assert!(site.allows("127.0.0.1") && !site.allows("clinic.example"));
}

#[test]
fn the_example_of_the_readme_s_kind_is_read_whole() {
    let config = check(
        r#"
        listen = "127.0.0.1:1"
        timezone = "Europe/Moscow"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        [store]
        url = "http://clickhouse:8123/"
        cluster = "main"
        [[site]]
        id = "clinic"
        hosts = ["Clinic.example", "*.clinic.example"]
        retention = "unlimited"
        query = ["utm_*", "q"]
        cookies = { ab = "value", uid = "hmac", consent = "presence" }
        "#,
        &[],
    )
    .unwrap();
    let site = config.sites.get("clinic").unwrap();
    assert!(site.allows("clinic.example") && site.allows("www.clinic.example"));
    assert!(!site.allows("evilclinic.example") && !site.allows("clinic.example.org"));
    assert!(site.query.matches("utm_source") && site.query.matches("q") && !site.query.matches("name"));
    assert_eq!(site.retention, Retention::Unlimited);
    assert_eq!(site.cookies["uid"], CookieRule::Hmac);
    assert_eq!(config.trusted_proxies.len(), 2);
    let StoreConfig::Server { urls, cluster, .. } = config.store else { panic!("not a server") };
    assert_eq!(
        (urls.as_slice(), cluster.map(|cluster| cluster.name).as_deref()),
        (&["http://clickhouse:8123".to_owned()][..], Some("main"))
    );
}

#[test]
fn variables_win_over_the_file_and_reach_into_tables() {
    let environment = [
        ("FOOTFALL_LISTEN", "127.0.0.1:2"),
        ("FOOTFALL_GEO", "a.mmdb, b.mmdb"),
        ("FOOTFALL_STORE_URL", "http://elsewhere:8123"),
        ("FOOTFALL_SPOOL_SEAL_ROWS", "7"),
        ("FOOTFALL_SERVICE_HOST", "10.0.0.1"),
    ];
    let config = check("listen = \"127.0.0.1:1\"\nstore = \"embedded\"", &environment).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.geo, [PathBuf::from("a.mmdb"), PathBuf::from("b.mmdb")]);
    assert_eq!(config.spool.seal_rows, 7);
    assert!(matches!(config.store, StoreConfig::Server { .. }));
}

#[test]
fn a_map_of_the_world_is_a_path() {
    assert_eq!(check("", &[]).unwrap().page.map, None);
    let config = check("[page]\nmap = \"a.tsv\"", &[("FOOTFALL_PAGE_MAP", "world.tsv")]).unwrap();
    assert_eq!(config.page.map, Some(PathBuf::from("world.tsv")));
    let error = check("[page]\nmap = 1", &[]).unwrap_err().to_string();
    assert!(error.contains("line 2: page.map must be"), "{error}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = "listen = 80\nlisten_on = \"x\"\ntimezone = \"Mars/Base\"\n[[site]]\nid = \"Clinic\"\n\n\
                [spool]\nseal_after = \"soon\"\nmax_bytes = \"1 MiB\"\n[[site]]\nid = \"a\"\nhosts = [\"a/b\"]\ncolour = 1\n";
    let error = check(text, &[("FOOTFALL_LISTN", "x"), ("FOOTFALL_KEY_ON_DISK", "maybe")]).unwrap_err();
    let expected = [
        "line 1: listen must be text in quotation marks, not a number",
        "line 2: listen_on is not a setting",
        "line 3: timezone must be an IANA time zone such as Europe/Moscow, not \"Mars/Base\"",
        "line 5: site.id must be",
        "site.hosts is missing",
        "line 8: spool.seal_after must be a time",
        "spool.max_bytes must be at least 64 MiB",
        "line 12: site.hosts must be host names",
        "line 13: site.colour is not a setting",
        "FOOTFALL_LISTN: listn is not a setting; did you mean \"listen\"?",
        "FOOTFALL_KEY_ON_DISK: key_on_disk must be true or false",
    ];
    for part in expected {
        assert!(error.contains(part), "{part}\nis missing from\n{error}");
    }
}

#[test]
fn a_site_drops_no_bots_all_bots_or_those_of_some_categories() {
    let drops = |given: &str| {
        let text = format!("[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n{given}");
        let drop_bots = check(&text, &[]).unwrap().sites.get("clinic").unwrap().drop_bots;
        assert!(!drop_bots.drops(BotCategory::None), "people are never dropped: {given}");
        BotCategory::BOTS.into_iter().filter(|bot| drop_bots.drops(*bot)).collect::<Vec<_>>()
    };
    for none in ["", "drop_bots = false", "drop_bots = []"] {
        assert_eq!(drops(none), [], "{none}");
    }
    assert_eq!(drops("drop_bots = true"), BotCategory::BOTS);
    assert_eq!(drops("drop_bots = [\"seo\", \"ai\"]"), [BotCategory::Ai, BotCategory::Seo]);
    assert_eq!(drops("drop_bots = \"ai, seo\""), [BotCategory::Ai, BotCategory::Seo]);
}

#[test]
fn each_unknown_category_of_bots_is_reported_where_it_stands_with_those_there_are() {
    let site = |id: &str| format!("[[site]]\nid = \"{id}\"\nhosts = [\"{id}.example\"]\n");
    let (a, b, c) = (site("a"), site("b"), site("c"));
    let text = format!(
        "{a}drop_bots = [\"ai\",\n  \"crawlers\",\n  \"\", true]\n{b}drop_bots = 7\n{c}drop_bots = \"yes\"\n"
    );
    let error = check(&text, &[]).unwrap_err();
    let known =
        "true, false or a list of some of search, ai, preview, monitoring, seo, library, automation, other";
    for (line, given) in
        [(5, "\"crawlers\""), (6, "\"\""), (6, "true or false"), (10, "a number"), (14, "\"yes\"")]
    {
        let expected = format!("line {line}: site.drop_bots must be {known}, not {given}");
        assert!(error.contains(&expected), "{expected}\nis missing from\n{error}");
    }
    assert_eq!(error.matches("drop_bots").count(), 5, "{error}");
}

#[test]
fn broken_toml_is_reported_with_its_line() {
    let error = check("data = \"x\"\nlisten = \n", &[]).unwrap_err();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn settings_that_contradict_each_other_are_told_with_their_lines() {
    let site = |hosts: &str| format!("[[site]]\nid = \"clinic\"\nhosts = {hosts}\n");
    for (text, expected) in [
        (site("[]"), "line 3: site.hosts must name the hosts"),
        (site("\"\""), "line 3: site.hosts must name the hosts"),
        (site("\" , \""), "line 3: site.hosts must name the hosts"),
        ("site = []\n".to_owned(), "line 1: site must have at least one site"),
        ("[store]\nlisten = \"127.0.0.1:0\"\n".to_owned(), "line 2: store.listen must have a port"),
        ("[store]\nnative = \"127.0.0.1:0\"\n".to_owned(), "line 2: store.native must have a port"),
        (
            "[store]\n\nnative = \"127.0.0.2:9000\"\n".to_owned(),
            "line 3: store.native must have the IP address of",
        ),
        ("data = \"d\"\nkey = \"d/spool\"\n".to_owned(), "line 2: key must not lie in"),
        ("data = \"d\"\nkey = \"d/store/key\"\n".to_owned(), "line 2: key must not lie in"),
        ("[access]\nhosts = [\"https://a.example\"]\n".to_owned(), "line 2: access.hosts must be host names"),
    ] {
        let error = check(&text, &[]).unwrap_err();
        assert!(error.contains(&format!("test.toml, {expected}")), "{text}: {error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }
}

#[test]
fn the_address_of_a_store_is_plain_and_repeats_no_password() {
    for url in [
        "clickhouse:8123",
        "tcp://clickhouse:9000",
        "https://clickhouse:8443",
        "http://",
        "http://clickhouse:0",
        "http://clickhouse:99999",
        "http://user@clickhouse:8123",
        "http://user:secret@clickhouse:8123",
        "http://clickhouse:8123/?password=x",
        "http://clickhouse:8123/#x",
    ] {
        for text in [format!("store = {url:?}\n"), format!("[store]\nurl = {url:?}\n")] {
            let error = check(&text, &[]).unwrap_err();
            assert!(error.contains("store.url must"), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
    check("store = \"http://[::1]:8123/clickhouse/\"", &[]).unwrap();
}

#[test]
fn a_password_file_is_read_or_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    let text = format!("[store]\nurl = \"http://clickhouse:8123\"\npassword_file = {file:?}\n");
    assert!(check(&text, &[]).unwrap_err().contains("line 3: store.password_file cannot be read"));
    std::fs::write(&file, "\nsecret\n").unwrap();
    assert!(
        check(&text, &[]).unwrap_err().contains("line 3: store.password_file must name a file whose first")
    );
    std::fs::write(&file, "secret\n").unwrap();
    check(&text, &[]).unwrap();
}

#[test]
fn a_time_zone_is_one_that_the_store_knows_too() {
    for zone in
        ["Mars/Base", "localtime", "Etc/Unknown", "right/UTC", "posix/Europe/Moscow", "UTC+3", "+03:00", ""]
    {
        let error = check(&format!("timezone = {zone:?}\n"), &[]).unwrap_err();
        assert!(error.contains("line 1: timezone must"), "{zone}: {error}");
    }
    for (zone, name) in [("europe/moscow", "Europe/Moscow"), ("UTC", "UTC"), ("Etc/GMT+5", "Etc/GMT+5")] {
        let config = check(&format!("timezone = {zone:?}\n"), &[]).unwrap();
        assert_eq!(config.timezone.iana_name(), Some(name));
    }
}

#[test]
fn a_public_address_is_a_web_address_without_a_query() {
    for (url, expected) in [
        ("https://stats.clinic.example", "https://stats.clinic.example"),
        ("http://stats.clinic.example:8080/", "http://stats.clinic.example:8080"),
        ("https://clinic.example/stats/", "https://clinic.example/stats"),
    ] {
        let config = check(&format!("public_url = {url:?}\n"), &[]).unwrap();
        assert_eq!(config.public_url.as_deref(), Some(expected));
    }
    for url in [
        "stats.clinic.example",
        "ftp://a.example",
        "https://a.example/?x",
        "https://u:p@a.example",
        "https://a.example/'",
        "/s.js",
    ] {
        let error = check(&format!("public_url = {url:?}\n"), &[]).unwrap_err();
        assert!(error.contains("line 1: public_url must be the address that browsers use"), "{url}: {error}");
    }
}

#[test]
fn a_reload_tells_which_settings_it_does_not_apply() {
    let written = |text: &str| ReadConfig::parse("test.toml", text, &[]).written().clone();
    let site = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n";
    let before =
        written(&format!("listen = \"127.0.0.1:1\"\ngeo = [\"a\", \"b\"]\n[limits]\nrate = 7\n{site}"));
    let changed = |text: &str| before.changed_for_restart(&written(text));
    let none = Vec::<String>::new();
    let moved = format!(
        "\npolicy = \"2\"\ngeo = [\n\"a\", \"b\"]\nlisten = \"127.0.0.1:1\"\n{site}retention = \"1d\"\n[limits]\nrate = 7\n[lists]\nisbot = \"bots.txt\"\n"
    );
    assert_eq!(changed(&moved), none);
    let text = format!(
        "listen = \"127.0.0.1:2\"\ngeo = [\"a\", \"c\"]\n[limits]\nburst = 9\n[tls]\nkey = \"k\"\n{site}"
    );
    assert_eq!(changed(&text), ["geo", "limits.burst", "limits.rate", "listen", "tls.key"]);
}

#[test]
fn a_setting_of_the_collector_below_a_table_is_told_where_it_belongs() {
    for key in super::raw::TOP_LEVEL {
        let error =
            check(&format!("[[site]]\nid = \"a\"\nhosts = [\"a\"]\n{key} = \"x\"\n"), &[]).unwrap_err();
        assert!(
            error.contains(&format!("line 4: site.{key} is not a setting; it is a setting of the whole")),
            "{error}"
        );
        let above = check(&format!("{key} = 7\n"), &[]).err().unwrap_or_default();
        assert!(!above.contains("is not a setting"), "{above}");
    }
    let error = check("[spool]\nnonsense = 1\n", &[]).unwrap_err();
    assert!(error.ends_with("spool.nonsense is not a setting"), "{error}");
}

fn site_with(more: &str) -> Result<Config, String> {
    check(&format!("[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n{more}"), &[])
}

#[test]
fn goals_and_funnels_of_a_site_are_read_in_their_order() {
    let config = site_with(
        r#"
        [[site.goal]]
        name = "Запись"
        event = "booking"
        [[site.goal]]
        name = "Thanks"
        page = "/thanks/*"
        [[site.goal]]
        name = "Spring"
        ad_click = "spring"
        [[site.goal]]
        name = "Read"
        scroll = 75
        page = "/journal/*"
        [[site.funnel]]
        name = "Booking"
        steps = ["Spring", { name = "Form", page = "/booking" }, "Запись"]
        "#,
    )
    .unwrap();
    let site = config.sites.get("clinic").unwrap();
    let page = |text| PagePattern::parse(text).unwrap();
    let conditions: Vec<_> = site.goals.iter().map(|goal| goal.condition.clone()).collect();
    let expected = [
        GoalCondition::Event("booking".to_owned()),
        GoalCondition::Page(page("/thanks/*")),
        GoalCondition::AdClick("spring".to_owned()),
        GoalCondition::Scroll { percent: 75, page: Some(page("/journal/*")) },
    ];
    assert_eq!(conditions, expected);
    let steps: Vec<&str> = site.funnels[0].steps.iter().map(|step| &*step.name).collect();
    assert_eq!(steps, ["Spring", "Form", "Запись"]);
}

#[test]
fn a_goal_or_a_funnel_that_makes_no_sense_is_refused_with_its_line() {
    let goal = "[[site.goal]]\nname = \"A\"\nevent = \"a\"\n";
    for (text, reason) in [
        (
            "[[site.goal]]\nname = \"A\"",
            "line 4: site.goal must have exactly one of event, page, ad_click and scroll",
        ),
        (
            "[[site.goal]]\nname = \"A\"\nevent = \"a\"\npage = \"/\"",
            "line 4: site.goal must have exactly one",
        ),
        ("[[site.goal]]\nevent = \"a\"", "line 4: site.goal.name is missing"),
        (
            "[[site.goal]]\nname = \"A\"\npage = \"thanks\"",
            "line 6: site.goal.page must be the path of a page",
        ),
        (
            "[[site.goal]]\nname = \"A\"\nscroll = 101",
            "line 6: site.goal.scroll must be a number from 1 to 100",
        ),
        (
            "[[site.goal]]\nname = \"A\"\nevnt = \"a\"",
            "line 6: site.goal.evnt is not a setting; did you mean \"event\"?",
        ),
        ("goal = \"A\"", "line 4: site.goal must be a list of tables: write [[site.goal]]"),
        (&format!("{goal}{goal}"), "line 7: site.goal.name \"A\" stands above already"),
        (
            &format!("{goal}[[site.funnel]]\nname = \"F\"\nsteps = [\"A\"]"),
            "line 9: site.funnel.steps must be from 2 to 8 steps, not 1",
        ),
        (
            &format!("{goal}[[site.funnel]]\nname = \"F\"\nsteps = [\"A\", \"B\"]"),
            "line 9: site.funnel.steps names \"B\", which is not a goal",
        ),
        (
            &format!("{goal}[[site.funnel]]\nname = \"F\"\nsteps = [\"A\", {{ name = \"B\" }}]"),
            "line 9: site.funnel.steps must have exactly one of event",
        ),
        (&format!("{goal}[[site.funnel]]\nname = \"F\""), "line 7: site.funnel.steps must be a list"),
        (&format!("{goal}[[site.funnel]]\nsteps = [\"A\", \"A\"]"), "line 7: site.funnel.name is missing"),
    ] {
        let error = site_with(text).unwrap_err();
        assert!(error.contains(reason), "{text}\n{error}");
    }
}

#[test]
fn the_store_may_have_several_addresses_each_once() {
    let urls = |text: &str, environment: &[(&str, &str)]| match check(text, environment)?.store {
        StoreConfig::Server { urls, .. } => Ok::<_, String>(urls),
        StoreConfig::Embedded { .. } => panic!("not a server"),
    };
    let both = ["http://a:8123", "http://b:8123"];
    let list = "[store]\nurl = [\"http://a:8123/\", \"http://b:8123\"]\n";
    let cluster = "cluster = \"main\"\n";
    assert_eq!(urls(&format!("{list}{cluster}"), &[]).unwrap(), both);
    let of_environment = [("FOOTFALL_STORE_URL", "http://a:8123, http://b:8123")];
    assert_eq!(urls(&format!("[store]\n{cluster}"), &of_environment).unwrap(), both);
    let error = urls(list, &[]).unwrap_err();
    assert!(error.contains("line 2: store.url has several addresses, which need store.cluster"), "{error}");
    let error = urls("[store]\nurl = []\n", &[]).unwrap_err();
    assert!(error.contains("line 2: store.url must have at least one URL"), "{error}");
    let error =
        urls(&format!("[store]\nurl = [\"http://a:1\", \"http://a:1\"]\n{cluster}"), &[]).unwrap_err();
    assert!(error.contains("store.url has \"http://a:1\" twice"), "{error}");
    let error =
        urls(&format!("[store]\nurl = [\"http://a:1\",\n\"https://b:1\"]\n{cluster}"), &[]).unwrap_err();
    assert!(error.contains("line 3: store.url must be http://"), "{error}");
}

#[test]
fn a_quorum_is_a_number_of_replicas_of_a_cluster() {
    let text = "[store]\nurl = \"http://a:1\"\ncluster = \"main\"\n";
    let quorum = |line: &str| match check(&format!("{text}{line}"), &[])?.store {
        StoreConfig::Server { cluster, .. } => Ok::<_, String>(cluster.unwrap().quorum),
        StoreConfig::Embedded { .. } => panic!("not a server"),
    };
    assert_eq!(quorum("").unwrap(), Quorum::Auto);
    assert_eq!(quorum("quorum = \"auto\"\n").unwrap(), Quorum::Auto);
    assert_eq!(quorum("quorum = 2\n").unwrap(), Quorum::Replicas(2));
    for line in ["quorum = 0\n", "quorum = \"all\"\n"] {
        let error = quorum(line).unwrap_err();
        assert!(error.contains("line 4: store.quorum must be \"auto\" or a number of replicas"), "{error}");
    }
    let error = check("[store]\nurl = \"http://a:1\"\nquorum = 2\n", &[]).unwrap_err();
    assert!(error.contains("line 3: store.quorum needs store.cluster"), "{error}");
}
