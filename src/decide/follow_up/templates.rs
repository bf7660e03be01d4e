//! The frames of letters: files of `prompts/follow_up`, which a folder of the customer's may replace one by one.
//!
//! `<type>.<language>.jinja` is a letter, `_<part>.<language>.jinja` what letters share. A template that uses a variable
//! it does not have is refused when the program starts. The first line of a letter is its subject.

use std::collections::BTreeSet;
use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::words;
use crate::domain::{EmailType, Language};

/// Declares the files, each by its name.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../prompts/follow_up/", $name, ".jinja")))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "_frame.en",
    "_frame.ru",
    "_thanks.en",
    "_thanks.ru",
    "_heard.en",
    "_heard.ru",
    "_agreed.en",
    "_agreed.ru",
    "_answers.en",
    "_answers.ru",
    "_meeting_ask.en",
    "_meeting_ask.ru",
    "recap_discovery.en",
    "recap_discovery.ru",
    "recap_demo.en",
    "recap_demo.ru",
    "sponsor_access.en",
    "sponsor_access.ru",
    "approver_brief.en",
    "approver_brief.ru",
    "proposal_cover.en",
    "proposal_cover.ru",
    "recap_agreement.en",
    "recap_agreement.ru",
    "objection_answer.en",
    "objection_answer.ru",
    "reminder.en",
    "reminder.ru",
    "close_the_loop.en",
    "close_the_loop.ru",
    "nurture.en",
    "nurture.ru",
    "thank_you.en",
    "thank_you.ru",
    "handover.en",
    "handover.ru",
];

/// Exactly the variables of the templates.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Slots {
    /// Of the buyer, as they were addressed.
    pub name: Option<String>,
    pub rep: Option<String>,
    /// On first-name terms (ты).
    pub informal: bool,
    pub call_day: String,
    /// What to thank for: numbers, wish, decision, doubts, problem, situation, order, refusal, time.
    pub thanks: &'static str,
    /// Company, or a few words of the problem in quotation marks.
    pub topic: Option<String>,
    /// Words of the buyer, without quotation marks.
    pub problem: Option<String>,
    pub impact: Option<String>,
    pub wish: Option<String>,
    pub needed_by: Option<String>,
    /// Words of the rep.
    pub price: Option<String>,
    pub ours: Vec<Line>,
    pub theirs: Vec<Line>,
    /// The step of theirs that a reminder is about.
    pub overdue: Option<Line>,
    pub meeting: Option<String>,
    /// False: only proposed.
    pub meeting_agreed: bool,
    /// Who decides: a name, a title, or both.
    pub decider: Option<String>,
    /// The day to which the buyer put it off.
    pub until: Option<String>,
    /// Names of files to attach.
    pub attachments: Vec<String>,
    pub answers: Vec<Answer>,
    pub refused: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    pub text: String,
    pub day: Option<String>,
}

/// An open question or objection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The buyer's words.
    pub about: String,
    /// The rep's words.
    pub reply: Option<String>,
    /// The rep promised to come back with the answer.
    pub later: bool,
    /// The answer is to be written by a person.
    pub blank: bool,
}

impl Slots {
    /// All slots filled, to try templates with.
    fn sample(flag: bool) -> Self {
        let text = |text: &str| Some(text.to_owned());
        let line = Line {
            text: "send it".to_owned(),
            day: text("by Friday, 18 April"),
        };
        let answer = |reply: Option<String>, later, blank| Answer {
            about: "too dear".to_owned(),
            reply,
            later,
            blank,
        };
        Self {
            name: text("Dana"),
            rep: text("Mark"),
            informal: flag,
            call_day: "12 March".to_owned(),
            thanks: "numbers",
            topic: text("Harbor Foods"),
            problem: text("the plan is wrong"),
            impact: text("we lose ten orders"),
            wish: text("one screen for all"),
            needed_by: text("before the summer"),
            price: text("nine hundred a month"),
            ours: vec![line.clone()],
            theirs: vec![line.clone()],
            overdue: Some(line),
            meeting: text("Tuesday, 18 March, 11:00"),
            meeting_agreed: flag,
            decider: text("Karen"),
            until: text("Monday, 1 September"),
            attachments: vec!["the proposal".to_owned()],
            answers: vec![
                answer(text("it pays back in a year"), false, false),
                answer(None, true, false),
                answer(None, false, true),
                answer(None, false, false),
            ],
            refused: !flag,
        }
    }
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("template {file}: {cause}")]
pub struct TemplateError {
    /// With the line, where it is known.
    pub file: String,
    pub cause: String,
}

/// All letters, checked.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// Words of the frames, in small letters: what a letter may say without the call.
    vocabulary: BTreeSet<String>,
}

impl Templates {
    /// Those of the program.
    pub fn builtin() -> Result<Self, TemplateError> {
        Self::load(None)
    }

    /// `folder`: what the customer writes in the folder `follow_up` of it replaces files of the program.
    pub fn load(folder: Option<&Path>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut templates = Self {
            environment,
            vocabulary: BTreeSet::new(),
        };
        let mut sources: Vec<(&str, String, String)> = Vec::new();
        for &(name, text) in FILES {
            let own = folder.map(|folder| folder.join("follow_up").join(format!("{name}.jinja")));
            let (file, text) = match own.filter(|path| path.exists()) {
                None => (format!("{name}.jinja"), text.to_owned()),
                Some(path) => {
                    let file = path.display().to_string();
                    let text = std::fs::read_to_string(&path).map_err(|error| TemplateError {
                        file: file.clone(),
                        cause: error.to_string(),
                    })?;
                    (file, text)
                }
            };
            templates.vocabulary.extend(static_words(&text));
            let added = templates.environment.add_template_owned(name, text.clone());
            added.map_err(|error| at_line(&file, &error))?;
            sources.push((name, file, text));
        }
        let known = serde_json::to_value(Slots::sample(true)).unwrap_or_default();
        for (name, file, text) in &sources {
            let template = templates.environment.get_template(name);
            let template = template.map_err(|error| at_line(file, &error))?;
            let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().collect();
            unknown.retain(|variable| {
                known.get(variable).is_none() && !["super", "self", "loop"].contains(&variable.as_str())
            });
            unknown.sort();
            if let Some(first) = unknown.first() {
                let line = text
                    .lines()
                    .position(|line| words::has_words(line, first))
                    .unwrap_or_default()
                    + 1;
                let has: Vec<&str> = known
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| key.as_str())
                    .collect();
                return Err(TemplateError {
                    file: format!("{file}, line {line}"),
                    cause: format!("it uses {}, and has only {}", unknown.join(", "), has.join(", ")),
                });
            }
        }
        // Names inside of a variable, and files that a file includes, show only when it is filled in.
        for slots in [Slots::sample(true), Slots::sample(false), Slots::default()] {
            for (name, ..) in sources.iter().filter(|(name, ..)| !name.starts_with('_')) {
                templates.try_render(name, &slots).map_err(|error| {
                    // An error of an included file names that file.
                    let source = std::error::Error::source(&error)
                        .and_then(|cause| cause.downcast_ref::<minijinja::Error>())
                        .unwrap_or(&error);
                    let part = source.name().unwrap_or(name);
                    let file = sources
                        .iter()
                        .find(|(name, ..)| *name == part)
                        .map_or(part, |(_, file, _)| file);
                    at_line(file, source)
                })?;
            }
        }
        Ok(templates)
    }

    fn try_render(&self, name: &str, slots: &Slots) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(Serde(slots))
    }

    /// Subject and body of a letter. None only where a template asks for more than the samples it was tried with.
    pub fn render(&self, kind: EmailType, language: Language, slots: &Slots) -> Option<(String, String)> {
        let name = format!("{}.{}", kind.as_str(), language.as_str());
        let letter = self.try_render(&name, slots).ok()?;
        let letter = letter.trim_start();
        let (subject, body) = letter.split_once('\n').unwrap_or((letter, ""));
        Some((subject.trim().to_owned(), tidy(body)))
    }

    pub fn says(&self, word: &str) -> bool {
        self.vocabulary.contains(word)
    }
}

fn at_line(file: &str, error: &minijinja::Error) -> TemplateError {
    let cause = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| format!("{}: {detail}", error.kind()),
    );
    TemplateError {
        file: error
            .line()
            .map_or_else(|| file.to_owned(), |line| format!("{file}, line {line}")),
        cause,
    }
}

/// Words outside of the marks of the template language.
fn static_words(text: &str) -> BTreeSet<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest
        .find("{{")
        .into_iter()
        .chain(rest.find("{%"))
        .chain(rest.find("{#"))
        .min()
    {
        out.push_str(&rest[..at]);
        out.push(' ');
        let close = rest[at + 2..].find(['}']).map_or(rest.len(), |end| at + 2 + end + 1);
        rest = rest[close..].trim_start_matches('}');
    }
    out.push_str(rest);
    words::words(&out).into_iter().collect()
}

/// No more than one empty line together, none at the ends, and none between the lines of a list.
fn tidy(body: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in body.lines().map(str::trim) {
        let empty = line.is_empty();
        if empty && out.last().is_none_or(|last| last.is_empty()) {
            continue;
        }
        if line.starts_with("- ")
            && out.len() > 1
            && out[out.len() - 1].is_empty()
            && (out[out.len() - 2].starts_with("- ") || out[out.len() - 2].ends_with(':'))
        {
            out.pop();
        }
        out.push(line);
    }
    while out.last().is_some_and(|line| line.is_empty()) {
        out.pop();
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_renders_rich_and_poor() {
        let templates = Templates::builtin().expect("own templates");
        for &kind in EmailType::ALL {
            for language in [Language::En, Language::Ru] {
                let poor = Slots {
                    call_day: "12 March".to_owned(),
                    thanks: "time",
                    ..Slots::default()
                };
                for slots in [Slots::sample(true), Slots::sample(false), poor] {
                    let (subject, body) = templates.render(kind, language, &slots).expect("renders");
                    let all = format!("{subject}\n{body}");
                    for wrong in [
                        "None", "none", "“”", "«»", "true", "false", "  ", "{", "}", "::", ": ,", " ,", " .",
                    ] {
                        assert!(!all.contains(wrong), "{kind} {language:?}: {wrong:?} in {all}");
                    }
                    assert!(!subject.is_empty() && !subject.contains('['), "{kind}: {subject}");
                    assert!(body.lines().count() >= 3, "{kind}: {body}");
                }
            }
        }
    }

    #[test]
    fn russian_fits_women_and_men() {
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".ru")) {
            let words: Vec<String> = words::words(text);
            for word in [
                "понял",
                "поняла",
                "назвал",
                "записал",
                "рад",
                "рада",
                "услышал",
                "готов",
                "упустил",
                "должен",
            ] {
                assert!(!words.iter().any(|other| other == word), "{name}: {word}");
            }
        }
    }

    #[test]
    fn a_template_with_a_foreign_variable_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let letters = folder.path().join("follow_up");
        std::fs::create_dir(&letters).expect("made");
        let load = |file: &str, text: &str| {
            std::fs::write(letters.join(file), text).expect("written");
            let loaded = Templates::load(Some(folder.path()))
                .map(|_| ())
                .map_err(|error| error.to_string());
            std::fs::remove_file(letters.join(file)).expect("removed");
            loaded
        };
        let error = load("thank_you.en.jinja", "Hi\n\n{{ name }}\n{{ mood }}").expect_err("refused");
        assert!(
            error.contains("thank_you.en.jinja, line 4") && error.contains("it uses mood"),
            "{error}"
        );
        let error = load(
            "_agreed.ru.jinja",
            "\n{% for step in ours %}{{ step.when }}{% endfor %}",
        )
        .expect_err("refused");
        assert!(error.contains("_agreed.ru.jinja, line 2"), "{error}");
        let error = load("thank_you.en.jinja", "Hi\n{% if %}").expect_err("refused");
        assert!(error.contains("thank_you.en.jinja, line 2"), "{error}");
        load("thank_you.en.jinja", "Hi\n\n{{ call_day }}").expect("a letter of one's own");
    }

    #[test]
    fn lists_have_no_holes() {
        assert_eq!(tidy("\n\nA\n\n\n- b\n\n- c\n\n\nD\n\n"), "A\n\n- b\n- c\n\nD");
    }
}
