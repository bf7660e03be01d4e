//! What a worker does where there is nothing to claim.

use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Result;

/// Where another process may have put work, nobody rings: so often it is looked for.
const POLL: Duration = Duration::from_millis(500);
/// After an error of the database.
const PAUSE: Duration = Duration::from_secs(2);

/// What was claimed. None, after a wait: there was nothing, or the database does not answer. `rung`: from before the claim, so that
/// no bell is missed; `what`: for the log.
pub async fn claimed_or_wait<T>(
    claimed: Result<Option<T>>,
    what: &'static str,
    rung: Notified<'_>,
    shutdown: &CancellationToken,
) -> Option<T> {
    match claimed {
        Ok(Some(claimed)) => return Some(claimed),
        Ok(None) => tokio::select! {
            () = shutdown.cancelled() => (),
            () = rung => (),
            () = tokio::time::sleep(POLL) => (),
        },
        Err(error) => {
            warn!(%error, what, "nothing can be claimed");
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(PAUSE) => (),
            }
        }
    }
    None
}
