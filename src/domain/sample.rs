//! Calls, labels and deals for tests, with nothing in them but what a test is about.

use super::{Call, Deal, DealStage, DecidedBy, Decision, Role, Signal, Stage, StageId, StageKind, Turn, TurnLabels};

pub fn turn(i: u32, role: Role, text: &str) -> Turn {
    Turn {
        i,
        role,
        speaker: role.as_str().to_owned(),
        name: None,
        start_s: None,
        end_s: None,
        text: text.to_owned(),
        words: Vec::new(),
        speaker_confidence: None,
        overlaps: Vec::new(),
    }
}

pub fn call(turns: Vec<Turn>) -> Call {
    Call {
        id: "c".to_owned(),
        source: "c.txt".to_owned(),
        language: None,
        call_date: None,
        kind: None,
        seller: None,
        previous_stage: None,
        duration_s: None,
        channels: None,
        turns,
    }
}

/// A call of these turns: who, what.
pub fn talk(said: &[(Role, &str)]) -> Call {
    call((1..).zip(said).map(|(i, &(role, text))| turn(i, role, text)).collect())
}

pub fn sure<T>(id: T) -> Decision<T> {
    Decision {
        id,
        confidence: 1.0,
        decided_by: DecidedBy::Local,
    }
}

pub fn labels(stage: Stage, signals: &[Signal]) -> TurnLabels {
    TurnLabels {
        stage: sure(stage),
        signals: signals.iter().copied().map(sure).collect(),
        cues: Vec::new(),
        doubts: Vec::new(),
        cue_doubts: Vec::new(),
    }
}

/// A deal in an open stage of PPVVC, by its place.
pub fn deal(id: &str, place: usize) -> Deal {
    Deal {
        process: "ppvvc".to_owned(),
        process_hash: String::new(),
        stage: Some(DealStage {
            id: StageId::from(id),
            kind: StageKind::Open,
            place,
        }),
        stage_name: id.to_owned(),
        stage_purpose: String::new(),
        stage_exit: String::new(),
        confidence: 0.9,
        decided_by: DecidedBy::Local,
        abstained: false,
        on_hold: false,
        flags: Vec::new(),
        elements: Vec::new(),
        coverage: 0.0,
        index: 0.0,
        call_outcome: None,
        previous_stage: None,
        previous_stage_name: None,
        step: None,
        earlier_calls: Vec::new(),
        contradictions: Vec::new(),
        earlier_facts: Vec::new(),
        open_promises: Vec::new(),
        buyers: Vec::new(),
    }
}
