//! `dealstage crm`: connections to CRMs as files: list them, print one, check one, try one.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use chrono::{Days, Local, NaiveDate};
use clap::{Parser, Subcommand};
use dealstage::deliver::crm::{
    BUILT_IN, By, CallText, Connection, CrmFile, Entry, EntryText, Error, Exchange, Operation, Setting, same,
};
use dealstage::deliver::{Guard, network};
use serde_json::{Map, Value};

use super::Usage;

#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The CRMs that come along, and what each needs to know
    List,
    /// Print a connection as its file, to copy and change
    Show {
        /// A CRM of `dealstage crm list`
        name: String,
    },
    /// Check a connection file: every problem with its line and column; else what it can do
    Check {
        /// A connection file
        file: String,
    },
    /// Ask a CRM by a connection file, and show every request
    Try(Box<Try>),
}

#[derive(Debug, clap::Args)]
struct Try {
    /// A connection file, or a CRM of `dealstage crm list`
    file: String,
    /// Settings of the connection (JSON)
    #[arg(long, value_name = "FILE.json")]
    settings: Option<PathBuf>,
    /// Send nothing: print the requests, with <…> where an answer would be needed
    #[arg(long)]
    dry_run: bool,
    /// The CRM's id of a deal
    #[arg(long, value_name = "ID")]
    deal: Option<String>,
    /// Find the deal by an e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Find the deal by a telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Find the deal by its name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Move the deal to a stage: the CRM's name or id of it
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Write a field: the CRM's name of it, and a value (JSON, else a text); may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    field: Vec<(String, Value)>,
    /// Add a note
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Add a task
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,
    /// The day that the task is due [default: a week from today]
    #[arg(long, value_name = "DAY")]
    due: Option<NaiveDate>,
    /// Delete the note and the task again
    #[arg(long)]
    remove: bool,
    /// Print answers and what was taken of them as a whole, not their first lines
    #[arg(long)]
    whole: bool,
    /// Networks that may be reached although they are private, and without encryption, e.g. 10.0.0.0/8
    #[arg(long, value_name = "NETWORK", env = "DEALSTAGE_ALLOW_PRIVATE", value_delimiter = ',')]
    allow_private: Vec<String>,
}

fn field(said: &str) -> Result<(String, Value), String> {
    let (name, value) = said.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.trim().to_owned(), value))
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List => list(),
        Command::Show { name } => {
            let text = CrmFile::built_in(&name)
                .ok_or_else(|| Usage(format!("no CRM `{name}` comes with the program; there are {}", names())))?;
            print!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { file } => {
            print!("{}", abilities(&file, &load(&file)?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Try(wanted) => wanted.run(),
    }
}

fn names() -> String {
    BUILT_IN.map(|(name, _)| name).join(", ")
}

/// A connection by its name or path; its problems are bad input.
fn load(wanted: &str) -> anyhow::Result<CrmFile> {
    let text = match CrmFile::built_in(wanted) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(wanted).map_err(|error| {
            let names = names();
            Usage(format!(
                "{wanted}: no CRM of that name comes with the program ({names}), and as a file: {error}"
            ))
        })?,
    };
    CrmFile::load(&text, wanted).map_err(|error| Usage(error.to_string()).into())
}

fn list() -> anyhow::Result<ExitCode> {
    for (name, _) in BUILT_IN {
        let file = load(name)?;
        println!("{name}: {}", file.title());
        for setting in file.settings() {
            println!("  {}: {}", setting.name, described(setting));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn described(setting: &Setting) -> String {
    let mut told = setting.title.clone();
    if setting.secret {
        told.push_str(" (secret)");
    }
    if setting.optional {
        told.push_str(" (optional)");
    }
    if let Some(default) = &setting.default {
        told.push_str(&format!(" [default: {}]", plain(default)));
    }
    told
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a file can do, line by line.
fn abilities(source: &str, file: &CrmFile) -> String {
    let settings = file.settings().iter().map(|setting| {
        let mark = match setting {
            Setting { secret: true, .. } => " (secret)",
            Setting { optional: true, .. } => " (optional)",
            Setting { default: Some(_), .. } => " (has a default)",
            _ => "",
        };
        format!("{}{mark}", setting.name)
    });
    let ways: Vec<&str> = file.ways().into_iter().map(By::as_str).collect();
    let written = |operation| {
        if file.can(operation) {
            "written, and read back"
        } else {
            "not written: the file does not say how"
        }
    };
    let entry = |entry| {
        if !file.can(Operation::Add(entry)) {
            return "not made: the file does not say how".to_owned();
        }
        let found = if file.can(Operation::Find(entry)) {
            "found again by its marker"
        } else {
            "not looked for: one whose answer was lost is left to a person"
        };
        let deleted = if file.can(Operation::Delete(entry)) {
            "undone by deleting it"
        } else {
            "not undone"
        };
        format!("made; {found}; {deleted}")
    };
    format!(
        "{source}: sound: `{}` ({})\n  settings: {}\n  a deal is found by: {}\n  stage: {}\n  fields: {}\n  note: {}\n  task: {}\n",
        file.name(),
        file.title(),
        settings.collect::<Vec<_>>().join(", "),
        ways.join(", "),
        written(Operation::WriteStage),
        written(Operation::WriteField),
        entry(Entry::Note),
        entry(Entry::Task),
    )
}

/// How a request is shown.
fn shown(exchange: &Exchange, whole: bool) -> String {
    let mut text = format!("\n{} {}\n", exchange.method, exchange.url);
    if let Some(when) = &exchange.when {
        text.push_str(&format!("    only if {when}\n"));
    }
    for (name, value) in &exchange.headers {
        text.push_str(&format!("    {name}: {value}\n"));
    }
    if let Some(body) = &exchange.body {
        text.push_str(&indented(body, true));
    }
    if let Some((status, body)) = &exchange.answer {
        text.push_str(&format!("  answer {status}\n"));
        text.push_str(&indented(body, whole));
    }
    text
}

/// A value that was taken of an answer.
fn taken(name: &str, value: &str, whole: bool) -> String {
    /// Letters of a value that are shown.
    const MOST: usize = 200;
    let (value, more) = match value.char_indices().nth(MOST) {
        Some((end, _)) if !whole => (&value[..end], "…"),
        _ => (value, ""),
    };
    format!("  took {name}: {value}{more}\n")
}

fn indented(body: &str, whole: bool) -> String {
    /// Lines of an answer that are shown.
    const MOST: usize = 60;
    let most = if whole { usize::MAX } else { MOST };
    let pretty = match serde_json::from_str::<Value>(body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_else(|_| body.to_owned()),
        Err(_) => body.to_owned(),
    };
    let lines = pretty.lines().take(most).map(|line| format!("    {line}\n"));
    let mut text: String = lines.collect();
    let more = pretty.lines().count().saturating_sub(most);
    if more > 0 {
        text.push_str(&format!("    … {more} more lines (--whole shows them)\n"));
    }
    text
}

impl Try {
    fn run(self) -> anyhow::Result<ExitCode> {
        let file = load(&self.file)?;
        let settings = self.settings()?;
        let usage = |error: Error| Usage(format!("--settings: {error}"));
        let mut connection = if self.dry_run {
            Connection::dry(&file, &settings).map_err(usage)?
        } else {
            let allowed = self.allow_private.iter().map(|said| network(said));
            let allowed = allowed.collect::<Result<_, _>>();
            let allowed = allowed.map_err(|problem| Usage(format!("--allow-private {problem}")))?;
            let guard = Guard::new(allowed).context("no address can be reached")?;
            Connection::open(&file, &settings, &guard).map_err(usage)?
        };
        // Requests are told while others wait for their answers; lines of results must come after them.
        let told = Arc::new(Mutex::new(Told::default()));
        let (to, whole) = (told.clone(), self.whole);
        connection.watch(move |exchange| {
            let mut told = to.lock().unwrap_or_else(PoisonError::into_inner);
            told.print(&shown(exchange, whole));
        });
        let to = told.clone();
        connection.watch_taken(move |name, value| {
            let mut told = to.lock().unwrap_or_else(PoisonError::into_inner);
            told.print(&taken(name, value, whole));
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let say = |line: &str| told.lock().unwrap_or_else(PoisonError::into_inner).print(line);
        let done = runtime.block_on(self.ask(&mut connection, &say));
        match done {
            Ok(true) => Ok(ExitCode::SUCCESS),
            Ok(false) => Ok(ExitCode::FAILURE),
            Err(Asked::Usage(usage)) => Err(usage.into()),
            Err(Asked::Crm(error)) => {
                say(&format!("\n! {}: {error}\n", kind(&error)));
                Ok(ExitCode::FAILURE)
            }
        }
    }

    fn settings(&self) -> anyhow::Result<Map<String, Value>> {
        let Some(path) = &self.settings else {
            return Ok(Map::new());
        };
        let place = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| Usage(format!("--settings {place}: {error}")))?;
        serde_json::from_str(&text).map_err(|error| Usage(format!("--settings {place}: {error}")).into())
    }

    /// Whether all that was written is there.
    async fn ask(&self, connection: &mut Connection, say: &impl Fn(&str)) -> Result<bool, Asked> {
        let dry = self.dry_run;
        let writes = self.stage.is_some() || !self.field.is_empty() || self.note.is_some() || self.task.is_some();
        let deal = match self.deal(connection, say).await? {
            Some(deal) => deal,
            None if writes && dry => "<deal>".to_owned(),
            None if writes => {
                let message = "say which deal: --deal, --email, --phone or --name";
                return Err(Asked::Usage(Usage(message.to_owned())));
            }
            None => {
                say("# is the connection sound?\n");
                connection.test().await?;
                if !dry {
                    say("\n= it is\n");
                }
                return Ok(true);
            }
        };
        let mut all_there = true;
        let names: Vec<String> = self.field.iter().map(|(name, _)| name.clone()).collect();
        say("\n# read the deal\n");
        let before = connection.read_deal(&deal, &names).await?;
        if !dry {
            say(&format!("\n= stage: {}\n", plain(&before.stage)));
            for (name, value) in &before.fields {
                say(&format!("= {name}: {}\n", plain(value)));
            }
        }
        if let Some(stage) = &self.stage {
            say("\n# write the stage\n");
            let value = connection.stage_id(stage).await?;
            if !dry && same(&value, &before.stage) {
                say("\n= the deal is there already: nothing is written\n");
            } else {
                connection.write_stage(&deal, &value, &before.stage).await?;
                say("\n# read it back\n");
                let after = connection.read_deal(&deal, &[]).await?;
                all_there &= dry || compared("stage", &value, &after.stage, say);
            }
        }
        for (name, value) in &self.field {
            say(&format!("\n# write the field {name}\n"));
            if !dry && before.fields.get(name).is_some_and(|old| same(value, old)) {
                say("\n= it has this value already: nothing is written\n");
                continue;
            }
            connection.write_field(&deal, name, value).await?;
            say("\n# read it back\n");
            let after = connection.read_deal(&deal, std::slice::from_ref(name)).await?;
            let after = after.fields.get(name).unwrap_or(&Value::Null);
            all_there &= dry || compared(name, value, after, say);
        }
        for (entry, text) in [(Entry::Note, &self.note), (Entry::Task, &self.task)] {
            if let Some(text) = text {
                all_there &= self.entry(connection, &deal, entry, text, say).await?;
            }
        }
        Ok(all_there)
    }

    async fn deal(&self, connection: &mut Connection, say: &impl Fn(&str)) -> Result<Option<String>, Asked> {
        if let Some(deal) = &self.deal {
            return Ok(Some(deal.clone()));
        }
        let keys = [
            (By::Email, &self.email),
            (By::Phone, &self.phone),
            (By::Name, &self.name),
        ];
        let keys: Vec<(By, String)> = keys
            .into_iter()
            .filter_map(|(by, key)| Some((by, key.clone()?)))
            .collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let ways: Vec<&str> = keys.iter().map(|(by, _)| by.as_str()).collect();
        if !keys.iter().any(|(by, _)| connection.can(Operation::FindDeal(*by))) {
            let message = format!("the file does not say how to find a deal by {}", ways.join(" or "));
            return Err(Asked::Usage(Usage(message)));
        }
        say(&format!("# find the deal by {}\n", ways.join(" or ")));
        let mut found = connection.find_deal(&keys).await?;
        if self.dry_run {
            return Ok(found.pop());
        }
        match found.len() {
            1 => {
                say(&format!("\n= deal {}\n", found[0]));
                Ok(found.pop())
            }
            0 => Err(Asked::Usage(Usage(
                "no open deal was found: the answers came to nothing by `ids` (--whole shows them)".to_owned(),
            ))),
            _ => Err(Asked::Usage(Usage(format!(
                "several deals were found: say which, --deal {}",
                found.join(", --deal ")
            )))),
        }
    }

    async fn entry(
        &self,
        connection: &mut Connection,
        deal: &str,
        entry: Entry,
        text: &str,
        say: &impl Fn(&str),
    ) -> Result<bool, Asked> {
        let what = match entry {
            Entry::Note => "note",
            Entry::Task => "task",
        };
        let today = Local::now().date_naive();
        // In a dry run always the same, so that outputs can be compared.
        let (marker, today) = match self.dry_run {
            true => (
                format!("[dealstage:try_{what}]"),
                NaiveDate::from_ymd_opt(2026, 1, 15).unwrap_or(today),
            ),
            false => (format!("[dealstage:try_{}]", uuid::Uuid::now_v7().simple()), today),
        };
        let entry_text = EntryText {
            title: text.to_owned(),
            text: text.to_owned(),
            marker: marker.clone(),
            due: self.due.or_else(|| today.checked_add_days(Days::new(7))),
            owner: None,
            call: CallText {
                id: "call_try".to_owned(),
                date: Some(today),
                title: "A try".to_owned(),
                duration_s: Some(600),
                direction: "outbound".to_owned(),
            },
        };
        say(&format!("\n# make the {what}\n"));
        let made = connection.add(entry, deal, &entry_text).await?;
        if !self.dry_run {
            say(&format!(
                "\n= made: {}\n",
                made.as_deref().unwrap_or("the CRM tells no id")
            ));
        }
        let mut there = true;
        let mut id = made;
        if connection.can(Operation::Find(entry)) {
            say(&format!("\n# look for the {what} by its marker\n"));
            let found = connection.find(entry, deal, &marker).await?;
            if !self.dry_run {
                there = found.is_some() && (id.is_none() || found == id);
                let told = match &found {
                    Some(found) if there => format!("= found: {found}"),
                    Some(found) => format!("! not applied: another one was found: {found}"),
                    None => "! not applied: it is not found".to_owned(),
                };
                say(&format!("\n{told}\n"));
            }
            id = id.or(found);
        }
        if let Some(id) = id
            && self.remove
            && connection.can(Operation::Delete(entry))
        {
            say(&format!("\n# delete the {what}\n"));
            connection.delete(entry, deal, &id).await?;
        }
        Ok(there)
    }
}

fn compared(name: &str, wanted: &Value, found: &Value, say: &impl Fn(&str)) -> bool {
    let applied = same(wanted, found);
    if applied {
        say(&format!("\n= {name}: applied\n"));
    } else {
        say(&format!(
            "\n! {name}: not applied: the CRM has {found}, and {wanted} was written\n"
        ));
    }
    applied
}

fn kind(error: &Error) -> String {
    match error {
        Error::Wait(how_long, _) => format!("wait {} s", how_long.as_secs()),
        Error::Retry(_) => "retry".to_owned(),
        Error::Missing(_) => "missing".to_owned(),
        Error::Person(_) => "a person must look at it".to_owned(),
        Error::Stop(_) => "nothing works until a person has looked at it".to_owned(),
        Error::Cannot(_) | Error::CannotFind => "the file cannot".to_owned(),
    }
}

/// Why there is nothing more to ask.
enum Asked {
    Usage(Usage),
    Crm(Error),
}

impl From<Error> for Asked {
    fn from(error: Error) -> Self {
        Self::Crm(error)
    }
}

/// What was printed so far.
#[derive(Default)]
struct Told {
    began: bool,
}

impl Told {
    fn print(&mut self, text: &str) {
        use std::io::Write as _;
        let text = if self.began {
            text
        } else {
            text.trim_start_matches('\n')
        };
        self.began = true;
        // The reader may have gone (`dealstage … | head`).
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}
