//! People, companies and tools by the words around them; no lists of names.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::names::{NAME, is_name, name_inside};
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
        stems: &["our it", "it department", "it team", "айтишник", "ит-отдел"],
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

/// The title that words name, as fields call it: CFO for «финансовый директор».
pub fn title_of(words: &str) -> Option<&'static str> {
    let lower = words.to_lowercase();
    TITLES
        .iter()
        .chain(OTHERS)
        .find(|title| super::text::says(&lower, title.stems))
        .map(|title| title.title)
}

/// People and bodies who take part in a decision and have no title of C.5. Only where there is talk of deciding.
const OTHERS: &[Title] = &[
    Title {
        stems: &[
            "father-in-law",
            "brother-in-law",
            "mother-in-law",
            "тест",
            "свекр",
            "зят",
        ],
        title: "in-law",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["father", "dad", "daddy", "papa", "отец", "отц", "пап"],
        title: "father",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["mother", "mom", "mum", "mommy", "мам", "мать", "матер"],
        title: "mother",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["parents", "родител"],
        title: "parents",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["brother", "брат"],
        title: "brother",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["sister", "сестр"],
        title: "sister",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["uncle", "дяд"],
        title: "uncle",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["aunt", "auntie", "тет", "апа"],
        title: "aunt",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["son", "сын"],
        title: "son",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["daughter", "дочь", "дочер", "дочк"],
        title: "daughter",
        roles: &[DecisionRole::Influencer],
    },
    Title {
        stems: &["bank", "банк", "caisse"],
        title: "bank",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["head office", "headquarters", "corporate", "головн", "холдинг"],
        title: "head office",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["management"],
        title: "management",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["council", "совет"],
        title: "council",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["trustee"],
        title: "trustees",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["commissioner"],
        title: "commissioners",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["shareholder", "акционер", "пайщик"],
        title: "shareholders",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &[
            "controller",
            "accountant",
            "bookkeeper",
            "бухгалтер",
            "бухгалтери",
            "главбух",
        ],
        title: "accountant",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["treasury", "treasurer", "казначейств", "казначе"],
        title: "treasury",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["gm"],
        title: "general manager",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["coo", "chief operating", "операционн"],
        title: "COO",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["chairman", "chair", "председател"],
        title: "chair",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &[
            "chief engineer",
            "главный инженер",
            "главного инженер",
            "главному инженер",
            "главным инженер",
        ],
        title: "chief engineer",
        roles: &[DecisionRole::TechnicalEvaluator],
    },
    Title {
        stems: &["technologist", "технолог"],
        title: "technologist",
        roles: &[DecisionRole::TechnicalEvaluator],
    },
    Title {
        stems: &[
            "my manager",
            "plant manager",
            "our manager",
            "finance manager",
            "safety officer",
        ],
        title: "manager",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["comission", "commission", "комисси"],
        title: "commission",
        roles: &[DecisionRole::Approver],
    },
    Title {
        stems: &["finance", "финанс"],
        title: "finance",
        roles: &[DecisionRole::Approver],
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

/// Firms and products: capitals and digits wherever, joined by hyphens, spaces or "&".
const BRAND: &str = r"[A-ZА-ЯЁ][\w'-]*\w(?:(?: (?:&|of))? [A-ZА-ЯЁ][\w'-]*\w)*";

pub fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("patterns are constants, and tested")
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
    for title in TITLES.iter().chain(OTHERS) {
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
                r"(?i)\b(?P<tool>(?:google |old |pink |paper )?(?:spread ?sheets?|clipboards?|notebooks?|whiteboards?|binders?|ledgers?|logbooks?|receipt books?|bill books?|carbon copy books?)|excel|google sheets|pen and paper|on paper|by hand|эксел\w*|экселе|гугл[- ]таблиц\w*|табличк\w+|таблиц(?:е|ах|у)|тетрад\w+|блокнот\w*|битрикс\w*|(?:в )?ворде|1с\b|один эс|амо(?:[- ]?(?:crm|срм|црм))?\b|сап(?:а|е|у|ом)?\b|руками|вручную|от руки|на бумаге|вайбер\w*|чат(?:ы|ах|е)\b|факсом|ватман\w*|амбарн\w+ книг\w+|журнал(?:е|ы|ах)?\b)",
            ),
            pattern(
                r"\b(?:[Ww]e use|[Ww]e're using|[Ww]e are using|[Ii] use|[Ww]e run on|[Ww]e're on|[Ww]e lease|[Ww]e have|[Ww]e've got|[Ii]'ve got|[Ii] got) (?P<tool>(?:a|an|the|an old|two|one) (?:old |little |hand )?[a-z]+(?: [a-z]+)?)(?:[.,]| and| for| that| which|$)",
            ),
            pattern(&format!(
                r"\b(?:we use|we're using|we are using|we run on|we run|runs on|running on|currently on|go(?:es)? into|sits in|using|work in|tracked in|live in|все в|всё в|ведём в|ведем в|работаем в|работаем на|пользуемся|сидим на|стоит) (?P<tool>{NAME}(?:\d+)?)"
            )),
        ]
    });
    const NO_TOOLS: &[&str] = &[
        "problem", "question", "lot", "bit", "few", "couple", "meeting", "budget", "contract", "minute", "plan",
        "thing", "team", "person", "choice",
    ];
    let mut found: Vec<Range<usize>> = Vec::new();
    for rule in RULES.iter() {
        for captures in rule.captures_iter(text) {
            let tool = captures
                .name("tool")
                .filter(|tool| !NO_TOOLS.iter().any(|word| tool.as_str().contains(word)));
            let Some(tool) = tool else { continue };
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

/// The words that answer a question for a thing: the first clause, unless it is a yes, a no or a stance.
pub fn answer(text: &str) -> Option<Range<usize>> {
    const FILLERS: &[&str] = &[
        "well",
        "so",
        "uh",
        "um",
        "er",
        "oh",
        "yeah",
        "yes",
        "no",
        "right",
        "okay",
        "hm",
        "ну",
        "да",
        "нет",
        "ой",
        "а",
        "э",
        "так",
        "вот",
        "смотрите",
        "как",
        "ладно",
        "угу",
        "м",
    ];
    const STANCES: &[&str] = &[
        "i don't",
        "don't know",
        "not sure",
        "why",
        "what",
        "who",
        "how",
        "that's",
        "you ",
        "listen",
        "look",
        "не знаю",
        "зачем",
        "почему",
        "что ",
        "какой",
        "какая",
        "кто",
        "вы ",
        "слушай",
        "нормально",
        "хорошо",
        "плохо",
        "по-разному",
        "всё",
        "все ",
        "никак",
        "понятно",
        "it depends",
        "fine",
        "good",
    ];
    let mut start = 0;
    for piece in text.split_inclusive(['.', ',', '!', '?', ';', '…']) {
        let words = piece.trim().trim_end_matches(['.', ',', '!', '?', ';', '…']).trim();
        let from = start + (piece.len() - piece.trim_start().len());
        start += piece.len();
        let lower = words.to_lowercase();
        if words.is_empty() || FILLERS.contains(&lower.as_str()) {
            continue;
        }
        let stance = STANCES.iter().any(|stance| lower.starts_with(stance)) || piece.trim().ends_with('?');
        let count = words.split_whitespace().count();
        return (!stance && count <= 14).then_some(from..from + words.len());
    }
    None
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

/// The firm with whose name somebody answers the telephone.
pub fn answering_firm(text: &str) -> Option<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let hello = r"(?:(?:(?:[Hh]ello|[Hh]i|[Gg]ood (?:morning|day|afternoon|evening)|[Gg]'?day|[Tt]hank you for calling|[Ww]elcome to|[Yy]ou've reached|[Pp]raise the Lord|Kia ora|[Аа]лло|[Дд]обрый день|[Зз]дравствуйте)(?: from)?[,.!]? (?:yes[,.]? )?)?)";
        vec![
            pattern(r"[Вв]ы позвонили в [^«»]{0,50}«(?P<name>[^»]{2,40})»"),
            pattern(r"^(?:[А-ЯЁа-яё]+,? ){0,3}«(?P<name>[^»]{2,40})»[.,]"),
            pattern(&format!(
                r"^{hello}(?:\p{{L}}+ \p{{L}}+, )?(?P<name>{BRAND}(?:(?: and | и )[\p{{L}}]+)?(?:'s)?(?: office)?)(?:[.,]|$| this is)"
            )),
            pattern(
                r"^(?:hello |good morning |gday |thank you for calling )?(?P<name>[a-z']+(?: [a-z']+){1,3}?)(?: (?:good morning|good afternoon|this is|how can|how may|yep|admin|security|weigh)\b)",
            ),
            pattern(r"^(?:стоматология|клиника|магазин|салон|турбаза|аптека|автосервис) (?P<name>[а-яё]+(?: плюс)?)\b"),
        ]
    });
    RULES.iter().find_map(|rule| {
        let name = rule.captures(text)?.name("name")?;
        let words = name.as_str().split(' ').count();
        let behind = text[name.end()..].trim_start_matches([',', '.', ' ']).to_lowercase();
        let answers = behind.is_empty()
            || [
                "this is",
                "how ",
                "can you",
                "hold",
                "good",
                "hello",
                "please",
                "what",
                "who",
                "blessed",
                "you on",
                "purchasing",
                "is it",
                "слуша",
                "чем ",
                "администратор",
                "приемная",
                "приёмная",
                "у аппарата",
            ]
            .iter()
            .any(|word| behind.starts_with(word))
            || behind.contains(" speaking")
            || behind.contains("слуша");
        let possessive = name.as_str().ends_with("'s");
        // A firm has several words, or is answered with: one word alone may be a person's name.
        let of_firm = words > 1
            || possessive
            || answers && !behind.is_empty()
            || name.start() > 0 && text[..name.start()].ends_with('«');
        (is_name(name.as_str()) && of_firm && name.len() > 3).then(|| name.range())
    })
}

/// The firm of which somebody says to be: "it's Roscoe up at Three Forks".
pub fn calling_firm(text: &str) -> Option<Range<usize>> {
    static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        vec![
            pattern(r"(?:out |up |over )at (?P<name>[a-z]+'s [a-z]+|[A-Z][\w']+(?: [A-Z][\w']+)+)"),
            pattern(r"this is \w+ (?:from|with|at) (?P<name>[a-z]+(?: [a-z]+){0,2}?)(?: in | for | about |$)"),
            pattern(r"(?:[Сс] завода|[Пп]екарня у нас,|[Кк]линика) «(?P<name>[^»]{2,40})»"),
        ]
    });
    RULES
        .iter()
        .find_map(|rule| rule.captures(text)?.name("name").map(|name| name.range()))
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
            let _ = (company(&text), brands(&text));
            for mention in deciders(&text) {
                prop_assert!(text.get(mention.range.clone()).is_some());
            }
            for range in tools(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
