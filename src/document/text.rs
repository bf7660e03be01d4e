//! The report for a terminal: where the deal stands and why, what is missing, what to do next, facts, e-mail.

use std::fmt::Write as _;

use super::words::{self, say};
use super::{ActionInfo, Document, ElementInfo, FieldInfo, ReportTurn, scorecard, warnings};
use crate::domain::{FieldName, FieldStatus, Language, Role, Severity};

/// How the terminal takes it.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colour: bool,
    /// Columns.
    pub width: usize,
    /// All that is known, not a page.
    pub full: bool,
}

impl Look {
    /// For files and pipes.
    pub const PLAIN: Self = Self {
        colour: false,
        width: 100,
        full: false,
    };

    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn score(self, score: u8, text: &str) -> String {
        self.paint(["31", "33", "32", "1;32"][usize::from(score.min(3))], text)
    }
}

/// Breaks `text` into lines of at most `width` columns, all but the first beginning with `indent` blanks.
pub(super) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Lines of a quote in the report.
const QUOTE_LINES: usize = 2;

/// A quote and its place in two lines; what does not fit is cut at a word.
pub(super) fn short_quote(quote: &str, place: &str, width: usize, indent: usize, language: Language) -> String {
    let words: Vec<&str> = quote.split_whitespace().collect();
    let shown = |count: usize| {
        let text = words[..count].join(" ");
        let text = if count < words.len() {
            format!("{}…", text.trim_end_matches([',', '.', ';', ':', '…']))
        } else {
            text
        };
        wrap(&format!("{} {place}", words::quoted(&text, language)), width, indent)
    };
    (1..=words.len())
        .rev()
        .map(shown)
        .find(|text| text.lines().count() <= QUOTE_LINES)
        .unwrap_or_else(|| shown(words.len().min(1)))
}

/// The report. A page, and with `full` all that is known; turns are not repeated: `--format json` has everything.
pub fn text(document: &Document, look: Look) -> String {
    let language = document.call.language;
    let mut out = String::new();
    head(&mut out, document, look);
    if document.deal.stage.is_some() {
        elements(&mut out, document, look);
        to_move_on(&mut out, document, look);
    }
    actions(&mut out, document, look);
    warnings(&mut out, document, look);
    fields(&mut out, document, look);
    follow_up(&mut out, document, look);
    scorecard::text(&mut out, document, look);
    if look.full {
        course(&mut out, document, look);
    }
    let mut foot = format!(
        "{}; {} {}",
        words::egress(&document.provenance, language),
        say(language, "result", "результат"),
        document.provenance.result_hash.chars().take(19).collect::<String>(),
    );
    if !look.full {
        foot.push_str(say(language, "; --full shows all", "; --full показывает всё"));
    }
    let _ = writeln!(out, "\n{}", look.dim(&foot));
    out
}

pub(super) fn title(out: &mut String, look: Look, en: &'static str, ru: &'static str, language: Language) {
    let _ = writeln!(out, "\n{}", look.bold(say(language, en, ru)));
}

fn head(out: &mut String, document: &Document, look: Look) {
    let (call, deal) = (&document.call, &document.deal);
    let language = call.language;
    let mut facts = vec![words::call_day(call)];
    facts.extend(call.duration_s.map(words::clock));
    facts.push(words::turns(document.turns.len(), language));
    facts.push(call.language.as_str().to_uppercase());
    let _ = writeln!(out, "{}  {}", look.bold(&call.source), look.dim(&facts.join(" · ")));
    let label = say(language, "Deal", "Сделка");
    let _ = writeln!(out, "{label}: {}", look.bold(&words::standing(document)));
    if deal.stage.is_none() {
        return;
    }
    let mut line = format!(
        "{} {}/100 · {}",
        say(language, "Lead score", "Оценка лида"),
        document.qualification.lead_score,
        words::status(document.qualification.status, language),
    );
    if let Some(outcome) = deal.call_outcome {
        let _ = write!(
            line,
            " · {}: {}",
            say(language, "call", "звонок"),
            words::outcome(outcome, language)
        );
    }
    if let (Some(before), Some(step)) = (&deal.previous_stage_name, deal.step) {
        let _ = write!(line, " · {} → {}", before, words::step(step, language));
    }
    let _ = writeln!(out, "{}", wrap(&line, look.width, 0));
}

fn bar(score: u8) -> String {
    (0..3).map(|at| if at < score { '■' } else { '□' }).collect()
}

fn element(out: &mut String, document: &Document, element: &ElementInfo, look: Look) {
    let language = document.call.language;
    let names = document
        .deal
        .elements
        .iter()
        .map(|element| element.name.chars().count());
    let width = names.max().unwrap_or_default();
    let name = format!("{:<width$}", element.name);
    // Bar and name, with blanks around them.
    let indent = 7 + width;
    let _ = writeln!(
        out,
        "  {} {name} {}",
        look.score(element.score, &bar(element.score)),
        wrap(&element.why, look.width, indent)
    );
    let shown = if look.full { usize::MAX } else { 1 };
    for evidence in element.evidence.iter().take(shown) {
        let place = ReportTurn::of(document, evidence.turn).to_string();
        let quote = short_quote(&evidence.quote, &place, look.width, indent, language);
        let _ = writeln!(out, "{:indent$}{}", "", look.dim(&quote));
    }
    for earlier in element.earlier.iter().take(shown.min(1)) {
        let place = format!("[{}]", words::date(earlier.call_date, language));
        let quote = short_quote(&earlier.quote, &place, look.width, indent, language);
        let _ = writeln!(out, "{:indent$}{}", "", look.dim(&quote));
    }
}

fn elements(out: &mut String, document: &Document, look: Look) {
    title(out, look, "Why", "Почему", document.call.language);
    for info in &document.deal.elements {
        element(out, document, info, look);
    }
}

fn to_move_on(out: &mut String, document: &Document, look: Look) {
    let lines = warnings::to_move_on(document);
    if lines.is_empty() {
        return;
    }
    title(
        out,
        look,
        "To move on",
        "Чтобы двинуться дальше",
        document.call.language,
    );
    for line in lines {
        let _ = writeln!(out, "  {} {}", look.paint("33", "→"), wrap(&line, look.width, 4));
    }
}

fn actions(out: &mut String, document: &Document, look: Look) {
    let language = document.call.language;
    if document.next_actions.is_empty() {
        return;
    }
    title(out, look, "Do next", "Что делать", language);
    let more: &[ActionInfo] = if look.full { &document.more_actions } else { &[] };
    for (at, action) in document.next_actions.iter().chain(more).enumerate() {
        let due = action
            .due
            .map_or_else(String::new, |due| format!("{}: ", words::date(due, language)));
        let line = format!("{due}{} ({})", action.title, words::channel(action.channel, language));
        let _ = writeln!(out, "  {:<2} {}", format!("{}.", at + 1), wrap(&line, look.width, 5));
        let _ = writeln!(out, "     {}", look.dim(&wrap(&action.why, look.width, 5)));
        let said = |quote: &str| action.title.contains(quote.trim_end_matches(['.', ',', ';']));
        for evidence in action.evidence.iter().filter(|evidence| !said(&evidence.quote)).take(1) {
            let place = ReportTurn::of(document, evidence.turn).to_string();
            let quote = short_quote(&evidence.quote, &place, look.width, 5, language);
            let _ = writeln!(out, "     {}", look.dim(&quote));
        }
        for earlier in action.earlier.iter().filter(|earlier| !said(&earlier.quote)).take(1) {
            let place = format!("[{}]", words::date(earlier.call_date, language));
            let quote = short_quote(&earlier.quote, &place, look.width, 5, language);
            let _ = writeln!(out, "     {}", look.dim(&quote));
        }
    }
    if let Some(contact) = &document.next_contact {
        let line = format!(
            "{}: {} ({}) — {}",
            say(language, "Speak again", "Снова на связь"),
            words::date(contact.date, language),
            words::channel(contact.channel, language),
            contact.why
        );
        let _ = writeln!(out, "  {}", wrap(&line, look.width, 2));
    }
}

fn warnings(out: &mut String, document: &Document, look: Look) {
    let all = warnings::warnings(document);
    if all.is_empty() {
        return;
    }
    title(out, look, "Warnings", "Предупреждения", document.call.language);
    for warning in all {
        let colour = if warning.severity == Severity::High { "31" } else { "33" };
        let _ = writeln!(
            out,
            "  {} {}",
            look.paint(colour, "!"),
            wrap(&warning.text, look.width, 4)
        );
        if !warning.advice.is_empty() {
            let _ = writeln!(out, "    {}", look.dim(&wrap(&warning.advice, look.width, 4)));
        }
    }
}

/// Facts of one name in the short report.
const MOST_FACTS: usize = 2;

fn fields(out: &mut String, document: &Document, look: Look) {
    let language = document.call.language;
    let fields = &document.qualification.fields;
    let said = |field: &&FieldInfo| {
        let beside = field.status == FieldStatus::Proposed || field.field == FieldName::CallOutcome;
        // What nobody took up, and what the head of the report says, is for the full one.
        field.status != FieldStatus::NotStated && (look.full || !beside)
    };
    if fields.iter().any(|field| said(&field)) {
        title(out, look, "Facts", "Факты", language);
    }
    for group in fields.chunk_by(|a, b| a.field == b.field) {
        let shown = if look.full { usize::MAX } else { MOST_FACTS };
        let name = words::field(group[0].field, language);
        let mut label = format!("{name:<18}");
        for field in group.iter().filter(said).take(shown) {
            let turn = field.turn.map(|turn| format!(" [{turn}]")).unwrap_or_default();
            let by = match field.role {
                Some(Role::Rep) => say(language, " (said by the rep)", " (со слов менеджера)"),
                _ => "",
            };
            let mut value = words::value(field, language);
            if !look.full {
                value = shortened(&value, LONGEST_FACT);
            }
            let _ = writeln!(
                out,
                "  {label} {}{}",
                wrap(&value, look.width, 21),
                look.dim(&format!("{by}{turn}"))
            );
            label = " ".repeat(18);
        }
        let more = group.iter().filter(said).count().saturating_sub(shown);
        if more > 0 {
            let line = match language {
                Language::En => format!("and {more} more"),
                Language::Ru => format!("и ещё {more}"),
            };
            let _ = writeln!(out, "  {label} {}", look.dim(&line));
        }
    }
    let mut missing: Vec<&str> = fields
        .iter()
        .filter(|field| field.status == FieldStatus::NotStated)
        .filter(|field| document.deal.earlier_facts.iter().all(|past| past.field != field.field))
        .map(|field| words::field(field.field, language))
        .collect();
    missing.dedup();
    earlier_facts(out, document, look);
    if !missing.is_empty() && document.deal.stage.is_some() {
        let line = format!(
            "{}: {}",
            say(language, "not stated", "не прозвучало"),
            missing.join(", ")
        );
        let _ = writeln!(out, "  {}", look.dim(&wrap(&line, look.width, 2)));
    }
}

/// What earlier calls said and this one does not: in short the names, in full the words.
fn earlier_facts(out: &mut String, document: &Document, look: Look) {
    let language = document.call.language;
    let past = &document.deal.earlier_facts;
    if look.full {
        for fact in past {
            let place = format!("[{}]", words::date(fact.evidence.call_date, language));
            let quote = short_quote(&fact.evidence.quote, &place, look.width, 21, language);
            let _ = writeln!(out, "  {:<18} {}", words::field(fact.field, language), look.dim(&quote));
        }
    } else if !past.is_empty() {
        let mut names: Vec<&str> = past.iter().map(|fact| words::field(fact.field, language)).collect();
        names.sort_unstable();
        names.dedup();
        let line = format!(
            "{}: {}",
            say(language, "known from earlier calls", "известно из прошлых разговоров"),
            names.join(", ")
        );
        let _ = writeln!(out, "  {}", look.dim(&wrap(&line, look.width, 2)));
    }
}

/// Characters of a fact in the short report.
const LONGEST_FACT: usize = 110;

/// Cut at a word.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    for word in text.split_whitespace() {
        if short.chars().count() + 1 + word.chars().count() > most {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    format!("{}…", short.trim_end_matches([',', '.', ';', ':', '…']))
}

fn follow_up(out: &mut String, document: &Document, look: Look) {
    let language = document.call.language;
    let Some(draft) = &document.follow_up else { return };
    title(out, look, "Follow-up e-mail", "Письмо после разговора", language);
    let head = format!(
        "{} {}",
        say(language, "send by", "отправить до"),
        words::date(draft.send_by, language)
    );
    let _ = writeln!(out, "  {}", look.dim(&head));
    let _ = writeln!(
        out,
        "  {}: {}",
        say(language, "Subject", "Тема"),
        look.bold(&draft.subject)
    );
    for line in draft.body.lines() {
        let _ = writeln!(out, "  {}", wrap(line, look.width, 2));
    }
    if !draft.to_fill.is_empty() {
        let line = format!(
            "{}: {}",
            say(language, "fill in before sending", "заполните перед отправкой"),
            draft.to_fill.join(", ")
        );
        let _ = writeln!(out, "  {}", look.paint("33", &wrap(&line, look.width, 2)));
    }
}

/// One line on how the talk went: stages with the turns they span.
fn course(out: &mut String, document: &Document, look: Look) {
    let language = document.call.language;
    if document.segments.is_empty() {
        return;
    }
    title(out, look, "Course of the talk", "Ход разговора", language);
    let parts: Vec<String> = document
        .segments
        .iter()
        .map(|segment| {
            let name = words::stage(segment.stage, language);
            if segment.from_turn == segment.to_turn {
                format!("{name} {}", segment.from_turn)
            } else {
                format!("{name} {}–{}", segment.from_turn, segment.to_turn)
            }
        })
        .collect();
    let _ = writeln!(out, "  {}", wrap(&parts.join(" · "), look.width, 2));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width() {
        let wrapped = wrap("one two three four five six seven", 14, 4);
        assert_eq!(wrapped, "one two\n    three four\n    five six\n    seven");
        assert!(wrapped.lines().all(|line| line.chars().count() <= 14));
    }

    #[test]
    fn long_quotes_are_cut_at_a_word() {
        let long = "we lose ten orders a week, because nobody knows who can take the next job";
        let short = short_quote(long, "[4 0:12]", 40, 16, Language::En);
        assert_eq!(short, "“we lose ten orders a\n                week, because…” [4 0:12]");
        assert_eq!(short_quote("we lose", "[4]", 40, 16, Language::Ru), "«we lose» [4]");
    }

    #[test]
    fn colours_only_where_asked() {
        assert_eq!(Look::PLAIN.bold("x"), "x");
        assert_eq!(
            Look {
                colour: true,
                width: 80,
                full: false
            }
            .bold("x"),
            "\x1b[1mx\x1b[0m"
        );
    }
}
