//! What a letter never says (D.9, 8 and 9): what was told in confidence, advice on whom to win and how, talk of rivals and of
//! people. The labels of a turn tell it where the turn model heard it, its words where it did not: in doubt it stays out.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::super::Situation;
use super::words::{List, beginning, has_words, list, plain, tokens, words};
use super::{dates, person};
use crate::domain::{Field, FieldName, FieldValue, Role, Signal};

/// Said in confidence, of the record itself, or of people and their relations: never in writing.
static CONFIDENTIAL: List = LazyLock::new(|| {
    list(
        "between us|between you and me|between ourselves|just between|off the record|don't quote me|\
         do not quote me|don't tell|keep it to yourself|keep this to yourself|not for the record|in confidence|\
         confidential|confidentially|you didn't hear|didn't hear it from me|recorded line|being recorded|\
         recording|my boss|the boss|office politics|politics|fired|he hates|she hates|между нами|\
         между нами говоря|строго между|не для протокола|не под запись|не для записи|не ссылайтесь на меня|\
         я вам этого не говорил|я вам этого не говорила|я этого не говорил|я этого не говорила|по секрету|\
         по большому секрету|конфиденциально|никому не говорите|пусть останется|разговор записывается|начальство|\
         начальству|шеф|шефу|шефа|интриги|уволят|уволили|подсидеть",
    )
});
/// Words that weigh this offer against another. A star stands for any ending, here and below.
static RIVALS: List = LazyLock::new(|| {
    list(
        "competitor*|competition|also asked|also asking|also talking to|also looking at|also spoke|also spoken|\
         competing|rival*|bidder*|bids|tender*|incumbent|other vendor*|another vendor*|another supplier|\
         other supplier*|another company|other company|other companies|other guy*|other fell*|other people|\
         other lot|other crowd|other outfit*|other firm*|another firm|other quote*|another quote|other bid*|\
         other offer*|another offer|somebody else|someone else|undercut*|got a guy|a fella|a fellow|quoted me|\
         quoted us|offered me|offered us|came in at|конкурент*|тендер*|другие ребята|других ребят|другая компани*|\
         другой компани*|другую компани*|другие компани*|другой поставщик|другого поставщик*|другие поставщик*|\
         других поставщик*|другой подрядчик|другого подрядчик*|другой вендор|другого вендор*|другое предложени*|\
         другие предложени*|у других|других смотр*|третье предложени*|на авито|еще смотрим|еще спрашивал*|\
         еще общаемся|параллельно общаемся|параллельно смотрим|тоже смотрим|присматрива*|предыдущий подрядчик",
    )
});
/// What a buyer who says so weighs our offer against; the rep may well promise it.
static WEIGHED: List = LazyLock::new(|| {
    list(
        "elsewhere|cheaper|cheapest|half the price|half your price|found one|internet one|on the internet|\
         off the internet|online one|free one|free ones|for free|build it|build our own|in house|in-house|\
         do it himself|do it herself|do it ourselves|do it myself|alternative|alternatives|предлагали|предложили|\
         предлагают|предлагает|предлагал|дешевле|подешевле|за бесплатно|бесплатно|своими силами|сами напиш*|\
         сами сдела*|сами собер*|сам собер*|сам сдела*|альтернатив*|племянник*|предыдущие",
    )
});
/// How to win whom: what a friend inside tells the rep.
static ADVICE: List = LazyLock::new(|| {
    list(
        "don't mention|don't say|don't send|don't call|don't put|don't let|don't bring|don't show|never told you|\
         didn't tell you|i shouldn't say|when you talk to|when you meet|when you write to|talk to him|talk to her|\
         tell him|tell her|if you come with|lead with|start with the|feel her out|feel him out|he likes|she likes|\
         he loves|she loves|he's afraid|she's afraid|he'll never|she'll never|he's proud|proud man|\
         you'd want to watch|put in a word|put my name|on your side|back this|back you|work on him|work on her|\
         sit him|sit her|walk him|walk her|cousin|the one to fear|не говори*|не упоминай*|не вздумай*|\
         не присылай*|не пишите|не звони*|промолчи*|ему не|ей не|с ним лучше|с ней лучше|он любит|она любит|\
         он не любит|она не любит|ненавид*|боится|на дух не|клюнет|поверьте мне|замолвлю|поддержу|буду капать|\
         скажу ему|ему скажу|скажу ей|ей скажу|уговорю|процент имеет|откат*|свой человек|как подружке|обработаю",
    )
});
/// Another price beside ours.
static COMPARED: List = LazyLock::new(|| {
    list(
        "than|against|under you|over you|double|twice the|as much as|he says|she says|they say|he said|she said|\
         they said|somebody|a guy|чем|а у вас|берут|берет|делают за|сделает за|сделают за|отдают за|просят за|\
         насчитал*|сказали|нашел|нашла|дают|дает|у нас мужики|сосед*",
    )
});
/// Labels that are not sure enough to stand are still doubts from this probability on.
const DOUBTFUL: f32 = 0.15;
/// Turns of one side behind "between us": speech is cut into turns where somebody nods.
const NEAR: usize = 2;

/// Whether a text of the call says something that is not for writing.
pub fn confidential(text: &str) -> bool {
    let lower = text.to_lowercase().replace('’', "'");
    CONFIDENTIAL.iter().any(|words| has_words(&lower, words))
}

/// Words of the buyer may go into a letter to the buyer, unless said in confidence, as advice, or about a rival.
pub fn may_be_quoted(situation: &Situation<'_>, at: usize) -> bool {
    let labels = &situation.labels[at];
    !labels.has(Signal::BuyerChampion)
        && !labels.has(Signal::BuyerCompetitor)
        && !confidential(&situation.call.turns[at].text)
        && !names_a_rival(situation, &situation.call.turns[at].text)
}

/// A competitor of the fields is named.
pub fn names_a_rival(situation: &Situation<'_>, text: &str) -> bool {
    let lower = text.to_lowercase();
    situation.said(FieldName::Competitors).any(|field| match &field.value {
        Some(FieldValue::Competitor(rival)) => rival
            .name
            .as_deref()
            .is_some_and(|name| has_words(&lower, &name.to_lowercase())),
        _ => false,
    })
}

/// What must stay out of the letters of one call.
pub struct Secrets {
    /// Beginnings of names that fell beside talk of a rival.
    rivals: BTreeSet<String>,
    /// By place: nothing of the turn may be quoted.
    closed: Vec<bool>,
}

impl Secrets {
    pub fn new(situation: &Situation<'_>) -> Self {
        let turns = &situation.call.turns;
        let known = known_names(situation);
        let mut rivals = BTreeSet::new();
        for field in situation.said(FieldName::Competitors) {
            if let Some(FieldValue::Competitor(rival)) = &field.value {
                rivals.extend(
                    words(rival.name.as_deref().unwrap_or_default())
                        .iter()
                        .map(|word| beginning(word)),
                );
            }
        }
        for (turn, labels) in turns.iter().zip(situation.labels) {
            if turn.role == Role::Buyer && (labels.has(Signal::BuyerCompetitor) || weighs(&turn.text)) {
                let named = names(&turn.text).into_iter().map(|name| beginning(&name));
                rivals.extend(named.filter(|name| !known.contains(name)));
            }
        }
        let closed = (0..turns.len()).map(|at| is_closed(situation, at)).collect();
        Self { rivals, closed }
    }

    /// Whether a part of a turn may stand in a letter.
    pub fn allow(&self, at: usize, text: &str) -> bool {
        !self.closed.get(at).copied().unwrap_or(true) && self.open(text)
    }

    /// Whether a text says nothing of rivals and of how to win people, whoever says it.
    pub fn open(&self, text: &str) -> bool {
        !confidential(text) && !weighs(text) && !advises(text) && !self.names_a_rival(text)
    }

    fn names_a_rival(&self, text: &str) -> bool {
        words(text).iter().any(|word| self.rivals.contains(&beginning(word)))
    }

    /// Whether a letter may tell of a promise: the rep's unless it is about a rival, the buyer's unless it is a favour to the
    /// rep, or what is done inside of their company.
    pub fn allow_promise(&self, situation: &Situation<'_>, who: Role, turn: u32, text: &str) -> bool {
        if who == Role::Rep {
            return self.allow_of_the_rep(text);
        }
        let place = situation.call.turns.iter().position(|known| known.i == turn);
        let of_a_rival = place.is_none_or(|at| situation.labels[at].has(Signal::BuyerCompetitor));
        let inside = words(text)
            .iter()
            .any(|word| matches!(word.as_str(), "him" | "his" | "her" | "ему" | "ей"));
        !of_a_rival && !inside && self.open(text)
    }

    /// Whether the rep's words may be written.
    pub fn allow_of_the_rep(&self, text: &str) -> bool {
        !confidential(text) && !says(text, &RIVALS) && !self.names_a_rival(text)
    }

    /// A rival is spoken of in a turn or right beside it.
    pub fn near_a_rival(&self, situation: &Situation<'_>, at: usize) -> bool {
        let turns = &situation.call.turns;
        (at.saturating_sub(1)..turns.len().min(at + 2)).any(|near| {
            situation.labels[near].has(Signal::BuyerCompetitor)
                || weighs(&turns[near].text)
                || self.names_a_rival(&turns[near].text)
        })
    }
}

/// An objection to our price, not the price of somebody else.
pub fn compares_prices(text: &str) -> bool {
    says(text, &COMPARED) || !names(text).is_empty()
}

fn weighs(text: &str) -> bool {
    says(text, &RIVALS) || says(text, &WEIGHED)
}

fn advises(text: &str) -> bool {
    says(text, &ADVICE)
}

fn says(text: &str, signs: &[&str]) -> bool {
    let spaced = format!(" {} ", words(text).join(" "));
    signs.iter().any(|sign| match sign.strip_suffix('*') {
        Some(beginning) => spaced.contains(&format!(" {beginning}")),
        None => spaced.contains(&format!(" {sign} ")),
    })
}

fn is_closed(situation: &Situation<'_>, at: usize) -> bool {
    let turns = &situation.call.turns;
    let doubtful = |signal: Signal| {
        let doubts = situation.labels[at].doubts.iter();
        doubts
            .into_iter()
            .any(|&(doubt, chance)| doubt == signal && chance >= DOUBTFUL)
    };
    let in_confidence = (at.saturating_sub(NEAR)..=at)
        .any(|near| turns[near].role == turns[at].role && confidential(&turns[near].text));
    !may_be_quoted(situation, at)
        || doubtful(Signal::BuyerCompetitor)
        || doubtful(Signal::BuyerChampion)
        || in_confidence
        // Between two turns about a rival the talk is of the rival.
        || at > 0 && at + 1 < turns.len() && [at - 1, at + 1].iter().all(|&near| situation.labels[near].has(Signal::BuyerCompetitor))
}

/// First and last name of somebody.
pub fn names_somebody(text: &str) -> bool {
    let named = names(text);
    let all = words(text);
    let is_name = |word: &String| named.contains(word) && word.chars().count() > 2;
    all.windows(2).any(|pair| pair.iter().all(is_name))
}

/// Words with a capital inside of a sentence, in small letters; neither days nor months.
fn names(text: &str) -> Vec<String> {
    let named = tokens(text).filter(|&(at, word)| {
        let before = text[..at].trim_end();
        let inside = !before.is_empty() && !before.ends_with(['.', '!', '?', '…', ':', '—', '–']);
        let opens = text[..at].ends_with(['«', '“', '"']);
        let pronoun = word == "I" || word.starts_with("I'") || word.starts_with("I’");
        (inside || opens) && word.starts_with(char::is_uppercase) && !pronoun
    });
    named
        .map(|(_, word)| plain(word).trim_end_matches("'s").to_owned())
        .filter(|word| dates::weekday(word).is_none() && dates::month(word).is_none())
        .filter(|word| !["mr", "mrs", "ms", "dr"].contains(&word.as_str()))
        .collect()
}

/// Beginnings of the names that belong to the deal: people of both sides, the buyer's company, what is sold and by whom.
fn known_names(situation: &Situation<'_>) -> BTreeSet<String> {
    let mut known: Vec<String> = [Role::Buyer, Role::Rep]
        .into_iter()
        .filter_map(|side| person(situation, side))
        .collect();
    if let Some(seller) = &situation.call.seller {
        known.extend(seller.company.iter().chain(&seller.product).cloned());
    }
    known.extend(situation.call.turns.iter().filter_map(|turn| turn.name.clone()));
    // "A Turkish company" is taken for somebody who decides now and then.
    let of_a_rival = |field: &Field| {
        let turn = field.turn.and_then(|turn| situation.call.turn(turn));
        field.field == FieldName::DecisionMakers && turn.is_some_and(|turn| weighs(&turn.text))
    };
    for field in situation.fields.iter().filter(|field| !of_a_rival(field)) {
        match (&field.field, &field.value) {
            (FieldName::Participants | FieldName::DecisionMakers, Some(FieldValue::Person(person))) => {
                known.extend(person.name.clone());
            }
            (FieldName::BuyerCompany, Some(FieldValue::Text(name))) => known.push(name.clone()),
            _ => {}
        }
    }
    known
        .iter()
        .flat_map(|name| words(name))
        .map(|word| beginning(&word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_kept() {
        for text in [
            "Between us, start with security.",
            "Off the record: he signs anything.",
            "Only don’t quote me on this.",
            "Honestly, my boss hates change.",
            "You didn't hear it from me.",
            "Между нами, у них бюджет сгорает.",
            "Я вам этого не говорила, но директор уходит.",
            "По секрету: тендер уже расписан.",
            "С меня потом начальство три шкуры спустило.",
        ] {
            assert!(confidential(text), "{text}");
        }
        for text in [
            "We move between warehouses.",
            "Шефмонтаж нам не нужен.",
            "The record is wrong.",
        ] {
            assert!(!confidential(text), "{text}");
        }
    }

    #[test]
    fn rivals_and_advice_are_told_by_their_words() {
        for text in [
            "The other guys are half the price.",
            "We had another vendor in on Monday.",
            "I've got three bids on this category.",
            "My nephew found one on the internet.",
            "Don't mention the nursing home.",
            "You tell him it pays back by May.",
            "Put it first, I'll put my name on it.",
            "Другие ребята берут меньше.",
            "Нам предлагали похожее в прошлом году.",
            "Айтишники говорят, сами напишут.",
            "У конкурентов это есть.",
            "Вы ему не звоните.",
            "Я сам поддержу на комитете.",
        ] {
            assert!(weighs(text) || advises(text), "{text}");
        }
        for text in [
            "We lose ten orders a week that way.",
            "The other day a driver waited for two hours.",
            "Заявки теряются каждый день на смене.",
            "Мне говорили, что отчёт запаздывает.",
        ] {
            assert!(!weighs(text) && !advises(text), "{text}");
        }
        assert!(compares_prices(
            "four-ten a turbine against somebody at two ninety-five"
        ));
        assert!(compares_prices("Аслан дешевле, чем вы") && compares_prices("Мне в Перми один отдаёт за пятьсот"));
        assert!(!compares_prices("that is too much money for us") && !compares_prices("Для нас это дорого"));
    }

    #[test]
    fn names_stand_inside_of_sentences() {
        assert!(names_somebody("You visit Mary Atieno today") && names_somebody("Вчера Инга Чудова обошла склад"));
        assert!(!names_somebody("We use Excel on Monday") && !names_somebody("Mary Atieno"));

        assert_eq!(
            names("On Monday Gary and I met Vox-Haven's man. Karen came."),
            ["gary", "vox-haven"]
        );
        assert_eq!(names("Смотрим «Ключарь» и Астру во вторник"), ["ключарь", "астру"]);
    }
}
