//! What leaves the machine: an event from the outbox becomes a signed webhook, a letter as mail, or a change in a CRM.
//!
//! Owns how secrets are sealed, what is signed, when a delivery is tried again, the loop that sends, the mail server (`mail`) and
//! the CRM connections (`crm`). Which events there are, and who wants them, is *not* here: see `service` and `store`; nor which
//! addresses may be reached: see `guard`.

pub mod crm;
pub mod mail;

mod failpoint;
mod failure;
mod payload;
mod schedule;
mod signature;
mod vault;
mod webhook;
mod worker;

use std::sync::Arc;

pub use crate::guard::{Blocked, Guard, network};
pub use signature::{fresh_secret, sign};
pub use vault::{Error as VaultError, Vault};
pub use worker::{Options, run};

/// What everything that leaves goes through.
#[derive(Debug, Clone)]
pub struct Gate {
    pub guard: Guard,
    pub vault: Arc<Vault>,
}
