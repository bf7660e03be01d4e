//! Who decides on the buyer's side.

use std::ops::Range;

use super::super::people::{self, Mention};
use super::super::text::{has_word, says, sentence_around};
use super::super::{dates, names};
use super::{ASKS_DECIDER, Extractor, contains, small};
use crate::domain::{DecisionRole, FieldName, FieldValue, Person, Role, Signal};

/// The speaker decides.
const SELF: &[&str] = &[
    "my call",
    "my decision",
    "i decide",
    "i do the signing",
    "i sign",
    "i can sign",
    "i does sign",
    "i approve",
    "i can approve",
    "i can order",
    "that's me",
    "it's me",
    "is me",
    "it is me",
    "it's mine",
    "is mine",
    "that's mine",
    "mine i can",
    "my signature",
    "me and my",
    "me and the",
    "me and ",
    "and myself",
    "myself and",
    "my company",
    "i look after the money",
    "in my power",
    "me decide",
    "i am procurement",
    "i can only advise",
    "i don't have to ask",
    "without my name",
    "leave her to me",
    "leave him to me",
    "решаю я",
    "решение за мной",
    "подписываю я",
    "я подписываю",
    "я подпишу",
    "я сам решаю",
    "я и решаю",
    "я решаю",
    "решу я",
    "сам решу",
    "сама решу",
    "сам решаю",
    "сама решаю",
    "решу сама",
    "моя подпись",
    "подпись моя",
    "визу ставлю",
    "визирую",
    "я и ",
    "я сам",
    "я сама",
    "деньги мои",
    "счет мой",
    "мы с ",
    " сама,",
    "ыше я",
    "тысяч я",
    "миллиона я",
    "я могу.",
    "я с директор",
];
/// Somebody who is not named decides.
const SOMEBODY: &[&str] = &[
    "who signs",
    "does the signing",
    "he signs",
    "she signs",
    "he decides",
    "she decides",
    "they decide",
    "has to sign",
    "have to sign",
    "he's the one",
    "she's the one",
    "he is the one",
    "she is the one",
    "the only man",
    "needs to ask",
    "have to ask",
    "says yes",
    "says no",
    "say no",
    "yes or no",
    "her money",
    "his money",
    "gets a vote",
    "has a say",
    "without him",
    "without her",
    "holds the purse",
    "её подпис",
    "его подпис",
    "ее подпис",
    "он подпис",
    "она подпис",
    "он решает",
    "она решает",
    "они решают",
    "без него",
    "без нее",
    "его согласие",
    "ее согласие",
    "скажет нет",
    "визу ставит",
    "деньги держит",
    "он скажет",
    "она скажет",
];
/// A name near them decides something.
const DECIDES: &[&str] = &[
    "decide",
    "decides",
    "sign",
    "signs",
    "approve",
    "approves",
    "countersign",
    "pick",
    "picks",
    "say",
    "says",
    "purse",
    "checkbook",
    "boss",
    "money",
    "ask",
    "okay",
    "permission",
    "request",
    "committee",
    "above",
    "over",
    "without",
    "подпис",
    "реша",
    "решен",
    "согласу",
    "утвер",
    "визу",
    "визир",
    "одобр",
    "деньг",
    "без ",
    "выше",
    "скажет",
    "хозяин",
    "директор",
    "против",
];

impl Extractor<'_> {
    pub(super) fn deciders(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let asked = self.asked(at, ASKS_DECIDER);
        let decided = self.has(at, Signal::BuyerDecider) || asked;
        let mut mentions = people::deciders(&text);
        if !decided {
            // A process names its bodies; who else is mentioned there decides nothing.
            mentions.retain(|mention| {
                mention.title.is_some() && contains(&small(&text[sentence_around(&text, &mention.range)]), DECIDES)
            });
        }
        // An answer may begin with the name; elsewhere the first capital is that of the sentence.
        if mentions.iter().all(|mention| mention.title.is_none())
            && asked
            && let Some(name) = names::name_first(&text)
        {
            mentions.clear();
            mentions.push(named(&text, name));
        }
        mentions.retain(|mention| self.is_person(&text, &mention.range));
        // Relatives and bodies are talked of for other reasons too.
        let whole = small(&text);
        mentions.retain(|mention| asked || mention.name.is_some() || says(&whole, DECIDES));
        let found = !mentions.is_empty();
        for mention in mentions {
            let person = Person {
                name: mention.name,
                title: mention.title,
                roles: mention.roles,
                side: Role::Buyer,
            };
            self.add(
                FieldName::DecisionMakers,
                at,
                &mention.range,
                Some(FieldValue::Person(person)),
                0.75,
            );
        }
        if !decided {
            return;
        }
        let lower = text.to_lowercase();
        let place = |cues: &[&str]| {
            let start = cues
                .iter()
                .filter_map(|cue| Some((lower.find(cue)?, cue.len())))
                .min()?;
            (lower.len() == text.len()).then(|| start.0..start.0 + start.1)
        };
        if let Some(range) = place(SELF) {
            let person = Person {
                name: None,
                title: None,
                roles: vec![DecisionRole::EconomicBuyer],
                side: Role::Buyer,
            };
            self.add(
                FieldName::DecisionMakers,
                at,
                &range,
                Some(FieldValue::Person(person)),
                0.8,
            );
        } else if !found
            && self.has(at, Signal::BuyerDecider)
            && let Some(range) = place(SOMEBODY)
        {
            let sentence = sentence_around(&text, &range);
            self.add(FieldName::DecisionMakers, at, &sentence, None, 0.55);
        }
    }

    /// A day or a firm that looks like a name decides nothing.
    fn is_person(&self, text: &str, range: &Range<usize>) -> bool {
        dates::find(&text[range.clone()], self.language, self.call_date).is_empty()
            && !has_word(&small(&text[range.clone()]), &["it does", "they board"])
    }
}

fn named(text: &str, name: Range<usize>) -> Mention {
    Mention {
        name: Some(text[name.clone()].to_owned()),
        range: name,
        title: None,
        roles: vec![DecisionRole::Approver],
    }
}
