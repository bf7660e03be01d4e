//! Who talks, who decides, whose firm it is, what is in use there, and who else is looked at.

use std::ops::Range;

use super::super::text::{says, sentence_around};
use super::super::{dates, names, people};
use super::{Extractor, contains, first_word_end, small};
use crate::domain::{Competitor, CompetitorStatus, FieldName, FieldValue, Signal};

const IN_HOUSE: &[&str] = &[
    "in house",
    "in-house",
    "ourselves",
    "our dev",
    "build it",
    "сами напиш",
    "сам соберет",
    "своими силами",
    "сами сдела",
    "айтишники говорят",
    "breeds them himself",
    "do it myself",
    "do this ourselves",
    "сам напишу",
    "свое писать",
    "на коленке",
    "своими руками",
];
/// The rep asks what is in use.
const ASKS_TOOL: &[&str] = &[
    "what do you use",
    "what are you using",
    "are you using",
    "you use",
    "which one is it",
    "who's it with",
    "who is it with",
    "who it's with",
    "who do you use",
    "who are you with",
    "you're with",
    "what are you on",
    "what've you got",
    "what make",
    "how do you keep",
    "how do you know",
    "how are you doing",
    "how you're doing",
    "who builds",
    "in what?",
    "with what",
    "kept, like",
    "чем вы",
    "чем сейчас",
    "чем у вас",
    "на чем ",
    "в чем ",
    "с чем ",
    "с кем работаете",
    "какой у вас",
    "какая у вас",
    "какие у вас",
    "у кого вы",
    "где записыва",
    "где вед",
    "как вы ",
    "как у вас",
    "как это у вас",
    "как делаете",
    "как поливаете",
    "как считаете",
    "пользуетесь",
    "система?",
    "машины какие",
    "откуда",
    "какой котел",
    "чем меряете",
    "чем опрыск",
    "банк какой",
    "откуда?",
];
const ASKS_NO_TOOL: &[&str] = &[
    "how many",
    "how much",
    "how long",
    "when",
    "сколько",
    "когда",
    "как дела",
    "как вас",
    "how are you?",
    "how are you today",
    "как вам",
    "как по ощущ",
    "как думаете",
    "что мешает",
    "what's stopping",
    "почему",
    "why",
    "зовут",
    "как настро",
    "how old",
    "problem",
    "trouble",
    "bother",
    "проблем",
    "беспокоит",
    "болит",
];

impl Extractor<'_> {
    /// What is in use today: said by name, or in answer to the question.
    pub(super) fn tools(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let told = self.has(at, Signal::BuyerSituation) || self.has(at, Signal::BuyerPain);
        let found = if told { people::tools(&text) } else { Vec::new() };
        for range in &found {
            let value = FieldValue::Text(text[range.clone()].to_owned());
            self.add(FieldName::CurrentSolution, at, range, Some(value), 0.75);
        }
        if found.is_empty()
            && (told || at > 0 && self.has(at - 1, Signal::RepQSituation))
            && self.asks_for_tools(at)
            && let Some(range) = people::answer(&text)
        {
            let value = FieldValue::Text(text[range.clone()].to_owned());
            self.add(FieldName::CurrentSolution, at, &range, Some(value), 0.6);
        }
    }

    fn asks_for_tools(&self, at: usize) -> bool {
        let question = self.question_before(at);
        let asks = self.without_capitals || question.contains('?');
        asks && !contains(&question, ASKS_NO_TOOL)
            && (contains(&question, ASKS_TOOL) || {
                let today = says(
                    &question,
                    &[
                        "now",
                        "at the moment",
                        "currently",
                        "right now",
                        "today",
                        "presently",
                        "at present",
                        "сейчас",
                        "щас",
                    ],
                );
                today
                    && says(
                        &question,
                        &[
                            "what",
                            "who",
                            "how",
                            "which",
                            "using",
                            "чем",
                            "как ",
                            "какой",
                            "какая",
                            "какие",
                            "кто",
                            "откуда",
                            "с кем",
                            "что ",
                            "на чем",
                            "где",
                        ],
                    )
            })
    }

    pub(super) fn competitor(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let lower = self.lower(at);
        let first = 0..first_word_end(&text).min(text.trim_end().len());
        if contains(&lower, IN_HOUSE) {
            let range = sentence_around(&text, &first);
            self.add_competitor(at, &range, None, CompetitorStatus::InHouse, 0.65);
        } else if let Some(range) = names::name_inside(&text).filter(|range| self.may_compete(&text, range)) {
            self.add_competitor(
                at,
                &range,
                Some(&text[range.clone()]),
                CompetitorStatus::Considering,
                0.65,
            );
        } else {
            let range = sentence_around(&text, &first);
            self.add_competitor(at, &range, None, CompetitorStatus::Unnamed, 0.6);
        }
    }

    /// A name that is no day, no place, nobody on the call and not our own firm.
    fn may_compete(&self, text: &str, range: &Range<usize>) -> bool {
        let name = &text[range.clone()];
        let before = small(&text[..range.start]);
        let place = ["from ", "from the ", "in ", "из ", "через ", "в "]
            .iter()
            .any(|word| before.ends_with(word));
        let people = self.found.iter().any(|field| {
            matches!(&field.value, Some(FieldValue::Person(person)) if person.name.as_deref().is_some_and(|known| known.contains(name) || name.contains(known)))
        });
        let ours = self.call.seller.as_ref().and_then(|seller| seller.company.as_deref());
        !place
            && !people
            && ours.is_none_or(|ours| !small(ours).contains(&small(name)))
            && dates::find(name, self.language, self.call_date).is_empty()
    }

    /// Another offer that is spoken of without the signal.
    pub(super) fn competitor_in_passing(&mut self, at: usize) {
        const OTHERS: &[&str] = &[
            "another bidder",
            "other bidder",
            "other supplier",
            "our supplier",
            "present supplier",
            "your competitor",
            "i am getting at",
            "other offer",
            "other quote",
            "we have also asked",
            "ваши конкуренты",
            "у конкурент",
            "другие предлага",
            "у других",
            "мне предлагают",
            "дает по",
            "дают по",
            "сам напишу",
            "на коленке",
        ];
        let text = self.turn(at).text.clone();
        let lower = text.to_lowercase();
        let found = OTHERS
            .iter()
            .filter_map(|cue| Some((lower.find(cue)?, cue.len())))
            .min();
        if let Some((start, length)) = found.filter(|_| lower.len() == text.len()) {
            let range = sentence_around(&text, &(start..start + length));
            let status = if contains(&small(&text[range.clone()]), IN_HOUSE) {
                CompetitorStatus::InHouse
            } else if contains(&lower, &["our supplier", "present supplier", "i am getting"]) {
                CompetitorStatus::Incumbent
            } else {
                CompetitorStatus::Unnamed
            };
            self.add_competitor(at, &range, None, status, 0.55);
        }
    }

    pub(super) fn add_competitor(
        &mut self,
        at: usize,
        range: &Range<usize>,
        name: Option<&str>,
        status: CompetitorStatus,
        confidence: f32,
    ) {
        let name = name.map(str::to_owned);
        let value = FieldValue::Competitor(Competitor { name, status });
        self.add(FieldName::Competitors, at, range, Some(value), confidence);
    }

    /// The names in an answer to the question whom else the buyer looks at.
    pub(super) fn competitors_named(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        for range in people::brands(&text) {
            if !dates::find(&text[range.clone()], self.language, self.call_date).is_empty() {
                continue;
            }
            self.add_competitor(
                at,
                &range,
                Some(&text[range.clone()]),
                CompetitorStatus::Considering,
                0.65,
            );
        }
        let known = self
            .found
            .iter()
            .any(|field| field.field == FieldName::Competitors && field.turn == Some(self.turn(at).i));
        if !known && self.has(at, Signal::BuyerCompetitor) {
            self.competitor(at);
        }
    }
}
