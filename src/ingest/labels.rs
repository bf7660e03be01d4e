//! Who speaks, as lines of a transcript say it: "Name: words", «ООО "Лютик", Ольга: слова», "Name – words".
//!
//! One line alone does not tell a speaker from a sentence with a colon; the file does: labels come back, and most lines
//! have one.

use std::collections::{BTreeSet, HashMap};

/// Words of a label without punctuation, at most.
const PLAIN_WORDS: usize = 5;
/// Words of a label with a company or a title in it, at most.
const LONG_WORDS: usize = 8;
const LONGEST: usize = 60;

/// Two or more words with one of these among them are a sentence.
const SENTENCE: &str = " я мы вы ты он она оно они нас вас нам вам мне меня тебя его её их у это этот эта эти что чтобы \
     как так там тут где когда если есть тоже вот же не нет да ну бы ли вопрос вопроса вопросов момент хорошо смотрите \
     слушайте значит например нужно надо важно главное следующее i i'm i'll we you he she they it it's this these that \
     that's is are was were have has do does so here there what how why when if not my your our let let's look listen \
     okay ok well then now just because but question questions thing things ";
/// One word of these is what a sentence is about, unless the file labels by it throughout.
const TOPIC: &str = " сроки срок цена цены стоимость бюджет вопрос вопросы ответ итог итого задача задачи проблема \
     важно главное например первое второе третье четвёртое во-первых во-вторых в-третьих плюс плюсы минус минусы \
     внимание адрес телефон почта смотрите слушайте короче кстати повторю тема дата примечание note notes price \
     prices budget question questions answer deadline timeline first second third one two three firstly secondly \
     example summary problem problems goal result total plus minus look listen remember date subject topic ";
/// A label with one of these needs no other line to be believed.
const TITLE: &str = " ооо оао зао пао ао ип llc inc inc. ltd ltd. gmbh директор менеджер руководитель инженер бухгалтер \
     технолог специалист консультант собственник владелец начальник секретарь закупки снабжение продажи клиент продавец \
     director manager engineer accountant owner buyer seller rep sales ceo cfo cto coo vp procurement agent customer \
     client ";
/// Labels that people write small.
const SIDE: &str = " rep buyer agent client customer менеджер клиент ";

fn listed(list: &str, word: &str) -> bool {
    !word.is_empty() && list.contains(&format!(" {word} "))
}

fn words_of(name: &str) -> impl Iterator<Item = String> {
    name.split_whitespace().map(|word| {
        word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'')
            .to_lowercase()
    })
}

/// How a line looks that may begin with a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// A name as names are written.
    Plain,
    /// With a comma, quotes or a dash in it, or small.
    Loose,
}

/// The mark between the label and the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Mark {
    #[default]
    Colon,
    Dash,
}

/// "- **Name**" → "Name"
fn bare(name: &str) -> &str {
    name.trim()
        .trim_start_matches(['-', '–', '—', '•', '*', '>'])
        .trim()
        .trim_matches('*')
        .trim()
}

/// Both sides of the first colon that is in no clock time and no address.
fn at_colon(line: &str) -> Option<(&str, &str)> {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    line.match_indices(':').find_map(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let clock = digit(before.chars().next_back()) && digit(after.chars().next());
        (!clock && !after.starts_with("//")).then(|| (bare(before), after.trim_start_matches('*').trim()))
    })
}

/// Both sides of the first dash that stands alone.
fn at_dash(line: &str) -> Option<(&str, &str)> {
    let (at, dash) = [" – ", " — ", " - "]
        .into_iter()
        .filter_map(|dash| Some((line.find(dash)?, dash)))
        .min()?;
    Some((line[..at].trim(), line[at + dash.len()..].trim()))
}

fn split(line: &str, mark: Mark) -> Option<(&str, &str, Shape)> {
    let (name, words) = match mark {
        Mark::Colon => at_colon(line)?,
        Mark::Dash => at_dash(line)?,
    };
    let shape = shape(name)?;
    (mark == Mark::Colon || shape == Shape::Plain && !words.is_empty()).then_some((name, words, shape))
}

fn shape(name: &str) -> Option<Shape> {
    let count = name.split_whitespace().count();
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 || count > LONG_WORDS || name.chars().count() > LONGEST || name.contains(['?', '!', ';', '…']) {
        return None;
    }
    if count > 1 && words_of(name).any(|word| listed(SENTENCE, &word)) {
        return None;
    }
    // A point after a whole word ends a sentence; after an initial or "Dr" it does not.
    let ends_sentence = |word: &str| word.ends_with('.') && word.chars().filter(|c| c.is_alphabetic()).count() > 3;
    if name.split_whitespace().any(ends_sentence) && count > 1 {
        return None;
    }
    let small = name.chars().next().is_some_and(char::is_lowercase) && !listed(SIDE, &name.to_lowercase());
    let plain = count <= PLAIN_WORDS
        && !small
        && !name.contains([',', '"', '«', '“', '(', '/'].as_slice())
        && !name.split_whitespace().any(|word| matches!(word, "-" | "–" | "—"));
    Some(if plain { Shape::Plain } else { Shape::Loose })
}

/// A line as far as labels go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// Without the time before it.
    pub text: &'a str,
    pub timed: bool,
    pub after_blank: bool,
}

/// The labels of a file.
#[derive(Debug, Default)]
pub struct Labels {
    mark: Mark,
    names: BTreeSet<String>,
}

struct Candidate<'a> {
    name: &'a str,
    words: &'a str,
    shape: Shape,
    seen: Seen<'a>,
}

fn key(name: &str) -> String {
    // "Anna (0:15)" is Anna.
    let name = match name.rfind(['(', '[']) {
        Some(open) if name[open..].contains(|c: char| c.is_ascii_digit()) => name[..open].trim(),
        _ => name,
    };
    name.to_lowercase()
}

impl Labels {
    /// `headers`: some lines are nothing but who and when, so that a colon is seldom a label.
    pub fn of(lines: &[Seen<'_>], headers: bool) -> Self {
        let by_colon = Self::with(lines, headers, Mark::Colon);
        if !by_colon.names.is_empty() || headers {
            return by_colon;
        }
        Self::with(lines, headers, Mark::Dash)
    }

    fn with(lines: &[Seen<'_>], headers: bool, mark: Mark) -> Self {
        let candidates: Vec<Candidate<'_>> = lines
            .iter()
            .filter_map(|&seen| {
                let (name, words, shape) = split(seen.text, mark)?;
                Some(Candidate {
                    name,
                    words,
                    shape,
                    seen,
                })
            })
            .collect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for candidate in &candidates {
            *counts.entry(key(candidate.name)).or_default() += 1;
        }
        let most = candidates.len() * 2 > lines.len();
        if mark == Mark::Dash && !(most && lines.len() > 1) {
            return Self::default();
        }
        let layout = Layout::of(&candidates, &counts, headers, mark);
        let names = candidates
            .iter()
            .filter(|candidate| {
                let again = counts[&key(candidate.name)] > 1;
                let small = candidate.name.chars().next().is_some_and(char::is_lowercase);
                let written = match candidate.shape {
                    Shape::Plain => true,
                    Shape::Loose if small => most && again,
                    Shape::Loose => most || again || words_of(candidate.name).any(|word| listed(TITLE, &word)),
                };
                written && (again || !layout.is_sentence(candidate, &counts))
            })
            .map(|candidate| key(candidate.name))
            .collect();
        Self { mark, names }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The label of a line and its words, which may be none.
    pub fn split<'a>(&self, line: &'a str) -> Option<(&'a str, &'a str)> {
        let (name, words, _) = split(line, self.mark)?;
        self.names.contains(&key(name)).then_some((name, words))
    }
}

/// What labels have in common in a file: a line that lacks it goes on with a turn.
struct Layout {
    mark: Mark,
    /// Some label comes back.
    repeats: bool,
    headers: bool,
    times: bool,
    blanks: bool,
    capitals: bool,
}

impl Layout {
    fn of(candidates: &[Candidate<'_>], counts: &HashMap<String, usize>, headers: bool, mark: Mark) -> Self {
        let sure: Vec<&Candidate<'_>> = candidates
            .iter()
            .filter(|candidate| counts[&key(candidate.name)] > 1)
            .collect();
        let mostly = |has: fn(&Candidate<'_>) -> bool| {
            sure.len() > 1 && sure.iter().filter(|candidate| has(candidate)).count() * 10 >= sure.len() * 8
        };
        Self {
            mark,
            repeats: !sure.is_empty(),
            headers,
            times: mostly(|candidate| candidate.seen.timed),
            blanks: mostly(|candidate| candidate.seen.after_blank),
            capitals: mostly(|candidate| !begins_small(candidate.words)),
        }
    }

    fn is_sentence(&self, candidate: &Candidate<'_>, counts: &HashMap<String, usize>) -> bool {
        let own = key(candidate.name);
        if self.headers && !candidate.seen.timed {
            return true;
        }
        if candidate.shape == Shape::Loose && begins_small(candidate.words) {
            return true;
        }
        // «Цена — сто рублей» is how Russian says "is".
        if self.mark == Mark::Dash && (begins_small(candidate.words) || listed(TOPIC, &own)) {
            return true;
        }
        // With one other speaker, whoever speaks once is the second.
        let others = counts.len() - usize::from(counts.contains_key(&own));
        if !self.repeats || others < 2 {
            return false;
        }
        (self.times && !candidate.seen.timed)
            || (self.blanks && !candidate.seen.after_blank)
            || (self.capitals && begins_small(candidate.words))
            || listed(TOPIC, &own)
    }
}

fn begins_small(words: &str) -> bool {
    words
        .chars()
        .find(|c| c.is_alphanumeric())
        .is_some_and(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(lines: &[&str]) -> Vec<Option<String>> {
        let seen: Vec<Seen<'_>> = lines
            .iter()
            .map(|&text| Seen {
                text,
                ..Seen::default()
            })
            .collect();
        let labels = Labels::of(&seen, false);
        lines
            .iter()
            .map(|line| labels.split(line).map(|(name, _)| name.to_owned()))
            .collect()
    }

    fn some(names: &[&str]) -> Vec<Option<String>> {
        names
            .iter()
            .map(|name| (!name.is_empty()).then(|| (*name).to_owned()))
            .collect()
    }

    #[test]
    fn labels_with_companies_and_titles() {
        let lines = [
            "ООО \"Лютик\", Ольга: Здравствуйте.",
            "Олег Иванович, директор: Слушаю вас.",
            "Анна – «Ромашка»: Как дела?",
            "И. О. Петров: Хорошо.",
        ];
        let names = [
            "ООО \"Лютик\", Ольга",
            "Олег Иванович, директор",
            "Анна – «Ромашка»",
            "И. О. Петров",
        ];
        assert_eq!(labels(&lines), some(&names));
    }

    #[test]
    fn a_sentence_with_a_colon_is_no_label() {
        let lines = [
            "Анна: Что для вас важно?",
            "Олег: Две вещи.",
            "Сроки: это главное?",
            "Смотрите, у нас так: сначала договор.",
            "Вот что нам нужно:",
            "Анна: Понятно.",
            "Олег: Да.",
            "Секретарь: Кофе будете?",
        ];
        assert_eq!(
            labels(&lines),
            some(&["Анна", "Олег", "", "", "", "Анна", "Олег", "Секретарь"])
        );
    }

    #[test]
    fn small_names_count_where_they_come_back() {
        let lines = ["олег: привет", "анна: да", "олег: ну вот", "анна: ясно"];
        assert_eq!(labels(&lines), some(&["олег", "анна", "олег", "анна"]));
    }

    #[test]
    fn names_before_a_dash() {
        assert_eq!(
            labels(&["Анна – Здравствуйте.", "Олег – Да, слушаю.", "Цена — это важно."]),
            some(&["Анна", "Олег", ""])
        );
        assert_eq!(
            labels(&["Анна: Цена?", "Цена — сто."]),
            some(&["Анна", ""]),
            "a dash in a file with colons"
        );
    }

    #[test]
    fn clock_times_and_addresses() {
        let plain = |line| split(line, Mark::Colon).filter(|(_, _, shape)| *shape == Shape::Plain);
        for line in ["At 10:30 then?", "https://example.com", "Anna (0:15): words"] {
            assert!(plain(line).is_none(), "{line}");
        }
        assert!(plain("Dr. Smith: words").is_some_and(|(name, words, _)| (name, words) == ("Dr. Smith", "words")));
    }
}
