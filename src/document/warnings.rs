//! What the reader must know before acting: moves that came too early, what keeps the deal, contradictions, promises that
//! are overdue. One list for both reports.

use super::words::{self, say};
use super::{Document, ReportTurn};
use crate::domain::{Language, Role, Severity};

/// One warning in words, and how much it weighs.
pub struct Warning {
    pub severity: Severity,
    pub text: String,
    /// What to do about it.
    pub advice: String,
}

pub fn warnings(document: &Document) -> Vec<Warning> {
    let language = document.call.language;
    let mut all = Vec::new();
    for move_ in &document.premature {
        let quote = words::quoted(&move_.quote, language);
        all.push(Warning {
            severity: move_.severity,
            text: format!("{}: {quote} {}", move_.why, ReportTurn::of(document, move_.turn)),
            advice: move_.advice.clone(),
        });
    }
    for contradiction in &document.deal.contradictions {
        let (now, before) = (&contradiction.latest, &contradiction.earlier);
        all.push(Warning {
            severity: Severity::High,
            text: format!(
                "{}: {} {} {}; {} {} {}",
                about(document, &contradiction.about),
                say(language, "now", "теперь"),
                words::quoted(&now.quote, language),
                ReportTurn::of(document, now.turn),
                say(language, "before", "раньше"),
                words::quoted(&before.quote, language),
                words::date(before.call_date, language),
            ),
            advice: String::new(),
        });
    }
    let overdue = document.deal.open_promises.iter();
    for promise in overdue.filter(|promise| promise.is_due(promise.who, document.call.call_date)) {
        let whose = match promise.who {
            Role::Rep => say(language, "our promise is overdue", "наше обещание просрочено"),
            _ => say(language, "their promise is overdue", "обещание клиента просрочено"),
        };
        let due = promise.due;
        all.push(Warning {
            severity: Severity::High,
            text: format!(
                "{whose}{}: {}",
                due.map(|due| format!(" ({})", words::date(due, language)))
                    .unwrap_or_default(),
                words::quoted(&promise.what, language)
            ),
            advice: String::new(),
        });
    }
    for cause in &document.root_causes {
        all.push(Warning {
            severity: Severity::Medium,
            text: format!(
                "{}: {}",
                say(language, "why it does not move", "почему не движется"),
                cause.why
            ),
            advice: format!(
                "{} {}",
                say(language, "missing:", "не хватает:"),
                cause.missing.join("; ")
            ),
        });
    }
    for flag in &document.deal.flags {
        all.push(Warning {
            severity: Severity::Medium,
            text: words::flag(flag, language).to_owned(),
            advice: String::new(),
        });
    }
    all.sort_by_key(|warning| std::cmp::Reverse(warning.severity));
    all
}

/// The element or field that a contradiction is about, in words.
fn about(document: &Document, id: &str) -> String {
    let element = document.deal.elements.iter().find(|element| element.id.as_str() == id);
    match (element, id.parse()) {
        (Some(element), _) => element.name.clone(),
        (None, Ok(field)) => words::field(field, document.call.language).to_owned(),
        (None, Err(_)) => id.to_owned(),
    }
}

/// What is left to do before the deal moves on: the exit of the stage, and of each element the next score.
pub fn to_move_on(document: &Document) -> Vec<String> {
    let language: Language = document.call.language;
    let Some(exit) = &document.deal.stage_exit else {
        return Vec::new();
    };
    let exit = Some(exit)
        .filter(|exit| !exit.is_empty())
        .map(|exit| format!("{}: {exit}", say(language, "done when", "готово, когда")));
    let elements = document.deal.elements.iter().filter(|element| element.score < 2);
    let missing = elements.filter_map(|element| Some(format!("{}: {}", element.name, element.missing.first()?)));
    exit.into_iter().chain(missing).collect()
}
