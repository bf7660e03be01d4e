//! How good a letter is (D.8): ten items, and what caps the sum. Judged by the call alone, not by how the letter was made.

use std::sync::LazyLock;

use super::super::Situation;
use super::words::{List, content, has_words, list, parts, plain, tokens, words};
use super::{Templates, dates, meeting, open_objections, person, promises, quotes, secrets, trace};
use crate::domain::{EmailType, FieldName, FieldValue, FollowUp, Language, Role, Signal};

/// One item of the rubric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DraftItem {
    pub id: &'static str,
    /// 0, 0.5 or 1.
    pub points: f32,
}

/// The rubric applied to one letter.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftScore {
    /// 0–10, after the caps.
    pub points: f32,
    pub items: Vec<DraftItem>,
    /// The highest sum that is left, and why; None: nothing caps it.
    pub capped: Option<(f32, &'static str)>,
    /// Statements that nothing in the call supports: the letter must not leave.
    pub unsupported: Vec<String>,
}

/// Points from which a letter may be sent.
const SENDABLE: f32 = 7.0;

impl DraftScore {
    pub fn blocked(&self) -> bool {
        !self.unsupported.is_empty()
    }

    /// Good enough as it is, once its blanks are filled.
    pub fn sendable(&self) -> bool {
        self.capped.is_none() && self.points >= SENDABLE
    }
}

/// Words in a row that tell that one text takes from another.
const RUN: usize = 4;
/// The rep repeats common words of a turn without giving it away.
const SECRET_RUN: usize = 6;
const FEW_WORDS: usize = 50;
const MANY_WORDS: usize = 180;
const TOO_MANY_WORDS: usize = 250;
const LONGEST_SUBJECT: usize = 60;

static PRESSURE: List = LazyLock::new(|| {
    list(
        "last chance|don't miss|only today|hurry|act now|before it's gone|as soon as possible|asap|won't find better|\
         последний шанс|только сегодня|не упустите|успейте|поторопитесь|срочно|лучше не найдете",
    )
});
const STIFF: &[&str] = &[
    "hope you are well",
    "hope this email finds",
    "hope you're well",
    "as per our",
    "please be advised",
    "you seemed",
    "настоящим письмом",
    "надеюсь, у вас все хорошо",
    "доводим до вашего",
    "в соответствии с",
];
/// Forms of one sex.
static GENDERED: List = LazyLock::new(|| {
    list(
        "рад|рада|понял|поняла|записал|записала|услышал|услышала|упустил|упустила|готов|готова|назвал|назвала|должен|\
         должна",
    )
});

/// Judges a letter by the call that it was drafted from.
pub fn score_draft(situation: &Situation<'_>, templates: &Templates, draft: &FollowUp) -> DraftScore {
    judge_draft(situation, situation, templates, draft)
}

/// Judges a letter by what the call holds in truth (`situation`), its statements by what it was drafted from.
pub fn judge_draft(
    situation: &Situation<'_>,
    drafted_from: &Situation<'_>,
    templates: &Templates,
    draft: &FollowUp,
) -> DraftScore {
    let judge = Judge {
        situation,
        draft,
        own: parts(&draft.body).own,
        words: words(&draft.body),
    };
    let items = vec![
        ("subject", judge.subject()),
        ("problem", judge.said_with(&[Signal::BuyerPain, Signal::BuyerImpact])),
        ("impact", judge.impact()),
        ("wish", judge.said_with(&[Signal::BuyerVision])),
        ("ours", judge.steps(Role::Rep)),
        ("theirs", judge.steps(Role::Buyer)),
        ("answers", judge.answers()),
        ("ask", judge.ask()),
        ("form", judge.form()),
        ("tone", judge.tone()),
    ];
    let items: Vec<DraftItem> = items.into_iter().map(|(id, points)| DraftItem { id, points }).collect();
    let unsupported = trace::unsupported(drafted_from, templates, &draft.subject, &draft.body);
    let caps = [
        (judge.discloses(), 1.0, "something said in confidence"),
        (judge.wrong_name(), 2.0, "another name than the buyer's"),
        (judge.pushes(), 4.0, "pressure"),
        (!unsupported.is_empty(), 3.0, "something that nobody said"),
    ];
    let capped = (caps.into_iter())
        .filter(|(holds, ..)| *holds)
        .map(|(_, cap, why)| (cap, why))
        .min_by(|a: &(f32, _), b| a.0.total_cmp(&b.0));
    let sum: f32 = items.iter().map(|item| item.points).sum();
    DraftScore {
        points: capped.map_or(sum, |(cap, _)| sum.min(cap)),
        items,
        capped,
        unsupported,
    }
}

struct Judge<'a> {
    situation: &'a Situation<'a>,
    draft: &'a FollowUp,
    /// The body without quotes and blanks.
    own: String,
    words: Vec<String>,
}

impl Judge<'_> {
    /// Some words of a text stand in the body, in a row.
    fn takes_from(&self, text: &str) -> bool {
        self.takes(text, RUN)
    }

    fn takes(&self, text: &str, run: usize) -> bool {
        let said = words(text);
        let run = run.min(said.len());
        run > 1
            && said
                .windows(run)
                .any(|run_of| self.words.windows(run).any(|own| own == run_of))
    }

    /// Letters that tell the buyer's problem again.
    fn recaps(&self) -> bool {
        match self.draft.kind {
            EmailType::RecapDiscovery
            | EmailType::RecapDemo
            | EmailType::SponsorAccess
            | EmailType::ApproverBrief
            | EmailType::ProposalCover
            | EmailType::RecapAgreement
            | EmailType::Nurture
            | EmailType::Handover => true,
            EmailType::ObjectionAnswer | EmailType::Reminder | EmailType::CloseTheLoop => false,
            // Only a refusal ends the talk about the problem.
            EmailType::ThankYou => !self.situation.is_lost(),
        }
    }

    fn refused(&self) -> bool {
        self.draft.kind == EmailType::ThankYou && !self.recaps()
    }

    fn subject(&self) -> f32 {
        let subject = &self.draft.subject;
        let named = words(subject);
        let dated = named
            .iter()
            .any(|word| dates::month(word).is_some() || dates::weekday(word).is_some());
        let said = self.situation.call.turns.iter().flat_map(|turn| content(&turn.text));
        let said: std::collections::BTreeSet<String> = said.collect();
        let product = self
            .situation
            .call
            .seller
            .as_ref()
            .and_then(|seller| seller.product.as_deref());
        let product = content(product.unwrap_or_default());
        let topical = content(subject)
            .iter()
            .any(|stem| said.contains(stem) || product.contains(stem));
        let outcome = subject.contains(": ") && !subject.ends_with([':', ' ']);
        match (subject.chars().count() <= LONGEST_SUBJECT, topical, dated || outcome) {
            (true, true, true) => 1.0,
            // A thank-you after a refusal has no topic but the talk.
            (true, false, true) if self.refused() => 1.0,
            (true, ..) if topical || dated => 0.5,
            _ => 0.0,
        }
    }

    /// Words of the buyer with these signals stand in the letter, where there are any that may.
    fn said_with(&self, signals: &[Signal]) -> f32 {
        if !self.recaps() {
            return 1.0;
        }
        let said: Vec<_> = signals
            .iter()
            .flat_map(|&signal| quotes::sayings(self.situation, signal))
            .collect();
        if said.is_empty() || said.iter().any(|saying| self.takes_from(saying.text)) {
            return 1.0;
        }
        let turns = said
            .iter()
            .any(|saying| self.takes_from(&self.situation.call.turns[saying.at].text));
        // Something else was taken for it.
        if turns || self.draft.body.contains(['“', '«']) {
            0.5
        } else {
            0.0
        }
    }

    fn impact(&self) -> f32 {
        if !self.recaps() {
            return 1.0;
        }
        let numbers: Vec<_> = self
            .situation
            .said(FieldName::PainImpact)
            .filter(|field| quotes::is_measured(field) && field.role == Some(Role::Buyer))
            .filter(|field| {
                let at = self
                    .situation
                    .call
                    .turns
                    .iter()
                    .position(|turn| Some(turn.i) == field.turn);
                let labelled = |at: usize| {
                    let labels = &self.situation.labels[at];
                    labels.has(Signal::BuyerImpact) || labels.has(Signal::BuyerPain)
                };
                at.is_some_and(|at| labelled(at) && secrets::may_be_quoted(self.situation, at))
            })
            .collect();
        let body = plain(&self.draft.body);
        if numbers.is_empty() || numbers.iter().any(|field| has_words(&body, &plain(&field.raw))) {
            1.0
        } else if numbers.iter().any(|field| self.takes_from(&field.quote)) {
            0.5
        } else {
            0.0
        }
    }

    fn steps(&self, side: Role) -> f32 {
        if matches!(
            self.draft.kind,
            EmailType::Reminder | EmailType::CloseTheLoop | EmailType::Nurture
        ) || self.refused()
        {
            return 1.0;
        }
        let own = content(&self.draft.body);
        let (mut missing, mut undated, mut all) = (0, 0, 0);
        for field in self.situation.said(FieldName::Commitments) {
            let Some(promise) = promises::promise(self.situation, field).filter(|promise| promise.who == side) else {
                continue;
            };
            let content = content(&promise.what);
            if promises::is_this_letter(&promise.what) || content.len() < 2 {
                continue;
            }
            all += 1;
            let kept = content.iter().filter(|stem| own.contains(*stem)).count();
            // A clause of a long sentence is enough.
            if kept < 2.min(content.len()) {
                missing += 1;
            } else if let Some(due) = promise.due.as_ref().filter(|due| !due.ambiguous && !due.past)
                && let Some(day) = due.latest()
                && !self.draft.body.contains(&dates::short_day(day, self.draft.language))
            {
                undated += 1;
            }
        }
        // Three are shown at most.
        let missing = all.min(promises::MOST).saturating_sub(all - missing);
        match (missing, undated) {
            (0, 0) => 1.0,
            (0, _) => 0.5,
            _ => 0.0,
        }
    }

    fn answers(&self) -> f32 {
        if self.refused() || matches!(self.draft.kind, EmailType::Reminder | EmailType::CloseTheLoop) {
            return 1.0;
        }
        let open: Vec<usize> = open_objections(self.situation)
            .into_iter()
            .filter(|&at| secrets::may_be_quoted(self.situation, at))
            .collect();
        let agreed = meeting(self.situation).is_some();
        let points = open.iter().map(|&at| {
            let turns = &self.situation.call.turns;
            let mentioned = self.takes_from(&turns[at].text);
            let answered = turns[at..]
                .iter()
                .filter(|turn| turn.role == Role::Rep)
                .any(|turn| self.takes_from(&turn.text));
            match (mentioned, answered || agreed || !self.draft.to_fill.is_empty()) {
                (true, true) => 1.0,
                (true, false) => 0.5,
                (false, _) => 0.0,
            }
        });
        points.fold(1.0, f32::min)
    }

    fn ask(&self) -> f32 {
        let questions = self.own.matches('?').count();
        let lost = self.situation.is_lost();
        match questions {
            0 if lost => 1.0,
            // Asking on after a no.
            _ if lost && self.draft.kind != EmailType::ThankYou => 0.0,
            1 => {
                let question = self
                    .own
                    .split(['.', '!', '\n', '◦'])
                    .find(|part| part.contains('?'))
                    .unwrap_or_default();
                let lower = plain(question);
                let open = ["which day", "when ", "what ", "в какой день", "когда ", "что ", "чего "];
                let dated = tokens(&lower).any(|(_, word)| dates::month(word).is_some());
                if dated || !open.iter().any(|word| lower.trim_start().starts_with(word)) {
                    1.0
                } else {
                    0.5
                }
            }
            _ => 0.0,
        }
    }

    fn form(&self) -> f32 {
        let count = self.draft.body.split_whitespace().count();
        let longest = self
            .draft
            .body
            .lines()
            .map(|line| line.split_whitespace().count())
            .max()
            .unwrap_or(0);
        // A short letter is short by its kind, where there is little to say.
        let little = !self.recaps();
        match count {
            0 => 0.0,
            _ if count > TOO_MANY_WORDS || longest > 60 => 0.0,
            _ if count > MANY_WORDS || (count < FEW_WORDS && !little) => 0.5,
            _ => 1.0,
        }
    }

    fn tone(&self) -> f32 {
        let letters = |cyrillic: bool| {
            let is = |c: &char| c.is_alphabetic() && (('а'..='я').contains(c) || ('А'..='Я').contains(c)) == cyrillic;
            self.own.chars().filter(is).count()
        };
        let right = match self.draft.language {
            Language::En => letters(false) >= letters(true),
            Language::Ru => letters(true) >= letters(false),
        };
        let lower = plain(&self.own);
        let gendered = tokens(&lower).any(|(_, word)| GENDERED.contains(&word));
        let named = person(self.situation, Role::Buyer).is_none_or(|name| self.greeting().contains(&name));
        match (
            right,
            STIFF.iter().any(|words| lower.contains(words)) || gendered || !named,
        ) {
            (false, _) => 0.0,
            (true, true) => 0.5,
            (true, false) => 1.0,
        }
    }

    fn greeting(&self) -> &str {
        self.draft.body.lines().next().unwrap_or_default()
    }

    fn pushes(&self) -> bool {
        let lower = plain(&self.own);
        PRESSURE.iter().any(|words| has_words(&lower, words))
    }

    /// The greeting names somebody of the seller's side, or another person than the only buyer.
    fn wrong_name(&self) -> bool {
        let greeting = plain(self.greeting());
        let Some(name) = person(self.situation, Role::Buyer) else {
            return false;
        };
        let named = |name: &str| has_words(&greeting, &plain(name));
        !named(&name)
            && self
                .situation
                .said(FieldName::Participants)
                .any(|field| match &field.value {
                    Some(FieldValue::Person(person)) => person.name.as_deref().is_some_and(named),
                    _ => false,
                })
    }

    /// Words that were said in confidence, or of a rival.
    fn discloses(&self) -> bool {
        let turns = self.situation.call.turns.iter().zip(self.situation.labels);
        let mut secret = turns.filter(|(turn, labels)| {
            turn.role == Role::Buyer && (secrets::confidential(&turn.text) || labels.has(Signal::BuyerCompetitor))
        });
        secret.any(|(turn, _)| self.takes(&turn.text, SECRET_RUN) && !self.is_promised(turn.i))
            || secrets::confidential(&self.own)
            || secrets::names_a_rival(self.situation, &self.draft.body)
    }

    /// The turn holds a promise of its own, said openly.
    fn is_promised(&self, turn: u32) -> bool {
        self.situation
            .said(FieldName::Commitments)
            .any(|field| field.turn == Some(turn) && promises::promise(self.situation, field).is_some())
            || self
                .situation
                .said(FieldName::NextMeeting)
                .any(|field| field.turn == Some(turn) && matches!(field.value, Some(FieldValue::Date(_))))
    }
}
