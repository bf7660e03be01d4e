//! A server: the database of several machines.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;

/// What a statement ends with that holds the rows it reads until the end of the transaction. Rows that refer to them may
/// still be added.
macro_rules! hold {
    () => {
        " for no key update"
    };
}
/// The same, without the rows that others hold.
macro_rules! hold_free {
    () => {
        " for no key update skip locked"
    };
}

#[path = "sql/mod.rs"]
mod sql;

type Db = sqlx::Postgres;

const BEGIN: &str = "begin";
/// The job that is due and that no other worker is just taking.
const CLAIM: &str = "
    select j.id, j.workspace, j.call, j.state, j.tries, j.error
    from jobs j join workspaces w on w.id = j.workspace
    where (j.state = 'queued' and j.run_at <= $1) or (j.state = 'running' and j.lease_until <= $1)
    order by j.priority desc, w.served_at, j.run_at, j.id limit 1
    for update of j skip locked";

/// The doomed bytes that are longest due and that nobody is just removing.
const DOOMED: &str =
    "select workspace, hash from doomed_blobs where at <= $1 order by at limit 1 for update skip locked";
/// The server's own vacuum does it.
const SCRUB: Option<&str> = None;
const COMPACT: Option<&str> = None;

/// As many per process: a server takes a hundred unless told otherwise, and several processes share it.
const CONNECTIONS: u32 = 12;

pub async fn open(url: &str) -> super::Result<sql::Sql> {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(20))
        .connect(url)
        .await?;
    sqlx::migrate!("src/store/migrations").run(&pool).await?;
    Ok(sql::Sql::new(pool.clone(), pool))
}
