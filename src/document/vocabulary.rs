//! The words of the reports by their ids, for a page that shows ids of its own.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{scorecard, words};
use crate::domain::{
    ActionId, Band, CallOutcome, CallType, Channel, DecisionRole, FieldName, Language, Metric, Move, PrematureMove,
    QualificationStatus, Role, RootCauseId, Signal, Stage,
};
use crate::pipeline::metric_name;

/// Ids of one kind with their words.
type Titles = BTreeMap<&'static str, &'static str>;

/// What ids mean, in one language. Names of deal stages and elements are those of the process.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Vocabulary {
    pub language: Language,
    /// What a turn is about.
    #[schema(value_type = BTreeMap<String, String>)]
    pub stages: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub signals: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub fields: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub actions: Titles,
    /// Figures of the scorecard.
    #[schema(value_type = BTreeMap<String, String>)]
    pub metrics: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub bands: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub call_types: Titles,
    /// Moves that came too early.
    #[schema(value_type = BTreeMap<String, String>)]
    pub premature: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub root_causes: Titles,
    /// Of a call.
    #[schema(value_type = BTreeMap<String, String>)]
    pub outcomes: Titles,
    /// Where the deal went.
    #[schema(value_type = BTreeMap<String, String>)]
    pub moves: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub qualification: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub flags: Titles,
    /// Reasons of a deal's health.
    #[schema(value_type = BTreeMap<String, String>)]
    pub health: Titles,
    /// Sides of the talk.
    #[schema(value_type = BTreeMap<String, String>)]
    pub roles: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub decision_roles: Titles,
    #[schema(value_type = BTreeMap<String, String>)]
    pub channels: Titles,
}

/// The words of a language.
pub fn vocabulary(language: Language) -> Vocabulary {
    macro_rules! titles {
        ($ids:ty, $title:expr) => {
            <$ids>::ALL
                .iter()
                .map(|id| (id.as_str(), $title(*id, language)))
                .collect()
        };
    }
    Vocabulary {
        language,
        stages: titles!(Stage, words::stage),
        signals: titles!(Signal, words::signal),
        fields: titles!(FieldName, words::field),
        actions: titles!(ActionId, words::action),
        metrics: titles!(Metric, metric_name),
        bands: titles!(Band, scorecard::band_name),
        call_types: titles!(CallType, scorecard::call_type),
        premature: titles!(PrematureMove, words::premature),
        root_causes: titles!(RootCauseId, words::cause),
        outcomes: titles!(CallOutcome, words::outcome),
        moves: titles!(Move, words::step),
        qualification: [
            ("qualified", QualificationStatus::Qualified),
            ("partly_qualified", QualificationStatus::PartlyQualified),
            ("unqualified", QualificationStatus::Unqualified),
            ("disqualified", QualificationStatus::Disqualified),
        ]
        .map(|(id, status)| (id, words::status(status, language)))
        .into(),
        flags: words::FLAGS
            .iter()
            .map(|flag| (*flag, words::flag(flag, language)))
            .collect(),
        health: words::HEALTH
            .iter()
            .map(|(id, en, ru)| (*id, words::say(language, en, ru)))
            .collect(),
        roles: [Role::Rep, Role::Buyer, Role::Unknown]
            .map(|role| (role.as_str(), words::role(role, language)))
            .into(),
        decision_roles: titles!(DecisionRole, words::decision_role),
        channels: titles!(Channel, words::channel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_words_of_its_own_in_both_languages() {
        let json = |language| serde_json::to_value(vocabulary(language)).expect("JSON");
        let (en, ru) = (json(Language::En), json(Language::Ru));
        assert_eq!((&en["language"], &ru["language"]), (&"en".into(), &"ru".into()));
        let is_russian = |text: &str| text.chars().any(|c| ('а'..='я').contains(&c.to_ascii_lowercase()));
        let mut seen = 0;
        for (kind, titles) in en.as_object().expect("an object") {
            for (id, title) in titles.as_object().into_iter().flatten() {
                let title = title.as_str().expect("a text");
                let russian = ru[kind][id].as_str().expect("a text");
                assert!(
                    !title.is_empty() && !is_russian(title) && !title.contains('_'),
                    "{kind} {id}"
                );
                assert!(is_russian(russian) || russian == "CRM", "{kind} {id}: {russian}");
                seen += 1;
            }
        }
        assert!(seen > 200, "{seen}");
    }
}
