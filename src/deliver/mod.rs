//! What leaves the machine: an event from the outbox becomes a signed webhook or a change in a CRM.
//!
//! Owns which addresses may be reached, how secrets are sealed, what is signed, when a delivery is tried again, the loop that
//! sends, and the CRM connections (`crm`). Which events there are, and who wants them, is *not* here: see `service` and `store`.

pub mod crm;

mod failpoint;
mod guard;
mod payload;
mod schedule;
mod signature;
mod vault;
mod webhook;
mod worker;

use std::sync::Arc;

pub use guard::{Blocked, Guard, network};
pub use signature::{fresh_secret, sign};
pub use vault::{Error as VaultError, Vault};
pub use worker::{Options, run};

/// What everything that leaves goes through.
#[derive(Debug, Clone)]
pub struct Gate {
    pub guard: Guard,
    pub vault: Arc<Vault>,
}
