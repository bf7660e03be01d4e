//! One file: the database of a machine that needs no other.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// What a statement ends with that holds the rows it reads until the end of the transaction: who writes holds everything.
macro_rules! hold {
    () => {
        ""
    };
}
/// The same, without the rows that others hold.
macro_rules! hold_free {
    () => {
        ""
    };
}

#[path = "sql/mod.rs"]
mod sql;

type Db = sqlx::Sqlite;

/// Writers queue up here instead of failing later, when they find that somebody wrote since they read.
const BEGIN: &str = "begin immediate";
/// The job that is due.
const CLAIM: &str = "
    select j.id, j.workspace, j.call, j.state, j.tries, j.error
    from jobs j join workspaces w on w.id = j.workspace
    where (j.state = 'queued' and j.run_at <= $1) or (j.state = 'running' and j.lease_until <= $1)
    order by j.priority desc, w.served_at, j.run_at, j.id limit 1";

/// The doomed bytes that are longest due.
const DOOMED: &str = "select workspace, hash from doomed_blobs where at <= $1 order by at limit 1";
/// What was deleted stays in the log of writes until that is cut.
const SCRUB: Option<&str> = Some("pragma wal_checkpoint(truncate)");
/// `secure_delete` overwrites rows where they lie, but not the copies that stay behind when SQLite moves rows from page to
/// page. Only a new file is free of them.
const COMPACT: Option<&str> = Some("vacuum");

/// Readers do not wait for the writer, nor for each other.
const READERS: u32 = 4;

pub async fn open(path: &Path) -> super::Result<sql::Sql> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An answer is given after a commit: what was answered must be there after a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted is overwritten: erased calls must not be found in the file.
        .pragma("secure_delete", "on")
        .busy_timeout(Duration::from_secs(20));
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        // Behind a `COMPACT` of a large file.
        .acquire_timeout(Duration::from_secs(120))
        .connect_with(options.clone())
        .await?;
    sqlx::migrate!("src/store/migrations").run(&write).await?;
    let read = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.read_only(true))
        .await?;
    Ok(sql::Sql::new(write, read))
}
