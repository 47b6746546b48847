//! Places out of small files made here, in each layout, and out of the default files where they are installed.

use std::fs;
use std::path::{Path, PathBuf};

use mmdb_writer::{Value, Writer};
use tempfile::TempDir;

use super::record::GeoRecord;
use super::*;

fn names(english: &str) -> Value {
    Value::map([("names", Value::map([("de", Value::from("anders")), ("en", Value::from(english))]))])
}

/// GeoLite2's, GeoIP2's and DB-IP's layout.
fn nested() -> Vec<u8> {
    let mut writer = Writer::new("GeoLite2-City");
    let record = Value::map([
        ("city", names("Kazan")),
        ("country", Value::map([("iso_code", Value::from("RU")), ("geoname_id", Value::from(2_017_370u32))])),
        ("subdivisions", Value::array([names("Tatarstan"), names("Within")])),
    ]);
    writer.insert_value(network("203.0.113.0/24"), record.clone()).unwrap();
    writer.insert_value(network("2001:db8:1::/48"), record).unwrap();
    let country = Value::map([("country", Value::map([("iso_code", Value::from("DE"))]))]);
    writer.insert_value(network("198.51.100.0/24"), country).unwrap();
    writer.to_bytes().unwrap()
}

/// ip-location-db's layout.
fn flat() -> Vec<u8> {
    let mut writer = Writer::new("flat");
    let record = Value::map([
        ("city", Value::from("Omsk")),
        ("country_code", Value::from("RU")),
        ("state1", Value::from("Omsk Oblast")),
        ("state2", Value::from("")),
        ("latitude", Value::from(55.0)),
    ]);
    writer.insert_value(network("203.0.113.0/24"), record).unwrap();
    writer.to_bytes().unwrap()
}

fn networks() -> Vec<u8> {
    let mut writer = Writer::new("GeoLite2-ASN");
    let record = Value::map([
        ("autonomous_system_number", Value::from(64_500u32)),
        ("autonomous_system_organization", Value::from("Example Net")),
    ]);
    writer.insert_value(network("203.0.112.0/22"), record).unwrap();
    let text = Value::map([("asn", Value::from("AS64501")), ("as_name", Value::from("Text Net"))]);
    writer.insert_value(network("198.51.100.0/24"), text).unwrap();
    writer.to_bytes().unwrap()
}

fn network(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

/// Writes files into a directory and opens them in this order.
fn places(files: &[Vec<u8>]) -> (TempDir, GeoLookup) {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> =
        (0..files.len()).map(|at| directory.path().join(format!("{at}.mmdb"))).collect();
    for (path, bytes) in paths.iter().zip(files) {
        fs::write(path, bytes).unwrap();
    }
    let places = GeoLookup::open(&paths);
    (directory, places)
}

fn find(places: &GeoLookup, address: &str) -> String {
    let place = places.find(address.parse().unwrap());
    format!("{}|{}|{}|{}|{}", place.country(), place.region(), place.city(), place.asn(), place.network())
}

#[test]
fn both_layouts_are_read() {
    let (_directory, nested) = places(&[nested()]);
    assert_eq!(find(&nested, "203.0.113.9"), "RU|Tatarstan|Kazan|0|");
    assert_eq!(find(&nested, "2001:db8:1::9"), "RU|Tatarstan|Kazan|0|");
    assert_eq!(find(&nested, "198.51.100.9"), "DE|||0|");
    assert_eq!(find(&nested, "192.0.2.1"), "|||0|");
    let (_directory, flat) = places(&[flat()]);
    assert_eq!(find(&flat, "203.0.113.9"), "RU|Omsk Oblast|Omsk|0|");
}

#[test]
fn files_are_asked_in_order_for_the_place_and_for_the_network() {
    let (_directory, places) = places(&[networks(), flat(), nested()]);
    assert_eq!(find(&places, "203.0.113.9"), "RU|Omsk Oblast|Omsk|64500|Example Net");
    assert_eq!(find(&places, "198.51.100.9"), "DE|||64501|Text Net");
    assert_eq!(find(&places, "203.0.112.9"), "|||64500|Example Net");
}

#[test]
fn an_ipv6_address_is_not_asked_of_an_ipv4_file() {
    let mut writer = Writer::builder("v4").ip_version(mmdb_writer::IpVersion::V4).build();
    writer.insert_value(network("0.0.0.0/0"), Value::map([("country_code", Value::from("RU"))])).unwrap();
    let (_directory, places) = places(&[writer.to_bytes().unwrap()]);
    assert_eq!(find(&places, "203.0.113.9"), "RU|||0|");
    assert_eq!(find(&places, "2001:db8::1"), "|||0|");
}

#[test]
fn without_a_file_or_with_a_missing_one_places_are_empty() {
    assert_eq!(find(&GeoLookup::open(&[]), "203.0.113.9"), "|||0|");
    assert_eq!(find(&GeoLookup::open(&["/nonexistent/city.mmdb".into()]), "203.0.113.9"), "|||0|");
}

#[test]
fn a_file_that_is_replaced_is_taken_up_and_a_broken_one_leaves_the_old_in_use() {
    let (directory, places) = places(&[nested()]);
    let path = directory.path().join("0.mmdb");
    let replace = |bytes: &[u8]| {
        let next = directory.path().join("next");
        fs::write(&next, bytes).unwrap();
        fs::rename(&next, &path).unwrap();
    };
    assert_eq!(places.reload_if_changed(), 0);
    replace(&flat());
    assert_eq!(find(&places, "203.0.113.9"), "RU|Tatarstan|Kazan|0|", "not before it is asked to look");
    assert_eq!(places.reload_if_changed(), 1);
    assert_eq!(find(&places, "203.0.113.9"), "RU|Omsk Oblast|Omsk|0|");
    replace(b"no database");
    assert_eq!(places.reload_if_changed(), 0);
    fs::remove_file(&path).unwrap();
    assert_eq!(places.reload_if_changed(), 0);
    assert_eq!(find(&places, "203.0.113.9"), "RU|Omsk Oblast|Omsk|0|");
    replace(&nested());
    assert_eq!(places.reload_if_changed(), 1);
    assert_eq!(find(&places, "203.0.113.9"), "RU|Tatarstan|Kazan|0|");
}

#[test]
fn a_place_outlives_the_file_it_came_from() {
    let (directory, places) = places(&[nested()]);
    let place = places.find("203.0.113.9".parse().unwrap());
    drop(places);
    drop(directory);
    assert_eq!((place.country(), place.city()), ("RU", "Kazan"));
}

/// No byte of a file is trusted: whatever is broken in it, there is an answer or none, but never a panic.
#[test]
fn a_file_broken_anywhere_is_survived() {
    let whole = nested();
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0xff;
        let Ok(reader) = maxminddb::Reader::from_source(broken) else { continue };
        for address in ["203.0.113.9", "198.51.100.9", "2001:db8:1::9"] {
            let Ok(found) = reader.lookup(address.parse().unwrap()) else { continue };
            let record = GeoRecord::read(&found);
            assert!(record.country.is_empty() || record.country.len() == 2);
        }
    }
}

/// The files of `footfall geo install`, if they are installed.
#[test]
fn the_default_files_know_well_known_addresses() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("geo");
    let paths = ["city-ipv4.mmdb", "city-ipv6.mmdb", "asn.mmdb"].map(|name| directory.join(name));
    if !paths.iter().all(|path| path.exists()) {
        return;
    }
    let places = GeoLookup::open(&paths);
    let yandex = places.find("77.88.8.8".parse().unwrap());
    assert_eq!((yandex.country(), yandex.asn()), ("RU", 13_238));
    assert!(yandex.network().to_ascii_lowercase().contains("yandex"), "{}", yandex.network());
    assert!(!yandex.city().is_empty());
    assert_eq!(places.find("2a02:6b8::feed:ff".parse().unwrap()).country(), "RU");
}
