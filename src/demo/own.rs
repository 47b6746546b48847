//! The demonstration's own collector: its settings, ports and directories, which have nothing to do with those of a real collector.
//!
//! Its data is in `demo` below the data directory, its key beside the collector's. Both are its own, so that invented events never lie in a
//! real store. Settings of an explicitly named file and of the environment apply. Ports that nobody chose give way to taken ones.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::config::{AccessConfig, Config, ReadConfig, Site, Sites, StoreConfig};
use crate::demo::clinic;
use crate::demo::error::DemoError;
use crate::demo::fill::{DemoVisitors, Filled};
use crate::spool;

/// Where `footfall geo install` puts place files by default.
const PLACE_FILES: [&str; 3] = ["geo/city-ipv4.mmdb", "geo/city-ipv6.mmdb", "geo/asn.mmdb"];
/// The directory of its data, in the data directory.
const DIRECTORY: &str = "demo";
/// The file of its settings, in that directory.
const FILE: &str = "footfall.toml";
/// The default address of the clinic's site.
const SITE_PORT: u16 = 8000;
/// How many ports are tried for each listener.
const PORTS: u16 = 100;

/// A demonstration that is about to start.
pub(crate) struct OwnDemo {
    /// The configuration of its collector.
    pub(crate) config: Config,
    /// The address of the clinic's site.
    pub(crate) site: SocketAddr,
}

impl OwnDemo {
    /// Chooses directories and ports. `site` is the address that somebody chose for the clinic's site.
    ///
    /// # Errors
    /// When a demonstration runs already, and when no port is free.
    pub(crate) fn new(read: &ReadConfig, site: Option<SocketAddr>) -> Result<Self, DemoError> {
        let base = read.config();
        let data = own_data(base);
        let file = data.join(FILE);
        if spool::is_in_use(&data.join(spool::DIRECTORY)) {
            return Err(DemoError::Running { data, file });
        }
        let mut ports = Ports::default();
        let is_set = |key: &str| read.written().has(key);
        let store = match base.store {
            StoreConfig::Embedded { listen, .. } => listen,
            StoreConfig::Server { .. } => SocketAddr::from(([127, 0, 0, 1], 8123)),
        };
        // The chosen ones first, so that no other takes their port.
        let site = match site {
            Some(site) => ports.keep(site),
            None => ports.choose(SITE_PORT, "clinic's site", "--site")?,
        };
        let listen =
            ports.listener(base.listen, is_set("listen"), "collector", "`listen`, or FOOTFALL_LISTEN")?;
        let admin = ports.listener(base.admin, is_set("admin"), "metrics", "`admin`, or FOOTFALL_ADMIN")?;
        let reports =
            ports.listener(base.reports, is_set("reports"), "reports", "`reports`, or FOOTFALL_REPORTS")?;
        let setting = "`store.listen`, or FOOTFALL_STORE_LISTEN";
        let store = ports.listener(store, is_set("store.listen"), "store", setting)?;
        let (native, unconfined) = match base.store {
            StoreConfig::Embedded { native, unconfined, .. } => (native, unconfined),
            StoreConfig::Server { .. } => (None, false),
        };
        let geo = if base.geo.is_empty() { installed_places() } else { base.geo.clone() };
        let config = Config {
            listen,
            admin,
            reports,
            data,
            key: beside(&base.key),
            geo,
            tls: None,
            access: AccessConfig::default(),
            store: StoreConfig::Embedded { listen: store, native, unconfined },
            sites: Sites::new([clinic()]),
            ..base.clone()
        };
        Ok(Self { config, site })
    }

    /// Writes the settings for the other commands, and returns the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_settings(&self) -> Result<PathBuf, DemoError> {
        let path = self.config.data.join(FILE);
        let written = fs::create_dir_all(&self.config.data).and_then(|()| fs::write(&path, self.settings()));
        written.map(|()| path.clone()).map_err(|source| DemoError::Settings { path, source })
    }

    fn settings(&self) -> String {
        let config = &self.config;
        let text = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| text(&path.display().to_string());
        let mut out = format!(
            "# The settings of the demonstration whose site is at http://{}. `footfall demo` writes this file at each start.\n",
            self.site
        );
        for (key, address) in
            [("listen", config.listen), ("admin", config.admin), ("reports", config.reports)]
        {
            let _ = writeln!(out, "{key} = \"{address}\"");
        }
        if let Some(url) = &config.public_url {
            let _ = writeln!(out, "public_url = {}", text(url));
        }
        let geo: Vec<String> = config.geo.iter().map(|file| path(&absolute(file))).collect();
        let _ =
            writeln!(out, "data = {}\nkey = {}", path(&absolute(&config.data)), path(&absolute(&config.key)));
        let _ = writeln!(out, "key_on_disk = {}\ngeo = [{}]", config.key_on_disk, geo.join(", "));
        if let Some(zone) = config.timezone.iana_name() {
            let _ = writeln!(out, "timezone = {}", text(zone));
        }
        if !config.policy.is_empty() {
            let _ = writeln!(out, "policy = {}", text(&config.policy));
        }
        let StoreConfig::Embedded { listen, .. } = config.store else { return out };
        let _ = writeln!(out, "\n[store]\nlisten = \"{listen}\"\n\n{}", clinic_settings());
        out
    }

    /// Prints where everything is and what to try. `program` is the name by which this program was called.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(crate) fn announce(
        &self,
        filled: &Filled,
        visitors: &DemoVisitors,
        file: &Path,
        program: &str,
    ) -> io::Result<()> {
        let config = &self.config;
        let StoreConfig::Embedded { listen: store, .. } = config.store else { return Ok(()) };
        let command = format!("{program} --config {}", file.display());
        let query = "SELECT%20path,%20count()%20FROM%20footfall.events%20GROUP%20BY%20path%20ORDER%20BY%202%20DESC%20LIMIT%2010";
        let mut out = io::stdout().lock();
        writeln!(out, "The demonstration is ready: {} events of {} days.", filled.stored, visitors.days)?;
        writeln!(out, "\n  the clinic's site   http://{}/", self.site)?;
        writeln!(out, "  its reports         http://{}/", config.reports)?;
        writeln!(
            out,
            "  SQL                 http://{store}/?user=footfall_analyst&default_format=PrettyCompactMonoBlock&query={query}"
        )?;
        writeln!(out, "\nClick through the site: you are counted within seconds. In another terminal:")?;
        writeln!(out, "  {command} report realtime     (shows your clicks)")?;
        writeln!(out, "  {command} report overview")?;
        writeln!(out, "  {command} report              (lists the other reports)")?;
        writeln!(out, "  {command} verify              (is any event missing?)")?;
        if !config.geo.is_empty() {
            writeln!(out, "Places by DB-IP (https://db-ip.com), CC BY 4.0.")?;
        }
        writeln!(
            out,
            "Ctrl-C stops everything. `rm -r {} {}` removes it.",
            config.data.display(),
            config.key.display()
        )?;
        out.flush()
    }
}

/// Hosts of the pages that may send events: the clinic's, and those of this machine.
const LOCAL: [&str; 4] = [clinic::HOST, "localhost", "127.0.0.1", "[::1]"];

/// The clinic's site as settings, with goals and funnels for its reports.
fn clinic_settings() -> String {
    let text = |text: &str| toml::Value::from(text).to_string();
    let hosts = LOCAL.map(text).join(", ");
    format!("[[site]]\nid = {}\nhosts = [{hosts}]\n{}", text(clinic::SITE), include_str!("goals.toml"))
}

fn clinic() -> Site {
    // The text is part of the program, and a test reads it.
    let config =
        Config::check("goals.toml", &clinic_settings(), &[]).expect("the clinic's settings are valid");
    let site = config.sites.get(clinic::SITE).expect("the clinic's site is in its settings");
    site.as_ref().clone()
}

fn own_data(config: &Config) -> PathBuf {
    config.data.join(DIRECTORY)
}

/// A directory beside another one, so that neither lies in the other.
fn beside(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push("-demo");
    directory.with_file_name(name)
}

fn installed_places() -> Vec<PathBuf> {
    PLACE_FILES.iter().filter(|file| Path::new(file).exists()).map(PathBuf::from).collect()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The ports that are spoken for.
#[derive(Default)]
struct Ports(Vec<u16>);

impl Ports {
    /// An address that somebody chose stays as it is; the check of the configuration tells if it is taken.
    fn listener(
        &mut self,
        address: SocketAddr,
        is_chosen: bool,
        what: &'static str,
        setting: &'static str,
    ) -> Result<SocketAddr, DemoError> {
        if is_chosen { Ok(self.keep(address)) } else { self.choose(address.port(), what, setting) }
    }

    fn keep(&mut self, address: SocketAddr) -> SocketAddr {
        self.0.push(address.port());
        address
    }

    /// The first free port from `first` on, on loopback: nobody asked for a demonstration that others can see.
    fn choose(
        &mut self,
        first: u16,
        what: &'static str,
        setting: &'static str,
    ) -> Result<SocketAddr, DemoError> {
        let addresses =
            (first..first.saturating_add(PORTS)).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut free = addresses.filter(|address| !self.0.contains(&address.port()) && is_free(*address));
        let chosen = free.next().ok_or(DemoError::NoPort { what, first, setting })?;
        Ok(self.keep(chosen))
    }
}

/// Whether nobody listens on the port, also not on all addresses.
fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &str) -> (tempfile::TempDir, ReadConfig) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let text = format!("data = {:?}\nkey = {:?}\n{settings}", path("data"), path("key"));
        let read = ReadConfig::parse("footfall.toml", &text, &[]);
        (directory, read)
    }

    #[test]
    fn a_demonstration_has_directories_and_a_site_of_its_own_and_its_file_says_so() {
        let settings = "timezone = \"Europe/Moscow\"\npolicy = \"a \\\"b\\\"\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.de\"]\n";
        let (directory, read) = read(settings);
        let demo = OwnDemo::new(&read, None).unwrap();
        assert_eq!(demo.config.data, directory.path().join("data/demo"));
        assert_eq!(demo.config.key, directory.path().join("key-demo"));
        assert!(demo.config.listen.ip().is_loopback());
        assert!(demo.config.sites.get("clinic").is_none());
        let site = demo.config.sites.get("demo").unwrap();
        assert!(site.allows("127.0.0.1") && site.goals.len() == 5 && site.funnels.len() == 2);
        let file = demo.write_settings().unwrap();
        let again = Config::check("demo", &fs::read_to_string(file).unwrap(), &[]).unwrap();
        let [written, own] = [&again, &demo.config].map(|it| {
            let addresses = [it.listen, it.admin, it.reports];
            (
                addresses,
                it.data.clone(),
                it.key.clone(),
                it.policy.clone(),
                it.timezone.clone(),
                it.sites.ids(),
            )
        });
        assert_eq!(written, own);
    }

    #[test]
    fn a_port_that_nobody_chose_gives_way_and_a_chosen_one_stays() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let mut ports = Ports::default();
        let found = ports.choose(address.port(), "site", "--site").unwrap();
        assert!(found.port() > address.port());
        let other = ports.choose(found.port(), "site", "--site").unwrap();
        assert!(other.port() > found.port(), "a port is given once");
        assert_eq!(ports.listener(address, true, "site", "--site").unwrap(), address);
        let (_directory, read) = read(&format!("reports = \"{address}\"\n"));
        assert_eq!(OwnDemo::new(&read, None).unwrap().config.reports, address);
    }
}
