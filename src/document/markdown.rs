//! The report as Markdown, for wikis and tickets: the same order as the terminal's, with the turns at the end.

use std::fmt::Write as _;

use super::words::{self, say};
use super::{ActionInfo, Document, scorecard, warnings};
use crate::domain::{FieldStatus, Role};

/// Text that goes into a table cell or a line of a list.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        match c {
            // Inside a word it is no emphasis: names of files stay as they are.
            '_' if letter(before) && letter(chars.peek().copied()) => out.push(c),
            '|' | '*' | '_' | '`' | '<' | '>' | '#' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
        before = Some(c);
    }
    out
}

/// The report as Markdown; with `full` with the turns, and everything that the page leaves out.
pub fn markdown(document: &Document, full: bool) -> String {
    let language = document.call.language;
    let mut out = String::new();
    head(&mut out, document);
    if document.deal.stage.is_some() {
        elements(&mut out, document);
        list(
            &mut out,
            say(language, "To move on", "Чтобы двинуться дальше"),
            warnings::to_move_on(document),
        );
    }
    actions(&mut out, document, full);
    let lines = warnings::warnings(document).into_iter();
    let lines = lines.map(|warning| format!("{} {}", warning.text, warning.advice).trim_end().to_owned());
    list(&mut out, say(language, "Warnings", "Предупреждения"), lines.collect());
    fields(&mut out, document);
    follow_up(&mut out, document);
    scorecard::markdown(&mut out, document);
    if full {
        turns(&mut out, document);
    }
    let _ = writeln!(out, "\n_{}_", cell(&words::egress(&document.provenance, language)));
    out
}

fn head(out: &mut String, document: &Document) {
    let (call, deal) = (&document.call, &document.deal);
    let language = call.language;
    let mut facts = vec![words::call_day(call)];
    facts.extend(call.duration_s.map(words::clock));
    facts.push(call.language.as_str().to_uppercase());
    let _ = writeln!(out, "# {}\n\n{}\n", cell(&call.source), facts.join(" · "));
    let _ = writeln!(
        out,
        "**{}: {}**\n",
        say(language, "Deal", "Сделка"),
        words::standing(document)
    );
    if deal.stage.is_none() {
        return;
    }
    let _ = writeln!(
        out,
        "{} {}/100, {}\n",
        say(language, "Lead score", "Оценка лида"),
        document.qualification.lead_score,
        words::status(document.qualification.status, language)
    );
    if let Some(outcome) = deal.call_outcome {
        let _ = writeln!(
            out,
            "{}: {}\n",
            say(language, "Call", "Звонок"),
            words::outcome(outcome, language)
        );
    }
}

fn elements(out: &mut String, document: &Document) {
    let language = document.call.language;
    let _ = writeln!(
        out,
        "## {}\n\n| {} | 0–3 | {} |\n|---|---|---|",
        say(language, "Why", "Почему"),
        say(language, "element", "элемент"),
        say(language, "why", "почему"),
    );
    for element in &document.deal.elements {
        let quotes: String = element
            .evidence
            .iter()
            .take(2)
            .map(|evidence| {
                format!(
                    " {} ({})",
                    words::quoted(&cell(&evidence.quote), language),
                    evidence.turn
                )
            })
            .chain(element.earlier.iter().take(1).map(|earlier| {
                format!(
                    " {} ({})",
                    words::quoted(&cell(&earlier.quote), language),
                    words::date(earlier.call_date, language)
                )
            }))
            .collect();
        let _ = writeln!(
            out,
            "| {} | {} | {}{quotes} |",
            cell(&element.name),
            element.score,
            cell(&element.why),
        );
    }
    out.push('\n');
}

fn list(out: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "## {title}\n");
    for line in lines {
        let _ = writeln!(out, "- {}", cell(&line));
    }
    out.push('\n');
}

fn actions(out: &mut String, document: &Document, full: bool) {
    let language = document.call.language;
    if document.next_actions.is_empty() {
        return;
    }
    let _ = writeln!(out, "## {}\n", say(language, "Do next", "Что делать"));
    let more: &[ActionInfo] = if full { &document.more_actions } else { &[] };
    for (at, action) in document.next_actions.iter().chain(more).enumerate() {
        let due = action
            .due
            .map_or_else(String::new, |due| format!("**{}** ", words::date(due, language)));
        let channel = words::channel(action.channel, language);
        let _ = writeln!(
            out,
            "{}. {due}{} ({channel}). {}",
            at + 1,
            cell(&action.title),
            cell(&action.why)
        );
    }
    if let Some(contact) = &document.next_contact {
        let _ = writeln!(
            out,
            "\n{}: **{}** ({}), {}",
            say(language, "Speak again", "Снова на связь"),
            words::date(contact.date, language),
            words::channel(contact.channel, language),
            cell(&contact.why)
        );
    }
    out.push('\n');
}

fn fields(out: &mut String, document: &Document) {
    let language = document.call.language;
    let fields = &document.qualification.fields;
    let _ = writeln!(out, "## {}\n", say(language, "Facts", "Факты"));
    for field in fields.iter().filter(|field| field.status != FieldStatus::NotStated) {
        let by = match field.role {
            Some(Role::Rep) => say(language, ", said by the rep", ", со слов менеджера"),
            _ => "",
        };
        let turn = field.turn.map(|turn| turn.to_string()).unwrap_or_default();
        let _ = writeln!(
            out,
            "- **{}**: {} ({}, {turn}{by})",
            words::field(field.field, language),
            cell(&words::value(field, language)),
            words::quoted(&cell(field.quote.as_deref().unwrap_or_default()), language),
        );
    }
    let mut missing: Vec<&str> = fields
        .iter()
        .filter(|field| field.status == FieldStatus::NotStated)
        .map(|field| words::field(field.field, language))
        .collect();
    missing.dedup();
    if !missing.is_empty() {
        let _ = writeln!(
            out,
            "- {}: {}",
            say(language, "not stated", "не прозвучало"),
            missing.join(", ")
        );
    }
    out.push('\n');
}

fn follow_up(out: &mut String, document: &Document) {
    let language = document.call.language;
    let Some(draft) = &document.follow_up else { return };
    let _ = writeln!(
        out,
        "## {}\n\n{} {}\n\n> **{}**\n>",
        say(language, "Follow-up e-mail", "Письмо после разговора"),
        say(language, "Send by", "Отправить до"),
        words::date(draft.send_by, language),
        cell(&draft.subject),
    );
    for line in draft.body.lines() {
        let _ = writeln!(out, "> {}  ", cell(line));
    }
    out.push('\n');
}

fn turns(out: &mut String, document: &Document) {
    let language = document.call.language;
    let _ = writeln!(out, "## {}\n", say(language, "Turns", "Реплики"));
    for turn in &document.turns {
        let time = turn
            .start_s
            .map(|at| format!(" {}", words::clock(at)))
            .unwrap_or_default();
        let who = turn.name.as_deref().unwrap_or_else(|| words::role(turn.role, language));
        let signals: Vec<&str> = turn
            .signals
            .iter()
            .map(|signal| words::signal(signal.id, language))
            .collect();
        let labels = if signals.is_empty() {
            String::new()
        } else {
            format!(" _({})_", signals.join(", "))
        };
        let _ = writeln!(
            out,
            "- {}{time} **{}** _{}_: {}{labels}",
            turn.i,
            cell(who),
            words::stage(turn.stage.id, language),
            cell(&turn.text)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn text_of_a_call_cannot_break_the_page() {
        assert_eq!(cell("a | b\n<script> *x*"), "a \\| b \\<script\\> \\*x\\*");
        assert_eq!(cell("_x_ c01_discovery.txt"), "\\_x\\_ c01_discovery.txt");
    }
}
