//! The program through its front door: the binary, real weights, real sound.
//!
//! Needs the weights (`dealstage models pull`; `make test` does it).

mod analyze;
mod architecture;
mod deals;
mod document;
mod errors;
mod learning;
mod llm;
mod models;
mod process;
mod retention;
mod served;
mod service;
mod support;
