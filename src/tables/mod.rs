//! TOML files that people write (a sales process, a CRM connection), read so that every problem is found, each with its
//! line and column, and the nearest known name where one is misspelt.
//!
//! Owns how problems are noted and how tables are asked for their keys. What a file means is *not* here: see `process` and
//! `deliver::crm`.

mod problem;
mod section;

pub use problem::{Error, Problem, Problems, nearest};
pub use section::{At, Section, Value, Words};

use toml::de::DeTable;

/// Reads a file by its root table, where its syntax is sound. `source` names it in errors.
pub fn read<T>(
    text: &str,
    source: &str,
    read: impl FnOnce(&Section<'_, '_>, &Problems<'_>) -> Option<T>,
) -> Result<T, Error> {
    let problems = Problems::new(text);
    let (table, broken) = DeTable::parse_recoverable(text);
    for error in broken {
        let span = error.span().unwrap_or(0..0);
        problems.add(&span, error.message().trim());
    }
    // What follows from a broken line would only hide it.
    let found = if problems.is_empty() {
        read(&Section::new(table.get_ref(), "the file", 0..0, &problems), &problems)
    } else {
        None
    };
    match found {
        Some(found) if problems.is_empty() => Ok(found),
        _ => Err(Error {
            source_name: source.to_owned(),
            problems: problems.into_sorted(),
        }),
    }
}
