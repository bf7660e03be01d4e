//! A process file → [`Process`].

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Error;
use crate::domain::{ActionId, Channel, DealStage, Element, Language, Signal, hex};

const BUILT_IN: &str = include_str!("ppvvc.toml");
/// Highest score of an element.
pub const TOP_SCORE: u8 = 3;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// What the share of the draws that come to a deal stage is worth, as measured; 1 where nobody measured.
    #[serde(default = "wholly")]
    pub trusted: f32,
    /// Confidence under which the deal stage is not decided.
    pub decided: f32,
    /// The same for a deal that has ended; 1 (never) where nobody measured.
    #[serde(default = "wholly")]
    pub ended: f32,
    /// Buyer turns under which the deal stage is not decided.
    pub buyer_turns: usize,
    /// Seconds of a call under which the deal stage is not decided.
    pub call_s: f64,
    /// Days within which a timeline counts in full for the lead score.
    pub timeline_days: i64,
}

fn wholly() -> f32 {
    1.0
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    /// Why the score is 0, 1, 2, 3.
    why: Vec<String>,
    /// What the next score needs, from 0, 1, 2.
    missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElementRule {
    pub id: Element,
    /// Signals that its score rests on.
    pub signals: Vec<Signal>,
    en: Texts,
    ru: Texts,
}

impl ElementRule {
    fn texts(&self, language: Language) -> &Texts {
        match language {
            Language::En => &self.en,
            Language::Ru => &self.ru,
        }
    }

    pub fn why(&self, score: u8, language: Language) -> &str {
        self.texts(language)
            .why
            .get(usize::from(score))
            .map_or("", String::as_str)
    }

    /// None at the top.
    pub fn missing(&self, score: u8, language: Language) -> Option<&str> {
        self.texts(language).missing.get(usize::from(score)).map(String::as_str)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRule {
    pub id: ActionId,
    /// Business days after the call; negative: before the date that the action is about.
    pub days: i32,
    #[serde(deserialize_with = "channel")]
    pub channel: Channel,
    /// The element whose gap it closes.
    #[serde(default)]
    pub closes: Option<Element>,
    en: String,
    ru: String,
}

impl ActionRule {
    pub fn title(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Ru => &self.ru,
        }
    }
}

fn channel<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Channel, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "email" => Ok(Channel::Email),
        "phone" => Ok(Channel::Phone),
        "crm" => Ok(Channel::Crm),
        "task" => Ok(Channel::Task),
        "meeting" => Ok(Channel::Meeting),
        _ => Err(serde::de::Error::custom(format!(
            "unknown channel `{text}`; one of email, phone, crm, task, meeting"
        ))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    id: String,
    name: String,
    order: Vec<Element>,
    thresholds: Thresholds,
    element: Vec<ElementRule>,
    action: Vec<ActionRule>,
}

/// A checked process.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    id: String,
    name: String,
    hash: String,
    thresholds: Thresholds,
    /// In the order of work.
    elements: Vec<ElementRule>,
    actions: Vec<ActionRule>,
}

impl Thresholds {
    /// Confidence from which a deal stage is decided.
    pub fn needed(&self, stage: DealStage) -> f32 {
        match stage {
            DealStage::Won | DealStage::Lost => self.ended,
            _ => self.decided,
        }
    }
}

impl Process {
    /// PPVVC as it comes with the program.
    pub fn builtin() -> Result<Self, Error> {
        Self::load(BUILT_IN, "ppvvc")
    }

    /// Reads and checks the text of a process file. `source` names it in errors.
    pub fn load(text: &str, source: &str) -> Result<Self, Error> {
        let wrong = |problem: String| Error {
            source_name: source.to_owned(),
            problem,
        };
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        if file.version != 1 {
            return Err(wrong(format!(
                "version {} is not known; this program reads version 1",
                file.version
            )));
        }
        let mut elements = Vec::new();
        for id in &file.order {
            if elements.iter().any(|rule: &ElementRule| rule.id == *id) {
                return Err(wrong(format!("`order` names element `{id}` twice")));
            }
            let rule = file.element.iter().find(|rule| rule.id == *id);
            elements.push(
                rule.cloned()
                    .ok_or_else(|| wrong(format!("element `{id}` of `order` is not defined")))?,
            );
        }
        if let Some(rule) = file.element.iter().find(|rule| !file.order.contains(&rule.id)) {
            return Err(wrong(format!("element `{}` is not in `order`", rule.id)));
        }
        if elements.is_empty() {
            return Err(wrong("`order` names no element".to_owned()));
        }
        let top = usize::from(TOP_SCORE);
        for rule in &elements {
            for texts in [&rule.en, &rule.ru] {
                if texts.why.len() != top + 1 || texts.missing.len() != top {
                    let problem = format!(
                        "element `{}` needs {} texts in `why` and {top} in `missing`",
                        rule.id,
                        top + 1
                    );
                    return Err(wrong(problem));
                }
            }
        }
        let digest = Sha256::digest(text.as_bytes());
        Ok(Self {
            id: file.id,
            name: file.name,
            hash: hex(digest),
            thresholds: file.thresholds,
            elements,
            actions: file.action,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the file's text, hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// In the order of work.
    pub fn elements(&self) -> &[ElementRule] {
        &self.elements
    }

    pub fn action(&self, id: ActionId) -> Option<&ActionRule> {
        self.actions.iter().find(|action| action.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_process_is_sound() {
        let process = Process::builtin().expect("sound");
        assert_eq!(process.elements().len(), Element::ALL.len());
        assert_eq!(process.hash().len(), 64);
        assert!(process.action(ActionId::FulfilPromise).is_some());
    }

    #[test]
    fn a_problem_has_its_place() {
        let text = BUILT_IN.replace("\"buyer_vision\", \"buyer_value_ack\"]", "\"buyer_visoin\"]");
        let error = Process::load(&text, "mine.toml").expect_err("wrong").to_string();
        assert!(
            error.contains("mine.toml") && error.contains("buyer_visoin") && error.contains("line"),
            "{error}"
        );
        let text = BUILT_IN.replace("order = [\"pain\", ", "order = [\"pain\", \"pain\", ");
        assert!(
            Process::load(&text, "m")
                .expect_err("twice")
                .to_string()
                .contains("twice")
        );
        let text = BUILT_IN.replace("version = 1", "version = 9");
        assert!(
            Process::load(&text, "m")
                .expect_err("version")
                .to_string()
                .contains("version 9")
        );
    }

    #[test]
    fn another_text_is_another_hash() {
        let other = BUILT_IN.replace("decided = 0.9", "decided = 0.91");
        assert_ne!(
            Process::load(&other, "m").expect("sound").hash(),
            Process::builtin().expect("sound").hash()
        );
    }
}
