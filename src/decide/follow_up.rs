//! The follow-up e-mail (D.6–D.9): a frame from `prompts/follow_up`, filled with quotes and dated facts only.

use chrono::{Datelike, NaiveDate};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::Situation;
use crate::domain::{
    Commitment, DateQualifier, DateValue, DealStage, Element, EmailType, Field, FieldName, FieldStatus, FieldValue,
    FollowUp, FollowUpFact, Language, Role, Signal,
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
    "между нами",
    "не для протокола",
];
/// Steps of each side in the e-mail.
const MOST_STEPS: usize = 3;
/// Longer subjects are cut by mail programs.
const LONGEST_SUBJECT: usize = 60;

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
    let stage = situation.deal.stage?;
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
fn kind(situation: &Situation<'_>, stage: DealStage) -> EmailType {
    let pain = situation.deal.score(Element::Pain);
    let nothing = stage == DealStage::Lead;
    let verbal = situation.deal.flags.iter().any(|flag| flag == "verbal_yes");
    let demo = [Signal::RepPitch, Signal::RepValueLink]
        .iter()
        .any(|&signal| situation.at(signal).len() > 2);
    if stage == DealStage::Lost || nothing {
        EmailType::ThankYou
    } else if verbal || matches!(stage, DealStage::Commit | DealStage::Won) {
        EmailType::RecapAgreement
    } else if pain >= 2 && situation.deal.score(Element::Power) == 1 && decider(situation).is_some() {
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
        refused: kind == EmailType::ThankYou && situation.deal.stage == Some(DealStage::Lost),
        ..Slots::default()
    };
    if kind == EmailType::ThankYou {
        return slots;
    }
    slots.problem = quote(situation, &[Signal::BuyerPain], facts);
    slots.impact = quote(situation, &[Signal::BuyerImpact], facts);
    slots.wish = quote(situation, &[Signal::BuyerVision], facts);
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

/// The surest turn of these signals, in its own words.
fn quote(situation: &Situation<'_>, signals: &[Signal], facts: &mut Vec<FollowUpFact>) -> Option<String> {
    let confidence = |at: usize| {
        signals
            .iter()
            .filter_map(|&signal| situation.labels[at].confidence(signal))
            .fold(0.0_f32, f32::max)
    };
    let mut places: Vec<usize> = signals.iter().flat_map(|&signal| situation.at(signal)).collect();
    places.retain(|&at| may_be_quoted(situation, at));
    // A number is what the reader looks for; then the surest; then the first.
    let best = places.into_iter().max_by(|&a, &b| {
        let key = |at: usize| {
            let turn = situation.call.turns[at].i;
            let number = situation
                .said(FieldName::PainImpact)
                .any(|field| field.turn == Some(turn));
            (number, (confidence(at) * 20.0) as i32)
        };
        key(a).cmp(&key(b)).then(b.cmp(&a))
    })?;
    let evidence = situation.quote(best);
    let text = trim(&evidence.quote).to_owned();
    facts.push(FollowUpFact {
        text: text.clone(),
        turn: evidence.turn,
    });
    Some(text)
}

/// Without the marks at its end: the frame has its own.
fn trim(text: &str) -> &str {
    text.trim().trim_end_matches(['.', ',', ';', '!', '…']).trim()
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
    Some(date_line(due, language))
}

fn meeting<'a>(situation: &'a Situation<'_>) -> Option<(&'a Field, &'a DateValue)> {
    situation
        .said(FieldName::NextMeeting)
        .find_map(|field| match &field.value {
            Some(FieldValue::Date(date)) if date.date.is_some() => Some((field, date)),
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
    let topic = company.unwrap_or_else(|| topic.to_owned());
    let long = match &slots.meeting {
        Some(meeting) if slots.meeting_agreed => format!("{topic}: {meeting}"),
        _ => format!("{topic} {}: {step}", slots.call_day),
    };
    if long.chars().count() <= LONGEST_SUBJECT {
        long
    } else {
        topic.chars().take(LONGEST_SUBJECT).collect()
    }
}

/// "Wednesday, 19 March" / «среда, 19 марта»; without the weekday for the day of the call.
fn day(date: NaiveDate, language: Language, weekday: bool) -> String {
    match language {
        Language::En if weekday => date.format("%A, %-d %B").to_string(),
        Language::En => date.format("%-d %B").to_string(),
        Language::Ru => {
            const DAYS: [&str; 7] = [
                "понедельник",
                "вторник",
                "среда",
                "четверг",
                "пятница",
                "суббота",
                "воскресенье",
            ];
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
            let plain = format!("{} {}", date.day(), MONTHS[date.month0() as usize]);
            if weekday {
                format!("{}, {plain}", DAYS[date.weekday().num_days_from_monday() as usize])
            } else {
                plain
            }
        }
    }
}

fn date_line(value: &DateValue, language: Language) -> String {
    let mut line = match (value.date, value.start, value.end) {
        (Some(date), ..) => day(date, language, true),
        (None, Some(start), Some(end)) => format!("{} – {}", day(start, language, false), day(end, language, false)),
        (None, Some(one), None) | (None, None, Some(one)) => day(one, language, true),
        (None, None, None) => return String::new(),
    };
    if let Some(time) = value.time {
        line.push_str(&time.format(", %H:%M").to_string());
    }
    match (value.qualifier, language) {
        (DateQualifier::By | DateQualifier::Before, Language::En) => format!("by {line}"),
        (DateQualifier::By | DateQualifier::Before, Language::Ru) => format!("срок: {line}"),
        _ => line,
    }
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
    fn days_in_words() {
        let date = NaiveDate::from_ymd_opt(2025, 4, 22).expect("a day");
        assert_eq!(day(date, Language::Ru, true), "вторник, 22 апреля");
        assert_eq!(day(date, Language::En, true), "Tuesday, 22 April");
    }
}
