//! What a letter says, taken from the call: each slot with the words and the turn that it rests on.

use std::sync::LazyLock;

use super::super::Situation;
use super::promises::{self, Step};
use super::quotes::{self, Saying, quotable};
use super::secrets::Secrets;
use super::templates::{Answer, Line, Slots};
use super::words::{List, has_words, list};
use super::{dates, decider, informal, kind, meeting, open_objections, person, put_off_to};
use crate::domain::{
    Cue, EmailType, Field, FieldName, FieldStatus, FieldValue, FollowUpFact, Language, Role, Signal, TurnLabels,
    sentences,
};

/// Characters of a problem in a subject.
const LONGEST_TOPIC: usize = 32;
/// Words of a topic.
const TOPIC: std::ops::RangeInclusive<usize> = 3..=5;

/// A statement as the letter shows it, and what it rests on.
pub type Shown = (String, FollowUpFact);

/// The slots of a letter, and the facts in it.
pub fn fill(situation: &Situation<'_>, kind: EmailType) -> (Slots, Vec<Shown>) {
    let language = situation.language;
    let secrets = Secrets::new(situation);
    let mut facts = Vec::new();
    let mut slots = Slots {
        name: person(situation, Role::Buyer),
        rep: person(situation, Role::Rep),
        informal: informal(situation),
        call_day: dates::short_day(situation.call_date, language),
        thanks: "time",
        refused: kind == EmailType::ThankYou && situation.is_lost(),
        ..Slots::default()
    };
    for (side, name) in [(Role::Buyer, &slots.name), (Role::Rep, &slots.rep)] {
        facts.extend(name.as_deref().and_then(|name| introduced(situation, side, name)));
    }
    if slots.refused {
        let thanked = thanks(situation, kind, &slots);
        slots.thanks = thanked.0;
        facts.extend(thanked.1);
        return (slots, facts);
    }
    let show = |text: &str, fact: FollowUpFact, facts: &mut Vec<Shown>| {
        facts.push((text.to_owned(), fact));
        Some(text.to_owned())
    };
    if let Some((field, date)) = meeting(situation) {
        slots.meeting = dates::meeting_day(date, language);
        slots.meeting_agreed = matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed) && !date.ambiguous;
        facts.extend(slots.meeting.clone().zip(fact(field)));
    }
    let mut ours = promises::steps(situation, &secrets, Role::Rep, slots.informal);
    let theirs = promises::steps(situation, &secrets, Role::Buyer, slots.informal);
    if kind == EmailType::ProposalCover
        && let Some(field) = kind::proposal(situation)
    {
        slots.attachments = vec![document(promised(field), language).to_owned()];
        facts.extend(slots.attachments.first().cloned().zip(fact(field)));
        // This letter is that step.
        ours.retain(|step| Some(step.fact.turn) != field.turn || document_in(&step.text, language).is_none());
    }
    slots.ours = lines(&ours, &mut facts);
    slots.theirs = lines(&theirs, &mut facts);
    slots.overdue = slots.theirs.first().cloned();

    if kind != EmailType::ThankYou {
        let (problem, impact) = problem_and_impact(situation, &secrets);
        let same = |other: &Option<Saying<'_>>, saying: &Saying<'_>| {
            let other = other.as_ref();
            other.is_some_and(|other| other.at == saying.at && other.text.contains(saying.text))
        };
        let wish = quotable(situation, &secrets, Signal::BuyerVision)
            .into_iter()
            .find(|wish| !same(&problem, wish) && !same(&impact, wish));
        let needed_by = needed_by(situation, &secrets)
            .filter(|saying| [&problem, &impact, &wish].iter().all(|other| !same(other, saying)));
        slots.topic = company(situation, &mut facts).or_else(|| topic(situation, problem.as_ref()));
        let mut say = |saying: Option<Saying<'_>>| {
            saying.and_then(|saying| show(saying.text, saying.fact(situation), &mut facts))
        };
        slots.problem = say(problem);
        slots.impact = say(impact);
        slots.wish = say(wish);
        slots.needed_by = say(needed_by);
        if let Some((price, fact)) = price(situation, &secrets) {
            slots.price = show(&price, fact, &mut facts);
        }
    }
    if matches!(kind, EmailType::SponsorAccess | EmailType::ApproverBrief)
        && let Some((words, field)) = decider(situation)
    {
        facts.extend(fact(field).map(|fact| (words.clone(), fact)));
        slots.decider = Some(words);
    }
    if let Some((date, field)) = put_off_to(situation) {
        let words = dates::day(date, language);
        facts.extend(fact(field).map(|fact| (words.clone(), fact)));
        slots.until = Some(words);
    }
    slots.answers = answers(situation, &secrets, kind, &mut facts);
    let thanked = thanks(situation, kind, &slots);
    slots.thanks = thanked.0;
    facts.extend(thanked.1);
    (slots, facts)
}

fn fact(field: &Field) -> Option<FollowUpFact> {
    Some(FollowUpFact {
        text: field.quote.clone(),
        turn: field.turn?,
    })
}

fn lines(steps: &[Step], facts: &mut Vec<Shown>) -> Vec<Line> {
    steps
        .iter()
        .map(|step| {
            facts.push((step.text.clone(), step.fact.clone()));
            Line {
                text: step.text.clone(),
                day: step.day.clone(),
            }
        })
        .collect()
}

/// What a promise promises.
pub fn promised(field: &Field) -> &str {
    match &field.value {
        Some(FieldValue::Commitment(promise)) => &promise.what,
        _ => &field.quote,
    }
}

/// The turn in which somebody's name was said.
fn introduced(situation: &Situation<'_>, side: Role, name: &str) -> Option<Shown> {
    let field = situation
        .said(FieldName::Participants)
        .find(|field| match &field.value {
            Some(FieldValue::Person(person)) => {
                let known = person.name.as_deref().map(str::to_lowercase);
                person.side == side && known == Some(name.to_lowercase())
            }
            _ => false,
        });
    let fact = field.and_then(fact).or_else(|| {
        let lower = name.to_lowercase();
        let turn = situation
            .call
            .turns
            .iter()
            .find(|turn| has_words(&turn.text.to_lowercase(), &lower))?;
        let said = sentences(&turn.text)
            .into_iter()
            .find(|said| has_words(&said.to_lowercase(), &lower))?;
        Some(FollowUpFact {
            text: said.to_owned(),
            turn: turn.i,
        })
    })?;
    Some((name.to_owned(), fact))
}

fn company(situation: &Situation<'_>, facts: &mut Vec<Shown>) -> Option<String> {
    let field = situation
        .said(FieldName::BuyerCompany)
        .find(|field| matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed))?;
    match &field.value {
        Some(FieldValue::Text(name)) => {
            facts.extend(fact(field).map(|fact| (name.clone(), fact)));
            Some(name.clone())
        }
        _ => None,
    }
}

/// What is sold, as the call file names it; else a problem that is short enough to stand whole in a subject.
fn topic(situation: &Situation<'_>, problem: Option<&Saying<'_>>) -> Option<String> {
    let short = |text: &str| text.chars().count() <= LONGEST_TOPIC;
    let product = situation
        .call
        .seller
        .as_ref()
        .and_then(|seller| seller.product.as_deref());
    if let Some(product) = product
        .map(str::trim)
        .filter(|product| !product.is_empty() && short(product))
    {
        return Some(
            product
                .chars()
                .take(1)
                .flat_map(char::to_uppercase)
                .chain(product.chars().skip(1))
                .collect(),
        );
    }
    let text = problem?.text;
    let whole = TOPIC.contains(&text.split_whitespace().count()) && short(text) && !text.contains([',', ':', ';']);
    whole.then(|| match situation.language {
        Language::En => format!("“{text}”"),
        Language::Ru => format!("«{text}»"),
    })
}

/// The problem, and what it leads to: two statements, the loss never the problem.
fn problem_and_impact<'a>(situation: &Situation<'a>, secrets: &Secrets) -> (Option<Saying<'a>>, Option<Saying<'a>>) {
    let (losses, mut problems): (Vec<_>, Vec<_>) = quotable(situation, secrets, Signal::BuyerPain)
        .into_iter()
        .partition(|saying| saying.loss);
    let effects = quotable(situation, secrets, Signal::BuyerImpact);
    let is_effect = |saying: &Saying<'_>| effects.iter().any(|effect| effect.at == saying.at);
    // A turn that is a problem alone says it more plainly than one that tells its price as well.
    if problems.iter().any(|saying| !is_effect(saying)) {
        problems.retain(|saying| !is_effect(saying));
    }
    let problem = problems.into_iter().next();
    let same = |saying: &Saying<'_>| {
        let problem = problem.as_ref();
        problem.is_some_and(|problem| problem.at == saying.at && problem.text == saying.text)
    };
    let mut effects: Vec<_> = effects.into_iter().filter(|saying| !same(saying)).collect();
    // A loss is what the reader looks for; else what a problem led to, else a loss told as a problem.
    effects.sort_by_key(|saying| !saying.loss);
    let impact = effects.into_iter().next().or_else(|| losses.into_iter().next());
    (problem, impact)
}

/// When they need it, in a sentence of theirs.
fn needed_by<'a>(situation: &Situation<'a>, secrets: &Secrets) -> Option<Saying<'a>> {
    let dated: Vec<&Field> = situation
        .said(FieldName::Timeline)
        .filter(|field| matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed))
        .filter(|field| field.role == Some(Role::Buyer))
        .collect();
    quotable(situation, secrets, Signal::BuyerTimeline)
        .into_iter()
        .find(|saying| {
            let turn = situation.call.turns[saying.at].i;
            // A promise has a line of its own.
            if situation
                .said(FieldName::Commitments)
                .any(|field| field.turn == Some(turn) && field.quote.contains(saying.text))
            {
                return false;
            }
            dated
                .iter()
                .any(|field| field.turn == Some(turn) && saying.text.contains(field.raw.as_str()))
        })
}

/// More prices than this were haggled over.
const MOST_PRICES: usize = 3;

/// The rep's last price that can be read without the talk around it: with its currency or its period.
fn price(situation: &Situation<'_>, secrets: &Secrets) -> Option<Shown> {
    let prices: Vec<&Field> = situation
        .said(FieldName::QuotedPrice)
        .filter(|field| field.role == Some(Role::Rep) && field.status != FieldStatus::Proposed)
        .collect();
    // Offers back and forth: which of them holds, only a person can tell.
    if prices.len() > MOST_PRICES {
        return None;
    }
    let field = prices.into_iter().rfind(|field| match &field.value {
        Some(FieldValue::Money(money)) => !money.scale_inferred && (!money.currency_inferred || money.period.is_some()),
        _ => false,
    })?;
    let turn = situation
        .call
        .turns
        .iter()
        .position(|turn| Some(turn.i) == field.turn)?;
    let labelled = situation.labels[turn].has(Signal::RepPrice) && !situation.labels[turn].has(Signal::RepPressure);
    let part = quotes::telling_part(&field.quote, Some(&field.raw))
        .filter(|part| labelled && part.contains(&field.raw) && secrets.allow_of_the_rep(part))?;
    let shown = FollowUpFact {
        text: part.to_owned(),
        turn: field.turn?,
    };
    Some((part.to_owned(), shown))
}

/// The document in a promise, in words of the letter.
fn document_in(text: &str, language: Language) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let names: &[(&str, &str)] = match language {
        Language::En => &[
            ("proposal", "proposal"),
            ("quot", "quote"),
            ("estimate", "estimate"),
            ("offer", "offer"),
        ],
        Language::Ru => &[
            ("коммерческ", "коммерческое предложение"),
            (" кп", "коммерческое предложение"),
            ("смет", "смета"),
            ("предложени", "предложение"),
        ],
    };
    names
        .iter()
        .find(|(sign, _)| lower.contains(sign))
        .map(|(_, name)| *name)
}

pub fn document(text: &str, language: Language) -> &'static str {
    document_in(text, language).unwrap_or(match language {
        Language::En => "proposal",
        Language::Ru => "предложение",
    })
}

/// Words by which a rep puts an answer off.
static LATER: List = LazyLock::new(|| {
    list(
        "find out|check that|check with|let me check|i'll check|get back to you|come back to you|уточню|узнаю|выясню|\
         вернусь с ответом|проверю и",
    )
});
/// Talk that is no answer to write down.
static PUSH: List = LazyLock::new(|| {
    list(
        "everybody|everyone|honestly|trust me|won't find|best|they barely|you'll love|only today|last chance|\
         поверьте|честное слово|лучше не найд|все довольны|последний шанс|только сегодня|уверяю|гарантирую",
    )
});
/// A reply is repeated only where it is surely proof, use or terms.
const SURE_OF_PROOF: f32 = 0.8;
/// Words that take something back, or back out.
static NEGATIONS: List = LazyLock::new(|| list("not|no|never|can't|don't|didn't|won't|isn't|не|нет|ни"));
/// Turns after an objection that still answer it.
const REACH: usize = 3;
/// Words of an answer.
const ANSWER: usize = 6;

fn answers(situation: &Situation<'_>, secrets: &Secrets, kind: EmailType, facts: &mut Vec<Shown>) -> Vec<Answer> {
    let mut answers = Vec::new();
    let turns = &situation.call.turns;
    let objections = if matches!(
        kind,
        EmailType::ThankYou | EmailType::RecapAgreement | EmailType::Handover
    ) {
        Vec::new()
    } else {
        open_objections(situation)
    };
    let told: Vec<String> = facts.iter().map(|(shown, _)| shown.clone()).collect();
    for at in objections
        .into_iter()
        .filter(|&at| !secrets.near_a_rival(situation, at))
    {
        let of_the_turn = [Signal::BuyerObjPrice, Signal::BuyerObjTrust]
            .into_iter()
            .flat_map(|objection| quotable(situation, secrets, objection))
            .find(|saying| saying.at == at && told.iter().all(|told| told != saying.text));
        let Some(about) = of_the_turn.map(|saying| saying.text) else {
            continue;
        };
        let reply = (at + 1..turns.len().min(at + 1 + REACH))
            .filter(|&reply| turns[reply].role == Role::Rep && situation.labels[reply].has(Signal::RepObjHandle))
            .filter(|&reply| !situation.labels[reply].has(Signal::RepPressure))
            // Talk soothes; what stands in writing is proof, use or terms.
            .filter(|&reply| {
                let of_price = situation.labels[at].has(Signal::BuyerObjPrice);
                let sure = |signal| {
                    situation.labels[reply]
                        .confidence(signal)
                        .is_some_and(|sure| sure >= SURE_OF_PROOF)
                };
                sure(Signal::RepProof) || sure(Signal::RepValueLink) || of_price && sure(Signal::RepPrice)
            })
            .find_map(|reply| {
                let part = sentences(&turns[reply].text)
                    .into_iter()
                    .filter_map(|sentence| quotes::telling_part(sentence, None))
                    .map(|part| without_address(situation, part))
                    .find(|part| part.split_whitespace().count() >= ANSWER && may_repeat(secrets, part))?;
                Some((part, reply))
            });
        let mut show = |text: &str, at: usize| {
            let fact = FollowUpFact {
                text: text.to_owned(),
                turn: turns[at].i,
            };
            facts.push((text.to_owned(), fact));
            text.to_owned()
        };
        answers.push(Answer {
            about: show(about, at),
            blank: reply.is_none() && kind == EmailType::ObjectionAnswer,
            reply: reply.map(|(part, at)| show(part, at)),
            later: false,
        });
    }
    for at in 0..turns.len().saturating_sub(1) {
        let (asked, next) = (&turns[at], &turns[at + 1]);
        let lower = next.text.to_lowercase().replace('’', "'");
        let later = next.role == Role::Rep && LATER.iter().any(|words| has_words(&lower, words));
        let of_weight = [
            Signal::BuyerBuyingSignal,
            Signal::BuyerPriceQuestion,
            Signal::BuyerProcess,
        ]
        .iter()
        .any(|&signal| situation.labels[at].has(signal));
        if asked.role != Role::Buyer || !later || !of_weight || secrets.near_a_rival(situation, at) {
            continue;
        }
        let question = sentences(&asked.text).into_iter().rfind(|sentence| {
            let words = sentence.split_whitespace().count();
            sentence.ends_with('?')
                && secrets.allow(at, sentence)
                && (4..=20).contains(&words)
                && !sentence.contains(['“', '”', '«', '»', '"', '['])
        });
        if let Some(question) = question {
            let about = quotes::trim(question.trim_end_matches('?')).to_owned();
            facts.push((
                about.clone(),
                FollowUpFact {
                    text: about.clone(),
                    turn: asked.i,
                },
            ));
            // That the answer comes later was said too.
            facts.push((about.clone(), said(situation, at + 1)));
            answers.push(Answer {
                about,
                reply: None,
                later: true,
                blank: false,
            });
        }
    }
    answers.truncate(2);
    answers
}

/// Without the buyer's name that opens a sentence: the letter has greeted already.
fn without_address<'a>(situation: &Situation<'_>, text: &'a str) -> &'a str {
    let name = person(situation, Role::Buyer);
    let rest = name
        .as_deref()
        .and_then(|name| text.strip_prefix(name)?.strip_prefix(", "));
    rest.unwrap_or(text)
}

fn may_repeat(secrets: &Secrets, text: &str) -> bool {
    let lower = text.to_lowercase().replace('’', "'");
    !PUSH.iter().any(|words| lower.contains(words))
        && !NEGATIONS.iter().any(|word| has_words(&lower, word))
        && secrets.allow_of_the_rep(text)
}

/// What the letter thanks for, something that was said, the weightiest first; and where it was said.
fn thanks(situation: &Situation<'_>, kind: EmailType, slots: &Slots) -> (&'static str, Option<Shown>) {
    // In the frame's own words: the day of the call is what stands in the letter.
    let shown = |at: Option<usize>| at.map(|at| (slots.call_day.clone(), said(situation, at)));
    let first = |signals: &[Signal]| {
        let with = |labels: &TurnLabels| signals.iter().any(|&signal| labels.has(signal));
        situation.labels.iter().position(with)
    };
    let last = |signal: Signal| situation.at(signal).last().copied();
    let numbers = |text: &String| {
        let lower = text.to_lowercase();
        situation
            .said(FieldName::PainImpact)
            .any(|field| !field.raw.is_empty() && lower.contains(&field.raw.to_lowercase()))
    };
    // What is quoted is a fact already.
    match kind {
        // Frames that do not thank.
        EmailType::Reminder | EmailType::CloseTheLoop | EmailType::Nurture | EmailType::ApproverBrief => {
            return ("time", None);
        }
        _ if slots.refused => return ("refusal", shown(last(Signal::BuyerRefusal))),
        EmailType::RecapAgreement | EmailType::Handover => {
            let ordered = situation.labels.iter().rposition(|labels| labels.has_cue(Cue::Order));
            return ("order", shown(ordered.or_else(|| last(Signal::BuyerCommitment))));
        }
        EmailType::ObjectionAnswer if !slots.answers.is_empty() => return ("doubts", None),
        _ => {}
    }
    if slots.impact.as_ref().is_some_and(numbers) {
        return ("numbers", None);
    }
    if slots.wish.is_some() {
        return ("wish", None);
    }
    if slots.problem.is_some() {
        return ("problem", None);
    }
    if let Some(at) = first(&[Signal::BuyerProcess, Signal::BuyerDecider]) {
        return ("decision", shown(Some(at)));
    }
    match first(&[Signal::BuyerSituation]) {
        Some(at) => ("situation", shown(Some(at))),
        None => ("time", None),
    }
}

/// A turn, by its telling sentence.
fn said(situation: &Situation<'_>, at: usize) -> FollowUpFact {
    let evidence = situation.quote(at);
    FollowUpFact {
        text: evidence.quote,
        turn: evidence.turn,
    }
}
