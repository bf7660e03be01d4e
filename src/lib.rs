//! dealstage listens to sales calls: who said what, where the deal stands and why, what to do next.
//!
//! Modules in reading order; the steps are a sentence: ingest → transcribe → understand → decide.
//!
//! | module | owns | may import (of ours) |
//! |---|---|---|
//! | [`domain`] | nouns and ids; no I/O, no clock | nothing |
//! | [`tables`] | TOML files that people write, read so that every problem is found with its place | domain |
//! | [`weights`] | model weights on disk: manifest, fetching, conversion, checking | nothing |
//! | [`process`] | the sales process file, and its rules from signals and earlier calls to scores, deal stage and warnings | tables, domain |
//! | [`matrix`] | products of rows with packed weights, in floats or bytes; norm, softmax, GELU between them | nothing |
//! | [`guard`] | which addresses may be reached from here | nothing |
//! | [`llm`] | asking a language model: prompts, redaction, budget, stored answers | domain, guard |
//! | [`ingest`] | bytes → recording or transcript | domain |
//! | [`transcribe`] | recording → turns: voice activity, whisper or a recogniser elsewhere, channels, voices | domain, weights, guard, matrix |
//! | [`understand`] | turns → roles, stages, signals, fields; the language model where the turn model is unsure | domain, process, llm, matrix |
//! | [`decide`] | what was understood → qualification, next actions, follow-up draft, scorecard | domain, process, llm |
//! | [`pipeline`] | the one place that runs the steps in order | all of the above |
//! | [`document`] | the analysis document and its JSON, Markdown and terminal forms | domain, pipeline |
//! | [`store`] | everything durable and all SQL: calls, jobs, deals, people and keys, events, recordings | domain |
//! | [`service`] | stored calls from the queue to the analysis: jobs, leases, steps, events; calls that go on | the steps, pipeline, document, live, store |
//! | [`live`] | a call while it goes on: wire messages, sound as it comes, labels and hints at once, many calls on one set of models | domain, process, ingest, transcribe, understand, pipeline, document |
//! | [`deliver`] | what leaves the machine: events from the outbox become signed webhooks, mail or changes in a CRM; sealed secrets | tables, domain, guard, store |
//! | [`insights`] | figures of calls → pipeline figures: funnel, cycle, process, forecast, coaching | domain, process |
//! | [`http`] | routes, who may use them, limits, wire types, the page | service, live, deliver, insights, store, process, document, ingest, weights, domain |
//! | [`learn`] | labelled calls → heads of the turn model; measuring it and the drafts | domain, process, ingest, understand, decide |
//!
//! Invariants, checked by `tests/it/architecture.rs`: a module imports only what its row allows; candle is used
//! only in `understand::turn_model`, `transcribe::judge`, `transcribe::speakers`, `learn` and `weights`; rten only in
//! `matrix`, `understand::turn_model::packed`, `transcribe::whisper` and `transcribe::speakers`; a model provider's types only in
//! `llm::openai`. `service` and `deliver` never call each other: they share the outbox.

pub mod domain;
pub mod tables;
pub mod weights;

pub mod guard;
pub mod llm;
pub mod matrix;
pub mod process;

pub mod decide;
pub mod deliver;
pub mod ingest;
pub mod transcribe;
pub mod understand;

pub mod document;
pub mod http;
pub mod insights;
pub mod learn;
pub mod live;
pub mod pipeline;
pub mod service;
pub mod store;
