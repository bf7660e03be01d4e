//! Process files: what is sound, what is wrong and where.

use super::*;

fn problems(text: &str) -> Vec<String> {
    let error = Process::load(text, "x.toml").expect_err("it is broken");
    error.problems.iter().map(ToString::to_string).collect()
}

/// PPVVC with one text changed, which must be there.
fn changed(from: &str, to: &str) -> String {
    let text = BUILT_IN[0].1;
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn every_built_in_process_is_sound_and_complete() {
    for (name, _) in BUILT_IN {
        let process = Process::builtin(name).expect("known").expect("sound");
        assert_eq!(process.id(), name);
        for stage in process.stages() {
            let card = [&stage.name, &stage.purpose];
            assert!(card.iter().all(|words| !words.en.is_empty() && !words.ru.is_empty()));
            if stage.kind == StageKind::Open {
                assert!(
                    !stage.questions.en.is_empty() && !stage.questions.ru.is_empty(),
                    "{name} {}",
                    stage.id
                );
                assert!(
                    !stage.tasks.en.is_empty() && !stage.exit.en.is_empty(),
                    "{name} {}",
                    stage.id
                );
            }
            for crm in ["hubspot", "salesforce", "pipedrive", "amocrm", "bitrix24"] {
                assert!(stage.crm.contains_key(crm), "{name} {}: {crm}", stage.id);
            }
        }
        let russian = |case: &&Case| case.call["lang"] == "ru";
        let count = process.cases().iter().filter(russian).count();
        assert!(
            count >= 8 && process.cases().len() - count >= 8,
            "{name}: {count} cases in Russian"
        );
    }
    assert!(Process::builtin("no such").is_none());
}

/// Each file is complete, to be copied alone; so a phrase of one id is written in several, and must be the same in all.
#[test]
fn what_the_processes_share_is_the_same() {
    let ppvvc = Process::ppvvc().expect("sound");
    for (name, _) in &BUILT_IN[1..] {
        let process = Process::builtin(name).expect("known").expect("sound");
        for phrase in ppvvc.phrases() {
            let here = process.phrases().iter().find(|other| other.id == phrase.id);
            assert!(here.is_none_or(|here| here == phrase), "{name}: phrase.{}", phrase.id);
        }
    }
}

#[test]
fn another_text_is_another_hash() {
    let ppvvc = Process::ppvvc().expect("sound");
    let again = Process::load(BUILT_IN[0].1, "a copy").expect("sound");
    assert_eq!(ppvvc, again);
    let comment = Process::load(&changed("# The sales process", "# My sales process"), "a copy").expect("sound");
    assert_ne!(ppvvc.hash(), comment.hash());
    assert_eq!(ppvvc.hash().len(), 64);
}

#[test]
fn a_problem_has_its_place() {
    for (from, to, wanted) in [
        (
            "until = \"pain >= 2\"",
            "until = \"pian >= 2\"",
            "unknown name `pian`; did you mean `pain`?",
        ),
        (
            "until = \"pain >= 2\"",
            "until = \"never\"",
            "no deal ever leaves stage `pain`",
        ),
        (
            "id = \"value\"\nname",
            "id = \"vision\"\nname",
            "`vision` is there twice",
        ),
        (
            "id = \"value\"\nname",
            "id = \"buyers\"\nname",
            "`buyers` has a meaning in conditions already",
        ),
        ("id = \"value\"\nname", "id = \"Value\"\nname", "small latin letters"),
        (
            "id = \"value\"\nname",
            "id = \"problem\"\nname",
            "`problem` is there twice",
        ),
        (
            "buyer_turns = 6",
            "buyer_turns = -6",
            "`buyer_turns` goes from 0 to 10000",
        ),
        ("decided = 0.9", "decided = 1.9", "`decided` goes from 0 to 1"),
        ("days = -5", "days = -5000", "`days` goes from -750 to 750"),
        (
            "from = \"field.timeline\"",
            "from = \"buyer_timeline\"",
            "`from` picks no field",
        ),
        (
            "from = \"field.commitments[is rep]\"\neach",
            "each",
            "`from` is missing",
        ),
        (
            "  \"buyer_decider or buyer_champion\",",
            "  \"buyer_decider or rep_q_decision\",",
            "words of the rep alone raise no score",
        ),
        ("move = \"rep_price\"", "move = \"pain < 2\"", "`move` picks no turn"),
        ("[deal]", "[deals]", "did you mean `deal`?"),
        (
            "exit = { en = \"the buyer signs or pays\",",
            "exit = { en = \"\",",
            "`exit` has no text",
        ),
        ("version = 1", "version = 2", "this program reads `version = 1`"),
        ("version = 1\n", "", "no version is given"),
        ("language = \"ru\"", "language = \"de\"", "unknown language `de`"),
    ] {
        let found = problems(&changed(from, to));
        assert!(found.iter().any(|problem| problem.contains(wanted)), "{to}: {found:#?}");
        assert!(
            found.len() <= 2 || wanted.contains("twice") || wanted.contains("meaning") || wanted.contains("latin"),
            "{to}: {found:#?}"
        );
    }
    let text = changed("until = \"pain >= 2\"", "until = \"pian >= 2\"");
    let line = text.lines().position(|line| line.contains("pian")).expect("there") + 1;
    assert_eq!(
        problems(&text),
        [format!("{line}:10: unknown name `pian`; did you mean `pain`?")]
    );
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_lines() {
    let text = changed("until = \"pain >= 2\"", "until = \"pian >= 2\"").replacen("rank = 1\n", "rank = 0\n", 1);
    let found = problems(&text.replacen("decided = 0.9", "decidet = 0.9", 1));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("did you mean `decided`?"));
    assert!(found[2].contains("`rank` goes from 1 to 99"));
}

#[test]
fn broken_toml_is_reported_in_every_place() {
    let found = problems("version = 1\nid = \"x\nname = = 2\n[[stage]\n");
    let lines: Vec<&str> = found.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(lines, ["2", "3", "3", "4"]);
}

#[test]
fn an_action_that_never_counts_is_a_problem() {
    let text = format!(
        "{}\n[[action]]\nid = \"update_crm\"\nwhen = \"stage <= lost\"\nchannel = \"crm\"\ntitle = \"a\"\nwhy = \"b\"\n",
        BUILT_IN[0].1
    );
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("action `update_crm` has this condition already"));
}

proptest::proptest! {
    /// Whatever a hand does to a file, it is read or refused with places.
    #[test]
    fn no_file_makes_it_panic(at in 0usize..40_000, cut in 0usize..40, put in "[a-z\\[\\]{}\"'=,. \\n0-9ж]{0,8}") {
        let mut text: Vec<char> = BUILT_IN[0].1.chars().collect();
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        if let Err(error) = Process::load(&text, "x.toml") {
            proptest::prop_assert!(!error.problems.is_empty());
            proptest::prop_assert!(error.problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
        }
    }
}
