//! How filters are written, what they ask of the store, and what is refused.

#[test]
fn readers_of_diagnostics_filter_by_what_the_store_grants_them() {
    let roles = include_str!("../../../sql/roles.sql");
    let grant = roles.lines().find(|line| line.contains("ON footfall.events TO footfall_sre")).unwrap();
    let columns = grant.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let granted: Vec<&str> = columns.split(", ").collect();
    for column in DIAGNOSTICS_COLUMNS {
        assert!(granted.contains(column), "{column}");
    }
    assert!(!granted.contains(&"visitor") && !granted.contains(&"city"));
}

use super::*;

fn check(text: &str, condition: &str, values: &[&str]) {
    let mut parameters = Vec::new();
    let filter = Filter::parse(text).unwrap();
    assert_eq!(filter.condition(&mut parameters), condition, "{text}");
    let bound: Vec<&str> = parameters.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(bound, values, "{text}");
}

#[test]
fn a_filter_is_a_column_an_operator_and_values() {
    check("country=RU", "(country = {f0:String})", &["RU"]);
    check("browser!=Chrome", "(browser != {f0:String})", &["Chrome"]);
    check("path~/doctors", "(positionCaseInsensitiveUTF8(path, {f0:String}) > 0)", &["/doctors"]);
    check("path!~=", "(positionCaseInsensitiveUTF8(path, {f0:String}) = 0)", &["="]);
    check("lcp_ms>=2500", "(lcp_ms >= {f0:Float64})", &["2500"]);
    check("cls<=0.1", "(cls <= {f0:Float32})", &["0.1"]);
    check("city=", "(city = {f0:String})", &[""]);
    check("country=RU|BY", "(country = {f0:String} OR country = {f1:String})", &["RU", "BY"]);
    check("country!=RU|BY", "(country != {f0:String} AND country != {f1:String})", &["RU", "BY"]);
    check(r"city=a\|b\\c", "(city = {f0:String})", &[r"a|b\c"]);
    check("path=/%d0%b0|/a b", "(path = {f0:String} OR path = {f1:String})", &["/а", "/a%20b"]);
    check("props.doctor=Ivanov", "(props[{f0:String}] = {f1:String})", &["doctor", "Ivanov"]);
    check(r#"props."a=b"=1"#, "(props[{f0:String}] = {f1:String})", &["a=b", "1"]);
    check(
        r#"props."price<10">=5"#.replace(">=", "=").as_str(),
        "(props[{f0:String}] = {f1:String})",
        &["price<10", "5"],
    );
    check(
        r#"props."say \"hi\" \\o/"!~x"#,
        "(positionCaseInsensitiveUTF8(props[{f0:String}], {f1:String}) = 0)",
        &[r#"say "hi" \o/"#, "x"],
    );
    check(r#"cookies."a.b~c" = x"#, "(cookies[{f0:String}] = {f1:String})", &["a.b~c", " x"]);
    check("kind=error", "(toString(kind) = {f0:String})", &["error"]);
    check(
        "bot_category=ai|seo",
        "(toString(bot_category) = {f0:String} OR toString(bot_category) = {f1:String})",
        &["ai", "seo"],
    );
    check("bot_category=", "(toString(bot_category) = {f0:String})", &[""]);
    check("data_centre=1", "(data_centre = {f0:Bool})", &["true"]);
    check("spoofed!=true", "(spoofed != {f0:Bool})", &["true"]);
    check("screen=under 600", "(toString(screen) = {f0:String})", &["under 600"]);
    check("address=00000000000000ff", "(address = {f0:UInt64})", &["255"]);
    check("cookies_enabled=1", "(cookies_enabled = {f0:Bool})", &["true"]);
    check(
        "time>=2026-11-22T10:00:00.5Z",
        "(time >= toDateTime64({f0:String}, 3, 'UTC'))",
        &["2026-11-22 10:00:00.500"],
    );
}

#[test]
fn a_hostile_value_is_a_parameter_and_never_a_part_of_the_query() {
    for value in [
        "' OR 1=1 --",
        "\\' OR ''='",
        "'; DROP TABLE events; --",
        "{site:String}",
        "/* */",
        "\0\n\t",
        "\u{202e}",
    ] {
        check(&format!("country={value}"), "(country = {f0:String})", &[value]);
    }
    let entry = "props.x'] OR 1 IN ['y=1";
    check(entry, "(props[{f0:String}] = {f1:String})", &["x'] OR 1 IN ['y", "1"]);
}

#[test]
fn an_invalid_filter_is_refused_with_its_reason() {
    assert!(matches!(Filter::parse("country"), Err(FilterError::NoOperator(_))));
    assert!(matches!(Filter::parse("country!RU"), Err(FilterError::NoOperator(_))));
    for text in [r#"props."a=b"#, r#"props."a"b=c"#, r#"props"a"=1"#] {
        assert!(matches!(Filter::parse(text), Err(FilterError::NoOperator(_))), "{text}");
    }
    assert!(matches!(Filter::parse(r#"props.a."b"=1"#), Err(FilterError::SeveralEntries(_))));
    let error = Filter::parse("contry=RU").unwrap_err().to_string();
    assert!(
        error.starts_with("filter on unknown column \"contry\": did you mean country?; columns"),
        "{error}"
    );
    for text in ["nowhere=1", "=1", "country; DROP=1", "Country=RU", "site=other", "1=1"] {
        assert!(matches!(Filter::parse(text), Err(FilterError::UnknownColumn { .. })), "{text}");
    }
    assert!(matches!(Filter::parse("props=1"), Err(FilterError::NoEntry(_))));
    assert!(matches!(Filter::parse("country.x=1"), Err(FilterError::PlainColumn(_))));
    assert!(matches!(Filter::parse("country>RU"), Err(FilterError::Operator { .. })));
    assert!(matches!(Filter::parse("visitor~ab"), Err(FilterError::Operator { .. })));
    for text in [
        "lcp_ms>fast",
        "lcp_ms=inf",
        "kind=look",
        "visitor=5",
        "cookies_enabled=yes",
        "time>now",
        "expires=x",
    ] {
        assert!(matches!(Filter::parse(text), Err(FilterError::Value { .. })), "{text}");
    }
    assert!(matches!(Filter::parse(&format!("path={}", "x".repeat(5000))), Err(FilterError::TooLong)));
    assert!(matches!(Filter::parse(&format!("path={}", "|".repeat(100))), Err(FilterError::TooLong)));
}

#[test]
fn an_unknown_category_is_refused_with_the_known_ones() {
    let error = Filter::parse("bot_category=crawler").unwrap_err().to_string();
    assert_eq!(
        error,
        "\"crawler\" is not a value of column bot_category: it takes nothing, search, ai, preview, monitoring, seo, \
         library, automation, other"
    );
}

#[test]
fn a_filter_that_no_person_passes_wants_bots() {
    for text in ["bot_category=ai|seo", "bot=Googlebot", "bot~oo", "bot!=", "bot_category!=", "device=bot"] {
        assert!(Filter::parse(text).unwrap().wants_bots(), "{text}");
    }
    for text in [
        "bot_category=",
        "bot_category=|ai",
        "bot!=Googlebot",
        "bot!~Google",
        "device=bot|mobile",
        "spoofed=1",
    ] {
        assert!(!Filter::parse(text).unwrap().wants_bots(), "{text}");
    }
}

#[test]
fn a_filter_is_written_as_it_was_read() {
    for (text, parts) in [
        ("country=RU|BY", ("country", "=", "RU|BY")),
        ("props.doctor!~x", ("props.doctor", "!~", "x")),
        ("props.\"a=b\"=x=y", ("props.\"a=b\"", "=", "x=y")),
        ("lcp_ms>=2500", ("lcp_ms", ">=", "2500")),
        ("visitor=00000000000000ff", ("visitor", "=", "00000000000000ff")),
    ] {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(filter.to_string(), text);
        assert_eq!(filter.written_parts(), parts);
    }
    let hostile = Filter::parse(&Filter::text_for("browser", "a|b\\c")).unwrap();
    assert_eq!(hostile.only_value(), Some(("browser", "a|b\\c")));
}
