//! Names of people by the words around them; no lists of names.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::people::pattern;
use super::text::tokens;

/// A Russian patronymic in any case stays with its name, and a surname on either side with both.
pub const NAME: &str = r"(?:[А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:(?:[оеиыь]в?ич|[ыь]ч|мич)(?:а|у|ем|е)?|[оеи][вч]н(?:а|ы|е|у|ой))\b(?: [А-ЯЁ][а-яё]+)?|[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)? [А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:(?:[оеиыь]в?ич|[ыь]ч|мич)(?:а|у|ем|е)?|[оеи][вч]н(?:а|ы|е|у|ой))\b|[A-ZА-ЯЁ][a-zа-яё]+(?:[- ][A-ZА-ЯЁ][a-zа-яё]+)?)";

/// Name, patronymic and surname in the nominative, in either order.
const FULL_NAME: &str = r"[А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:[оеиыь]в?ич|[ыь]ч|мич|[оеи][вч]на) [А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)?|[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)? [А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:[оеиыь]в?ич|[ыь]ч|мич|[оеи][вч]на)";

/// Words of labels that say a part in the talk, not a name.
const NO_PERSON: &[&str] = &[
    "account",
    "executive",
    "sales",
    "rep",
    "manager",
    "speaker",
    "customer",
    "buyer",
    "seller",
    "agent",
    "client",
    "support",
    "caller",
    "unknown",
    "team",
    "room",
    "director",
    "channel",
    "left",
    "right",
    "prospect",
    "host",
    "guest",
    "iphone",
    "менеджер",
    "клиент",
    "продавец",
    "покупатель",
    "спикер",
    "оператор",
    "директор",
    "отдел",
    "канал",
    "участник",
    "говорящий",
];
/// Words before a name that are said with it.
const HONORIFICS: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "mister",
    "madam",
    "doctor",
    "captain",
    "frau",
    "herr",
    "sir",
    "sister",
    "господин",
    "госпожа",
];

/// A label of a transcript that is a person's name.
pub fn label_name(label: &str) -> Option<&str> {
    // «Анна Белова (Вектор)»: the firm is not the name.
    let name = label.split(['(', '[', ',', '|']).next().unwrap_or_default().trim();
    let words: Vec<&str> = name.split_whitespace().collect();
    let of_name = |word: &str| {
        word.starts_with(char::is_uppercase)
            && word.chars().skip(1).any(char::is_lowercase)
            && word
                .trim_end_matches('.')
                .chars()
                .all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'))
            && !NO_PERSON.contains(&word.to_lowercase().as_str())
    };
    let initial = |word: &str| {
        word.chars().next().is_some_and(char::is_uppercase) && word.trim_end_matches('.').chars().count() == 1
    };
    let whole = words
        .iter()
        .enumerate()
        .all(|(at, word)| of_name(word) || at > 0 && at + 1 < words.len() && initial(word));
    let named = |name: &str| is_name(name) || is_honorific(words.first().copied().unwrap_or_default());
    ((1..=4).contains(&words.len()) && whole && named(name)).then_some(name)
}

fn is_honorific(word: &str) -> bool {
    HONORIFICS.contains(&word.trim_end_matches('.').to_lowercase().as_str())
}

/// Where a text says a name that is known from a label, in whatever case, with the honorific before it; and whether the
/// words are those of the label.
pub fn said_in(label: &str, text: &str) -> Option<(Range<usize>, bool)> {
    let of_label: Vec<String> = tokens(label)
        .into_iter()
        .map(|token| token.lower)
        .filter(|word| word.chars().count() > 2 && !is_honorific(word))
        .collect();
    let words = tokens(text);
    let is_said = |word: &str| of_label.iter().any(|known| same_name(known, word));
    let first = words.iter().position(|word| is_said(&word.lower))?;
    let mut last = first;
    while words
        .get(last + 1)
        .is_some_and(|word| !word.break_before && is_said(&word.lower))
    {
        last += 1;
    }
    let exact = words[first..=last].iter().all(|word| of_label.contains(&word.lower));
    let mut from = words[first].range.start;
    if let Some(before) = first.checked_sub(1).map(|before| &words[before])
        && is_honorific(&before.lower)
    {
        from = before.range.start;
    }
    // A patronymic that the label leaves out stays with the name.
    if let Some(behind) = words
        .get(last + 1)
        .filter(|word| !word.break_before && is_patronymic(&word.lower))
    {
        return Some((from..behind.range.end, exact));
    }
    Some((from..words[last].range.end, exact))
}

/// The same name: Russian ones may differ in their endings.
fn same_name(known: &str, word: &str) -> bool {
    if known == word {
        return true;
    }
    if known.is_ascii() || word.is_ascii() {
        return false;
    }
    let shared = known.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    let (a, b) = (known.chars().count(), word.chars().count());
    shared >= 3 && shared + 1 >= a && b <= shared + 2
}

fn is_patronymic(lower: &str) -> bool {
    const NONE: [&str; 3] = ["кирпич", "москвич", "паралич"];
    lower.chars().count() > 5
        && ["ович", "евич", "ьич", "ыч", "овна", "евна", "инична"]
            .iter()
            .any(|ending| lower.ends_with(ending))
        && !NONE.contains(&lower)
}

/// Beginnings of sentences that look like names to a pattern of capitals.
const NOT_NAMES: &[&str] = &[
    "The",
    "This",
    "That",
    "It",
    "We",
    "You",
    "They",
    "He",
    "She",
    "And",
    "But",
    "So",
    "Then",
    "Yes",
    "No",
    "Well",
    "Okay",
    "Sure",
    "Just",
    "Not",
    "Now",
    "Here",
    "There",
    "What",
    "How",
    "Why",
    "When",
    "Where",
    "Who",
    "My",
    "Our",
    "Your",
    "Hi",
    "Hello",
    "Hey",
    "Good",
    "Thanks",
    "Thank",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "Calling",
    "Great",
    "Glad",
    "Это",
    "Да",
    "Нет",
    "Ну",
    "А",
    "И",
    "Но",
    "Мы",
    "Вы",
    "Он",
    "Она",
    "Они",
    "Так",
    "Вот",
    "Все",
    "Всё",
    "Что",
    "Как",
    "Кто",
    "Где",
    "Добрый",
    "Доброе",
    "Здравствуйте",
    "Спасибо",
    "Хорошо",
    "Отлично",
    "Алло",
    "Слушаю",
    "Компания",
    "Если",
    "Тогда",
    "Меня",
    "Удобно",
    "Понял",
    "Не",
    "Никого",
    "Никто",
    "Пока",
    "Смотрим",
    "Смотрели",
    "Решаю",
    "Решает",
    "Решаем",
    "Подписываю",
    "Подписывает",
    "Наверное",
    "Точно",
    "Только",
    "Ещё",
    "Еще",
    "Был",
    "Была",
    "Были",
    "Есть",
    "Nobody",
    "None",
    "Only",
    "Honestly",
    "Depends",
    "Looking",
    "Поняла",
    "Давайте",
    "Сейчас",
    "Сегодня",
    "Завтра",
    "Конечно",
    "Right",
    "Perfect",
    "Mm",
    "Speaking",
    "Is",
    "Are",
    "In",
    "On",
    "Just",
    "Also",
    "Maybe",
    "Because",
    "Sorry",
    "Please",
    "Oh",
    "Um",
    "Uh",
    "IT",
    "CRM",
    "VAT",
    "Dr",
    "Mr",
    "Mrs",
    "Ms",
];

pub fn is_name(word: &str) -> bool {
    let first = word.split([' ', '-']).next().unwrap_or_default();
    first.chars().count() > 1 && !NOT_NAMES.contains(&first)
}

/// A person who introduces themself: name and company.
pub fn introduction(text: &str) -> Option<(Range<usize>, Option<Range<usize>>)> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(&format!(
                r"(?:[Tt]his is|[Mm]y name is|[Mm]y name's|[Ii]t's|[Ii]t is|[Hh]ere is|I'm|I am) (?P<name>{NAME})(?: (?:again,? )?(?:from|with|at|calling from|of|out at|up at|over at) (?P<company>{NAME}))?"
            )),
            pattern(&format!(
                r"(?P<name>{NAME}) (?:here )?(?:from|with) (?P<company>{NAME})"
            )),
            pattern(&format!(r"(?P<name>{NAME}) (?:here|speaking)\b")),
            pattern(&format!(r"(?P<name>{NAME}) (?:слушает|слушаю|у аппарата|на связи)\b")),
            pattern(&format!(
                r"(?:[Мм]еня зовут|[Мм]еня|[Ээ]то) (?P<name>{NAME})(?: зовут)?(?:[,.]? (?:из )?(?:компани[яи]|фирм[аы]) [«\x22]?(?P<company>[A-ZА-ЯЁ][\wа-яёА-ЯЁ-]+(?: [A-ZА-ЯЁ][\wа-яё-]+)?))?"
            )),
            pattern(&format!(
                r"^(?:Алло,? |[Дд]обрый день,? |Здравствуйте,? )?(?:\p{{Lu}}[а-яё]+ \p{{Lu}}[а-яё]+, добрый день, )?(?P<name>{NAME}),? (?:из )?«(?P<company>[^»]{{2,40}})»"
            )),
            pattern(r"^(?:[А-ЯЁ][а-яё]+ )?«?(?P<company>[^»,.]{2,40})»?, (?P<name>[А-ЯЁ][а-яё]+)(?:[.]|, слуша)"),
            // Three names at the beginning: nobody is addressed so.
            pattern(&format!(
                r"^(?:Да,? |Алло,? |Слушаю,? |Добрый день,? |Здравствуйте,? )?(?P<name>{FULL_NAME})(?:[.,]| слуша|$)"
            )),
            pattern(&format!(
                r"(?P<name>{NAME}),? (?:из )?компани[яи] [«\x22]?(?P<company>[A-ZА-ЯЁ][\wа-яёА-ЯЁ-]+(?: [A-ZА-ЯЁ][\wа-яё-]+)?)"
            )),
        ]
    });
    RULES.iter().find_map(|rule| {
        rule.captures_iter(text).find_map(|captures| {
            let name = captures.name("name").filter(|name| is_name(name.as_str()))?;
            Some((name.range(), captures.name("company").map(|company| company.range())))
        })
    })
}

/// A person who is addressed at the beginning of a turn: "Hi Dana,", «Ирина Сергеевна, добрый день».
pub fn addressed(text: &str) -> Option<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(&format!(
                r"^(?:Hi|Hello|Hey|Good morning|Good afternoon),? (?P<name>{NAME})\b"
            )),
            pattern(r"^(?P<name>[А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:ович|евич|ич|ыч|овна|евна|ична|инична))\b"),
            pattern(
                r"^(?:Алло,? |Добрый день,? |Здравствуйте,? |Доброе утро,? )(?P<name>[А-ЯЁ][а-яё]+(?: [А-ЯЁ][а-яё]+(?:ович|евич|ич|овна|евна|ична))?)\b",
            ),
            pattern(r"^(?P<name>[А-ЯЁ][а-яё]+), (?:добрый|здравствуйте|доброе|приветствую)"),
        ]
    });
    RULES.iter().find_map(|rule| {
        let captures = rule.captures(text)?;
        captures
            .name("name")
            .filter(|name| is_name(name.as_str()))
            .map(|name| name.range())
    })
}

/// Introductions in a transcript without capitals: only where the words around leave no doubt.
pub fn introduction_small(text: &str) -> Option<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let greetings = "(?:^|здравствуйте |алло |добрый день |доброе утро |алейкум |да |день )";
        vec![
            pattern(r"\bmy name(?:'s| is) (?P<name>[a-z]{3,})\b"),
            pattern(r"\bthis is (?P<name>[a-z]{3,})(?: (?:from|with|at|calling|here|how|out at|the)\b|$)"),
            pattern(r"\bit'?s (?P<name>[a-z]{3,}) (?:from|with|here|calling|again)\b"),
            pattern(r"^its (?P<name>[a-z]{3,}) who is this"),
            pattern(r"\b(?P<name>[a-z]{3,}) speaking\b"),
            pattern(r"меня зовут (?P<name>[а-яё]{3,}(?: [а-яё]+(?:ович|евич|ич|ыч|овна|евна|ична))?)"),
            pattern(r"меня (?P<name>[а-яё]{3,}) зовут"),
            pattern(&format!(r"{greetings}(?:это |меня )?(?P<name>[а-яё]{{3,}}) из ")),
            pattern(&format!(
                r"{greetings}это (?P<name>[а-яё]{{3,}}(?: [а-яё]+(?:ович|евич|ич|ыч|овна|евна|ична))?)(?: |$)"
            )),
            pattern(r" это (?P<name>[а-яё]{3,}) из "),
            pattern(r"(?:^| )(?P<name>[а-яё]{3,}) (?:слушаю|слушает|у аппарата)\b"),
            pattern(r"^(?:ресепшен|приемная|приёмная|стоматология|салон|клиника) (?P<name>[а-яё]{3,})$"),
        ]
    });
    RULES.iter().find_map(|rule| {
        let name = rule.captures(text)?.name("name")?;
        is_small_name(name.as_str()).then(|| name.range())
    })
}

/// A small word that is no common one.
fn is_small_name(name: &str) -> bool {
    const COMMON: &[&str] = &[
        "about",
        "all",
        "because",
        "calling",
        "fine",
        "for",
        "from",
        "going",
        "just",
        "like",
        "not",
        "nothing",
        "okay",
        "only",
        "over",
        "really",
        "right",
        "still",
        "that",
        "too",
        "very",
        "what",
        "where",
        "why",
        "with",
        "yes",
        "yeah",
        "english",
        "public",
        "честно",
        "вам",
        "вас",
        "наш",
        "наша",
        "ваш",
        "ваша",
        "уже",
        "ещё",
        "еще",
        "просто",
        "очень",
        "такой",
        "такая",
        "такое",
        "был",
        "была",
        "было",
        "будет",
        "нужно",
        "надо",
        "тот",
        "все",
        "всё",
        "кто",
        "где",
        "там",
        "тут",
        "мой",
        "моя",
        "другой",
        "другая",
        "один",
        "одна",
        "которые",
        "звонок",
        "компания",
        "фирма",
        "вопрос",
        "правда",
        "деньги",
        "сам",
        "сама",
        "да",
        "нет",
        "тоже",
        "понятно",
        "хорошо",
        "внимательно",
        "говорите",
        "добрый",
        "опять",
        "снова",
        "сайт",
        "новый",
        "новая",
        "больше",
        "меньше",
        "конечно",
        "заявка",
        "звоню",
    ];
    let mut capital = name.chars();
    let first: String = capital.next().into_iter().flat_map(char::to_uppercase).collect();
    is_name(&format!("{first}{}", capital.as_str())) && !COMMON.contains(&name.split(' ').next().unwrap_or_default())
}

/// A person of the other side who is spoken to by name: with an honorific, or with a patronymic.
pub fn spoken_to(text: &str) -> Option<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(
                r"\b(?P<name>(?:Mr|Mrs|Ms|Miss|Dr|Mister|[Mm]adam|Captain|Frau|Herr)\.? (?:Doktor )?\p{Lu}[\p{L}'-]+(?: \p{Lu}[\p{L}'-]+)?)",
            ),
            pattern(r"\b(?P<name>\p{Lu}[a-z]+),? (?:sir|ma'am|madam)\b"),
            pattern(
                r"(?:[Aa]m I (?:speaking|talking) (?:with|to)|[Ii]s this|do I speak with|you must be|[Yy]ou're|[Yy]ou are) (?P<name>\p{Lu}[\p{L}'-]+(?: \p{Lu}[\p{L}'-]+)?)\b",
            ),
            pattern(
                r"(?P<name>(?:[А-ЯЁ][а-яё]+|[а-яё]{3,}) (?:[А-ЯЁа-яё][а-яё]+(?:ович|евич|ьич|ыч|овна|евна|инична)))(?:[^а-яё]|$)",
            ),
        ]
    });
    RULES.iter().find_map(|rule| {
        rule.captures_iter(text).find_map(|captures| {
            let name = captures.name("name")?;
            let first = name.as_str().split(' ').next().unwrap_or_default();
            let last = name.as_str().split(' ').next_back().unwrap_or_default().to_lowercase();
            let russian = !first.is_ascii();
            let fits = if russian {
                is_patronymic(&last) && is_small_name(first)
            } else {
                is_honorific(first) || is_name(name.as_str())
            };
            fits.then(|| name.range())
        })
    })
}

/// A name that does not begin a sentence.
pub fn name_inside(text: &str) -> Option<Range<usize>> {
    static RULE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(&format!(
            r"(?P<before>[^.!?…]\s+|[«\x22])(?:(?:Dr|Mr|Mrs|Ms)\. )?(?P<name>{NAME})"
        ))
    });
    let found = RULE
        .captures_iter(text)
        .find_map(|captures| captures.name("name").filter(|name| is_name(name.as_str())))?;
    Some(found.range())
}

/// A name with which a turn begins, if more than the capital of a sentence tells that it is one.
pub fn name_first(text: &str) -> Option<Range<usize>> {
    static RULE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^(?:Ну,? |Well,? )?(?P<name>{NAME})")));
    let name = RULE
        .captures(text)?
        .name("name")
        .filter(|name| is_name(name.as_str()))?;
    let sure = name.as_str().contains(' ')
        || matches!(
            text[name.end()..].trim_start().chars().next(),
            None | Some('.' | ',' | '!')
        );
    sure.then(|| name.range())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn intro(text: &str) -> Option<(&str, Option<&str>)> {
        introduction(text).map(|(name, company)| (&text[name], company.map(|company| &text[company])))
    }

    #[test]
    fn people_introduce_themselves() {
        assert_eq!(
            intro("Hi Dana, this is Mark from Northlane. Thanks."),
            Some(("Mark", Some("Northlane")))
        );
        assert_eq!(intro("Hi Tom, Maya from Northlane."), Some(("Maya", Some("Northlane"))));
        assert_eq!(intro("My name's Kev, I'm calling from Brightline"), Some(("Kev", None)));
        assert_eq!(
            intro("добрый день, Антон, компания «Вектор»."),
            Some(("Антон", Some("Вектор")))
        );
        assert_eq!(
            intro("Это Антон, компания Вектор. Удобно говорить?"),
            Some(("Антон", Some("Вектор")))
        );
        assert_eq!(intro("Меня Вадим зовут"), Some(("Вадим", None)));
        assert_eq!(intro("It's The same as before"), None);
        for name in ["Белов Олег Дмитриевич", "Семён Аркадьевич Щёголев"] {
            for text in [format!("Меня зовут {name}."), format!("{name}, слушаю вас.")] {
                let found = introduction(&text).map(|(name, _)| text[name].to_owned());
                assert_eq!(found.as_deref(), Some(name), "{text}");
            }
        }
    }

    #[test]
    fn labels_that_are_names() {
        for (label, name) in [
            ("Anna Petrova", Some("Anna Petrova")),
            ("Белов Олег Дмитриевич", Some("Белов Олег Дмитриевич")),
            ("Dana K. Reed (Harbor)", Some("Dana K. Reed")),
            ("Anna", Some("Anna")),
            ("Speaker 1", None),
            ("Sales Rep", None),
            ("S1", None),
            ("Отдел Продаж", None),
        ] {
            assert_eq!(label_name(label), name, "{label}");
        }
    }

    #[test]
    fn people_are_addressed() {
        let name = |text: &'static str| addressed(text).map(|range| &text[range]);
        assert_eq!(name("Hi Dana, this is Mark"), Some("Dana"));
        assert_eq!(name("Ирина Сергеевна, добрый день."), Some("Ирина Сергеевна"));
        assert_eq!(name("Алло, Геннадий Палыч? Это Света"), Some("Геннадий"));
        assert_eq!(name("Fine, thanks."), None);
    }

    #[test]
    fn names_of_labels_are_found_in_words() {
        let said = |label: &str, text: &'static str| said_in(label, text).map(|(range, exact)| (&text[range], exact));
        assert_eq!(
            said("Ilse Brandt", "Mrs Brandt, thank you."),
            Some(("Mrs Brandt", true))
        );
        assert_eq!(
            said("Анна Белова", "передайте анне беловой"),
            Some(("анне беловой", false))
        );
        assert_eq!(said("Михалыч", "Виктор Михалыч, здравствуйте"), Some(("Михалыч", true)));
        assert_eq!(said("Артём", "Это артист"), None);
        assert_eq!(said("Dan", "Dana is here"), None);
    }

    #[test]
    fn small_letters_hide_no_introduction() {
        for (text, name) in [
            ("good morning this is jessa how may i help you", Some("jessa")),
            ("my name is sahil senior counsellor", Some("sahil")),
            ("алло здравствуйте это олег касса облако", Some("олег")),
            ("меня зовут ирина сергеевна", Some("ирина сергеевна")),
            ("this is not what i asked", None),
            ("это просто дорого", None),
        ] {
            assert_eq!(introduction_small(text).map(|range| &text[range]), name, "{text}");
        }
    }

    #[test]
    fn people_are_spoken_to_by_honorific_or_patronymic() {
        for (text, name) in [
            ("Good morning, Mr. Kiprono. It is Wanjiru.", Some("Mr. Kiprono")),
            ("Kulkarni sir, good morning", Some("Kulkarni")),
            ("вам спасибо гаухар бекетовна", Some("гаухар бекетовна")),
            ("Надумали, Виктор Михалыч, здравствуйте.", Some("Виктор Михалыч")),
            ("красный кирпич нужен", None),
        ] {
            assert_eq!(spoken_to(text).map(|range| &text[range]), name, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "\\PC{0,60}", label in "\\PC{0,20}") {
            let places = [
                introduction(&text).map(|(name, _)| name),
                introduction_small(&text),
                addressed(&text),
                spoken_to(&text),
                name_inside(&text),
                name_first(&text),
                said_in(&label, &text).map(|(name, _)| name),
            ];
            for range in places.into_iter().flatten() {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
