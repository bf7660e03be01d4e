//! Whether words of the call read well in a letter: a whole sentence about the work, no story, no joke, no half of one.
//!
//! A quote that a reader would frown at is worse than none, so what shows none of these signs stays out.

use std::sync::LazyLock;

use super::words::{List, list, plain, tokens, words};
use crate::domain::Language;

/// Beginnings of words of business: orders, people at work, machines, time, money, what goes wrong with them.
static BUSINESS: List = LazyLock::new(|| {
    list(
        "board|hand|morning|night|evening|desk|drawing|plan|plant|factory|workshop|kitchen|room|building|field|\
         farm|crop|door|gate|water|power|light|road|station|order|customer|client|patient|guest|tenant|resident|\
         driver|truck|van|vehicle|fleet|machine|equipment|engine|line|shift|stock|inventory|warehouse|pallet|\
         invoice|bill|payment|paying|paid|pay|money|dollar|pound|euro|budget|price|cost|margin|revenue|sale|lead|\
         call|phone|email|mail|message|report|spreadsheet|excel|paper|form|file|data|system|software|server|login|\
         app|tool|record|schedule|book|appointment|deliver|shipment|route|site|store|shop|branch|office|team|\
         staff|crew|hire|hiring|train|contract|renew|audit|security|insur|claim|complian|hour|day|week|month|\
         minute|quarter|year|percent|number|batch|product|part|supplier|maintenance|repair|downtime|outage|energy|\
         fuel|heat|temperature|quality|defect|scrap|return|refund|complain|project|deadline|task|lesson|student|\
         class|course|camera|meter|sensor|manual|password|account|bank|tax|fine|penalt|lose|losing|lost|waste|\
         miss|late|delay|wait|fail|error|mistake|overtime|visit|booking|screen|dashboard|list|alert|document|sign|\
         policy|loan|rent|warranty|утр|ноч|вечер|план|цех|завод|поле|ферм|кухн|комнат|здани|двер|ворот|вода|воды|\
         воду|свет|дорог|станци|котел|насос|кабел|книг|групп|заказ|заявк|клиент|покупател|пациент|гост|жильц|\
         водител|машин|станок|станк|лини|смен|склад|остатк|счет|оплат|деньг|денег|рубл|тысяч|миллион|бюджет|цен|\
         стоим|марж|выручк|продаж|лид|звонк|звоним|звонят|перезван|телефон|почт|письм|отчет|таблиц|эксел|бумаг|\
         бланк|файл|данн|систем|программ|сервер|прилож|журнал|запис|расписан|брон|достав|отгруз|маршрут|объект|\
         магазин|филиал|офис|сотрудник|людей|люди|бригад|персонал|договор|аудит|безопас|страхов|час|дня|дней|\
         недел|месяц|минут|квартал|процент|парти|товар|детал|поставщик|ремонт|просто|полом|энерг|топлив|тепл|\
         температур|качеств|брак|возврат|жалоб|проект|срок|задач|урок|ученик|занят|камер|видео|счетчик|датчик|\
         вручную|парол|банк|налог|штраф|теря|потер|ошиб|опазд|задерж|лома|сбо|срыв|переработ|документ|экран|\
         список|подпис|ставк|кредит|аренд|гаранти|подрядчик|закуп|монтаж|установк|контрол",
    )
});
/// Comparisons, oaths, and what belongs to no business.
static FIGURES: List = LazyLock::new(|| {
    list(
        "like a|like an|like the|like it's|like they|like we|was like|he's like|as if|he goes|she goes|\
         he was like|bless|god|lord|jesus|hell|devil|damn|pope|soul|funny|joke|joking|kidding|swear|tell you|\
         divorce|divorces|wife|husband|heck|sleep|haircut|nephew|niece|grandma|grandmother|uncle|auntie|aunt|\
         funeral|wedding|brother-in-law|mother-in-law|shirt|soap opera|circus|secret|geez|slept|pregnant|\
         как будто|будто|словно|прям как|как в|как у|как с|как на|как из|как говорится|говорит|говорю|боже|\
         господи|черт|блин|смешно|шутк|шучу|анекдот|жена|муж|теща|свекровь|бабушка|дед|похорон|похороны|цирк|кино|\
         зуб|секрет|клянусь",
    )
});
/// Words that a sentence does not end with, nor a mark follows unless the speaker stumbled.
static OPEN_ENDS: List = LazyLock::new(|| {
    list(
        "the|a|an|and|or|but|of|for|with|because|so|if|my|our|your|their|is|are|was|were|i'm|it's|we're|they're|\
         than|as|who|um|uh|er|yeah|и|а|но|что|чтобы|в|на|с|к|по|из|у|о|для|или|если|когда|же|от|до|без|при|про|\
         мой|наш|ну|это|э|ээ|как|не|ни",
    )
});
/// Words that begin the other half of a sentence.
static HALVES: List = LazyLock::new(|| {
    list(
        "than|which|whose|whom|or|nor|then|also|not|anyway|plus|like|or|или|либо|который|которая|которое|которые|\
         чем|тоже|также|зато|хотя|причем",
    )
});
/// Words that point to what the letter does not show.
static POINTERS: List = LazyLock::new(|| {
    list(
        "it|it's|that|that's|this|they|they're|he|he's|she|she's|there|here|those|these|это|этот|эта|он|она|оно|\
         они|там|так|тут|то|такое|такая|такой",
    )
});
/// People spoken of.
static PERSONS: List = LazyLock::new(|| list("he|he's|he'd|she|she's|she'd|him|his|her|himself|herself"));
/// People spoken of, where a sentence begins with them.
const ABOUT: &[&str] = &["он", "она", "они", "ему", "ей"];
/// English verbs that their endings do not tell.
static VERBS: List = LazyLock::new(|| {
    list(
        "is|are|was|were|be|been|am|has|have|had|do|does|did|can|can't|cannot|could|couldn't|will|won't|would|\
         wouldn't|should|must|need|needs|want|wants|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|haven't|\
         hasn't|ain't|i'm|it's|that's|there's|we're|they're|you're|we've|i've|they've|i'd|we'd|it'd|get|gets|got|\
         go|goes|went|lose|loses|lost|pay|pays|paid|take|takes|took|cost|costs|call|calls|miss|wait|make|makes|\
         made|come|comes|came|know|see|say|says|said|put|keep|keeps|kept|run|runs|ran|spend|spends|spent|find|\
         found|forget|leave|left|send|sent|break|breaks|broke|fail|fails|happen|happens|work|works|use|give|lands|\
         fill|type|types|write|sit|sits|cut|think|start|expires|ends|starts|opens|rolls|renews",
    )
});
/// Endings of Russian verbs, with the letters that a word needs before them.
const RU_ENDINGS: &[&str] = &[
    "ет", "ут", "ют", "ит", "ат", "ят", "ем", "им", "ал", "ил", "ел", "ла", "ло", "ли", "ть", "ся", "ются", "ется",
    "шь", "ете", "ите", "ти", "чь",
];
/// Russian words that say as much as a verb.
const RU_VERBS: &[&str] = &[
    "нет",
    "надо",
    "нужно",
    "нужен",
    "нужна",
    "нужны",
    "можно",
    "нельзя",
    "есть",
    "был",
    "хочу",
    "могу",
    "вижу",
    "плачу",
];

/// A whole sentence, no story about somebody, no figure of speech. `elliptic`: a number or a day says enough without a verb.
pub fn is_plain(text: &str, language: Language, elliptic: bool) -> bool {
    let all = words(text);
    let of_somebody = all.first().is_some_and(|first| ABOUT.contains(&first.as_str()));
    !is_broken(text, &all)
        && (elliptic || !runs_on(text))
        && !is_figure(&all)
        && !of_somebody
        && !all.iter().any(|word| PERSONS.contains(&word.as_str()))
        && { elliptic || all.iter().any(|word| is_verb(word, language)) }
}

/// Stops before its end.
pub fn is_unfinished(text: &str) -> bool {
    let all = words(text);
    all.last().is_none_or(|last| OPEN_ENDS.contains(&last.as_str()))
}

/// Words of two speakers in one turn: "R: It's not borrowing", "— KYLE".
pub fn is_of_two(text: &str) -> bool {
    let capitals = |word: &str| word.chars().all(|c| c.is_uppercase() || c.is_ascii_digit());
    tokens(text).any(|(at, word)| {
        let label = word.chars().count() <= 2 && text[at + word.len()..].starts_with(':');
        let shout = word.chars().count() > 2 && text[..at].ends_with("— ");
        word.starts_with(char::is_uppercase) && capitals(word) && (label || shout)
    })
}

/// More words in a row without a mark are speech that nobody put into sentences.
const UNMARKED: usize = 18;

fn runs_on(text: &str) -> bool {
    text.split_whitespace().count() > UNMARKED && !text.contains([',', ';', ':', '—', '–', '.'])
}

/// Speaks of work, time or money.
pub fn is_business(text: &str) -> bool {
    words(text).iter().any(|word| {
        word.starts_with(|c: char| c.is_ascii_digit())
            || BUSINESS.iter().any(|beginning| match beginning.chars().count() {
                // "Day" and "late" stand alone or have an ending, "dayton" and "latex" are other words.
                0..=4 => word
                    .strip_prefix(beginning)
                    .is_some_and(|rest| rest.chars().count() <= 3),
                _ => word.starts_with(beginning),
            })
    })
}

/// Begins with a word whose meaning stands elsewhere in the call.
pub fn points_away(text: &str) -> bool {
    let first = words(text).into_iter().next().unwrap_or_default();
    POINTERS.contains(&first.as_str())
}

/// The sentence stops, stumbles or begins in its middle.
fn is_broken(text: &str, all: &[String]) -> bool {
    let Some(first) = all.first() else {
        return true;
    };
    let stumbles = tokens(text).any(|(at, word)| {
        let behind = &text[at + word.len()..];
        let word = plain(word);
        let open = [
            "the", "a", "an", "my", "our", "is", "are", "um", "uh", "э", "ээ", "мм", "в", "на",
        ];
        behind.starts_with([',', '—']) && open.contains(&word.as_str())
    });
    let twice = all
        .windows(2)
        .any(|pair| pair[0] == pair[1] && pair[0].chars().count() > 1);
    is_unfinished(text) || HALVES.contains(&first.as_str()) || stumbles || twice || is_of_two(text)
}

fn is_figure(all: &[String]) -> bool {
    let spaced = format!(" {} ", all.join(" "));
    FIGURES.iter().any(|figure| {
        let wanted = format!(" {figure} ");
        spaced.match_indices(&wanted).any(|(at, _)| {
            // "We'd like a list" compares nothing.
            let before = spaced[..at].rsplit(' ').next().unwrap_or_default();
            let wishes =
                before.ends_with("'d") || ["would", "i", "we", "you", "they", "not", "really"].contains(&before);
            !(figure.starts_with("like") && wishes)
        })
    })
}

fn is_verb(word: &str, language: Language) -> bool {
    match language {
        Language::En => {
            let inflected = word.chars().count() > 4 && (word.ends_with("ed") || word.ends_with("ing"));
            inflected
                || VERBS.contains(&word)
                || word.ends_with("n't")
                || word.ends_with("'re")
                || word.ends_with("'ll")
        }
        Language::Ru => {
            RU_VERBS.contains(&word)
                || word.chars().count() > 3 && RU_ENDINGS.iter().any(|ending| word.ends_with(ending))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_about_the_work_reads_well() {
        for (text, language) in [
            ("the board is filled by hand every morning", Language::En),
            ("We lose ten orders a week that way", Language::En),
            ("I want one list of all promised calls", Language::En),
            ("I'd like the room screen to show it", Language::En),
            ("Заявки теряются каждый день на смене", Language::Ru),
            ("мы вручную сводим отчёты", Language::Ru),
        ] {
            assert!(is_plain(text, language, false) && is_business(text), "{text}");
        }
    }

    #[test]
    fn stories_jokes_and_halves_do_not() {
        for (text, language) in [
            ("it was like a pope who's not elected", Language::En),
            ("There was a, there's a nursing home out on Reynolds", Language::En),
            ("With the thirty-five dollars, yeah", Language::En),
            ("then there's the other side which is every year", Language::En),
            ("Gary and his fellows were not opening the tablet", Language::En),
            ("I used to play badminton for county so it's a bit, um", Language::En),
            ("not dwayne and not some fella in california", Language::En),
            ("это как в цирке, честное слово", Language::Ru),
            ("или заявки, которые потом теряются", Language::Ru),
            ("пятьсот рублей за тумбочку", Language::Ru),
            ("мы это записываем в", Language::Ru),
        ] {
            assert!(!is_plain(text, language, false), "{text}");
        }
        assert!(is_of_two("R: It's not borrowing B3: no") && is_of_two("if he don't come through — KYLE"));
        assert!(!is_of_two("Two things: price and SLA"));
        assert!(!is_business("There were a little lass"));
        assert!(!is_business("Это длилось долго и больно"));
        assert!(points_away("It does eleven thousand a month") && !points_away("We lose a day"));
    }
}
