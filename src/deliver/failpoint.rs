//! Places at which a test ends the process, to see what is left of the work.
//!
//! `DEALSTAGE_FAILPOINT=NAME` ends it the first time that NAME is reached, `NAME:3` the third time. See `benches/deliver.py`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Wanted {
    name: String,
    /// Times that it is still to be passed.
    left: AtomicU64,
}

/// Ends the process as SIGKILL would, if the environment names this place.
pub fn reach(name: &str) {
    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("DEALSTAGE_FAILPOINT")
            .ok()
            .filter(|text| !text.is_empty())?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Wanted {
            name: name.to_owned(),
            left: AtomicU64::new(count.parse().unwrap_or(1)),
        })
    });
    if let Some(wanted) = wanted
        && wanted.name == name
        && wanted.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
