//! What lists show and search finds of calls that an earlier version stored.

use tracing::warn;

use super::job;
use crate::store::{self, Store};

/// At once: others write between.
const MOST: u32 = 100;

/// Writes it; how many analyses there were.
pub async fn fill(store: &dyn Store) -> store::Result<u64> {
    while store.index_names(MOST).await? > 0 {}
    let (mut after, mut filled) = (None, 0);
    loop {
        let stored = store.unsummarised(after.as_ref(), MOST).await?;
        let Some((_, last, _)) = stored.last() else {
            return Ok(filled);
        };
        after = Some(last.clone());
        for (workspace, call, analysis) in stored {
            match job::summary(&analysis) {
                Ok(summary) => {
                    store.keep_summary(&workspace, &call, &summary).await?;
                    filled += 1;
                }
                // It can still be read as it is.
                Err(_) => warn!(call.id = %call, "lists say nothing of an analysis that is not of this version"),
            }
        }
    }
}
