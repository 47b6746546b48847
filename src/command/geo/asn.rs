//! The table of networks as an MMDB, in GeoLite2's layout: `autonomous_system_number`, `autonomous_system_organization`.
//!
//! A line of the table is `first address, last address, number, name`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use mmdb_writer::{Ipv4Aliasing, Value, Writer};

use crate::command::geo::error::GeoError;

pub(super) fn make(tables: &[PathBuf], file: &Path) -> Result<(), GeoError> {
    let bar = ProgressBar::new_spinner().with_message("making an MMDB of the networks");
    let mut writer = Writer::builder("ip-location-db ASN")
        // The table has its own networks where aliases of IPv4 would be (Teredo, 6to4).
        .ipv4_aliasing(Ipv4Aliasing::Disabled)
        .description(&[("en", "Networks by RouteViews and DB-IP, CC BY 4.0")])
        .build();
    for table in tables {
        add(&mut writer, table, &bar)?;
    }
    let bytes = writer.to_bytes().map_err(GeoError::Mmdb)?;
    bar.finish_and_clear();
    fs::write(file, bytes).map_err(|source| GeoError::Io { path: file.to_owned(), source })
}

fn add(writer: &mut Writer, table: &Path, bar: &ProgressBar) -> Result<(), GeoError> {
    let csv = |source| GeoError::Csv { path: table.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(table).map_err(csv)?;
    let mut line = csv::StringRecord::new();
    while reader.read_record(&mut line).map_err(csv)? {
        let number = line.position().map_or(0, csv::Position::line);
        let (first, last, value) =
            read(&line).ok_or_else(|| GeoError::Table { path: table.to_owned(), line: number })?;
        writer.insert_range(first, last, &value).map_err(GeoError::Mmdb)?;
        if number.is_multiple_of(4_096) {
            bar.tick();
        }
    }
    Ok(())
}

fn read(line: &csv::StringRecord) -> Option<(IpAddr, IpAddr, Value)> {
    let (first, last) = (line.get(0)?.parse().ok()?, line.get(1)?.parse().ok()?);
    let number: u32 = line.get(2)?.parse().ok()?;
    let value = Value::map([
        ("autonomous_system_number", Value::from(number)),
        ("autonomous_system_organization", Value::from(line.get(3)?)),
    ]);
    Some((first, last, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(table: &str) -> Result<maxminddb::Reader<Vec<u8>>, GeoError> {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("table.csv"), directory.path().join("asn.mmdb"));
        fs::write(&from, table).unwrap();
        make(&[from], &to)?;
        Ok(maxminddb::Reader::open_readfile(to).unwrap())
    }

    #[test]
    fn ranges_of_both_ip_versions_are_found() {
        let reader = made(
            "1.0.0.0,1.0.0.255,13335,\"Cloudflare, Inc.\"\n1.0.4.0,1.0.6.255,38803,Gtelecom Pty Ltd\n2001:200::,2001:200:1b9:ffff:ffff:ffff:ffff:ffff,2500,WIDE Project\n",
        )
        .unwrap();
        for (address, expected) in [
            ("1.0.0.77", Some((13335, "Cloudflare, Inc."))),
            ("1.0.6.255", Some((38803, "Gtelecom Pty Ltd"))),
            ("1.0.7.0", None),
            ("2001:200:1b9::1", Some((2500, "WIDE Project"))),
            ("2001:200:1ba::1", None),
        ] {
            let found = reader.lookup(address.parse().unwrap()).unwrap();
            let record = found.decode::<maxminddb::geoip2::Asn<'_>>().unwrap();
            let record = record
                .and_then(|it| Some((it.autonomous_system_number?, it.autonomous_system_organization?)));
            assert_eq!(record, expected, "{address}");
        }
    }

    #[test]
    fn an_invalid_line_is_named() {
        let error = made("1.0.0.0,1.0.0.255,13335,Cloudflare\nnonsense,1.0.0.255,1,x\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
