//! People, companies and tools by the words around them; no lists of names.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::text::is_form_of;
use crate::domain::DecisionRole;

/// A title with the part it usually plays.
struct Title {
    /// Beginnings of words, in lower case; one per language and spelling.
    stems: &'static [&'static str],
    title: &'static str,
    roles: &'static [DecisionRole],
}

const TITLES: &[Title] = &[
    Title {
        stems: &["cfo", "finance director", "chief financial", "финдир", "финансов"],
        title: "CFO",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["ceo", "managing director", "general manager", "гендир", "генеральн"],
        title: "CEO",
        roles: &[DecisionRole::Signatory],
    },
    Title {
        stems: &["owner", "собственник", "учредител", "хозяйк", "хозяин", "владел"],
        title: "owner",
        roles: &[DecisionRole::EconomicBuyer],
    },
    Title {
        stems: &["cto", "chief technology", "техническ", "техдир"],
        title: "CTO",
        roles: &[DecisionRole::TechnicalEvaluator],
    },
    Title {
        stems: &[
            "security",
            "infosec",
            "безопасник",
            "служба безопасности",
            "службу безопасности",
        ],
        title: "security",
        roles: &[DecisionRole::Security],
    },
    Title {
        stems: &["legal", "lawyer", "юрист", "юротдел"],
        title: "legal",
        roles: &[DecisionRole::Legal],
    },
    Title {
        stems: &["procurement", "purchasing", "снабжен", "закупк", "закупщик", "тендерн"],
        title: "procurement",
        roles: &[DecisionRole::Procurement],
    },
    Title {
        stems: &["our it", "it department", "it team", "it does", "айтишник", "ит-отдел"],
        title: "IT",
        roles: &[DecisionRole::TechnicalEvaluator],
    },
    Title {
        stems: &["head of sales", "sales director", "роп", "руководитель отдела продаж"],
        title: "head of sales",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["commercial director", "коммерческ", "комдир"],
        title: "commercial director",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["board", "committee", "правлени", "комитет", "совет директоров"],
        title: "board",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["director", "boss", "директор", "начальник", "руководител", "шеф"],
        title: "director",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["partner", "husband", "wife", "партнер", "партнёр", "муж", "жен"],
        title: "partner",
        roles: &[DecisionRole::Influencer],
    },
];

/// Somebody who was pointed to, with the bytes of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    pub range: Range<usize>,
    pub name: Option<String>,
    pub title: Option<String>,
    pub roles: Vec<DecisionRole>,
}

/// A Russian patronymic in any case stays with its name, and a surname on either side with both.
const NAME: &str = r"(?:[А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:(?:[оеиыь]в?ич|[ыь]ч|мич)(?:а|у|ем|е)?|[оеи][вч]н(?:а|ы|е|у|ой))\b(?: [А-ЯЁ][а-яё]+)?|[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)? [А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:(?:[оеиыь]в?ич|[ыь]ч|мич)(?:а|у|ем|е)?|[оеи][вч]н(?:а|ы|е|у|ой))\b|[A-ZА-ЯЁ][a-zа-яё]+(?:[- ][A-ZА-ЯЁ][a-zа-яё]+)?)";

/// Name, patronymic and surname in the nominative, in either order.
const FULL_NAME: &str = r"[А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:[оеиыь]в?ич|[ыь]ч|мич|[оеи][вч]на) [А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)?|[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)? [А-ЯЁ][а-яё]+ [А-ЯЁ][а-яё]+(?:[оеиыь]в?ич|[ыь]ч|мич|[оеи][вч]на)";

/// A label of a transcript that is a person's first and last name.
pub fn full_name(label: &str) -> Option<&str> {
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
    // «Анна Белова (Вектор)»: the firm is not the name.
    let name = label.split(['(', '[', ',', '|']).next().unwrap_or_default().trim();
    let words: Vec<&str> = name.split_whitespace().collect();
    let of_name = |word: &str| {
        word.starts_with(char::is_uppercase)
            && word.chars().skip(1).any(char::is_lowercase)
            && word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'))
            && !NO_PERSON.contains(&word.to_lowercase().as_str())
    };
    let initial = |word: &str| {
        word.chars().next().is_some_and(char::is_uppercase) && word.trim_end_matches('.').chars().count() == 1
    };
    let whole = words
        .iter()
        .enumerate()
        .all(|(at, word)| of_name(word) || at > 0 && at + 1 < words.len() && initial(word));
    ((2..=4).contains(&words.len()) && whole && is_name(name)).then_some(name)
}

/// Firms and products: capitals and digits wherever, joined by hyphens, spaces or "&".
const BRAND: &str = r"[A-ZА-ЯЁ][\w'-]*\w(?:(?: (?:&|of))? [A-ZА-ЯЁ][\w'-]*\w)*";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("patterns are constants, and tested")
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

fn is_name(word: &str) -> bool {
    let first = word.split([' ', '-']).next().unwrap_or_default();
    first.chars().count() > 1 && !NOT_NAMES.contains(&first)
}

/// A person who introduces themself: name and company.
pub fn introduction(text: &str) -> Option<(Range<usize>, Option<Range<usize>>)> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(&format!(
                r"(?:[Tt]his is|[Mm]y name is|[Mm]y name's|[Ii]t's|I'm|I am) (?P<name>{NAME})(?: (?:from|with|at|calling from|of) (?P<company>{NAME}))?"
            )),
            pattern(&format!(
                r"(?P<name>{NAME}) (?:here )?(?:from|with) (?P<company>{NAME})"
            )),
            pattern(&format!(r"(?P<name>{NAME}) here\b")),
            pattern(&format!(
                r"(?:[Мм]еня зовут|[Мм]еня|[Ээ]то) (?P<name>{NAME})(?: зовут)?(?:[,.]? (?:из )?(?:компани[яи]|фирм[аы]) [«\x22]?(?P<company>[A-ZА-ЯЁ][\wа-яёА-ЯЁ-]+(?: [A-ZА-ЯЁ][\wа-яё-]+)?))?"
            )),
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

/// Titles and names in a turn about deciders.
pub fn deciders(text: &str) -> Vec<Mention> {
    static NEAR: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            // "our CFO, Dana" / "Karen, our CFO" / «у Эльвиры Робертовны»
            pattern(&format!(r"^,? (?P<name>{NAME})")),
            pattern(&format!(
                r"(?P<name>{NAME}),? (?:our|my|the|she's|he's|наш|наша) ?(?:the |our )?$"
            )),
            // «Костя, операционный директор»
            pattern(&format!(
                r"(?P<name>{NAME}),? (?:наш |наша )?(?P<kind>[а-яё]+(?:ый|ий|ой|ая) )?$"
            )),
        ]
    });
    let lower = text.to_lowercase();
    // Lengths in bytes must agree, or places would shift.
    if lower.len() != text.len() {
        return Vec::new();
    }
    let mut mentions: Vec<Mention> = Vec::new();
    for title in TITLES {
        for stem in title.stems {
            let place = lower.match_indices(stem).find(|(at, _)| {
                let last = lower[..at + stem.len()]
                    .rfind(' ')
                    .map_or(*at, |space| (space + 1).max(*at));
                let last_stem = &lower[last..at + stem.len()];
                !lower[..*at].ends_with(char::is_alphanumeric)
                    && is_form_of(&lower[last..word_end(&lower, at + stem.len())], last_stem)
                    && mentions
                        .iter()
                        .all(|other| !(other.range.start < at + stem.len() && *at < other.range.end))
            });
            let Some((start, _)) = place else { continue };
            let mut end = word_end(&lower, start + stem.len());
            // «финансовый директор» is one person, not a CFO and a director.
            if [" директор", " director"]
                .iter()
                .any(|noun| lower[end..].starts_with(noun))
            {
                end = word_end(&lower, end + 1);
            }
            let mut mention = Mention {
                range: start..end,
                name: None,
                title: Some(title.title.to_owned()),
                roles: title.roles.to_vec(),
            };
            if let Some(name) = NEAR[0]
                .captures(&text[end..])
                .and_then(|found| found.name("name"))
                .filter(|name| is_name(name.as_str()))
            {
                mention.name = Some(name.as_str().to_owned());
                mention.range.end = end + name.end();
            } else if let Some(found) = NEAR[1].captures(&text[..start])
                && let Some(name) = found.name("name").filter(|name| is_name(name.as_str()))
            {
                mention.name = Some(name.as_str().to_owned());
                mention.range.start = name.start();
            } else if let Some(found) = NEAR[2].captures(&text[..start])
                && let Some(name) = found.name("name").filter(|name| is_name(name.as_str()))
                && (found.name("kind").is_some() || text[name.end()..].starts_with(','))
            {
                mention.name = Some(name.as_str().to_owned());
                mention.range.start = name.start();
            }
            mentions.push(mention);
            break;
        }
    }
    if mentions.is_empty()
        && let Some(name) = name_inside(text)
    {
        mentions.push(Mention {
            name: Some(text[name.clone()].to_owned()),
            range: name,
            title: None,
            roles: vec![DecisionRole::Approver],
        });
    }
    mentions.sort_by_key(|mention| mention.range.start);
    same_person(text, mentions)
}

/// «Муж мой, он же учредитель»: two titles of one person; the second says more of the deal.
fn same_person(text: &str, mentions: Vec<Mention>) -> Vec<Mention> {
    let mut merged: Vec<Mention> = Vec::new();
    for mention in mentions {
        if let Some(last) = merged.last_mut()
            && let Some(between) = text.get(last.range.end..mention.range.start)
            && ["он же", "она же", "who is also", "who's also", "also the", "also our"]
                .iter()
                .any(|words| between.contains(words))
            && !between.contains(['.', '!', '?'])
        {
            last.range.end = mention.range.end;
            last.title = mention.title;
            last.name = mention.name.or(last.name.take());
            last.roles = mention.roles;
        } else {
            merged.push(mention);
        }
    }
    merged
}

fn word_end(text: &str, from: usize) -> usize {
    text[from..]
        .find(|c: char| !c.is_alphanumeric())
        .map_or(text.len(), |at| from + at)
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

/// Names of firms or products in a list of them: in quotes, or with a capital that is not a sentence's own.
pub fn brands(text: &str) -> Vec<Range<usize>> {
    static RULE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(&format!(
            r"«(?P<quoted>[^»]{{2,40}})»|\x22(?P<marked>[^\x22]{{2,40}})\x22|\b(?P<name>{BRAND})"
        ))
    });
    RULE.captures_iter(text)
        .filter_map(|found| {
            if let Some(quoted) = found.name("quoted").or_else(|| found.name("marked")) {
                return Some(quoted.range());
            }
            let name = found.name("name")?;
            let begins = text[..name.start()]
                .trim_end()
                .chars()
                .next_back()
                .is_none_or(|c| matches!(c, '.' | '!' | '?' | '…' | '—'));
            let behind = text[name.end()..].trim_start();
            let listed = behind.is_empty()
                || behind.starts_with([',', '.', '!'])
                || ["and ", "or ", "и ", "или ", "да "]
                    .iter()
                    .any(|link| behind.starts_with(link));
            (is_name(name.as_str()) && (!begins || listed)).then(|| name.range())
        })
        .collect()
}

/// Tools in use: a generic word or a product behind a word of use.
pub fn tools(text: &str) -> Vec<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(
                r"(?i)\b(?P<tool>spread ?sheets?|excel|google sheets|pen and paper|whiteboard|эксел\w*|excel|гугл[- ]таблиц\w*|таблиц(?:е|ах|у)|тетрад\w+|битрикс\w*|1с\b|амо(?:[- ]?(?:crm|срм|црм))?\b|сап(?:а|е|у|ом)?\b)",
            ),
            pattern(&format!(
                r"\b(?:we use|we're using|we are using|we run on|we run|runs on|running on|currently on|go(?:es)? into|sits in|using|work in|tracked in|live in|все в|всё в|ведём в|ведем в|работаем в|работаем на|пользуемся|сидим на|стоит) (?P<tool>{NAME}(?:\d+)?)"
            )),
        ]
    });
    let mut found: Vec<Range<usize>> = Vec::new();
    for rule in RULES.iter() {
        for captures in rule.captures_iter(text) {
            let Some(tool) = captures.name("tool") else { continue };
            if found
                .iter()
                .all(|other| other.end <= tool.start() || tool.end() <= other.start)
            {
                found.push(tool.range());
            }
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// The buyer's company, where the buyer names it.
pub fn company(text: &str) -> Option<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(&format!(
                r"\b(?:here at|we at|us at|I'm with|I'm from|I am with|[Ww]e're|[Ww]e are|calling from|it's .{{2,20}} from|this is .{{2,20}} from) (?P<name>{BRAND})"
            )),
            pattern(
                r"(?:[Кк]омпани[яи]|[Фф]ирм[аы]|[Кк]линик[аи]|[Зз]авод|[Сс]еть|[Мм]агазин|ООО|АО|ЗАО|ПАО|[Кк]афе|[Рр]есторан|[Уу] нас в|[Мм]ы из|[Яя] из|[Мм]ы —|[Мм]ы -|[Мм]ы|[Ээ]то) «(?P<name>[^»]{2,40})»",
            ),
            pattern(&format!(r"\b(?:[Кк]омпани[яи]|ООО|АО|ЗАО|ПАО) (?P<name>{BRAND})")),
        ]
    });
    RULES.iter().find_map(|rule| {
        rule.captures_iter(text)
            .filter_map(|captures| captures.name("name"))
            .find(|name| {
                is_name(name.as_str()) && !describes(&text[..name.start()], name.as_str(), &text[name.end()..])
            })
            .map(|name| name.range())
    })
}

/// "we're Salesforce users", "we're German": what the buyer is like, not what the firm is called.
fn describes(before: &str, name: &str, behind: &str) -> bool {
    let we_are = ["we're ", "we are "]
        .iter()
        .any(|words| before.to_lowercase().ends_with(words));
    let goes_on = behind
        .trim_start_matches('-')
        .trim_start()
        .starts_with(char::is_lowercase);
    we_are && (goes_on || !name.contains(' ') && ["an", "sh", "ese"].iter().any(|ending| name.ends_with(ending)))
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
            ("Anna", None),
            ("Speaker 1", None),
            ("Sales Rep", None),
            ("S1", None),
            ("Отдел Продаж", None),
        ] {
            assert_eq!(full_name(label), name, "{label}");
        }
    }

    #[test]
    fn companies_of_buyers() {
        for (text, name) in [
            ("У нас в «Стройторге» так заведено.", Some("Стройторге")),
            ("Мы из «Стройторга».", Some("Стройторга")),
            ("Компания Альфа-Трейд, слушаю.", Some("Альфа-Трейд")),
            ("Это АО Северсталь-Метиз.", Some("Северсталь-Метиз")),
            ("I'm with Harbor Freight Lines.", Some("Harbor Freight Lines")),
            ("Sure, we're Dalton & Sons, a roofing firm.", Some("Dalton & Sons")),
            ("We're Salesforce users.", None),
            ("we're German, you know", None),
            ("Мы из Казани", None),
        ] {
            assert_eq!(company(text).map(|range| &text[range]), name, "{text}");
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
    fn those_who_decide() {
        let all = |text: &str| {
            deciders(text)
                .into_iter()
                .map(|mention| (mention.name, mention.title))
                .collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            all("Above that it's Karen, our CFO, who approves"),
            [(some("Karen"), some("CFO"))]
        );
        assert_eq!(
            all("Anything over twenty K goes to our CFO, Dana."),
            [(some("Dana"), some("CFO"))]
        );
        assert_eq!(
            all("Сначала безопасники проверяют, потом финансовый согласует, договор генеральный подписывает."),
            [(None, some("security")), (None, some("CFO")), (None, some("CEO"))]
        );
        assert_eq!(
            all("Финансовый директор согласует, а подписывает генеральный директор."),
            [(None, some("CFO")), (None, some("CEO"))]
        );
        assert_eq!(
            all("I can't do that, Dr. Patel owns the practice"),
            [(some("Patel"), None)]
        );
        assert_eq!(all("it is my call"), []);
        assert_eq!(
            all("Костя, операционный директор, посмотрит."),
            [(some("Костя"), some("director"))]
        );
        assert_eq!(
            all("Муж мой, он же учредитель, Рашид Ильдарович."),
            [(some("Рашид Ильдарович"), some("owner"))]
        );
        for text in [
            "Женщины обычно звонят",
            "мужской отдел, вот и ропот",
            "we use a directory",
        ] {
            assert_eq!(all(text), [], "{text}");
        }
        assert_eq!(
            all("спрошу жену и ропа"),
            [(None, some("partner")), (None, some("head of sales"))]
        );
    }

    #[test]
    fn tools_in_use() {
        let all = |text: &'static str| tools(text).into_iter().map(|range| &text[range]).collect::<Vec<_>>();
        assert_eq!(all("Calls are recorded, orders go into Salesforce."), ["Salesforce"]);
        assert_eq!(all("Everything is planned in a spreadsheet."), ["spreadsheet"]);
        assert_eq!(all("Двадцать два человека, Битрикс, телефония там же."), ["Битрикс"]);
        assert_eq!(all("Возим сапоги, амортизация большая"), Vec::<&str>::new());
        assert_eq!(all("Работаем в амоCRM и в Сапе"), ["амоCRM", "Сапе"]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "\\PC{0,60}") {
            let _ = (introduction(&text), addressed(&text), company(&text), name_inside(&text));
            for mention in deciders(&text) {
                prop_assert!(text.get(mention.range.clone()).is_some());
            }
            for range in tools(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
