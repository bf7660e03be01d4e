//! Where the turn model is unsure, a language model may say what it thinks; believed is only what can be checked.
//!
//! Owns which turns are asked about, how little is shown, and the checks: ids by the form of the answer, quotes word for
//! word, signals by the side of the speaker, scores by the buyer's own words. What fails is dropped and named, and the
//! local answer stands.

use std::collections::BTreeMap;

use super::Understanding;
use crate::domain::{Call, Deal, DecidedBy, Decision, ElementId, Evidence, History, Role, Signal, Stage, TurnLabels};
use crate::llm::Session;
use crate::llm::prompts::{ElementLine, EndingId, LabelTurns, LabelledTurn, Prompt, ScoreDeal, ScoredDeal, TurnLine};
use crate::process::{self, Ending, Process, Scored};

/// When to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Where the local model abstains.
    Fallback,
    /// About every turn and every deal.
    Always,
}

/// A stage with less confidence than this is a guess: on the dev calls fewer than half of them are right.
pub const UNSURE: f32 = 0.5;
/// Turns before the asked one that the annotation guide lets a labeller see.
const CONTEXT: usize = 3;
/// Turns asked about in one question.
const MOST_ASKED: usize = 8;
/// How sure an answer of a language model is: nobody has measured that model on this customer's calls.
const CONFIDENCE: f32 = 0.5;

/// Asks about turns. Their labels are replaced where the answer holds.
pub fn turns(understanding: &mut Understanding, ask: Ask, session: &mut Session<'_>) {
    let unsure: Vec<usize> = (0..understanding.labels.len())
        .filter(|&at| {
            let known = understanding.call.turns[at].role != Role::Unknown;
            known && (ask == Ask::Always || understanding.labels[at].stage.confidence < UNSURE)
        })
        .collect();
    for asked in questions(&unsure) {
        let first = asked[0].saturating_sub(CONTEXT);
        let last = asked[asked.len() - 1];
        let number = |at: usize| understanding.call.turns[at].i;
        let shown: Vec<u32> = (first..=last).map(number).collect();
        let prompt = LabelTurns {
            asked: asked.iter().map(|&at| number(at)).collect(),
            turns: lines(&understanding.call, first..=last, session),
        };
        let Some(answer) = session.ask(&prompt, &shown) else {
            continue;
        };
        for &at in &asked {
            let turn = understanding.call.turns[at].i;
            let Some(said) = answer.turns.iter().find(|said| said.i == turn) else {
                session.drop_answer(LabelTurns::NAME, turn, "it says nothing about the turn");
                continue;
            };
            match believed(&understanding.call, &understanding.labels, &asked, at, said, ask) {
                Ok(labels) => understanding.labels[at] = labels,
                Err(why) => session.drop_answer(LabelTurns::NAME, turn, &why),
            }
        }
    }
}

/// Turns whose windows touch go into one question.
fn questions(unsure: &[usize]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    for &at in unsure {
        match all.last_mut() {
            Some(asked) if asked.len() < MOST_ASKED && asked.last().is_some_and(|&last| at - last <= CONTEXT) => {
                asked.push(at);
            }
            _ => all.push(vec![at]),
        }
    }
    all
}

fn lines(call: &Call, which: impl Iterator<Item = usize>, session: &mut Session<'_>) -> Vec<TurnLine> {
    which
        .map(|at| {
            let turn = &call.turns[at];
            TurnLine {
                i: turn.i,
                side: turn.role.as_str(),
                text: session.hide(&turn.text),
            }
        })
        .collect()
}

/// The labels of an answer, or why it is not believed.
fn believed(
    call: &Call,
    labels: &[TurnLabels],
    asked: &[usize],
    at: usize,
    said: &LabelledTurn,
    ask: Ask,
) -> Result<TurnLabels, String> {
    let turn = &call.turns[at];
    let opens = |stage: Stage| matches!(stage, Stage::Opening | Stage::Other);
    if said.stage == Stage::Opening && labels[..at].iter().any(|before| !opens(before.stage.id)) {
        return Err("the opening does not return".to_owned());
    }
    // Turns of the same question get their own answer.
    let mut later = (at + 1..labels.len()).filter(|after| !asked.contains(after));
    if !opens(said.stage) && later.any(|after| labels[after].stage.id == Stage::Opening) {
        return Err(format!("{} before the opening is over", said.stage));
    }
    for signal in &said.signals {
        if signal.id.speaker() != turn.role {
            return Err(format!("{} on a turn of the {}", signal.id, turn.role.as_str()));
        }
        if signal.quote.trim().is_empty() || !turn.text.contains(&signal.quote) {
            return Err(format!("the words quoted for {} are not in the turn", signal.id));
        }
    }
    let local = &labels[at];
    let decision = |&id: &Signal| {
        let sure = local
            .confidence(id)
            .filter(|&sure| ask == Ask::Fallback && sure >= UNSURE);
        let confirmed = said.signals.iter().any(|signal| signal.id == id);
        // Where only the stage was unsure, signals that were sure stay as they were.
        sure.map(|confidence| (confidence, DecidedBy::Local))
            .or(confirmed.then_some((CONFIDENCE, DecidedBy::Llm)))
            .map(|(confidence, decided_by)| Decision {
                id,
                confidence,
                decided_by,
            })
    };
    Ok(TurnLabels {
        stage: Decision {
            id: said.stage,
            confidence: CONFIDENCE,
            decided_by: DecidedBy::Llm,
        },
        signals: Signal::ALL.iter().filter_map(decision).collect(),
        doubts: Vec::new(),
        // Nobody was asked about these.
        cues: local.cues.clone(),
        cue_doubts: local.cue_doubts.clone(),
    })
}

/// Asks where the deal stands. None where the local verdict stands.
pub fn deal(
    understanding: &Understanding,
    process: &Process,
    history: Option<&History>,
    deal: &Deal,
    ask: Ask,
    session: &mut Session<'_>,
) -> Option<Deal> {
    if understanding.not_sales || understanding.other_language.is_some() || (ask == Ask::Fallback && !deal.abstained) {
        return None;
    }
    let call = &understanding.call;
    let matter = turns_that_matter(understanding);
    if matter.is_empty() {
        return None;
    }
    let numbers: Vec<u32> = matter.iter().map(|&at| call.turns[at].i).collect();
    let elements = process.elements().iter().map(|rule| ElementLine {
        id: rule.id.as_str().to_owned(),
        levels: rule.why.en.iter().skip(1).cloned().collect(),
    });
    let prompt = ScoreDeal {
        elements: elements.collect(),
        turns: lines(call, matter.into_iter(), session),
    };
    let answer = session.ask(&prompt, &numbers)?;
    match scores(call, process, &answer) {
        Ok((scores, ending)) => Some(process::rescore(
            process,
            understanding.heard(history),
            deal,
            &scores,
            ending,
            CONFIDENCE,
        )),
        Err((turn, why)) => {
            session.drop_answer(ScoreDeal::NAME, turn, &why);
            None
        }
    }
}

/// The turns with a signal or a doubt about one that bears on an element, each with the turn that it answers.
fn turns_that_matter(understanding: &Understanding) -> Vec<usize> {
    let bears = |labels: &TurnLabels| {
        let said = labels.signals.iter().any(|signal| signal.id.speaker() == Role::Buyer);
        said || labels.doubts.iter().any(|(id, _)| id.speaker() == Role::Buyer)
            || !labels.cues.is_empty()
            || !labels.cue_doubts.is_empty()
    };
    let mut all: Vec<usize> = understanding
        .labels
        .iter()
        .enumerate()
        .filter(|(_, labels)| bears(labels))
        .flat_map(|(at, _)| [at.saturating_sub(1), at])
        .collect();
    all.dedup();
    all
}

type Refused = (u32, String);

fn scores(
    call: &Call,
    process: &Process,
    answer: &ScoredDeal,
) -> Result<(BTreeMap<ElementId, Scored>, Ending), Refused> {
    let evidence = |turn: u32, quote: &str, what: &str| -> Result<Evidence, Refused> {
        let said = call.turn(turn).filter(|said| said.role == Role::Buyer);
        let said = said.ok_or_else(|| (turn, format!("{what} rests on no turn of the buyer")))?;
        if quote.trim().is_empty() || !said.text.contains(quote) {
            return Err((turn, format!("the words quoted for {what} are not in the turn")));
        }
        Ok(Evidence {
            turn,
            quote: quote.to_owned(),
        })
    };
    let mut scores = BTreeMap::new();
    for element in process.elements().iter().map(|rule| &rule.id) {
        let said = answer.elements.iter().find(|said| said.id == *element);
        let said = said.ok_or_else(|| (0, format!("no score for {element}")))?;
        if said.score > process::TOP_SCORE {
            return Err((said.turn, format!("{element} has score {}", said.score)));
        }
        let found = match said.score {
            0 => Vec::new(),
            _ => vec![evidence(said.turn, &said.quote, element.as_str())?],
        };
        let scored = Scored {
            score: said.score,
            evidence: found,
        };
        scores.insert(element.clone(), scored);
    }
    let ending = match answer.ending.id {
        EndingId::Open => Ending::Open,
        EndingId::SignedOrPaid => {
            evidence(answer.ending.turn, &answer.ending.quote, "the signature")?;
            Ending::SignedOrPaid
        }
        EndingId::Refused => {
            evidence(answer.ending.turn, &answer.ending.quote, "the refusal")?;
            Ending::Refused
        }
    };
    Ok((scores, ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;
    use crate::llm::prompts::QuotedSignal;

    #[test]
    fn windows_that_touch_are_one_question() {
        assert_eq!(questions(&[2, 4, 9, 20]), [vec![2, 4], vec![9], vec![20]]);
        assert_eq!(questions(&(0..10).collect::<Vec<_>>()).len(), 2);
        assert!(questions(&[]).is_empty());
    }

    #[test]
    fn what_cannot_be_checked_is_not_believed() {
        let call = sample::talk(&[
            (Role::Rep, "What goes wrong?"),
            (Role::Buyer, "We lose orders every week."),
        ]);
        let labels = vec![
            sample::labels(Stage::Discovery, &[]),
            sample::labels(Stage::Discovery, &[]),
        ];
        let answer = |stage, id, quote: &str| LabelledTurn {
            i: 2,
            stage,
            signals: vec![QuotedSignal {
                id,
                quote: quote.to_owned(),
            }],
        };
        let check = |answer: &LabelledTurn| {
            believed(&call, &labels, &[1], 1, answer, Ask::Always).map(|labels| labels.signals.len())
        };
        assert_eq!(
            check(&answer(Stage::Discovery, Signal::BuyerPain, "We lose orders")),
            Ok(1)
        );
        for (wrong, why) in [
            (
                answer(Stage::Discovery, Signal::BuyerPain, "we loose orders"),
                "not in the turn",
            ),
            (answer(Stage::Discovery, Signal::BuyerPain, ""), "not in the turn"),
            (
                answer(Stage::Discovery, Signal::RepPitch, "We lose"),
                "turn of the buyer",
            ),
            (answer(Stage::Opening, Signal::BuyerPain, "We lose"), "does not return"),
        ] {
            assert!(check(&wrong).is_err_and(|error| error.contains(why)), "{why}");
        }
    }
}
