//! The example cases of a process file: what each comes to, and where that is not what the file expects.

use chrono::NaiveDate;

use super::{Error, Models, Options, decide_all, in_pool, understand};
use crate::domain::{Cue, DecidedBy, Decision, Signal, Stage, TurnLabels};
use crate::ingest::{self, Input};
use crate::process::{self, Case, Process};
use crate::understand::{Understanding, language_of};

/// Day of a case that names none: a Wednesday far from holidays.
const CASE_DAY: Option<NaiveDate> = NaiveDate::from_ymd_opt(2026, 4, 15);

/// One thing that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `score of pain`, `stage`, …
    pub of: String,
    pub expected: String,
    pub found: String,
}

/// Runs a case. With signals in any of its turns the labels are taken from the file, else the turn model gives them.
pub fn run_case(
    process: &Process,
    case: &Case,
    options: &Options,
    models: &mut Models,
) -> Result<Vec<Difference>, Error> {
    let read = ingest::Options {
        call_date: CASE_DAY,
        language: None,
        longest_s: None,
    };
    let bytes = case.call.to_string().into_bytes();
    let Input::Transcript(mut call) = ingest::read_bytes(&case.name, bytes, &read)? else {
        return Ok(Vec::new());
    };
    let call_date = *call.call_date.get_or_insert(options.call_date);
    let given = given_labels(&case.call);
    let understanding = match given {
        Some(labels) => {
            let mut understanding = Understanding {
                language: language_of(&call)?,
                call,
                labels,
                fields: Vec::new(),
                not_sales: false,
                other_language: None,
                corrected: Vec::new(),
            };
            understanding.read_labels(call_date);
            understanding
        }
        None => {
            let model = models.turn_model(options)?;
            in_pool(options.threads, || understand(call, call_date, options, &model, None))??
        }
    };
    let deal = process::assess(process, understanding.heard(None));
    let analysis = decide_all(
        understanding,
        call_date,
        process,
        None,
        deal,
        &models.letters,
        &mut |_, _| None,
    );
    Ok(compare(case, &analysis))
}

fn given_labels(call: &serde_json::Value) -> Option<Vec<TurnLabels>> {
    let turns = call["turns"].as_array()?;
    if turns
        .iter()
        .all(|turn| turn["signals"].is_null() && turn["cues"].is_null())
    {
        return None;
    }
    Some(turns.iter().map(labels_of).collect())
}

fn labels_of(turn: &serde_json::Value) -> TurnLabels {
    fn ids<T: std::str::FromStr>(list: &serde_json::Value) -> Vec<Decision<T>> {
        let texts = list.as_array().into_iter().flatten();
        texts.filter_map(|text| text.as_str()?.parse().ok()).map(sure).collect()
    }
    TurnLabels {
        // No rule of a process asks for it.
        stage: sure(Stage::Discovery),
        signals: ids::<Signal>(&turn["signals"]),
        cues: ids::<Cue>(&turn["cues"]),
        doubts: Vec::new(),
        cue_doubts: Vec::new(),
    }
}

fn sure<T>(id: T) -> Decision<T> {
    Decision {
        id,
        confidence: 1.0,
        decided_by: DecidedBy::Rules,
    }
}

fn compare(case: &Case, analysis: &super::Analysis) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut differ = |of: String, expected: String, found: String| {
        if expected != found {
            differences.push(Difference { of, expected, found });
        }
    };
    let expect = &case.expect;
    let deal = &analysis.deal;
    if let Some(stage) = &expect.stage {
        let found = deal.stage.as_ref().map_or("none", |stage| stage.id.as_str());
        differ("stage".to_owned(), stage.clone(), found.to_owned());
    }
    for (element, score) in &expect.scores {
        let found = deal.score(element);
        differ(format!("score of {element}"), score.to_string(), found.to_string());
    }
    let list = |mut ids: Vec<String>| {
        ids.sort_unstable();
        ids.dedup();
        format!("[{}]", ids.join(", "))
    };
    if let Some(expected) = &expect.premature {
        let found = analysis.premature.iter().map(|premature| premature.id.to_string());
        differ("premature".to_owned(), list(expected.clone()), list(found.collect()));
    }
    if let Some(expected) = &expect.causes {
        let found = analysis.root_causes.iter().map(|cause| cause.id.to_string());
        differ("causes".to_owned(), list(expected.clone()), list(found.collect()));
    }
    let actions: Vec<String> = analysis
        .next_actions
        .iter()
        .map(|action| action.id.to_string())
        .collect();
    for (ids, wanted) in [(&expect.actions, true), (&expect.no_actions, false)] {
        for id in ids {
            let word = |there: bool| if there { "there" } else { "absent" }.to_owned();
            differ(format!("action {id}"), word(wanted), word(actions.contains(id)));
        }
    }
    differences
}
