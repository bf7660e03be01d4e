//! The questions: a template file each (`prompts/*.md.jinja`), a struct with exactly its variables, and the form of
//! the answer.
//!
//! A template that uses a variable which its struct lacks is refused when the program starts.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Error;
use super::redact::{Hidden, Redaction};
use crate::domain::{ElementId, Signal, Stage};

/// A question with its variables.
pub trait Prompt: Serialize {
    /// File name without its ending, and name of the answer's form.
    const NAME: &'static str;
    /// Percent of the budget that is kept for other questions.
    const RESERVED_PERCENT: usize;
    const TEMPLATE: &'static str;
    type Answer: DeserializeOwned + JsonSchema;

    /// One to try a template with.
    fn sample() -> Self;
}

fn sample_turns() -> Vec<TurnLine> {
    vec![TurnLine {
        i: 1,
        side: "buyer",
        text: Redaction::default().hide("We lose orders.").0,
    }]
}

/// A turn as a prompt shows it.
#[derive(Debug, Clone, Serialize)]
pub struct TurnLine {
    pub i: u32,
    /// rep, buyer or unknown
    pub side: &'static str,
    pub text: Hidden,
}

/// Which stage and which signals do these turns have?
#[derive(Debug, Serialize)]
pub struct LabelTurns {
    pub turns: Vec<TurnLine>,
    /// Numbers of the turns that are to be labelled; the others are what was said before.
    pub asked: Vec<u32>,
}

impl Prompt for LabelTurns {
    const NAME: &'static str = "label_turns";
    const TEMPLATE: &'static str = include_str!("../../prompts/label_turns.md.jinja");
    type Answer = LabelledTurns;
    // The deal is asked about last, and matters most.
    const RESERVED_PERCENT: usize = 25;

    fn sample() -> Self {
        Self {
            turns: sample_turns(),
            asked: vec![1],
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelledTurns {
    pub turns: Vec<LabelledTurn>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelledTurn {
    pub i: u32,
    pub stage: Stage,
    pub signals: Vec<QuotedSignal>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotedSignal {
    pub id: Signal,
    /// The words of the turn that earn the signal.
    pub quote: String,
}

/// An element of the process, and in words when it has the scores 1, 2, 3.
#[derive(Debug, Clone, Serialize)]
pub struct ElementLine {
    pub id: String,
    pub levels: Vec<String>,
}

/// How far is each element of the deal?
#[derive(Debug, Serialize)]
pub struct ScoreDeal {
    pub elements: Vec<ElementLine>,
    pub turns: Vec<TurnLine>,
}

impl Prompt for ScoreDeal {
    const NAME: &'static str = "score_deal";
    const TEMPLATE: &'static str = include_str!("../../prompts/score_deal.md.jinja");
    type Answer = ScoredDeal;
    const RESERVED_PERCENT: usize = 0;

    fn sample() -> Self {
        Self {
            elements: vec![ElementLine {
                id: "pain".to_owned(),
                levels: vec!["a problem".to_owned()],
            }],
            turns: sample_turns(),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoredDeal {
    pub elements: Vec<ScoredElement>,
    pub ending: Ending,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoredElement {
    pub id: ElementId,
    /// 0–3
    pub score: u8,
    /// Number of the deciding turn; 0 with score 0.
    pub turn: u32,
    /// The words of that turn; empty with score 0.
    pub quote: String,
}

/// How the deal ended, if it did.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    pub id: EndingId,
    /// 0 while it is open.
    pub turn: u32,
    /// Empty while it is open.
    pub quote: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndingId {
    Open,
    SignedOrPaid,
    Refused,
}

/// Put this letter into better words.
#[derive(Debug, Serialize)]
pub struct RewriteFollowUp {
    /// English or Russian
    pub language: &'static str,
    pub subject: Hidden,
    pub body: Hidden,
    pub facts: Vec<FactLine>,
}

/// What the letter rests on.
#[derive(Debug, Clone, Serialize)]
pub struct FactLine {
    pub turn: u32,
    pub text: Hidden,
}

impl Prompt for RewriteFollowUp {
    const NAME: &'static str = "rewrite_follow_up";
    const TEMPLATE: &'static str = include_str!("../../prompts/rewrite_follow_up.md.jinja");
    type Answer = Rewritten;
    const RESERVED_PERCENT: usize = 0;

    fn sample() -> Self {
        let hidden = |text: &str| Redaction::default().hide(text).0;
        Self {
            language: "English",
            subject: hidden("Our call: next step"),
            body: hidden("Hello,\n\nDid I get this right?"),
            facts: vec![FactLine {
                turn: 1,
                text: hidden("We lose orders."),
            }],
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rewritten {
    pub subject: String,
    pub body: String,
}

/// All templates, checked.
#[derive(Debug)]
pub struct Prompts(Environment<'static>);

impl Prompts {
    /// `folder`: with templates that replace those of the program.
    pub fn load(folder: Option<&Path>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut prompts = Self(environment);
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Error::Setting(format!(
                "DEALSTAGE_PROMPTS {}: there is no such folder",
                folder.display()
            )));
        }
        prompts.add::<LabelTurns>(folder)?;
        prompts.add::<ScoreDeal>(folder)?;
        prompts.add::<RewriteFollowUp>(folder)?;
        Ok(prompts)
    }

    fn add<P: Prompt>(&mut self, folder: Option<&Path>) -> Result<(), Error> {
        let failed = |name: String, cause: &dyn std::fmt::Display| Error::Prompt {
            name,
            cause: cause.to_string(),
        };
        let mut name = P::NAME.to_owned();
        let mut text = P::TEMPLATE.to_owned();
        if let Some(folder) = folder {
            let path = folder.join(format!("{}.md.jinja", P::NAME));
            // A folder may replace one prompt and leave the others.
            if path.exists() {
                name = path.display().to_string();
                text = std::fs::read_to_string(&path).map_err(|error| failed(name.clone(), &error))?;
            }
        }
        self.0
            .add_template_owned(P::NAME, text)
            .map_err(|error| failed(name.clone(), &error))?;
        let template = self
            .0
            .get_template(P::NAME)
            .map_err(|error| failed(name.clone(), &error))?;
        let known = serde_json::to_value(P::sample()).map_err(|error| failed(name.clone(), &error))?;
        let mut unknown: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|variable| known.get(variable).is_none())
            .collect();
        unknown.sort();
        if unknown.is_empty() {
            // Names inside of a variable show only when it is filled in.
            let rendered = template.render(Serde(&P::sample()));
            return rendered.map(|_| ()).map_err(|error| failed(name, &error));
        }
        let has: Vec<&str> = known
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .collect();
        let cause = format!("it uses {}, and has only {}", unknown.join(", "), has.join(", "));
        Err(failed(name, &cause))
    }

    pub fn render<P: Prompt>(&self, prompt: &P) -> Result<String, Error> {
        let failed = |error: minijinja::Error| Error::Prompt {
            name: P::NAME.to_owned(),
            cause: error.to_string(),
        };
        self.0
            .get_template(P::NAME)
            .map_err(failed)?
            .render(Serde(prompt))
            .map_err(failed)
    }
}

/// The form of an answer as services with strict forms take it: no formats, bounds or titles.
pub fn schema<T: JsonSchema>() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    strip(&mut schema);
    schema
}

fn strip(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(object) => {
            for key in ["format", "minimum", "maximum", "title", "description"] {
                // A property may be called like that; a keyword is no object.
                if object.get(key).is_some_and(|value| !value.is_object()) {
                    object.remove(key);
                }
            }
            object.values_mut().for_each(strip);
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompts_name_every_id() {
        for signal in Signal::ALL {
            assert!(LabelTurns::TEMPLATE.contains(&format!("`{signal}`")), "{signal}");
        }
        for stage in Stage::ALL {
            assert!(LabelTurns::TEMPLATE.contains(&format!("`{stage}`")), "{stage}");
        }
    }

    #[test]
    fn a_template_with_a_foreign_variable_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("score_deal.md.jinja"), "{{ turns }} {{ mood }}").expect("written");
        let error = Prompts::load(Some(folder.path())).expect_err("refused").to_string();
        assert!(
            error.contains("score_deal.md.jinja") && error.contains("it uses mood"),
            "{error}"
        );
    }

    #[test]
    fn prompts_and_forms() {
        let prompts = Prompts::load(None).expect("own prompts");
        let line = |i, side, text: &str| TurnLine {
            i,
            side,
            text: Redaction::default().hide(text).0,
        };
        let turns = vec![
            line(4, "rep", "What does that cost you?"),
            line(5, "buyer", "About ten hours a week."),
        ];
        let label = LabelTurns {
            turns: turns.clone(),
            asked: vec![5],
        };
        insta::assert_snapshot!("label_turns", prompts.render(&label).expect("rendered"));
        insta::assert_snapshot!(
            "score_deal",
            prompts
                .render(&ScoreDeal {
                    turns,
                    ..ScoreDeal::sample()
                })
                .expect("rendered")
        );
        let letter = prompts.render(&RewriteFollowUp::sample()).expect("rendered");
        insta::assert_snapshot!("rewrite_follow_up", letter);
        insta::assert_json_snapshot!("rewrite_follow_up_form", schema::<Rewritten>());
        insta::assert_json_snapshot!("label_turns_form", schema::<LabelledTurns>());
        insta::assert_json_snapshot!("score_deal_form", schema::<ScoredDeal>());
    }
}
