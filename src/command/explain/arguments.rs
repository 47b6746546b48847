//! The options of `footfall explain`. Those that describe an event are the fields of a line, and hold for every line without them.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Map, Value};

/// Show what the collector would do with a beacon, step by step, without storing it.
#[derive(Debug, clap::Args)]
#[command(after_help = "The input is one of these:\n\
        - an HTTP request as text: request line, headers, an empty line, the body;\n\
        - a command of curl, as the network tools of browsers copy it;\n\
        - a beacon, which is a JSON object with `v` and `e`;\n\
        - lines, each a JSON object with any of: site, url, referrer, ua, hints (as getHighEntropyValues answers, or as headers), headers, \
        ip, touch_points, screen ([width, height]), automated, language, timezone, cookies, page_load, number, kind, age_ms, event, props, \
        ad, slot, action, outbound, download, resource, tag, error, source, line, column, stack, engaged_ms, scroll_depth, vitals.\n\
        With options that describe an event and no file, nothing is read.\n\n\
        Example: footfall explain --ua 'curl/8.9' --event booking --prop doctor=Petrova")]
pub(crate) struct ExplainArguments {
    /// The file to read; `-` is standard input.
    pub(super) file: Option<PathBuf>,
    /// How to print: text, or JSON objects, one for each line [default: json for lines, otherwise text].
    #[arg(long)]
    pub(super) format: Option<ExplainFormat>,
    /// Print a command that sends the beacon to the collector instead of explaining it.
    #[arg(long)]
    pub(super) curl: bool,
    /// The remote end of the connection, if a request does not come from this machine.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) peer: Option<IpAddr>,
    /// The site of a line [default: that of the page's host].
    #[arg(long)]
    pub(super) site: Option<String>,
    /// Address of the page [default: the first page of the site].
    #[arg(long)]
    url: Option<String>,
    /// Address of the page before.
    #[arg(long)]
    referrer: Option<String>,
    /// User agent.
    #[arg(long)]
    ua: Option<String>,
    /// The client's address.
    #[arg(long)]
    pub(super) ip: Option<IpAddr>,
    /// A header of the request; repeat for more.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// A cookie that the page's script names; repeat for more.
    #[arg(long, value_name = "NAME=VALUE")]
    cookie: Vec<String>,
    /// Kind of event [default: what the other options describe].
    #[arg(long)]
    kind: Option<String>,
    /// Name of an own event.
    #[arg(long)]
    event: Option<String>,
    /// A property of an own event; repeat for more.
    #[arg(long, value_name = "NAME=VALUE")]
    prop: Vec<String>,
    /// Campaign of an advertising block.
    #[arg(long)]
    ad: Option<String>,
    /// Slot of an advertising block.
    #[arg(long)]
    slot: Option<String>,
    /// impression, viewable or click.
    #[arg(long)]
    action: Option<String>,
    /// Address of a link to another site.
    #[arg(long)]
    outbound: Option<String>,
    /// Address of a file.
    #[arg(long)]
    download: Option<String>,
    /// Message of a script error.
    #[arg(long)]
    error: Option<String>,
    /// Address of the script with the error.
    #[arg(long)]
    source: Option<String>,
    /// Stack of a script error.
    #[arg(long)]
    stack: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExplainFormat {
    Text,
    Json,
}

impl ExplainArguments {
    /// The fields of a line that the options give.
    ///
    /// # Errors
    /// Names the option that is not a pair.
    pub(super) fn fields(&self) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        let texts = [
            ("url", &self.url),
            ("referrer", &self.referrer),
            ("ua", &self.ua),
            ("kind", &self.kind),
            ("event", &self.event),
            ("ad", &self.ad),
            ("slot", &self.slot),
            ("action", &self.action),
            ("outbound", &self.outbound),
            ("download", &self.download),
            ("error", &self.error),
            ("source", &self.source),
            ("stack", &self.stack),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                fields.insert(name.to_owned(), text.as_str().into());
            }
        }
        if let Some(ip) = self.ip {
            fields.insert("ip".to_owned(), ip.to_string().into());
        }
        let pairs =
            [("props", &self.prop, '='), ("cookies", &self.cookie, '='), ("headers", &self.header, ':')];
        for (name, given, separator) in pairs.into_iter().filter(|(_, given, _)| !given.is_empty()) {
            let mut values = Map::new();
            for pair in given {
                let (key, value) =
                    pair.split_once(separator).ok_or_else(|| format!("{pair:?} has no {separator:?}"))?;
                values.insert(key.trim().to_owned(), value.trim().into());
            }
            fields.insert(name.to_owned(), values.into());
        }
        Ok(fields)
    }
}
