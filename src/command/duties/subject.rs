//! `footfall subject find|block|unblock|erase|export|list`: requests of visitors. The running collector carries them out.
//!
//! An address, a user agent or a cookie can be given on standard input, so that it stands neither in the shell's history nor in the list of
//! processes.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Subcommand;
use comfy_table::{Table, presets};
use hyper::{Method, StatusCode};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::app::{Exit, ExitError};
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::command::duties::admin_client::AdminClient;

/// How often the state of a request is asked for until it is done.
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
pub(crate) struct SubjectArguments {
    #[command(subcommand)]
    command: SubjectCommand,
    /// A file with a token of role privacy, where the administration listener needs one.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The format of the output.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Subcommand)]
enum SubjectCommand {
    /// Show how many events of a visitor are kept, by place and day.
    Find {
        #[command(flatten)]
        who: SubjectSelector,
        /// The person who asks, for the audit [default: the user of the system].
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
    /// Take a visitor's events out of every report and store no new ones, until `unblock` or `erase`.
    Block(RequestArguments),
    /// Bring the events of a blocked visitor back.
    Unblock(RequestArguments),
    /// Erase a visitor's events everywhere, and prove it by a search.
    Erase(RequestArguments),
    /// Write all rows of a visitor, with the meaning of each column, as JSON.
    Export {
        #[command(flatten)]
        request: RequestArguments,
        /// The file to write [default: standard output].
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The state body that asks.
        #[arg(long, value_name = "NAME", requires = "number")]
        authority: Option<String>,
        /// The number of its request.
        #[arg(long, value_name = "NUMBER", requires = "authority")]
        number: Option<String>,
    },
    /// List the requests that are not done, and those that were done in the last 90 days.
    List,
}

#[derive(Debug, clap::Args)]
struct RequestArguments {
    #[command(flatten)]
    who: SubjectSelector,
    /// Why: a letter's number and date, a paragraph.
    #[arg(long, value_name = "TEXT")]
    ground: String,
    /// The person who does it, for the audit [default: the user of the system].
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Wait at most so many seconds until it is done.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

/// How the visitor is named.
#[derive(Debug, clap::Args)]
struct SubjectSelector {
    /// The id of the site.
    #[arg(long, default_value = "", hide_default_value = true)]
    site: String,
    /// The visitor's address; `-` reads a line from standard input.
    #[arg(long, value_name = "ADDRESS", requires = "user_agent")]
    address: Option<String>,
    /// The visitor's user agent; `-` reads a line from standard input, after that of the address.
    #[arg(long, value_name = "TEXT", requires = "address")]
    user_agent: Option<String>,
    /// A cookie that the site keeps; `-` reads a line from standard input.
    #[arg(long, value_name = "NAME=VALUE")]
    cookie: Option<String>,
    /// The reference code that the visitor's page showed today.
    #[arg(long, value_name = "CODE")]
    reference: Option<String>,
    /// The visitor's pseudonym, as `find` shows it.
    #[arg(long, value_name = "PSEUDONYM")]
    visitor: Option<String>,
    /// The epoch of the pseudonym [default: today's].
    #[arg(long, value_name = "EPOCH", requires = "visitor")]
    epoch: Option<u32>,
    /// The visitor of a request in `footfall subject list`, also when the day's key is gone.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// The day on which the visitor came [default: today]. Keys of earlier days are destroyed.
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<Date>,
    /// Everything of the site; for `erase` alone.
    #[arg(long)]
    whole_site: bool,
}

/// # Errors
/// When no collector runs, or when it refuses; the message says why.
pub(crate) fn run(arguments: SubjectArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let client = AdminClient::new(&config, arguments.token_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let format = arguments.format;
    runtime.block_on(async {
        match arguments.command {
            SubjectCommand::List => list(&client, format).await,
            SubjectCommand::Find { who, operator } => {
                let body = json!({ "subject": who.json()?, "operator": operator_name(operator) });
                print(&post(&client, "/subjects/find", &body).await?, format)
            }
            SubjectCommand::Block(request) => carry_out(&client, "block", request, format).await,
            SubjectCommand::Unblock(request) => carry_out(&client, "unblock", request, format).await,
            SubjectCommand::Erase(request) => carry_out(&client, "erase", request, format).await,
            SubjectCommand::Export { request, output, authority, number } => {
                export(&client, request, output, (authority, number)).await
            }
        }
    })
}

impl SubjectSelector {
    /// The `subject` of a request's body. Lines of standard input take the place of `-`.
    fn json(self) -> Result<Value, ExitError> {
        let mut lines = io::stdin().lock().lines();
        let mut given = |value: Option<String>| match value.as_deref() {
            Some("-") => {
                let line = lines.next().transpose()?;
                line.map(Some)
                    .ok_or_else(|| ExitError::new(Exit::Usage, "standard input has no line for `-`"))
            }
            _ => Ok(value),
        };
        let (address, user_agent) = (given(self.address)?, given(self.user_agent)?);
        let cookie = given(self.cookie)?;
        let mut subject = Map::new();
        let values = [
            ("site", Some(self.site.into())),
            ("address", address.map(Value::from)),
            ("user_agent", user_agent.map(Value::from)),
            ("cookie", cookie.map(Value::from)),
            ("reference", self.reference.map(Value::from)),
            ("visitor", self.visitor.map(Value::from)),
            ("epoch", self.epoch.map(Value::from)),
            ("request", self.request.map(Value::from)),
            ("day", self.day.map(|day| day.to_string().into())),
            ("whole_site", Some(self.whole_site.into())),
        ];
        let given = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        subject.extend(given);
        Ok(subject.into())
    }
}

/// The user of the system, unless somebody is named.
fn operator_name(given: Option<String>) -> String {
    let of_system = || {
        let names = ["SUDO_USER", "LOGNAME", "USER"].into_iter().filter_map(|name| std::env::var(name).ok());
        let id = rustix::process::getuid().as_raw();
        names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| format!("user {id}"))
    };
    given.unwrap_or_else(of_system)
}

/// # Errors
/// With what the collector says when it refuses.
async fn post(client: &AdminClient, path: &str, body: &Value) -> Result<Value, ExitError> {
    let (status, answer) = client.send(Method::POST, path, Some(body)).await?;
    if status.is_success() { Ok(answer) } else { Err(refused(&answer)) }
}

fn refused(answer: &Value) -> ExitError {
    let mut text = answer["error"].as_str().unwrap_or("the collector refused").to_owned();
    for key in answer["destroyed_keys"].as_array().into_iter().flatten() {
        let part = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        text += &format!(
            "\n  key {} was destroyed at {}, according to the audit",
            part("key"),
            part("destroyed")
        );
    }
    text.into()
}

async fn accepted(
    client: &AdminClient,
    action: &str,
    request: RequestArguments,
    (authority, number): (Option<String>, Option<String>),
) -> Result<(String, Value), ExitError> {
    let mut body = json!({
        "subject": request.who.json()?,
        "ground": request.ground,
        "operator": operator_name(request.operator),
    });
    for (name, value) in [("authority", authority), ("number", number)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    let answer = post(client, &format!("/subjects/{action}"), &body).await?;
    let id = answer["request"].as_str().ok_or("the collector named no request")?.to_owned();
    Ok((id, answer))
}

async fn carry_out(
    client: &AdminClient,
    action: &str,
    request: RequestArguments,
    format: OutputFormat,
) -> Result<(), ExitError> {
    let until = Instant::now() + Duration::from_secs(request.wait);
    let (id, mut answer) = accepted(client, action, request, (None, None)).await?;
    while answer["state"] == "open" && Instant::now() < until {
        tokio::time::sleep(POLL).await;
        answer = client.send(Method::GET, &format!("/subjects/{id}"), None).await?.1;
    }
    print(&answer, format)?;
    if answer["state"] == "open" {
        let mut err = io::stderr().lock();
        let waits = answer["waits_for"].as_str().unwrap_or("it is being carried out");
        writeln!(
            err,
            "request {id} is accepted and will be carried out, also after a restart; for now: {waits}"
        )?;
    }
    Ok(())
}

async fn export(
    client: &AdminClient,
    request: RequestArguments,
    output: Option<PathBuf>,
    authority: (Option<String>, Option<String>),
) -> Result<(), ExitError> {
    let until = Instant::now() + Duration::from_secs(request.wait);
    let known = request.who.request.clone();
    // An export that was accepted before is taken up; a request of another kind names the visitor.
    let taken_up = match &known {
        Some(id) => {
            let (_, found) = client.send(Method::GET, &format!("/subjects/{id}"), None).await?;
            found["action"] == "export"
        }
        None => false,
    };
    let id = match known {
        Some(id) if taken_up => id,
        _ => accepted(client, "export", request, authority).await?.0,
    };
    loop {
        let (status, answer) = client.send(Method::POST, &format!("/subjects/{id}/rows"), None).await?;
        match status {
            StatusCode::OK => {
                write_export(&answer, output)?;
                post(client, &format!("/subjects/{id}/close"), &Value::Null).await?;
                return Ok(());
            }
            StatusCode::SERVICE_UNAVAILABLE if Instant::now() < until => tokio::time::sleep(POLL * 4).await,
            StatusCode::SERVICE_UNAVAILABLE => {
                let why = answer["error"].as_str().unwrap_or_default();
                return Err(format!(
                    "request {id} is accepted and waits for the store: {why}\n  run `footfall subject export --request {id} --ground …` again, \
                     also after midnight"
                )
                .into());
            }
            _ => return Err(refused(&answer)),
        }
    }
}

/// Writes the rows into a new file that only its owner may read, or to standard output.
fn write_export(rows: &Value, output: Option<PathBuf>) -> Result<(), ExitError> {
    let text = format!("{rows:#}\n");
    let Some(path) = output else { return Ok(io::stdout().lock().write_all(text.as_bytes())?) };
    let create = File::options().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = create.map_err(|error| format!("{}: {error}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

async fn list(client: &AdminClient, format: OutputFormat) -> Result<(), ExitError> {
    let (status, answer) = client.send(Method::GET, "/subjects", None).await?;
    if !status.is_success() {
        return Err(refused(&answer));
    }
    let mut out = io::stdout().lock();
    if matches!(format, OutputFormat::Json) {
        writeln!(out, "{answer:#}")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "request", "action", "state", "site", "accepted", "done", "events", "operator", "ground",
    ]);
    for request in answer["requests"].as_array().into_iter().flatten() {
        let text = |name: &str| match &request[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        table.add_row(
            ["request", "action", "state", "site", "accepted", "done", "events", "operator", "ground"]
                .map(text),
        );
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// Prints an object, for people one member a line.
fn print(answer: &Value, format: OutputFormat) -> Result<(), ExitError> {
    let mut out = io::stdout().lock();
    if matches!(format, OutputFormat::Json) {
        writeln!(out, "{answer:#}")?;
        return Ok(());
    }
    for (name, value) in answer.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Array(items) if items.is_empty() => continue,
            other => other.to_string(),
        };
        writeln!(out, "{:<20} {text}", name.replace('_', " "))?;
    }
    Ok(())
}
