//! Turns → who is who, what each turn is about and says, and the facts that were stated.
//!
//! Owns the turn model (candle), the roles, the language of a transcript and the extraction of fields. What it means
//! for the deal is *not* here: see `process` and `decide`.

pub mod fields;
pub mod roles;
pub mod turn_model;

use chrono::NaiveDate;

use crate::domain::{Call, Field, Language, Stage, TurnLabels};
use turn_model::TurnModel;

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
}

/// Understands a call. `rep` is the speaker whom the user named as the seller.
pub fn understand(
    mut call: Call,
    call_date: NaiveDate,
    rep: Option<&str>,
    model: &TurnModel,
) -> Result<Understanding, Error> {
    let language = match call.language {
        Some(language) => language,
        None => detect_language(&call)?,
    };
    if let Some(rep) = rep {
        roles::assign_by_name(&mut call.turns, rep)?;
    }
    let vectors = model.vectors(&call.turns)?;
    let log_odds = model.role_logits(&vectors, &call.turns)?;
    roles::assign(&mut call.turns, &log_odds);
    let labels = model.label(&vectors, &call.turns)?;
    let fields = fields::extract(&call, &labels, language, call_date);
    let not_sales = not_sales(&labels);
    Ok(Understanding {
        call,
        language,
        labels,
        fields,
        not_sales,
    })
}

/// In a call that is no sales call nearly every turn between greeting and goodbye is `other`.
pub fn not_sales(labels: &[TurnLabels]) -> bool {
    let middle: Vec<Stage> = labels
        .iter()
        .map(|label| label.stage.id)
        .filter(|stage| !matches!(stage, Stage::Opening | Stage::Closing))
        .collect();
    let other = middle.iter().filter(|stage| **stage == Stage::Other).count();
    !middle.is_empty() && other * 2 > middle.len()
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
    use crate::domain::{DecidedBy, Decision, Role, Turn};

    fn call(text: &str) -> Call {
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
            turns: vec![Turn {
                i: 1,
                role: Role::Unknown,
                speaker: "S1".to_owned(),
                name: None,
                start_s: None,
                end_s: None,
                text: text.to_owned(),
            }],
        }
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
        let label = |id| TurnLabels {
            stage: Decision {
                id,
                confidence: 1.0,
                decided_by: DecidedBy::Local,
            },
            signals: Vec::new(),
            doubts: Vec::new(),
        };
        assert!(not_sales(&[
            label(Stage::Opening),
            label(Stage::Other),
            label(Stage::Closing)
        ]));
        assert!(!not_sales(&[
            label(Stage::Other),
            label(Stage::Discovery),
            label(Stage::Presentation)
        ]));
        assert!(!not_sales(&[label(Stage::Opening), label(Stage::Closing)]));
    }
}
