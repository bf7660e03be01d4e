//! Turns → who is who, what each turn is about and says, and the facts that were stated.
//!
//! Owns the turn model, the roles, the language of a transcript, the extraction of fields, the questions to
//! a language model where the turn model is unsure, and what people corrected. What it means for the deal is *not* here: see `process` and
//! `decide`.

pub mod corrections;
pub mod fallback;
pub mod fields;
pub mod roles;
pub mod turn_model;

use chrono::NaiveDate;

use crate::domain::{Call, Corrected, DecidedBy, Decision, Field, History, Language, Role, Stage, Turn, TurnLabels};
use crate::process::Heard;
use turn_model::{Known, Read, TurnModel};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Model(#[from] turn_model::Error),
    #[error(transparent)]
    Role(#[from] roles::NoSuchSpeaker),
    #[error(
        "{source_name}: the talk seems to be in {language}; English and Russian are understood; \
         `--language en` or `--language ru` overrides"
    )]
    Language { source_name: String, language: String },
}

/// A call with everything that was understood of it.
#[derive(Debug, Clone)]
pub struct Understanding {
    /// With roles.
    pub call: Call,
    pub language: Language,
    /// In the order of the turns.
    pub labels: Vec<TurnLabels>,
    pub fields: Vec<Field>,
    /// Support, recruiting, a wrong number: no deal in it.
    pub not_sales: bool,
    /// The language that the talk seems to be in, where it is none that is understood: nothing is said about it then.
    pub other_language: Option<String>,
    /// What people corrected, the oldest first.
    pub corrected: Vec<Corrected>,
}

/// Understands a call. `rep` is the speaker whom the user named as the seller; `known`: where turns have been
/// encoded before; `corrected` is what people corrected, the oldest first.
pub fn understand(
    mut call: Call,
    call_date: NaiveDate,
    rep: Option<&str>,
    model: &TurnModel,
    known: Option<Known<'_>>,
    corrected: &[Corrected],
) -> Result<Understanding, Error> {
    let language = match language_of(&call) {
        Ok(language) => language,
        Err(Error::Language { language, .. }) => {
            if let Some(rep) = rep {
                roles::assign_by_name(&mut call.turns, rep)?;
            }
            return Ok(Understanding::of_other_language(call, language));
        }
        Err(error) => return Err(error),
    };
    if let Some(rep) = rep {
        roles::assign_by_name(&mut call.turns, rep)?;
    }
    let labels = label(&mut call.turns, model, known, corrected)?;
    let mut understanding = Understanding {
        call,
        language,
        labels,
        fields: Vec::new(),
        not_sales: false,
        other_language: None,
        corrected: corrected.to_vec(),
    };
    understanding.read_labels(call_date);
    Ok(understanding)
}

/// Roles and labels of turns in a language that is understood. `known` as in [`understand`].
fn label(
    turns: &mut [Turn],
    model: &TurnModel,
    known: Option<Known<'_>>,
    corrected: &[Corrected],
) -> Result<Vec<TurnLabels>, Error> {
    let (vectors, mut read);
    let known = match known {
        Some(known) => known,
        None => {
            (vectors, read) = (model.vectors(turns)?, Read::default());
            Known {
                vectors: &vectors,
                read: &mut read,
            }
        }
    };
    roles::assign(turns, &model.role_logits(known.vectors));
    corrections::sides(turns, corrected);
    Ok(model.label(known.read, known.vectors, turns))
}

/// Only the roles and labels of [`understand`], for a call whose turns have been encoded.
pub fn label_call(mut call: Call, model: &TurnModel, known: Known<'_>) -> Result<(Vec<Turn>, Vec<TurnLabels>), Error> {
    match language_of(&call) {
        Ok(_) => {
            let labels = label(&mut call.turns, model, Some(known), &[])?;
            Ok((call.turns, labels))
        }
        Err(Error::Language { language, .. }) => {
            let understanding = Understanding::of_other_language(call, language);
            Ok((understanding.call.turns, understanding.labels))
        }
        Err(error) => Err(error),
    }
}

impl Understanding {
    /// A talk of which no word is understood. What is said about it is in English.
    fn of_other_language(call: Call, language: String) -> Self {
        let nothing = TurnLabels {
            stage: Decision {
                id: Stage::Other,
                confidence: 0.0,
                decided_by: DecidedBy::Rules,
            },
            signals: Vec::new(),
            cues: Vec::new(),
            doubts: Vec::new(),
            cue_doubts: Vec::new(),
        };
        Self {
            labels: vec![nothing; call.turns.len()],
            call,
            language: Language::En,
            fields: fields::LOOKED_FOR.iter().copied().map(Field::not_stated).collect(),
            not_sales: false,
            other_language: Some(language),
            corrected: Vec::new(),
        }
    }

    /// For the rules of the process.
    pub fn heard<'a>(&'a self, history: Option<&'a History>) -> Heard<'a> {
        Heard {
            call: &self.call,
            labels: &self.labels,
            fields: &self.fields,
            language: self.language,
            no_deal: self.not_sales || self.other_language.is_some(),
            history,
        }
    }

    /// What follows from the labels and the corrections: to be called again when the labels change.
    pub fn read_labels(&mut self, call_date: NaiveDate) {
        corrections::labels(&mut self.labels, &self.call.turns, &self.corrected);
        self.fields = fields::extract(&self.call, &self.labels, self.language, call_date);
        for field in &mut self.fields {
            let said = field.turn.and_then(|turn| self.call.turn(turn));
            field.confidence *= said.and_then(|turn| turn.speaker_confidence).unwrap_or(1.0);
        }
        corrections::fields(&mut self.fields, &self.call, &self.corrected);
        self.not_sales = not_sales(&self.call.turns, &self.labels);
    }

    /// The user says that it belongs to a deal: then it is about the sale, whatever it sounds like.
    pub fn belongs_to_a_deal(&mut self) {
        self.not_sales = false;
    }
}

/// In a call that is no sales call nearly every turn between greeting and goodbye is `other`. A message on a machine is
/// `other` too, and yet a first contact: nobody of the other side speaks on it.
pub fn not_sales(turns: &[Turn], labels: &[TurnLabels]) -> bool {
    if turns.iter().all(|turn| turn.role != Role::Buyer) {
        return false;
    }
    let middle: Vec<Stage> = labels
        .iter()
        .map(|label| label.stage.id)
        .filter(|stage| !matches!(stage, Stage::Opening | Stage::Closing))
        .collect();
    let other = middle.iter().filter(|stage| **stage == Stage::Other).count();
    !middle.is_empty() && other * 2 > middle.len()
}

/// The language that the file or the user states, else that of the words.
pub fn language_of(call: &Call) -> Result<Language, Error> {
    call.language.map_or_else(|| detect_language(call), Ok)
}

/// The language of the whole talk; single turns are too short to tell.
fn detect_language(call: &Call) -> Result<Language, Error> {
    let text = call
        .turns
        .iter()
        .map(|turn| turn.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let cyrillic = text
        .chars()
        .filter(|c| matches!(c, 'а'..='я' | 'А'..='Я' | 'ё' | 'Ё'))
        .count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    let guess = if cyrillic > latin { Language::Ru } else { Language::En };
    let Some(info) = whatlang::detect(&text) else {
        return Ok(guess);
    };
    match info.lang() {
        whatlang::Lang::Rus => Ok(Language::Ru),
        whatlang::Lang::Eng => Ok(Language::En),
        // On a few words it is sure of nothing.
        other if info.is_reliable() && info.confidence() > 0.9 && text.len() > 200 => Err(Error::Language {
            source_name: call.source.clone(),
            language: other.eng_name().to_owned(),
        }),
        _ => Ok(guess),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    fn call(text: &str) -> Call {
        sample::talk(&[(Role::Unknown, text)])
    }

    #[test]
    fn languages() {
        assert_eq!(detect_language(&call("ok")).expect("guess"), Language::En);
        assert_eq!(
            detect_language(&call("Да, CRM у нас Bitrix, менеджеров двенадцать")).expect("ru"),
            Language::Ru
        );
        let german = "Guten Tag, wir möchten gerne wissen, ob Sie unsere neue Software schon ausprobiert haben. \
                      Der Preis liegt bei zweihundert Euro im Monat, und wir können nächste Woche einen Termin \
                      vereinbaren, wenn es Ihnen passt. Vielen Dank für das Gespräch und auf Wiederhören.";
        assert!(
            detect_language(&call(german))
                .expect_err("other")
                .to_string()
                .contains("German")
        );
    }

    #[test]
    fn a_call_of_other_things_is_no_sales_call() {
        let not_sales = |sides: &[Role], stages: &[Stage]| {
            let said: Vec<(Role, &str)> = sides.iter().map(|&side| (side, "")).collect();
            let labels: Vec<_> = stages.iter().map(|&stage| sample::labels(stage, &[])).collect();
            not_sales(&sample::talk(&said).turns, &labels)
        };
        let both = [Role::Rep, Role::Buyer, Role::Rep];
        assert!(not_sales(&both, &[Stage::Opening, Stage::Other, Stage::Closing]));
        assert!(!not_sales(
            &both,
            &[Stage::Other, Stage::Discovery, Stage::Presentation]
        ));
        assert!(!not_sales(&both, &[Stage::Opening, Stage::Closing, Stage::Closing]));
        // A message on a machine.
        let machine = [Role::Unknown, Role::Rep, Role::Rep];
        assert!(!not_sales(&machine, &[Stage::Other, Stage::Other, Stage::Other]));
    }
}
