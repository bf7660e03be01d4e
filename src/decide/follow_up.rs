//! The follow-up e-mail (D.6–D.9): a frame from `prompts/follow_up`, filled with quotes and dated facts only.

use chrono::{Datelike, NaiveDate};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::Situation;
use crate::domain::{
    Commitment, DateQualifier, DateValue, DealStage, EmailType, Field, FieldName, FieldStatus, FieldValue, FollowUp,
    FollowUpFact, Language, Role, Signal, StageKind, sentences,
};

const TEMPLATES: [(&str, &str); 4] = [
    ("recap.en", include_str!("../../prompts/follow_up/recap.en.jinja")),
    ("recap.ru", include_str!("../../prompts/follow_up/recap.ru.jinja")),
    (
        "thank_you.en",
        include_str!("../../prompts/follow_up/thank_you.en.jinja"),
    ),
    (
        "thank_you.ru",
        include_str!("../../prompts/follow_up/thank_you.ru.jinja"),
    ),
];

/// Said in confidence: never in writing.
const CONFIDENTIAL: &[&str] = &[
    "between us",
    "between you and me",
    "off the record",
    "recorded line",
    "между нами",
    "не для протокола",
    "не под запись",
];
/// Steps of each side in the e-mail.
const MOST_STEPS: usize = 3;
/// Longer subjects are cut by mail programs.
const LONGEST_SUBJECT: usize = 60;
/// Characters of a problem in a subject.
const LONGEST_TOPIC: usize = 32;

/// Exactly the variables of the templates.
#[derive(Debug, Default, Serialize)]
struct Slots {
    name: Option<String>,
    rep: Option<String>,
    call_day: String,
    problem: Option<String>,
    impact: Option<String>,
    wish: Option<String>,
    price: Option<String>,
    ours: Vec<StepLine>,
    theirs: Vec<StepLine>,
    meeting: Option<String>,
    meeting_agreed: bool,
    decider: Option<String>,
    refused: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct StepLine {
    text: String,
    day: Option<String>,
}

/// None where there is nobody to write to: no sales call.
pub fn follow_up(situation: &Situation<'_>) -> Option<FollowUp> {
    let stage = situation.deal.stage.as_ref()?;
    let mut facts = Vec::new();
    let kind = kind(situation, stage);
    let slots = slots(situation, kind, &mut facts);
    let template = if kind == EmailType::ThankYou {
        "thank_you"
    } else {
        "recap"
    };
    let body = render(&format!("{template}.{}", situation.language.as_str()), &slots)?;
    Some(FollowUp {
        kind,
        language: situation.language,
        send_by: situation.work_day(situation.call_date),
        subject: subject(situation, kind, &slots),
        body: tidy(&body),
        facts,
        to_fill: Vec::new(),
    })
}

/// D.7 with the order of F.1.1, 12.
fn kind(situation: &Situation<'_>, stage: &DealStage) -> EmailType {
    let pain = situation.deal.score("pain");
    let nothing = stage.place == 0;
    let verbal = situation.deal.flags.iter().any(|flag| flag == "verbal_yes");
    let demo = [Signal::RepPitch, Signal::RepValueLink]
        .iter()
        .any(|&signal| situation.at(signal).len() > 2);
    if stage.kind == StageKind::Lost || nothing {
        EmailType::ThankYou
    } else if verbal || stage.id.as_str() == "commit" || stage.kind == StageKind::Won {
        EmailType::RecapAgreement
    } else if pain >= 2 && situation.deal.score("power") == 1 && decider(situation).is_some() {
        EmailType::SponsorAccess
    } else if demo {
        EmailType::RecapDemo
    } else {
        EmailType::RecapDiscovery
    }
}

fn slots(situation: &Situation<'_>, kind: EmailType, facts: &mut Vec<FollowUpFact>) -> Slots {
    let mut slots = Slots {
        name: person(situation, Role::Buyer),
        rep: person(situation, Role::Rep),
        call_day: day(situation.call_date, situation.language, false),
        refused: kind == EmailType::ThankYou
            && situation
                .deal
                .stage
                .as_ref()
                .is_some_and(|stage| stage.kind == StageKind::Lost),
        ..Slots::default()
    };
    if kind == EmailType::ThankYou {
        return slots;
    }
    (slots.problem, slots.impact) = problem_and_impact(situation, facts);
    let wishes = sayings(situation, Signal::BuyerVision);
    slots.wish = best(wishes, |_| true)
        .map(|saying| fact(situation, &saying, facts))
        .filter(|wish| Some(wish) != slots.problem.as_ref() && Some(wish) != slots.impact.as_ref());
    if let Some(field) = situation.said(FieldName::QuotedPrice).next() {
        facts.push(FollowUpFact {
            text: field.raw.clone(),
            turn: field.turn.unwrap_or_default(),
        });
        slots.price = Some(field.raw.clone());
    }
    slots.ours = steps(situation, Role::Rep, facts);
    slots.theirs = steps(situation, Role::Buyer, facts);
    if let Some((field, date)) = meeting(situation) {
        slots.meeting = Some(date_line(date, situation.language));
        slots.meeting_agreed = field.status != FieldStatus::Proposed && !date.ambiguous;
        facts.push(FollowUpFact {
            text: field.quote.clone(),
            turn: field.turn.unwrap_or_default(),
        });
    }
    if kind == EmailType::SponsorAccess
        && let Some((words, turn)) = decider(situation)
    {
        facts.push(FollowUpFact {
            text: words.clone(),
            turn,
        });
        slots.decider = Some(words);
    }
    slots
}

/// Words of the buyer may go into an e-mail to the buyer, unless said in confidence or about a rival.
fn may_be_quoted(situation: &Situation<'_>, at: usize) -> bool {
    let lower = situation.call.turns[at].text.to_lowercase();
    let labels = &situation.labels[at];
    !labels.has(Signal::BuyerChampion)
        && !labels.has(Signal::BuyerCompetitor)
        && !labels.has(Signal::BuyerObjTrust)
        && !CONFIDENTIAL.iter().any(|words| lower.contains(words))
}

/// Signs of a loss: it is what a problem leads to, not the problem.
const LOSS: &[&str] = &[
    "теря",
    "потер",
    "убыт",
    "обход",
    "недополуч",
    "lose ",
    "losing",
    "lost ",
    "costs us",
    "cost us",
    "costing",
];
/// Words of a sentence that says something.
const TELLING: usize = 4;

/// A sentence of the buyer's that may stand in the e-mail.
struct Saying<'a> {
    at: usize,
    text: &'a str,
    loss: bool,
    sure: i32,
}

/// What the buyer said with a signal, sentence by sentence where a turn has several.
fn sayings<'a>(situation: &Situation<'a>, signal: Signal) -> Vec<Saying<'a>> {
    let mut sayings = Vec::new();
    for at in situation.at(signal) {
        if !may_be_quoted(situation, at) {
            continue;
        }
        let turn = &situation.call.turns[at];
        let sure = situation.labels[at].confidence(signal).unwrap_or_default();
        let mut parts = sentences(&turn.text);
        if parts.iter().any(|part| part.split_whitespace().count() >= TELLING) {
            parts.retain(|part| part.split_whitespace().count() >= TELLING && !part.ends_with('?'));
        }
        for text in parts {
            let numbered = situation
                .said(FieldName::PainImpact)
                .any(|field| field.turn == Some(turn.i) && !field.raw.is_empty() && text.contains(field.raw.as_str()));
            let lower = text.to_lowercase();
            sayings.push(Saying {
                at,
                text,
                loss: numbered || LOSS.iter().any(|sign| lower.contains(sign)),
                sure: (sure * 20.0) as i32,
            });
        }
    }
    sayings
}

/// The surest, then the longest of its turn, then the first.
fn best<'a>(sayings: Vec<Saying<'a>>, key: impl Fn(&Saying<'a>) -> bool) -> Option<Saying<'a>> {
    let rank = |saying: &Saying<'a>| (key(saying), saying.sure);
    sayings.into_iter().reduce(|best, next| {
        let longer = next.at == best.at && next.text.len() > best.text.len();
        match rank(&next).cmp(&rank(&best)) {
            std::cmp::Ordering::Greater => next,
            std::cmp::Ordering::Equal if longer => next,
            _ => best,
        }
    })
}

fn fact(situation: &Situation<'_>, saying: &Saying<'_>, facts: &mut Vec<FollowUpFact>) -> String {
    let text = trim(saying.text).to_owned();
    facts.push(FollowUpFact {
        text: text.clone(),
        turn: situation.call.turns[saying.at].i,
    });
    text
}

/// The problem, and what it leads to: two sentences, the loss never the problem.
fn problem_and_impact(situation: &Situation<'_>, facts: &mut Vec<FollowUpFact>) -> (Option<String>, Option<String>) {
    let (losses, mut problems): (Vec<_>, Vec<_>) = sayings(situation, Signal::BuyerPain)
        .into_iter()
        .partition(|saying| saying.loss);
    let effects = sayings(situation, Signal::BuyerImpact);
    let is_effect = |saying: &Saying<'_>| effects.iter().any(|effect| effect.at == saying.at);
    // A turn that is a problem alone says it more plainly than one that tells its price as well.
    if problems.iter().any(|saying| !is_effect(saying)) {
        problems.retain(|saying| !is_effect(saying));
    }
    let problem = best(problems, |_| true);
    let same = |saying: &Saying<'_>| {
        problem
            .as_ref()
            .is_some_and(|problem| problem.at == saying.at && problem.text == saying.text)
    };
    let effects: Vec<_> = effects.into_iter().filter(|saying| !same(saying)).collect();
    // A number is what the reader looks for.
    let impact = best(effects, |saying| saying.loss).or_else(|| best(losses, |_| true));
    (
        problem.map(|saying| fact(situation, &saying, facts)),
        impact.map(|saying| fact(situation, &saying, facts)),
    )
}

/// Without the words that open a sentence in speech and without the marks at its end: the frame has its own.
fn trim(text: &str) -> &str {
    let mut text = text.trim().trim_end_matches(['.', ',', ';', '!', '…']).trim();
    while let Some(rest) = without_filler(text) {
        text = rest;
    }
    text
}

/// Openers that mean nothing whatever follows.
const OPENERS: &[&str] = &[
    "а", "и", "ну", "э", "ээ", "эм", "м", "мм", "ага", "угу", "um", "uh", "er", "hmm", "so", "and", "oh", "okay", "ok",
];
/// Openers that mean nothing only where a mark follows: "Well, we can", but "Well known".
const MARKED_OPENERS: &[&str] = &[
    "да",
    "так",
    "вот",
    "хорошо",
    "ладно",
    "окей",
    "понятно",
    "слушайте",
    "смотрите",
    "значит",
    "в общем",
    "короче",
    "конечно",
    "отлично",
    "договорились",
    "что ж",
    "well",
    "yeah",
    "yes",
    "right",
    "all right",
    "alright",
    "sure",
    "look",
    "listen",
    "great",
    "perfect",
    "good",
    "fine",
    "now",
    "you know",
    "i mean",
    "of course",
    "honestly",
    "честно",
    "честно говоря",
    "знаете",
    "то есть",
    "это самое",
    "no",
];
/// Words that must be left.
const LEAST_WORDS: usize = 2;

fn without_filler(text: &str) -> Option<&str> {
    let mark = |c: char| matches!(c, ',' | '.' | '!' | '…' | '—' | '–' | '-');
    let cut = |opener: &&str, marked: bool| {
        let end = text
            .char_indices()
            .nth(opener.chars().count())
            .map(|(end, _)| end)
            .filter(|&end| text[..end].to_lowercase() == **opener)?;
        let tail = &text[end..];
        let rest = tail.trim_start_matches(|c: char| c.is_whitespace() || mark(c));
        let ends = if marked {
            // "Так-то" is a word of its own.
            tail.trim_start().starts_with(mark) && !tail.starts_with('-')
        } else {
            tail.starts_with(|c: char| c.is_whitespace() || mark(c) && c != '-')
        };
        (ends && rest.split_whitespace().count() >= LEAST_WORDS).then_some(rest)
    };
    let free = OPENERS.iter().find_map(|opener| cut(opener, false));
    free.or_else(|| MARKED_OPENERS.iter().find_map(|opener| cut(opener, true)))
}

fn steps(situation: &Situation<'_>, who: Role, facts: &mut Vec<FollowUpFact>) -> Vec<StepLine> {
    let mut lines: Vec<StepLine> = Vec::new();
    for field in situation.said(FieldName::Commitments) {
        let Some(FieldValue::Commitment(promise)) = &field.value else {
            continue;
        };
        let Some(at) = situation.call.turns.iter().position(|turn| Some(turn.i) == field.turn) else {
            continue;
        };
        if promise.who != who || (who == Role::Buyer && confidential(situation, at)) || lines.len() == MOST_STEPS {
            continue;
        }
        // A question asks the other side for something: it promises nothing.
        if promise.what.trim_end().ends_with('?') {
            continue;
        }
        let line = StepLine {
            text: trim(&promise.what).to_owned(),
            day: due(promise, situation.language),
        };
        if !lines.iter().any(|known| known.text == line.text) {
            facts.push(FollowUpFact {
                text: field.quote.clone(),
                turn: field.turn.unwrap_or_default(),
            });
            lines.push(line);
        }
    }
    lines
}

fn confidential(situation: &Situation<'_>, at: usize) -> bool {
    let lower = situation.call.turns[at].text.to_lowercase();
    CONFIDENTIAL.iter().any(|words| lower.contains(words))
}

fn due(promise: &Commitment, language: Language) -> Option<String> {
    let due = promise.due.as_ref().filter(|due| !due.ambiguous && !due.past)?;
    Some(due_line(due, language)).filter(|line| !line.is_empty())
}

fn meeting<'a>(situation: &'a Situation<'_>) -> Option<(&'a Field, &'a DateValue)> {
    situation
        .said(FieldName::NextMeeting)
        .find_map(|field| match &field.value {
            // "After the first" is no day to meet on.
            Some(FieldValue::Date(date)) if date.date.is_some() && date.qualifier == DateQualifier::On => {
                Some((field, date))
            }
            _ => None,
        })
}

/// Who decides, in words that may stand in an e-mail: a name or a title that was said.
fn decider(situation: &Situation<'_>) -> Option<(String, u32)> {
    situation
        .said(FieldName::DecisionMakers)
        .find_map(|field| match &field.value {
            Some(FieldValue::Person(person)) => {
                let words = match (person.name.as_deref(), person.title_in(situation.language)) {
                    (Some(name), Some(title)) => format!("{name} ({title})"),
                    (Some(one), None) | (None, Some(one)) => one.to_owned(),
                    (None, None) => return None,
                };
                Some((words, field.turn?))
            }
            _ => None,
        })
}

/// The name of the first person of a side who was introduced; on the buyer's side only if there is just one.
fn person(situation: &Situation<'_>, side: Role) -> Option<String> {
    let mut names = situation
        .said(FieldName::Participants)
        .filter_map(|field| match &field.value {
            Some(FieldValue::Person(person)) if person.side == side => person.name.clone(),
            _ => None,
        });
    let first = names.next()?;
    (side == Role::Rep || names.all(|name| name == first)).then_some(first)
}

fn subject(situation: &Situation<'_>, kind: EmailType, slots: &Slots) -> String {
    let company = situation
        .said(FieldName::BuyerCompany)
        .find_map(|field| match &field.value {
            Some(FieldValue::Text(name)) => Some(name.clone()),
            _ => None,
        });
    let (topic, thanks, step) = match situation.language {
        Language::En => ("Our call", "Thank you for your time", "next step"),
        Language::Ru => ("Наш разговор", "Спасибо за ваше время", "следующий шаг"),
    };
    if kind == EmailType::ThankYou {
        return thanks.to_owned();
    }
    let (open, close) = match situation.language {
        Language::En => ('“', '”'),
        Language::Ru => ('«', '»'),
    };
    let about = slots
        .problem
        .as_deref()
        .map(|problem| format!("{open}{}{close}", few_words(problem)));
    let named = company.or(about);
    let ending = match (&slots.meeting, &named) {
        (Some(meeting), _) if slots.meeting_agreed => format!(": {meeting}"),
        (_, Some(_)) => format!(": {step}"),
        _ => format!(" {}: {step}", slots.call_day),
    };
    let topic = named.unwrap_or_else(|| topic.to_owned());
    let long = format!("{topic}{ending}");
    if long.chars().count() <= LONGEST_SUBJECT {
        long
    } else {
        topic.chars().take(LONGEST_SUBJECT).collect()
    }
}

/// The first words of a quote: up to its first mark, or cut at a word.
fn few_words(text: &str) -> String {
    let clause = text.split([',', ';', ':', '—', '–', '.']).next().unwrap_or(text).trim();
    // «Приезжаешь, а витрина стоит тёплая»: the first clause alone says nothing.
    let clause = if clause.split_whitespace().count() < TELLING - 1 {
        text
    } else {
        clause
    };
    let mut short = String::new();
    for word in clause.split_whitespace() {
        if short.chars().count() + 1 + word.chars().count() > LONGEST_TOPIC {
            return format!("{}…", short.trim_end_matches([',', ';', ':', '—', '–', '.', ' ']));
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short
}

/// The cases of a Russian weekday that dates take.
#[derive(Clone, Copy)]
enum Case {
    /// среда
    Plain,
    /// до среды
    Genitive,
    /// в среду
    Accusative,
}

/// "Wednesday, 19 March" / «среда, 19 марта»; without the weekday for the day of the call.
pub fn day(date: NaiveDate, language: Language, weekday: bool) -> String {
    match language {
        Language::En if weekday => date.format("%A, %-d %B").to_string(),
        Language::En => date.format("%-d %B").to_string(),
        Language::Ru if weekday => format!("{}, {}", ru_weekday(date, Case::Plain), ru_day(date)),
        Language::Ru => ru_day(date),
    }
}

/// «19 марта»
fn ru_day(date: NaiveDate) -> String {
    const MONTHS: [&str; 12] = [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ];
    format!("{} {}", date.day(), MONTHS[date.month0() as usize])
}

fn ru_weekday(date: NaiveDate, case: Case) -> &'static str {
    const DAYS: [[&str; 3]; 7] = [
        ["понедельник", "понедельника", "понедельник"],
        ["вторник", "вторника", "вторник"],
        ["среда", "среды", "среду"],
        ["четверг", "четверга", "четверг"],
        ["пятница", "пятницы", "пятницу"],
        ["суббота", "субботы", "субботу"],
        ["воскресенье", "воскресенья", "воскресенье"],
    ];
    DAYS[date.weekday().num_days_from_monday() as usize][case as usize]
}

/// Until when, or on which day, with its preposition: "by Friday, 18 April" / «до пятницы, 18 апреля».
fn due_line(value: &DateValue, language: Language) -> String {
    let (date, before, after) = match (value.date.or(value.end), value.start) {
        (Some(date), _) => (
            date,
            // The end of an interval is the last day that keeps the promise.
            value.date.is_none() || matches!(value.qualifier, DateQualifier::By | DateQualifier::Before),
            value.qualifier == DateQualifier::After,
        ),
        (None, Some(start)) => (start, false, true),
        (None, None) => return String::new(),
    };
    let time = value
        .time
        .map_or_else(String::new, |time| time.format(", %H:%M").to_string());
    let approx = value.qualifier == DateQualifier::Approx;
    match language {
        Language::En => {
            let preposition = match (approx, after, before) {
                (true, ..) => "around",
                (_, true, _) => "after",
                (_, _, true) if value.qualifier == DateQualifier::Before => "before",
                (_, _, true) => "by",
                _ => "on",
            };
            format!("{preposition} {}{time}", day(date, language, true))
        }
        Language::Ru if approx => format!("около {}{time}", ru_day(date)),
        Language::Ru => {
            let (preposition, case) = match (after, before) {
                (true, _) => ("после", Case::Genitive),
                (_, true) => ("до", Case::Genitive),
                _ if date.weekday() == chrono::Weekday::Tue => ("во", Case::Accusative),
                _ => ("в", Case::Accusative),
            };
            format!("{preposition} {}, {}{time}", ru_weekday(date, case), ru_day(date))
        }
    }
}

fn date_line(value: &DateValue, language: Language) -> String {
    if value.date.is_none() || value.qualifier != DateQualifier::On {
        return due_line(value, language);
    }
    let line = value.date.map(|date| day(date, language, true)).unwrap_or_default();
    let time = value
        .time
        .map_or_else(String::new, |time| time.format(", %H:%M").to_string());
    line + &time
}

fn render(name: &str, slots: &Slots) -> Option<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).ok()?;
    }
    environment.get_template(name).ok()?.render(Serde(slots)).ok()
}

/// No more than one empty line together, none at the ends, and none between the lines of a list.
fn tidy(body: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in body.lines().map(str::trim_end) {
        let empty = line.is_empty();
        if empty && out.last().is_none_or(|last| last.is_empty()) {
            continue;
        }
        if line.starts_with("- ")
            && out.len() > 1
            && out[out.len() - 1].is_empty()
            && out[out.len() - 2].starts_with("- ")
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
    use crate::domain::{Stage, sample};

    #[test]
    fn every_template_renders_with_and_without_facts() {
        let full = Slots {
            name: Some("Dana".to_owned()),
            rep: Some("Mark".to_owned()),
            call_day: "12 March".to_owned(),
            problem: Some("the plan is wrong".to_owned()),
            impact: Some("we lose ten orders".to_owned()),
            wish: Some("one screen".to_owned()),
            price: Some("nine hundred a month".to_owned()),
            ours: vec![StepLine {
                text: "send the papers".to_owned(),
                day: Some("today".to_owned()),
            }],
            theirs: vec![StepLine {
                text: "I will bring Karen".to_owned(),
                day: None,
            }],
            meeting: Some("Tuesday, 18 March, 11:00".to_owned()),
            meeting_agreed: true,
            decider: None,
            refused: false,
        };
        for (name, _) in TEMPLATES {
            let rich = render(name, &full).expect("renders");
            let poor = render(
                name,
                &Slots {
                    call_day: "12 March".to_owned(),
                    ..Slots::default()
                },
            )
            .expect("renders");
            assert!(rich.contains("12 March") && poor.contains("12 March"), "{name}");
            assert!(
                !poor.contains("“”") && !poor.contains("«»") && !poor.contains("None"),
                "{name}: {poor}"
            );
        }
    }

    #[test]
    fn russian_fits_women_and_men() {
        for (name, text) in TEMPLATES.iter().filter(|(name, _)| name.ends_with(".ru")) {
            for word in ["я понял", "я назвал", "я записал", "рад "] {
                assert!(!text.contains(word), "{name}: {word}");
            }
        }
    }

    #[test]
    fn titles_are_in_the_language_of_the_call() {
        let person = crate::domain::Person {
            name: None,
            title: Some("CEO".to_owned()),
            roles: Vec::new(),
            side: Role::Buyer,
        };
        assert_eq!(person.title_in(Language::Ru), Some("генеральный директор"));
        assert_eq!(person.title_in(Language::En), Some("CEO"));
    }

    #[test]
    fn lists_have_no_holes() {
        assert_eq!(tidy("\n\nA\n\n\n- b\n\n- c\n\n\nD\n\n"), "A\n\n- b\n- c\n\nD");
    }

    #[test]
    fn speech_loses_its_openers_but_stays_a_substring() {
        for (said, left) in [
            ("А мы вручную сводим отчёты.", "мы вручную сводим отчёты"),
            ("Хорошо. Пришлю договор завтра", "Пришлю договор завтра"),
            ("Ну, хорошо, я посмотрю счёт", "я посмотрю счёт"),
            ("Okay, so I'll send the papers", "I'll send the papers"),
            ("Well, we lose ten orders", "we lose ten orders"),
            ("Well known vendors only", "Well known vendors only"),
            ("Хорошо бы к пятнице", "Хорошо бы к пятнице"),
            ("Анна пришлёт счёт", "Анна пришлёт счёт"),
            ("Ну да", "Ну да"),
            ("И, это самое, выяснилось сегодня", "выяснилось сегодня"),
        ] {
            assert_eq!(trim(said), left);
            assert!(said.contains(trim(said)));
        }
    }

    #[test]
    fn due_days_have_their_case() {
        let value = |qualifier| DateValue {
            kind: None,
            date: NaiveDate::from_ymd_opt(2025, 4, 18),
            start: None,
            end: None,
            time: None,
            time_end: None,
            qualifier,
            ambiguous: false,
            past: false,
        };
        assert_eq!(
            due_line(&value(DateQualifier::By), Language::Ru),
            "до пятницы, 18 апреля"
        );
        assert_eq!(
            due_line(&value(DateQualifier::On), Language::Ru),
            "в пятницу, 18 апреля"
        );
        assert_eq!(due_line(&value(DateQualifier::By), Language::En), "by Friday, 18 April");
        assert_eq!(date_line(&value(DateQualifier::On), Language::Ru), "пятница, 18 апреля");
        let week = DateValue {
            date: None,
            start: NaiveDate::from_ymd_opt(2025, 4, 14),
            end: NaiveDate::from_ymd_opt(2025, 4, 18),
            ..value(DateQualifier::On)
        };
        assert_eq!(due_line(&week, Language::Ru), "до пятницы, 18 апреля");
    }

    #[test]
    fn steps_begin_with_their_day() {
        let slots = Slots {
            call_day: "16 апреля".to_owned(),
            ours: vec![StepLine {
                text: "Пришлю договор".to_owned(),
                day: Some("до пятницы, 18 апреля".to_owned()),
            }],
            ..Slots::default()
        };
        let body = tidy(&render("recap.ru", &slots).expect("renders"));
        assert!(
            body.contains("С нас:\n- до пятницы, 18 апреля: «Пришлю договор»\n"),
            "{body}"
        );
    }

    /// The follow-up of a call in which the buyer says these turns with these signals.
    fn drafted(said: &[(&str, &[Signal])], fields: &[Field]) -> FollowUp {
        let buyer: Vec<(Role, &str)> = said.iter().map(|(text, _)| (Role::Buyer, *text)).collect();
        let call = sample::talk(&buyer);
        let labels: Vec<_> = said
            .iter()
            .map(|(_, signals)| sample::labels(Stage::Discovery, signals))
            .collect();
        let day = NaiveDate::from_ymd_opt(2025, 3, 12).expect("a day");
        crate::decide::tests::situated(&call, &labels, fields, day, Language::En, follow_up).expect("a sales call")
    }

    #[test]
    fn a_loss_is_no_problem_and_neither_is_said_twice() {
        const BOTH: &[Signal] = &[Signal::BuyerPain, Signal::BuyerImpact];
        let draft = drafted(
            &[(
                "Well, the board is filled by hand. We lose ten orders a week that way.",
                BOTH,
            )],
            &[],
        );
        assert!(
            draft.body.contains("- the problem: “the board is filled by hand”\n"),
            "{}",
            draft.body
        );
        assert!(
            draft
                .body
                .contains("- what it leads to: “We lose ten orders a week that way”\n")
        );
        assert!(
            draft.subject.contains("“the board is filled by hand”"),
            "{}",
            draft.subject
        );
        let draft = drafted(&[("We lose ten orders a week that way.", BOTH)], &[]);
        assert!(!draft.body.contains("the problem:"), "{}", draft.body);
        assert_eq!(draft.body.matches("ten orders").count(), 1);
    }

    #[test]
    fn the_subject_names_the_company_where_it_is_known() {
        let company = Field {
            status: FieldStatus::Stated,
            value: Some(FieldValue::Text("Harbor Foods".to_owned())),
            ..Field::not_stated(FieldName::BuyerCompany)
        };
        let draft = drafted(&[("The board is filled by hand.", &[Signal::BuyerPain])], &[company]);
        assert!(draft.subject.starts_with("Harbor Foods: "), "{}", draft.subject);
    }

    #[test]
    fn few_words_of_a_problem() {
        assert_eq!(few_words("orders get lost, every week"), "orders get lost");
        assert_eq!(
            few_words("менеджеры вручную сводят отчёты из трёх таблиц"),
            "менеджеры вручную сводят отчёты…"
        );
        assert_eq!(
            few_words("Приезжаешь, а витрина с ночи стоит тёплая"),
            "Приезжаешь, а витрина с ночи…"
        );
    }

    #[test]
    fn days_in_words() {
        let date = NaiveDate::from_ymd_opt(2025, 4, 22).expect("a day");
        assert_eq!(day(date, Language::Ru, true), "вторник, 22 апреля");
        assert_eq!(day(date, Language::En, true), "Tuesday, 22 April");
    }
}
