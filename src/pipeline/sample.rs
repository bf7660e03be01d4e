//! Analyses of calls with given labels, for tests: everything but the turn model.

use std::sync::OnceLock;

use chrono::NaiveDate;

use super::{Analysis, decide_all};
use crate::decide::Templates;
use crate::domain::{Call, Language, TurnLabels};
use crate::process::{self, BUILT_IN, Process};
use crate::understand::{Understanding, fields};

/// The processes that come with the program.
pub fn processes() -> &'static [Process] {
    static PROCESSES: OnceLock<Vec<Process>> = OnceLock::new();
    PROCESSES.get_or_init(|| {
        let load = |(name, text): &(&str, &str)| Process::load(text, name).expect("a process of the program");
        BUILT_IN.iter().map(load).collect()
    })
}

/// Fields that are looked for in every call.
pub const LOOKED_FOR: &[crate::domain::FieldName] = fields::LOOKED_FOR;

pub fn analysis(
    process: &Process,
    mut call: Call,
    labels: Vec<TurnLabels>,
    language: Language,
    call_date: NaiveDate,
) -> Analysis {
    call.call_date = Some(call_date);
    let mut understanding = Understanding {
        call,
        language,
        labels,
        fields: Vec::new(),
        not_sales: false,
        other_language: None,
        corrected: Vec::new(),
    };
    understanding.read_labels(call_date);
    let deal = process::assess(process, understanding.heard(None));
    decide_all(
        understanding,
        call_date,
        process,
        None,
        deal,
        &Templates::builtin().expect("own templates"),
        &mut |_, _| None,
    )
}
