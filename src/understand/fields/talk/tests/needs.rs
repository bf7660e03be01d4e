//! Problems, wishes, and the way to a decision.

use super::*;

#[test]
fn problems() {
    let pain = Signal::BuyerPain;
    in_one_turn(
        Name::Pain,
        En,
        pain,
        &[
            (
                "Honestly, we lose track of half the leads.",
                &["we lose track of half the leads"],
            ),
            (
                "Good question. The reports are always two weeks late.",
                &["The reports are always two weeks late"],
            ),
            (
                "I want one screen. Nobody updates the CRM.",
                &["Nobody updates the CRM"],
            ),
            ("If you had a hundred reps, nobody would update it.", &[]),
            ("Is that a problem?", &[]),
            ("Imagine the reports are late.", &[]),
        ],
    );
    in_one_turn(
        Name::Pain,
        Ru,
        pain,
        &[
            (
                "Ну, отчёты собираем руками, каждый раз ад.",
                &["отчёты собираем руками, каждый раз ад"],
            ),
            (
                "Хорошо. Менеджеры забывают перезванивать.",
                &["Менеджеры забывают перезванивать"],
            ),
            ("Хочу один экран. Никто не заполняет.", &["Никто не заполняет"]),
            ("Если бы у вас заявки терялись.", &[]),
            ("А это проблема?", &[]),
            ("Допустим, отчёты опаздывают на неделю.", &[]),
        ],
    );
    for (language, text) in [
        (En, "We moved to a new CRM last spring."),
        (Ru, "Весной переехали на новую систему."),
    ] {
        let situation: Said<'_> = (Buyer, &[Signal::BuyerSituation], text);
        assert!(fields(Name::Pain, language, &[situation]).is_empty(), "{text}");
        // The rep's word about the buyer is no word of the buyer.
        assert!(fields(Name::Pain, language, &[(Rep, &[], text)]).is_empty(), "{text}");
    }
}

#[test]
fn a_problem_has_its_kind() {
    let kind = |language, text| values(Name::Pain, language, &[(Buyer, &[Signal::BuyerPain], text)]).concat();
    for (language, text, expected) in [
        (En, "We lose leads after the first call.", Some("lost_leads")),
        (
            En,
            "Everything is typed by hand into a spreadsheet.",
            Some("manual_work"),
        ),
        (En, "The gasket cracked and it leaks.", Some("quality")),
        (En, "My mother is lonely over there.", None),
        (Ru, "Заявки теряются после первого звонка.", Some("lost_leads")),
        (Ru, "Всё вручную, в тетрадке.", Some("manual_work")),
        (Ru, "Жалуются, насос сломался.", Some("quality")),
        (Ru, "Мать там одна тоскует.", None),
    ] {
        let value = kind(language, text);
        match expected {
            Some(id) => assert!(value.ends_with(&format!(r#""category":"{id}"}}"#)), "{value}"),
            None => assert!(value.contains("text") && !value.contains("category"), "{value}"),
        }
    }
}

#[test]
fn one_problem_is_one_item_and_the_rep_may_name_it() {
    let pain: &[Signal] = &[Signal::BuyerPain];
    let twice: [Said<'_>; 3] = [
        (Buyer, pain, "We lose leads after the first call."),
        (Rep, &[], "I see."),
        (Buyer, pain, "As I said, we lose leads after that first call."),
    ];
    assert_eq!(fields(Name::Pain, En, &twice).len(), 1);
    let named: [Said<'_>; 2] = [
        (Rep, &[Signal::RepQPain], "Do quotes get stuck with finance?"),
        (Buyer, pain, "Yeah, they do."),
    ];
    let found = fields(Name::Pain, En, &named);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].turn, found[0].status), (Some(1), FieldStatus::Confirmed));
    let named: [Said<'_>; 2] = [
        (Rep, &[Signal::RepQPain], "Заявки теряются после первого звонка?"),
        (Buyer, pain, "Да, есть такое."),
    ];
    assert_eq!(
        fields(Name::Pain, Ru, &named)[0].raw,
        "Заявки теряются после первого звонка"
    );
}

#[test]
fn wishes_are_criteria_or_goals() {
    let vision = Signal::BuyerVision;
    in_one_turn(
        Name::DecisionCriteria,
        En,
        vision,
        &[
            ("It has to work with our CRM.", &["It has to work with our CRM"]),
            (
                "Fine. I need somebody with a name, and it has to work in the cold.",
                &["I need somebody with a name", "it has to work in the cold"],
            ),
            ("Ideally it fits in the van.", &["Ideally it fits in the van"]),
            ("Does it have to be blue?", &[]),
            ("Suppose it has to work offline.", &[]),
            ("I don't care about the colour.", &[]),
        ],
    );
    in_one_turn(
        Name::DecisionCriteria,
        Ru,
        vision,
        &[
            ("Обязательно интеграция с 1С.", &["Обязательно интеграция с 1С"]),
            (
                "Мне надо, чтобы данные хранились в России.",
                &["Мне надо, чтобы данные хранились в России"],
            ),
            (
                "Желательно, чтобы работало на телефоне.",
                &["Желательно, чтобы работало на телефоне"],
            ),
            ("А обязательно интеграция?", &[]),
            ("Если бы обязательно, то сказали бы.", &[]),
            ("Мне всё равно какой цвет.", &[]),
        ],
    );
    in_one_turn(
        Name::Goal,
        En,
        vision,
        &[
            ("We want to grow to ten stores.", &["We want to grow to ten stores"]),
            ("I'd like to finish at nine.", &["I'd like to finish at nine"]),
            ("The goal is zero complaints.", &["The goal is zero complaints"]),
            ("It has to be steel.", &[]),
            ("Do you want to grow?", &[]),
            ("Imagine we want to grow.", &[]),
        ],
    );
    in_one_turn(
        Name::Goal,
        Ru,
        vision,
        &[
            ("Хочется спокойно спать ночью.", &["Хочется спокойно спать ночью"]),
            ("Наша цель, ноль жалоб.", &["Наша цель, ноль жалоб"]),
            ("Планируем открыть второй филиал.", &["Планируем открыть второй филиал"]),
            ("Обязательно сталь.", &[]),
            ("Хотите вырасти?", &[]),
            ("Представьте, хотим вырасти.", &[]),
        ],
    );
    let must = |language, text| values(Name::DecisionCriteria, language, &[(Buyer, &[vision], text)]).concat();
    assert!(must(En, "It must be able to run offline.").contains(r#""must":true"#));
    assert!(must(En, "Ideally it should run offline.").contains(r#""must":false"#));
    assert!(must(Ru, "Обязательно на русском.").contains(r#""must":true"#));
    assert!(must(Ru, "Хорошо бы, надо и на телефоне.").contains(r#""must":false"#));
}

#[test]
fn a_condition_of_the_next_step_needs_no_signal() {
    by_words(
        Name::DecisionCriteria,
        En,
        &[
            (
                &[(Buyer, "If it is less, then I buy.")],
                Some(r#"{"text":"If it is less, then I buy","must":true}"#),
            ),
            (&[(Buyer, "If it rains, they pray.")], None),
            (&[(Rep, "If it is less, then I buy.")], None),
        ],
    );
    by_words(
        Name::DecisionCriteria,
        Ru,
        &[
            (
                &[(Buyer, "Если акта не будет, договор не открою.")],
                Some(r#"{"text":"Если акта не будет, договор не открою","must":true}"#),
            ),
            (&[(Buyer, "Если дождь, сидим дома.")], None),
            (&[(Rep, "Если акта не будет, договор не открою.")], None),
        ],
    );
}

#[test]
fn steps_of_the_decision() {
    let process = Signal::BuyerProcess;
    in_one_turn(
        Name::DecisionProcess,
        En,
        process,
        &[
            (
                "First a pilot with one team, then procurement, then legal.",
                &["First a pilot with one team", "procurement, then legal"],
            ),
            ("The board meets on Monday.", &["The board meets on Monday"]),
            (
                "We need three quotes before finance looks at it.",
                &["We need three quotes before finance looks at it"],
            ),
            ("It's my call.", &[]),
            ("Who approves it at yours?", &[]),
            ("Suppose the board meets on Monday.", &[]),
        ],
    );
    in_one_turn(
        Name::DecisionProcess,
        Ru,
        process,
        &[
            (
                "Сначала служба безопасности проверяет, потом юристы читают договор.",
                &["Сначала служба безопасности проверяет", "юристы читают договор"],
            ),
            (
                "Надо защитить на бюджетном комитете.",
                &["Надо защитить на бюджетном комитете"],
            ),
            ("Покажу директору в среду.", &["Покажу директору в среду"]),
            ("Решаю я.", &[]),
            ("А кто у вас утверждает?", &[]),
            ("Допустим, комитет в среду.", &[]),
        ],
    );
    by_words(
        Name::DecisionProcess,
        En,
        &[
            (
                &[(Buyer, "I'll talk to my partner about it.")],
                Some(r#"{"step":"I'll talk to my partner about it"}"#),
            ),
            (&[(Rep, "I'll talk to my partner about it.")], None),
        ],
    );
    by_words(
        Name::DecisionProcess,
        Ru,
        &[
            (&[(Buyer, "Поговорю с женой.")], Some(r#"{"step":"Поговорю с женой"}"#)),
            (&[(Rep, "Поговорю с начальником.")], None),
        ],
    );
}

#[test]
fn a_step_has_its_owner_and_day() {
    let said: [Said<'_>; 1] = [(
        Buyer,
        &[Signal::BuyerProcess, Signal::BuyerDecider],
        "Our CFO signs it by Friday.",
    )];
    assert_eq!(
        values(Name::DecisionProcess, En, &said),
        [r#"{"step":"Our CFO signs it by Friday","owner":"CFO","due":{"date":"2025-04-18","qualifier":"by"}}"#]
    );
}

#[test]
fn paperwork() {
    let kinds = |language, text| -> Vec<String> {
        fields(Name::PaperProcess, language, &[(Buyer, &[Signal::BuyerProcess], text)])
            .into_iter()
            .map(|field| match field.value {
                Some(FieldValue::Paper(paper)) => serde_json::to_string(&paper.kind).expect("a kind"),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    for (language, text, expected) in [
        (En, "Everything above a million is a tender.", &["\"tender\""][..]),
        (En, "Security review first.", &["\"security\""]),
        (En, "The security review takes a week.", &["\"security\""]),
        (En, "Then our lawyers read it.", &["\"legal\""]),
        (En, "We need a purchase order before.", &["\"procurement\""]),
        (En, "I'll sign the contract on Monday.", &["\"contract\""]),
        (En, "There is no tender here.", &[]),
        (En, "We don't have a tender.", &[]),
        (En, "The contract was nice.", &[]),
        (En, "Is there a tender?", &[]),
        (Ru, "Через тендер, всё что выше миллиона.", &["\"tender\""]),
        (Ru, "Сначала безопасники смотрят.", &["\"security\""]),
        (Ru, "Потом юристы.", &["\"legal\""]),
        (Ru, "Надо аккредитацию в закупках пройти.", &["\"procurement\""]),
        (Ru, "Договор надо подписать до пятницы.", &["\"contract\""]),
        (Ru, "Тендера нет.", &[]),
        (Ru, "Без тендера обойдёмся.", &[]),
        (Ru, "Договор у меня в столе.", &[]),
        (Ru, "А тендер будет?", &[]),
    ] {
        assert_eq!(kinds(language, text), expected, "{text}");
    }
    let rep: Said<'_> = (Rep, &[], "Our lawyers read it first.");
    assert!(fields(Name::PaperProcess, En, &[rep]).is_empty());
}

#[test]
fn what_forces_the_date() {
    let timeline = Signal::BuyerTimeline;
    in_one_turn(
        Name::CriticalEvent,
        En,
        timeline,
        &[
            (
                "Our contract with them runs out in September.",
                &["Our contract with them runs out in September"],
            ),
            ("There is an audit in May.", &["There is an audit in May"]),
            (
                "It has to work before the season.",
                &["It has to work before the season"],
            ),
            ("We would start on Monday.", &[]),
            ("When is the audit?", &[]),
            ("Suppose the contract runs out in May.", &[]),
        ],
    );
    in_one_turn(
        Name::CriticalEvent,
        Ru,
        timeline,
        &[
            (
                "Договор с подрядчиком кончается в сентябре.",
                &["Договор с подрядчиком кончается в сентябре"],
            ),
            ("В мае у нас проверка.", &["В мае у нас проверка"]),
            ("Надо успеть до сезона.", &["Надо успеть до сезона"]),
            ("Начнём в понедельник.", &[]),
            ("А когда проверка?", &[]),
            ("Допустим, в мае проверка.", &[]),
        ],
    );
    // Words alone, without a timeline, are no deadline.
    let said: Said<'_> = (Buyer, &[], "There was an audit once.");
    assert!(fields(Name::CriticalEvent, En, &[said]).is_empty());
    let dated = values(Name::CriticalEvent, Ru, &[(Buyer, &[timeline], "25 апреля проверка.")]);
    assert_eq!(
        dated,
        [r#"{"text":"25 апреля проверка","date":{"date":"2025-04-25","qualifier":"on"}}"#]
    );
    let undated = values(Name::CriticalEvent, En, &[(Buyer, &[timeline], "Before the season.")]);
    assert!(undated[0].ends_with(r#""date":null}"#), "{undated:?}");
}
