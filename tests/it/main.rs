//! The program through its front door: the binary, real weights, real sound.
//!
//! Needs the weights (`dealstage models pull`; `make test` does it).

mod access;
mod analyze;
mod architecture;
mod attacks;
mod corrections;
mod crash;
mod crm;
mod deals;
mod decisions;
mod document;
mod errors;
mod insights;
mod learning;
mod ledger;
mod live;
mod llm;
mod mail;
mod mail_server;
mod models;
mod page;
mod payloads;
mod process;
mod proposals;
mod receiver;
mod remote;
mod retention;
mod secrets;
mod served;
mod service;
mod speakers;
mod support;
mod webhooks;
