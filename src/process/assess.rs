//! Signals and fields → scores of the elements (B.4) → stage of the deal (B.3).

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::evidence::{is_dated, sentence};
use super::file::{Process, TOP};
use crate::domain::{
    Call, CallOutcome, Deal, DealStage, DecidedBy, Decision, Element, ElementScore, Evidence, Field, FieldName,
    FieldStatus, FieldValue, Language, Move, Role, Signal, TurnLabels,
};

/// Words by which a speaker claims the decision without a limit ("up to ten I can sign" has one).
const SELF_DECIDES: &[&str] = &[
    "my call",
    "my decision",
    "i decide",
    "i'm the one who decides",
    "i make the decision",
    "it's me",
    "up to me",
    "i sign off on",
    "just me",
    "i own the",
    "my name's on the door",
    "решаю я",
    "решение за мной",
    "я решаю",
    "сам решаю",
    "сама решаю",
    "сам решу",
    "сама решу",
    "я принимаю решение",
    "учредитель я",
    "я собственник",
    "я владелец",
    "я хозяйка",
    "я хозяин",
    "моё решение",
];
/// Words by which benefit is weighed against cost.
const WORTH_IT: &[&str] = &[
    "pays for itself",
    "pay for itself",
    "worth it",
    "worth the",
    "pays back",
    "it's paid",
    "cover",
    "makes sense then",
    "cheaper than",
    "saves more",
    "fair price",
    "justif",
    "окуп",
    "выгодн",
    "отобь",
    "отбива",
    "стоит того",
    "дешевле, чем",
    "дешевле чем",
    "имеет смысл",
    "того стоит",
    "сходится",
    "покроет",
];
/// Words of a last step: the decision itself.
const DECISION: &[&str] = &[
    "sign",
    "approv",
    "contract",
    "decision",
    "decide",
    "purchase order",
    "pay ",
    "invoice",
    "подпис",
    "договор",
    "решени",
    "оплат",
    "утверд",
    "согласу",
];
const SIGNED: &[&str] = &[
    "i've signed",
    "i signed",
    "just signed",
    "signed it",
    "paid it",
    "i've paid",
    "just paid",
    "payment went",
    "подписал",
    "подписала",
    "оплатил",
    "оплатила",
    "оплату провели",
    "оплата прошла",
];
/// Words that take back nothing of an objection but let it rest.
const ACCEPTS: &[&str] = &[
    "okay, fair",
    "fair enough",
    "that's fair",
    "ладно, понятно",
    "понятно, ладно",
    "согласен",
    "согласна",
];
/// Conditions that keep a yes from being an order.
const CONDITIONS: &[&str] = &[
    "if ",
    "once ",
    "after ",
    "subject to",
    "если",
    "после ",
    "как только",
    "когда соглас",
];

/// Confidence that a call is no sales call, which no draw of signals tells.
const NO_SALES: f32 = 0.75;

struct Facts<'a> {
    call: &'a Call,
    labels: &'a [TurnLabels],
    fields: &'a [Field],
}

impl Facts<'_> {
    fn at(&self, signal: Signal) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&at| self.labels[at].has(signal))
            .collect()
    }

    fn lower(&self, at: usize) -> String {
        self.call.turns[at].text.to_lowercase()
    }

    fn says(&self, at: usize, words: &[&str]) -> bool {
        let lower = self.lower(at);
        words.iter().any(|word| lower.contains(word))
    }

    fn dated(&self, at: usize) -> bool {
        is_dated(&self.call.turns, at, self.fields)
    }

    /// The turn has a quantity: a field taken from it, a digit, or a number word.
    fn has_number(&self, at: usize) -> bool {
        let turn = &self.call.turns[at];
        let field = self.fields.iter().any(|field| {
            field.turn == Some(turn.i)
                && matches!(
                    field.value,
                    Some(FieldValue::Money(_) | FieldValue::Quantity(_) | FieldValue::Percent { .. })
                )
        });
        field || turn.text.contains(|c: char| c.is_ascii_digit()) || number_word(&self.lower(at))
    }

    fn quotes(&self, turns: &[usize], cues: &[&str]) -> Vec<Evidence> {
        let mut quotes: Vec<Evidence> = Vec::new();
        for &at in turns {
            let evidence = sentence(&self.call.turns[at], cues);
            if !evidence.quote.is_empty() && !quotes.contains(&evidence) {
                quotes.push(evidence);
            }
        }
        quotes
    }

    /// Speakers who said that the decision is theirs.
    fn deciders(&self) -> Vec<&str> {
        let own = self
            .at(Signal::BuyerDecider)
            .into_iter()
            .filter(|&at| self.says(at, SELF_DECIDES));
        own.map(|at| self.call.turns[at].speaker.as_str()).collect()
    }

    /// The last objection of this kind that nothing later took back.
    fn open_objection(&self, objection: Signal) -> Option<usize> {
        let last = *self.at(objection).last()?;
        let settled = (last + 1..self.labels.len()).any(|at| {
            self.labels[at].has(Signal::BuyerValueAck)
                || (self.call.turns[at].role == Role::Buyer && at <= last + 6 && self.says(at, ACCEPTS))
                || self.labels[at].has(Signal::BuyerCommitment) && objection != Signal::BuyerObjPrice
        });
        (!settled).then_some(last)
    }
}

fn number_word(lower: &str) -> bool {
    const WORDS: &[&str] = &[
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "fifteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "million",
        "grand",
        "half",
        "third",
        "quarter",
        "percent",
        "два",
        "две",
        "двух",
        "три",
        "трёх",
        "трех",
        "четыре",
        "пять",
        "шесть",
        "семь",
        "восемь",
        "девять",
        "десять",
        "двадцать",
        "тридцать",
        "сорок",
        "пятьдесят",
        "сто",
        "двести",
        "триста",
        "тысяч",
        "тысячи",
        "тысячу",
        "миллион",
        "миллиона",
        "миллионов",
        "полтора",
        "полутора",
        "половину",
        "процентов",
        "треть",
        "четверть",
    ];
    lower
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| WORDS.contains(&word))
}

/// A score with the turns that it rests on. Their words are taken only for the verdict that stands, not for each draw.
struct Found {
    score: u8,
    turns: Vec<usize>,
    /// Words that the quoted sentence should have.
    cues: &'static [&'static str],
}

impl Found {
    fn new(score: u8, turns: Vec<usize>) -> Self {
        Self {
            score,
            turns,
            cues: &[],
        }
    }

    fn nothing() -> Self {
        Self::new(0, Vec::new())
    }
}

fn pain(facts: &Facts<'_>) -> Found {
    let pains = facts.at(Signal::BuyerPain);
    let impacts = facts.at(Signal::BuyerImpact);
    if pains.is_empty() {
        return Found::nothing();
    }
    let mut score = 1;
    let mut turns = vec![pains[0]];
    if let Some(&impact) = impacts.iter().find(|&&at| facts.has_number(at)).or(impacts.first()) {
        score = 2;
        turns.push(impact);
        let deciders = facts.deciders();
        let owned = pains
            .iter()
            .find(|&&at| deciders.contains(&facts.call.turns[at].speaker.as_str()));
        let urgent = facts.at(Signal::BuyerTimeline).first().copied().or(owned.copied());
        if let (true, Some(urgent)) = (facts.has_number(impact), urgent) {
            score = 3;
            turns.push(urgent);
        }
    }
    if facts
        .open_objection(Signal::BuyerObjNeed)
        .is_some_and(|at| at > *pains.last().unwrap_or(&0))
    {
        score = score.min(1);
    }
    turns.dedup();
    Found::new(score, turns)
}

/// Words of a turn about deciders by which a later turn can name the same person: names and titles.
fn people(facts: &Facts<'_>, at: usize) -> Vec<String> {
    const TITLES: &[&str] = &[
        "cfo",
        "ceo",
        "coo",
        "cto",
        "owner",
        "director",
        "boss",
        "finance",
        "partner",
        "manager",
        "board",
        "husband",
        "wife",
        "финанс",
        "директор",
        "генеральн",
        "собственник",
        "хозяйк",
        "хозяин",
        "начальник",
        "главн",
        "учредител",
        "жен",
        "муж",
        "юрист",
        "безопасник",
    ];
    let turn = &facts.call.turns[at];
    let mut people = Vec::new();
    let mut sentence_start = true;
    for word in turn.text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let lower = bare.to_lowercase();
        let capital = bare.chars().next().is_some_and(char::is_uppercase);
        if let Some(title) = TITLES.iter().find(|title| lower.starts_with(**title)) {
            people.push((*title).to_owned());
        } else if capital && !sentence_start && bare.chars().count() > 2 {
            // Russian names change their ending: the stem is enough.
            let letters = lower.chars().count();
            people.push(lower.chars().take(letters.saturating_sub(1).max(3)).collect());
        }
        sentence_start = word.ends_with(['.', '?', '!']);
    }
    people
}

fn power(facts: &Facts<'_>) -> Found {
    let deciders = facts.at(Signal::BuyerDecider);
    if deciders.is_empty() {
        let champions = facts.at(Signal::BuyerChampion);
        let Some(&champion) = champions.first() else {
            return Found::nothing();
        };
        return Found::new(1, vec![champion]);
    }
    let mut score = 1;
    let mut turns = vec![deciders[0]];
    let own = facts.deciders();
    let named: Vec<String> = deciders.iter().flat_map(|&at| people(facts, at)).collect();
    let brought = facts.at(Signal::BuyerCommitment).into_iter().find(|&at| {
        let mut lower = facts.lower(at);
        if at > 0 {
            lower.push_str(&facts.lower(at - 1));
        }
        facts.dated(at) && named.iter().any(|person| lower.contains(person.as_str()))
    });
    if !own.is_empty() {
        score = 2;
        let by_decider = |signal| {
            facts
                .at(signal)
                .into_iter()
                .find(|&at| own.contains(&facts.call.turns[at].speaker.as_str()))
        };
        let spoke = [Signal::BuyerPain, Signal::BuyerVision, Signal::BuyerValueAck]
            .into_iter()
            .find_map(by_decider);
        let others = facts.at(Signal::BuyerProcess).first().copied();
        if let (Some(spoke), Some(others)) = (spoke, others) {
            score = 3;
            turns.extend([spoke, others]);
        }
    } else if let Some(brought) = brought {
        score = 2;
        turns.push(brought);
    }
    Found::new(score, turns)
}

fn vision(facts: &Facts<'_>) -> Found {
    let visions = facts.at(Signal::BuyerVision);
    let acks = facts.at(Signal::BuyerValueAck);
    let (Some(&first), Some(_)) = (visions.first(), acks.first()) else {
        let Some(&only) = visions.first().or(acks.first()) else {
            return Found::nothing();
        };
        return Found::new(1, vec![only]);
    };
    let shown = |until: usize| {
        (0..until).any(|at| {
            [Signal::RepValueLink, Signal::RepProof, Signal::RepPitch]
                .iter()
                .any(|&signal| facts.labels[at].has(signal))
        })
    };
    let fits = acks.iter().copied().find(|&at| at > first && shown(at));
    let Some(fits) = fits else {
        return Found::new(1, vec![first]);
    };
    let deciders = facts.deciders();
    let by_decider = |at: usize| deciders.contains(&facts.call.turns[at].speaker.as_str());
    let score = if visions.iter().any(|&at| by_decider(at)) && by_decider(fits) {
        3
    } else {
        2
    };
    Found::new(score, vec![first, fits])
}

fn value(facts: &Facts<'_>) -> Found {
    let acks = facts.at(Signal::BuyerValueAck);
    let losses: Vec<usize> = facts
        .at(Signal::BuyerImpact)
        .into_iter()
        .filter(|&at| facts.has_number(at))
        .collect();
    let priced = facts.at(Signal::RepPrice).first().copied();
    let weighed = acks.iter().copied().find(|&at| {
        let own_number = facts.has_number(at) || losses.iter().any(|&loss| loss < at);
        facts.says(at, WORTH_IT) && own_number && priced.is_some_and(|priced| priced < at)
    });
    let open = facts.open_objection(Signal::BuyerObjPrice);
    if let Some(weighed) = weighed {
        let deciders = facts.deciders();
        let decider = deciders.contains(&facts.call.turns[weighed].speaker.as_str());
        let money = facts
            .fields
            .iter()
            .any(|field| field.field == FieldName::Budget && field.status == FieldStatus::Stated);
        return Found {
            cues: WORTH_IT,
            ..Found::new(if decider && money { 3 } else { 2 }, vec![weighed])
        };
    }
    if let Some(open) = open {
        return Found::new(0, vec![open]);
    }
    match (acks.first(), losses.first()) {
        (Some(&one), _) | (None, Some(&one)) => Found::new(1, vec![one]),
        (None, None) => Found::nothing(),
    }
}

fn control(facts: &Facts<'_>, refused: Option<usize>) -> Found {
    if let Some(refused) = refused {
        return Found::new(0, vec![refused]);
    }
    let steps = facts.at(Signal::BuyerCommitment);
    let dated: Vec<usize> = steps.iter().copied().filter(|&at| facts.dated(at)).collect();
    let Some(&first) = dated.first() else {
        return Found::nothing();
    };
    let signed = steps.iter().copied().find(|&at| facts.says(at, SIGNED));
    let decision = dated.iter().copied().find(|&at| facts.says(at, DECISION));
    let (score, turns) = match (signed, decision) {
        (Some(signed), _) => (3, vec![signed]),
        (None, Some(decision)) if dated.len() > 1 => (2, vec![first, decision]),
        _ => (1, vec![first]),
    };
    Found::new(score, turns)
}

/// A refusal that no later step of the buyer took back.
fn refusal(facts: &Facts<'_>) -> Option<usize> {
    let last = *facts.at(Signal::BuyerRefusal).last()?;
    let taken_back = facts.at(Signal::BuyerCommitment).iter().any(|&at| at > last);
    (!taken_back).then_some(last)
}

/// An unconditional yes to the rep's question for the order.
fn order(facts: &Facts<'_>) -> Option<usize> {
    facts.at(Signal::BuyerCommitment).into_iter().find(|&at| {
        let asked = (at.saturating_sub(2)..at).any(|before| facts.labels[before].has(Signal::RepClose));
        (asked && !facts.says(at, CONDITIONS)) || facts.says(at, SIGNED)
    })
}

fn outcome(facts: &Facts<'_>, refused: bool, ordered: bool) -> CallOutcome {
    if refused {
        CallOutcome::NoSale
    } else if ordered {
        CallOutcome::Order
    } else if facts.at(Signal::BuyerCommitment).is_empty() {
        CallOutcome::Continuation
    } else {
        CallOutcome::Advance
    }
}

/// Signals that make a talk more than a first contact.
const SUBSTANCE: [Signal; 10] = [
    Signal::BuyerPain,
    Signal::BuyerImpact,
    Signal::BuyerVision,
    Signal::BuyerDecider,
    Signal::BuyerProcess,
    Signal::BuyerBudget,
    Signal::BuyerTimeline,
    Signal::BuyerValueAck,
    Signal::BuyerBuyingSignal,
    Signal::BuyerCommitment,
];

fn stage_of(element: Element) -> DealStage {
    match element {
        Element::Pain => DealStage::Pain,
        Element::Power => DealStage::Power,
        Element::Vision => DealStage::Vision,
        Element::Value => DealStage::Value,
        Element::Control => DealStage::Control,
    }
}

/// Where the deal stands after this call alone.
pub fn assess(
    process: &Process,
    call: &Call,
    labels: &[TurnLabels],
    fields: &[Field],
    language: Language,
    not_sales: bool,
) -> Deal {
    let silent: Vec<TurnLabels> = labels
        .iter()
        .map(|label| TurnLabels {
            signals: Vec::new(),
            doubts: Vec::new(),
            ..label.clone()
        })
        .collect();
    let facts = Facts {
        call,
        labels: if not_sales { &silent } else { labels },
        fields,
    };
    let said = verdict(process, &facts);
    let doubt = doubt(process, &facts, &said);
    let refused = said.refused;
    let elements: Vec<ElementScore> = process
        .elements()
        .iter()
        .zip(&said.found)
        .zip(&doubt.scores)
        .map(|((rule, found), &confidence)| ElementScore {
            element: rule.id,
            score: found.score,
            confidence,
            why: rule.why(found.score, language).to_owned(),
            evidence: facts.quotes(&found.turns, found.cues),
            missing: rule
                .missing(found.score, language)
                .map(str::to_owned)
                .into_iter()
                .collect(),
        })
        .collect();
    let ordered = order(&facts);
    let stage = (!not_sales).then_some(said.stage);
    let confidence = if not_sales {
        NO_SALES
    } else {
        doubt.stage * process.thresholds().trusted
    };
    let mut flags = Vec::new();
    if ordered.is_some() && !matches!(stage, Some(DealStage::Commit | DealStage::Won | DealStage::Lost)) {
        flags.push("verbal_yes".to_owned());
    }
    if fields.iter().any(|field| field.status == FieldStatus::Conflict) {
        flags.push("conflict".to_owned());
    }
    let limits = process.thresholds();
    let buyer_turns = call.turns.iter().filter(|turn| turn.role == Role::Buyer).count();
    let short = buyer_turns < limits.buyer_turns || call.duration_s.is_some_and(|seconds| seconds < limits.call_s);
    let sum: u32 = elements.iter().map(|element| u32::from(element.score)).sum();
    let top = (elements.len() * TOP) as f32;
    let product: f32 = elements
        .iter()
        .map(|element| f32::from(element.score) / TOP as f32)
        .product();
    let on_hold = !not_sales
        && refused.is_none()
        && facts.at(Signal::BuyerCommitment).is_empty()
        && facts
            .at(Signal::BuyerDelay)
            .last()
            .is_some_and(|&at| facts.dated(at) || facts.labels[at].has(Signal::BuyerTimeline));
    Deal {
        process: process.id().to_owned(),
        process_hash: process.hash().to_owned(),
        stage,
        confidence,
        abstained: !not_sales && (short || confidence < limits.decided),
        on_hold,
        flags,
        coverage: sum as f32 / top,
        index: product.powf(1.0 / elements.len() as f32),
        elements,
        call_outcome: stage.map(|_| outcome(&facts, refused.is_some(), ordered.is_some())),
        previous_stage: call.previous_stage,
        step: stage.and_then(|stage| moved(call.previous_stage?, stage, short)),
    }
}

/// What a set of labels comes to.
struct Verdict {
    /// In the order of the elements of the process.
    found: Vec<Found>,
    refused: Option<usize>,
    stage: DealStage,
}

fn verdict(process: &Process, facts: &Facts<'_>) -> Verdict {
    let refused = refusal(facts);
    let found: Vec<Found> = process
        .elements()
        .iter()
        .map(|rule| match rule.id {
            Element::Pain => pain(facts),
            Element::Power => power(facts),
            Element::Vision => vision(facts),
            Element::Value => value(facts),
            Element::Control => control(facts, refused),
        })
        .collect();
    let signed = facts
        .at(Signal::BuyerCommitment)
        .into_iter()
        .any(|at| facts.says(at, SIGNED));
    let stage = if signed {
        DealStage::Won
    } else if refused.is_some() {
        DealStage::Lost
    } else if SUBSTANCE.iter().all(|&signal| facts.at(signal).is_empty()) {
        DealStage::Lead
    } else {
        let gap = process.elements().iter().zip(&found).find(|(_, found)| found.score < 2);
        gap.map_or(DealStage::Commit, |(rule, _)| stage_of(rule.id))
    };
    Verdict { found, refused, stage }
}

/// How often the verdict would be the same, were each signal there as often as its probability says.
struct Doubt {
    stage: f32,
    scores: Vec<f32>,
}

/// Draws of labels. 200 know a share to about 0.03, which is finer than the probabilities themselves are known.
const DRAWS: usize = 200;

/// Draws labels by their probabilities and judges each draw; the seed is fixed, so the same call gives the same doubt.
fn doubt(process: &Process, facts: &Facts<'_>, said: &Verdict) -> Doubt {
    let mut rng = StdRng::seed_from_u64(1);
    let mut same_stage = 0;
    let mut same_scores = vec![0; said.found.len()];
    for _ in 0..DRAWS {
        let labels: Vec<TurnLabels> = facts
            .labels
            .iter()
            .map(|label| {
                let mut signals: Vec<Decision<Signal>> = Vec::new();
                let mut draw = |id: Signal, confidence: f32, decided_by| {
                    if rng.random::<f32>() < confidence {
                        signals.push(Decision {
                            id,
                            confidence,
                            decided_by,
                        });
                    }
                };
                label
                    .signals
                    .iter()
                    .for_each(|signal| draw(signal.id, signal.confidence, signal.decided_by));
                label
                    .doubts
                    .iter()
                    .for_each(|&(id, chance)| draw(id, chance, DecidedBy::Local));
                TurnLabels {
                    stage: label.stage,
                    signals,
                    doubts: Vec::new(),
                }
            })
            .collect();
        let drawn = verdict(
            process,
            &Facts {
                labels: &labels,
                ..*facts
            },
        );
        same_stage += usize::from(drawn.stage == said.stage);
        for (same, (drawn, said)) in same_scores.iter_mut().zip(drawn.found.iter().zip(&said.found)) {
            *same += usize::from(drawn.score == said.score);
        }
    }
    let share = |count: usize| count as f32 / DRAWS as f32;
    Doubt {
        stage: share(same_stage),
        scores: same_scores.into_iter().map(share).collect(),
    }
}

fn moved(before: DealStage, now: DealStage, short: bool) -> Option<Move> {
    Some(match now.index().cmp(&before.index()) {
        _ if short => Move::TooEarly,
        std::cmp::Ordering::Greater => Move::Advance,
        std::cmp::Ordering::Equal => Move::Stay,
        std::cmp::Ordering::Less => Move::Back,
    })
}
