//! Asking a language model, where the customer switched one on.
//!
//! Owns the prompts, what may leave the machine (names and numbers of people are replaced before), the budget, the
//! retries, the stored answers and the list of what was sent. Whether an answer is believed is *not* here: ids, quotes
//! and speakers are checked by who asked (`understand::fallback`, `decide::rewrite`).

mod answers;
mod openai;
pub mod prompts;
mod redact;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use sha2::{Digest, Sha256};

pub use openai::OpenAi;
pub use prompts::{Prompt, Prompts};
pub use redact::{Hidden, Redaction, starts_sentences};

use crate::domain::{Egress, hex};
use answers::Answers;

/// How a service takes the form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `json_schema`, as OpenAI has it.
    JsonSchema,
    /// `json_object` with the schema beside it, as llama.cpp's Python server has it.
    JsonObject,
}

impl std::str::FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "json_schema" => Ok(Self::JsonSchema),
            "json_object" => Ok(Self::JsonObject),
            _ => Err(Error::Setting(format!(
                "DEALSTAGE_LLM_FORM: {text} is neither json_schema nor json_object"
            ))),
        }
    }
}

/// Where a language model is, and how much it may be asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of an OpenAI-compatible service, up to and without `/chat/completions`.
    pub base_url: String,
    pub api_key: SecretString,
    pub model: String,
    pub form: Form,
    /// Folder of templates that replace those of the program; None: the program's own.
    pub prompts: Option<PathBuf>,
    /// Folder of stored answers: what was answered once is not asked again.
    pub answers: PathBuf,
    /// For one question, all tries together.
    pub time_limit: Duration,
    /// Characters that may leave for one call.
    pub budget: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("prompt {name}: {cause}")]
    Prompt { name: String, cause: String },
    #[error("{0}")]
    Setting(String),
    /// Nothing has left.
    #[error("the service cannot be reached: {0}")]
    Unreachable(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("no answer within {} s", .0.as_secs())]
    TimeLimit(Duration),
    #[error("the service refused: HTTP {0}")]
    Refused(u16),
    #[error("the service is busy: HTTP {0}")]
    Busy(u16),
    #[error("the service failed: HTTP {0}")]
    Failed(u16),
    #[error("the answer does not fit its form: {0}")]
    Form(String),
    #[error("the budget of {0} characters a call is spent")]
    Budget(usize),
}

impl Error {
    /// Trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::Busy(_) | Self::Failed(_) | Self::Form(_) => true,
            Self::Prompt { .. } | Self::Setting(_) | Self::TimeLimit(_) | Self::Refused(_) | Self::Budget(_) => false,
        }
    }

    /// No other question of this call will fare better.
    fn ends_the_call(&self) -> bool {
        matches!(
            self,
            Self::Setting(_) | Self::Refused(_) | Self::Unreachable(_) | Self::TimeLimit(_)
        )
    }

    /// An answer that is not in its form. Where, not what: the words of an answer are words of the call.
    fn form(error: &serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "other keys, kinds or ids",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
        };
        Self::Form(format!("{kind}, line {} column {}", error.line(), error.column()))
    }
}

/// A question as it leaves the machine.
#[derive(Debug, Clone)]
pub struct Question {
    pub text: String,
    /// Name of the answer's form, and the form itself as JSON schema.
    pub form: &'static str,
    pub schema: serde_json::Value,
}

/// Something that answers questions in a form.
pub trait ChatModel: Send + Sync {
    /// The name that the customer chose.
    fn name(&self) -> &str;
    /// Where questions go.
    fn address(&self) -> &str;
    /// One try: the answer's JSON text.
    fn ask(&self, question: &Question, within: Duration) -> Result<String, Error>;
}

/// Retries after the first try, and the pause before each.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// A model with its prompts, for many calls.
pub struct Llm {
    model: Box<dyn ChatModel>,
    prompts: Prompts,
    time_limit: Duration,
    budget: usize,
}

impl Llm {
    /// Checks the prompts; the service itself is first met when something is asked.
    pub fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            model: Box::new(OpenAi::new(options)?),
            prompts: Prompts::load(options.prompts.as_deref())?,
            time_limit: options.time_limit,
            budget: options.budget,
        })
    }

    pub fn model(&self) -> &str {
        self.model.name()
    }

    /// Everything that is asked about one call goes through one session. `redaction` hides the people of that call;
    /// `answers` is the folder of what was answered before.
    pub fn session(&self, redaction: Redaction, answers: &Path) -> Session<'_> {
        Session {
            llm: self,
            answers: Answers::new(answers.to_owned()),
            redaction,
            replaced: 0,
            left: self.budget,
            over: false,
            egress: Vec::new(),
            problems: Vec::new(),
        }
    }
}

/// The questions about one call.
pub struct Session<'a> {
    llm: &'a Llm,
    answers: Answers,
    redaction: Redaction,
    /// Signs put into the texts since the last question.
    replaced: usize,
    /// Characters that may still leave.
    left: usize,
    /// Nothing more is asked.
    over: bool,
    egress: Vec<Egress>,
    problems: Vec<String>,
}

impl Session<'_> {
    /// A text of the call as it may leave.
    pub fn hide(&mut self, text: &str) -> Hidden {
        let (hidden, count) = self.redaction.hide(text);
        self.replaced += count;
        hidden
    }

    /// The answer to a prompt that shows these turns; None where there is none, and then [`Self::finish`] says why.
    pub fn ask<P: Prompt>(&mut self, prompt: &P, shown: &[u32]) -> Option<P::Answer> {
        let which = || match shown {
            [] => String::new(),
            [one] => format!("turn {one}"),
            [first, .., last] => format!("turns {first}–{last}"),
        };
        if self.over {
            self.problems.push(format!("{} ({}): not asked", P::NAME, which()));
            return None;
        }
        match self.try_ask(prompt, shown) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.problems.push(format!("{} ({}): {error}", P::NAME, which()));
                tracing::warn!(prompt = P::NAME, %error, "no answer of the language model");
                self.over = error.ends_the_call();
                None
            }
        }
    }

    /// An answer came and was not believed.
    pub fn drop_answer(&mut self, prompt: &str, turn: u32, why: &str) {
        self.problems.push(format!("{prompt} (turn {turn}): dropped: {why}"));
    }

    fn try_ask<P: Prompt>(&mut self, prompt: &P, shown: &[u32]) -> Result<P::Answer, Error> {
        let replaced = std::mem::take(&mut self.replaced);
        let question = Question {
            text: self.llm.prompts.render(prompt)?,
            form: P::NAME,
            schema: prompts::schema::<P::Answer>(),
        };
        let key = key(&question, self.llm.model.as_ref());
        let parse = |text: &str| -> Result<P::Answer, Error> {
            serde_json::from_str(&self.redaction.restore(text)).map_err(|error| Error::form(&error))
        };
        // One entry whether the question leaves now or left the first time: a replay gives the same document.
        let characters = question.text.chars().count();
        let entry = Egress {
            to: self.llm.model.address().to_owned(),
            model: self.llm.model.name().to_owned(),
            prompt: P::NAME.to_owned(),
            prompt_hash: format!("sha256:{key}"),
            turns: shown.to_vec(),
            characters,
            replaced,
            sound_s: None,
            bytes: None,
        };
        let reserved = self.llm.budget * P::RESERVED_PERCENT / 100;
        if characters + reserved > self.left {
            return Err(Error::Budget(self.llm.budget));
        }
        self.left -= characters;
        if let Some(answer) = self.answers.get(&key).and_then(|text| parse(&text).ok()) {
            self.egress.push(entry);
            return Ok(answer);
        }
        let (left, answered) = self.send(&question, &parse);
        // Answered or not, it has left, unless nobody was there.
        if left {
            self.egress.push(entry);
        }
        let (text, answer) = answered?;
        self.answers.put(&key, self.llm.model.name(), &text);
        Ok(answer)
    }

    /// Whether anything left the machine, and the answer.
    fn send<T>(
        &self,
        question: &Question,
        parse: &dyn Fn(&str) -> Result<T, Error>,
    ) -> (bool, Result<(String, T), Error>) {
        let started = Instant::now();
        let mut tries = PAUSES.iter();
        let mut has_left = false;
        loop {
            let left = self.llm.time_limit.saturating_sub(started.elapsed());
            let answered = if left.is_zero() {
                Err(Error::TimeLimit(self.llm.time_limit))
            } else {
                let answered = self.llm.model.ask(question, left);
                has_left |= !matches!(answered, Err(Error::Unreachable(_) | Error::Setting(_)));
                answered.and_then(|text| parse(&text).map(|answer| (text, answer)))
            };
            let error = match answered {
                Ok(answer) => return (has_left, Ok(answer)),
                // What was left of the time differs from run to run.
                Err(Error::TimeLimit(_)) => Error::TimeLimit(self.llm.time_limit),
                Err(error) => error,
            };
            match tries.next() {
                Some(&pause) if error.is_transient() => {
                    std::thread::sleep(pause.min(self.llm.time_limit.saturating_sub(started.elapsed())));
                }
                _ => return (has_left, Err(error)),
            }
        }
    }

    /// What left the machine for this call, and what went wrong.
    pub fn finish(self) -> (Vec<Egress>, Vec<String>) {
        (self.egress, self.problems)
    }
}

/// Names an answer: same question, form, model and place, same answer.
fn key(question: &Question, model: &dyn ChatModel) -> String {
    let mut hash = Sha256::new();
    let form = question.schema.to_string();
    for part in [question.text.as_str(), &form, model.name(), model.address()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(hash.finalize())
}
