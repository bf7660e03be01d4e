//! The program through its front door: the binary, real weights, real sound.
//!
//! Needs the weights (`dealstage models pull`; `make test` does it).

mod access;
mod analyze;
mod architecture;
mod crash;
mod crm;
mod deals;
mod document;
mod errors;
mod insights;
mod learning;
mod live;
mod llm;
mod models;
mod process;
mod receiver;
mod retention;
mod served;
mod service;
mod support;
mod webhooks;
