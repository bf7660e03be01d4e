//! CRM connections: one file says how a CRM is spoken to, and one engine runs every such file.
//!
//! Owns the format, its check, the engine with its rate, sign-in and meanings of answers, what an analysis would change
//! (`plan`), how a change is written and taken back (`apply`), and who does it (`worker`). No vendor has a line of code here:
//! what a CRM is like is in its file. What people decided about a change is *not* here: see `store`.

mod apply;
mod check;
mod client;
mod file;
mod filters;
mod plan;
mod rate;
mod secrets;
mod template;
mod worker;

pub use client::{CallText, Connection, DealState, Entry, EntryText, Error, Exchange, Operation};
pub use file::{BUILT_IN, By, CrmFile, RESERVED_SETTINGS, Setting};
pub use plan::Mapping;
pub use template::{Failed, Scope, Template, Wrong, same};
pub use worker::{Crm, run};
