//! `dealstage models`: which weights there are, getting them, checking them.
//!
//! Tables and JSON go to stdout, progress and complaints to stderr. `verify` exits with 3 if something is missing and
//! with 1 if something is damaged; errors of the library are handed to the caller, who knows their exit codes.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use dealstage::weights::{self, Checked, Listed, Outcome, Pulled, State, Unwatched, Watch};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

const DAMAGED: u8 = 1;
const MISSING: u8 = 3;

/// Lists, fetches and checks model weights
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which weights there are, where from, under which licence, and whether they are installed
    List {
        /// Write JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Fetch weights into the cache folder, check and convert them; what is there already is left alone
    Pull {
        /// Weights to fetch; without names all that the program needs
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Say nothing unless something fails
        #[arg(long)]
        quiet: bool,
    },
    /// Read installed weights from the first byte to the last and compare their sha256
    Verify {
        /// Weights to check; without names those needed and all others that are installed
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List { json } => list(json),
        Action::Pull { names, quiet } => pull(&names, quiet),
        Action::Verify { names } => verify(&names),
    }
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let weights = weights::list()?;
    let text = if json {
        serde_json::to_string_pretty(&weights)? + "\n"
    } else {
        list_text(&weights)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn list_text(weights: &[Listed]) -> String {
    let mut rows = vec![["NAME", "STATE", "SIZE", "LICENCE", "PURPOSE"].map(String::from)];
    for weight in weights {
        let state = match weight.state {
            State::Installed => "installed",
            State::Incomplete => "incomplete",
            State::Missing if weight.default => "missing",
            State::Missing => "optional",
        };
        let size = HumanBytes(weight.size).to_string();
        rows.push([&weight.name, state, &size, &weight.licence, &weight.purpose].map(String::from));
    }
    let mut text = table(&rows);
    for weight in weights {
        text.push_str(&format!("\n{}\n  {}\n", weight.name, weight.origin));
        for source in &weight.sources {
            text.push_str(&format!("  from {source}\n"));
        }
        for file in &weight.files {
            text.push_str(&format!(
                "  {} {}\n",
                file.sha256,
                weight.folder.join(&file.file).display()
            ));
        }
    }
    text
}

/// Columns as wide as their widest cell, the last one as it comes.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn pull(names: &[String], quiet: bool) -> anyhow::Result<ExitCode> {
    let pulled = if quiet {
        weights::pull(names, &mut Unwatched)?
    } else if io::stderr().is_terminal() {
        weights::pull(names, &mut Bar::default())?
    } else {
        weights::pull(names, &mut Lines)?
    };
    let mut failed = Vec::new();
    for Pulled { name, outcome } in pulled {
        match outcome {
            Ok(Outcome::Present) => say(quiet, &format!("{name}: already here")),
            Ok(Outcome::Installed { source, took }) => {
                say(
                    quiet,
                    &format!("{name}: installed in {:.1} s from the {source}", took.as_secs_f64()),
                );
            }
            Err(error) => failed.push(error),
        }
    }
    let Some(last) = failed.pop() else {
        return Ok(ExitCode::SUCCESS);
    };
    for error in failed {
        complain(&format!("error: {error}"));
    }
    Err(last.into())
}

fn verify(names: &[String]) -> anyhow::Result<ExitCode> {
    let checked = weights::verify(names)?;
    let rows: Vec<[String; 3]> = checked.iter().map(row).collect();
    print(&table(&rows))?;
    let (code, remedy) = verdict(&checked);
    if let Some(remedy) = remedy {
        complain(&remedy);
    }
    Ok(ExitCode::from(code))
}

fn row(checked: &Checked) -> [String; 3] {
    let (state, name, path, more) = match checked {
        Checked::Intact { name, path } => ("ok", name, path, String::new()),
        Checked::Missing { name, path } => ("missing", name, path, String::new()),
        Checked::Damaged {
            name,
            path,
            found,
            expected,
        } => ("damaged", name, path, format!(" (sha256 {found}, expected {expected})")),
    };
    [state.into(), name.clone(), format!("{}{more}", path.display())]
}

/// The exit code, and what to do. Damage weighs more than absence: something wrong is in use.
fn verdict(checked: &[Checked]) -> (u8, Option<String>) {
    let mut names = Vec::new();
    let mut code = 0;
    for file in checked {
        let (name, weight) = match file {
            Checked::Intact { .. } => continue,
            Checked::Missing { name, .. } => (name, MISSING),
            Checked::Damaged { name, .. } => (name, DAMAGED),
        };
        if code != DAMAGED {
            code = weight;
        }
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let remedy = (code != 0).then(|| format!("get them again with `dealstage models pull {}`", names.join(" ")));
    (code, remedy)
}

fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader, such as `head`, has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

fn say(quiet: bool, line: &str) {
    if !quiet {
        complain(line);
    }
}

/// A line on stderr; if that is closed there is nobody to tell.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Progress for a log file: a line for each step.
struct Lines;

impl Watch for Lines {
    fn say(&mut self, line: &str) {
        complain(line);
    }

    fn start(&mut self, step: &str, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => complain(&format!("{step} ({})", HumanBytes(bytes))),
            None => complain(step),
        }
    }
}

/// Progress for a person: a bar for each step.
#[derive(Default)]
struct Bar(Option<ProgressBar>);

impl Watch for Bar {
    fn say(&mut self, line: &str) {
        match &self.0 {
            Some(bar) => bar.suspend(|| complain(line)),
            None => complain(line),
        }
    }

    fn start(&mut self, step: &str, bytes: Option<u64>) {
        let bar = match bytes {
            Some(bytes) => {
                let style = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
                ProgressBar::new(bytes).with_style(style_of(style))
            }
            None => ProgressBar::new_spinner().with_style(style_of("{msg} {spinner} {elapsed}")),
        };
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.0 = Some(bar);
    }

    fn at(&mut self, bytes: u64) {
        if let Some(bar) = &self.0 {
            // Packages are measured while they are unpacked beside themselves: never beyond the end.
            bar.set_position(bytes.min(bar.length().unwrap_or(bytes)));
        }
    }

    fn stop(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn checked(state: &str, name: &str) -> Checked {
        let (name, path) = (name.to_owned(), PathBuf::from("x"));
        match state {
            "ok" => Checked::Intact { name, path },
            "missing" => Checked::Missing { name, path },
            _ => Checked::Damaged {
                name,
                path,
                found: "1".into(),
                expected: "2".into(),
            },
        }
    }

    #[test]
    fn verdict_is_the_worst_of_all() {
        let cases = [
            (vec!["ok", "ok"], 0, None),
            (vec!["ok", "missing"], MISSING, Some("dealstage models pull w1")),
            (vec!["damaged", "ok"], DAMAGED, Some("dealstage models pull w0")),
            (vec!["damaged", "missing"], DAMAGED, Some("dealstage models pull w0 w1")),
            (vec!["missing", "damaged"], DAMAGED, Some("dealstage models pull w0 w1")),
        ];
        for (states, code, remedy) in cases {
            let files: Vec<_> = states
                .iter()
                .enumerate()
                .map(|(i, s)| checked(s, &format!("w{i}")))
                .collect();
            let (found, said) = verdict(&files);
            assert_eq!(found, code, "{states:?}");
            assert_eq!(said.is_some(), remedy.is_some(), "{states:?}");
            assert!(
                said.unwrap_or_default().contains(remedy.unwrap_or_default()),
                "{states:?}"
            );
        }
    }

    #[test]
    fn list_names_everything_a_person_needs() {
        let weights = weights::list().expect("listed");
        let text = list_text(&weights);
        for weight in &weights {
            assert!(
                text.contains(&weight.licence) && text.contains(&weight.origin),
                "{text}"
            );
            assert!(
                weight
                    .files
                    .iter()
                    .all(|f| text.contains(&f.sha256) && text.contains(&f.file)),
                "{text}"
            );
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            ["a", "имя", "x"].map(String::from),
            ["long", "n", "y"].map(String::from),
        ];
        assert_eq!(table(&rows), "a     имя  x\nlong  n    y\n");
    }
}
