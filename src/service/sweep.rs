//! What is not kept goes: bytes that no call refers to, and what is older than its workspace keeps it.
//!
//! Every process with workers sweeps; what one has taken away the next does not find. What goes, and when, is *not* here:
//! see `store`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Shop;
use crate::store::{self, CallId, Consent, Scope};

/// So often bytes are looked for that another process let go of.
const POLL: Duration = Duration::from_secs(5);
/// So often it is looked for what has grown old.
const AGE: Duration = Duration::from_secs(600);
/// Of each kind, between two looks at the shutdown.
const MOST: u32 = 100;
/// Between two times that the database is written anew, so long, and so many times as long as it took: nobody else writes
/// meanwhile.
const COMPACT_PAUSE: Duration = Duration::from_secs(20);
const COMPACT_SHARE: u32 = 50;
/// A request does not wait longer for what the sweep would do anyhow.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sweeps until `shutdown`.
///
/// `answers`: where this machine keeps what a language model answered, a folder for each call.
pub async fn sweep(shop: Shop, answers: Option<PathBuf>, shutdown: CancellationToken) {
    // What an earlier process deleted may not be overwritten yet.
    let mut dirty = true;
    let mut aged: Option<Instant> = None;
    let mut compact_from = Instant::now();
    let mut rung = true;
    while !shutdown.is_cancelled() {
        let is_time = aged.is_none_or(|at| at.elapsed() >= AGE);
        if let Some(folder) = answers.as_deref().filter(|_| is_time || rung)
            && let Err(error) = forget_answers(&shop, folder).await
        {
            warn!(%error, "answers of a language model about calls that are gone could not be removed");
        }
        if is_time {
            match expire(&shop, &shutdown).await {
                Ok(0) => (),
                Ok(gone) => {
                    info!(gone, "what was too old is gone");
                    dirty = true;
                }
                Err(error) => warn!(%error, "what is too old could not be taken away"),
            }
            aged = Some(Instant::now());
        }
        match remove(&shop, &shutdown).await {
            Ok(removed) => dirty |= removed,
            Err(error) => warn!(%error, "bytes that are not kept could not be removed"),
        }
        if dirty {
            match shop.store.scrub().await {
                Ok(()) => dirty = false,
                Err(error) => warn!(%error, "what was deleted is not overwritten yet"),
            }
        }
        if Instant::now() >= compact_from {
            let started = Instant::now();
            match shop.store.compact(Utc::now()).await {
                Ok(false) => (),
                Ok(true) => {
                    let took = started.elapsed();
                    info!(ms = took.as_millis() as u64, "the database was written anew");
                    compact_from = Instant::now() + COMPACT_PAUSE + took * COMPACT_SHARE;
                }
                Err(error) => {
                    warn!(%error, "the database could not be written anew: what was erased may still be in its file");
                    compact_from = Instant::now() + AGE;
                }
            }
        }
        rung = tokio::select! {
            () = shutdown.cancelled() => false,
            () = shop.broom.notified() => true,
            () = tokio::time::sleep(POLL) => false,
        };
    }
}

/// Removes what a language model said about calls of which no analysis is to be had.
async fn forget_answers(shop: &Shop, folder: &Path) -> store::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        let Some(id) = entry
            .file_name()
            .to_str()
            .filter(|name| name.starts_with("call_"))
            .map(CallId::from)
        else {
            // `dealstage analyze` keeps its own beside them.
            continue;
        };
        let call = match shop.store.workspace_of_call(&id).await? {
            Some(workspace) => shop.store.call(&Scope::all(workspace), &id).await?,
            None => None,
        };
        if call.is_none_or(|call| call.consent == Consent::Denied || call.gone.analysis.is_some()) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// To be called when something was erased: its bytes go now, if they can.
pub async fn tidy(shop: &Shop) {
    let now = async {
        remove(shop, &CancellationToken::new()).await?;
        shop.store.scrub().await
    };
    match tokio::time::timeout(PATIENCE, now).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => warn!(%error, "bytes that are not kept go with the next sweep"),
        Err(_) => warn!("bytes that are not kept go with the next sweep: the blob store is slow"),
    }
    shop.broom.notify_one();
}

/// Whether there was something to remove.
async fn remove(shop: &Shop, shutdown: &CancellationToken) -> store::Result<bool> {
    let mut removed = false;
    while !shutdown.is_cancelled() && shop.store.remove_doomed(&shop.blobs, Utc::now()).await? {
        removed = true;
    }
    Ok(removed)
}

async fn expire(shop: &Shop, shutdown: &CancellationToken) -> store::Result<u64> {
    let now = Utc::now();
    let mut gone = shop.store.expire_passing(now).await?;
    for (workspace, retention) in shop.store.retentions().await? {
        let retention = retention.unwrap_or_default();
        while !shutdown.is_cancelled() {
            match shop.store.expire(&workspace, &retention, now, MOST).await? {
                0 => break,
                more => gone += more,
            }
        }
    }
    Ok(gone)
}
