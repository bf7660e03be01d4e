//! Objections, requests, and who the buyer is to us.

use super::*;

#[test]
fn objections_have_a_kind_and_a_fate() {
    let price: &[Signal] = &[Signal::BuyerObjPrice];
    let answer: &[Signal] = &[Signal::RepObjHandle];
    let ack: &[Signal] = &[Signal::BuyerValueAck];
    let value = |kind: &str, status: &str| format!(r#"{{"kind":"{kind}","status":"{status}"}}"#);
    let cases: [(Language, Vec<Said<'_>>, Vec<String>); 8] = [
        (
            En,
            vec![(Buyer, price, "That's too much.")],
            vec![value("price", "open")],
        ),
        (
            En,
            vec![
                (Buyer, price, "That's too much."),
                (Rep, answer, "It pays back in May."),
                (Buyer, &[], "Hm."),
            ],
            vec![value("price", "answered")],
        ),
        (
            En,
            vec![
                (Buyer, price, "That's too much."),
                (Rep, answer, "It pays back."),
                (Buyer, ack, "It does pay."),
            ],
            vec![value("price", "accepted")],
        ),
        (
            Ru,
            vec![
                (Buyer, price, "Дорого."),
                (Rep, answer, "Окупится."),
                (Buyer, &[], "Ладно, понятно. Согласен."),
            ],
            vec![value("price", "accepted")],
        ),
        // Said again before it was settled: the same exchange.
        (
            Ru,
            vec![
                (Buyer, price, "Дорого."),
                (Rep, answer, "Окупится."),
                (Buyer, price, "Всё равно дорого."),
            ],
            vec![value("price", "open")],
        ),
        (
            Ru,
            vec![
                (Buyer, &[Signal::BuyerObjTrust], "Боюсь, не приживётся."),
                (Buyer, &[Signal::BuyerDelay], "Нам надо подумать."),
            ],
            vec![value("trust", "open"), value("delay", "open")],
        ),
        (
            En,
            vec![(Buyer, &[Signal::BuyerObjNeed], "We're fine as it is.")],
            vec![value("need", "open")],
        ),
        // Words of a signal that is not there, and a signal that the model hears badly without any words.
        (
            En,
            vec![
                (Buyer, &[], "What is the price?"),
                (Buyer, &[Signal::BuyerObjNeed], "The sky was grey over Bergen."),
                (Rep, &[], "That's too much."),
            ],
            vec![],
        ),
    ];
    for (language, said, expected) in cases {
        assert_eq!(values(Name::Objections, language, &said), expected, "{said:?}");
    }
}

#[test]
fn materials() {
    by_words(
        Name::MaterialsRequested,
        En,
        &[
            (
                &[(Buyer, "Please send me the price list.")],
                Some("\"Please send me the price list\""),
            ),
            (
                &[(Buyer, "Could you email me a proper quote?")],
                Some("\"Could you email me a proper quote\""),
            ),
            (
                &[(Rep, "Shall I send the brochure?"), (Buyer, "Yes please.")],
                Some("\"Shall I send the brochure\""),
            ),
            (&[(Rep, "Shall I send the brochure?"), (Buyer, "No, I have it.")], None),
            (&[(Buyer, "I'll send you the price list.")], None),
            (&[(Buyer, "We had to send them the sheet by post.")], None),
            (&[(Buyer, "Don't send me the brochure again.")], None),
            (&[(Rep, "Send me the list of your trucks, please.")], None),
            (&[(Buyer, "Send it.")], None),
        ],
    );
    by_words(
        Name::MaterialsRequested,
        Ru,
        &[
            (
                &[(Buyer, "Пришлите, пожалуйста, прайс.")],
                Some("\"Пришлите, пожалуйста, прайс\""),
            ),
            (
                &[(Buyer, "Ну скиньте мне договор на почту.")],
                Some("\"скиньте мне договор на почту\""),
            ),
            (
                &[(Rep, "Каталог пришлю сегодня."), (Buyer, "Хорошо, жду.")],
                Some("\"Каталог пришлю сегодня\""),
            ),
            (
                &[(Rep, "Каталог пришлю сегодня."), (Buyer, "Не надо, есть у меня.")],
                None,
            ),
            (&[(Buyer, "Сам пришлю вам прайс.")], None),
            (&[(Buyer, "Не присылайте каталог, прошу вас.")], None),
            (&[(Rep, "Пришлите, пожалуйста, карточку предприятия.")], None),
            (&[(Buyer, "Присылайте.")], None),
        ],
    );
}

#[test]
fn an_offer_is_confirmed_only_by_a_yes() {
    let status = |answer| {
        let said: [Said<'_>; 2] = [(Rep, &[], "I'll send the brochure today."), (Buyer, &[], answer)];
        fields(Name::MaterialsRequested, En, &said)
            .first()
            .map(|field| (field.turn, field.status))
    };
    assert_eq!(status("Yes please."), Some((Some(1), FieldStatus::Confirmed)));
    assert_eq!(status("Our trucks are blue."), Some((Some(1), FieldStatus::Proposed)));
    assert_eq!(status("No, don't."), None);
}

#[test]
fn questions_without_an_answer() {
    by_words(
        Name::OpenQuestions,
        En,
        &[
            (
                &[(Buyer, "Does it work with leather?"), (Rep, "I'll find out for you.")],
                Some("\"Does it work with leather\""),
            ),
            (
                &[
                    (Buyer, "So what is the sound pressure?"),
                    (Rep, "I'd have to check with technical."),
                ],
                Some("\"what is the sound pressure\""),
            ),
            (
                &[(Buyer, "Can it freeze in winter?"), (Rep, "Honestly, I don't know.")],
                Some("\"Can it freeze in winter\""),
            ),
            (&[(Buyer, "Does it work with leather?"), (Rep, "Yes, it does.")], None),
            (&[(Buyer, "Really?"), (Rep, "I'll find out.")], None),
            (&[(Buyer, "It works with leather."), (Rep, "I'll find out.")], None),
            (&[(Rep, "Does it work with leather?"), (Buyer, "I don't know.")], None),
        ],
    );
    by_words(
        Name::OpenQuestions,
        Ru,
        &[
            (
                &[(Buyer, "А с кожей работает?"), (Rep, "Уточню и напишу.")],
                Some("\"с кожей работает\""),
            ),
            (
                &[(Buyer, "Какая там гарантия?"), (Rep, "Не знаю, честно.")],
                Some("\"Какая там гарантия\""),
            ),
            (
                &[(Buyer, "Зимой не замёрзнет?"), (Rep, "Узнаю у инженера.")],
                Some("\"Зимой не замёрзнет\""),
            ),
            (&[(Buyer, "А с кожей работает?"), (Rep, "Работает.")], None),
            (&[(Buyer, "Правда?"), (Rep, "Уточню.")], None),
            (&[(Buyer, "С кожей работает."), (Rep, "Уточню.")], None),
            (&[(Rep, "А с кожей работаете?"), (Buyer, "Не знаю.")], None),
        ],
    );
}

#[test]
fn where_the_lead_comes_from() {
    by_words(
        Name::LeadSource,
        En,
        &[
            (&[(Buyer, "Dinny gave me your number.")], Some("\"referral\"")),
            (&[(Buyer, "I saw your ad in the paper.")], Some("\"inbound\"")),
            (&[(Buyer, "How did you get my number?")], Some("\"outbound\"")),
            (
                &[(Rep, "We met at the trade show in May."), (Buyer, "We did.")],
                Some("\"event\""),
            ),
            (
                &[
                    (Rep, "We met at the trade show in May."),
                    (Buyer, "No, that wasn't me."),
                ],
                None,
            ),
            (&[(Buyer, "We bought from you two years ago.")], Some("\"repeat\"")),
            (&[(Buyer, "I gave him my number.")], None),
            (&[(Buyer, "Imagine Dinny gave me your number.")], None),
        ],
    );
    by_words(
        Name::LeadSource,
        Ru,
        &[
            (&[(Buyer, "Мне вас сосед посоветовал.")], Some("\"referral\"")),
            (
                &[(Rep, "Вы заявку оставляли на сайте?"), (Buyer, "Да, оставляла.")],
                Some("\"inbound\""),
            ),
            (
                &[(Rep, "Вы заявку оставляли на сайте?"), (Buyer, "Нет, не оставлял.")],
                None,
            ),
            (&[(Buyer, "Откуда у вас мой номер?")], Some("\"outbound\"")),
            (&[(Buyer, "На выставке вас видел.")], Some("\"event\"")),
            (&[(Buyer, "Мы брали у вас насос.")], Some("\"repeat\"")),
            (&[(Buyer, "Номер мой запишите.")], None),
            (&[(Buyer, "Если бы сосед посоветовал.")], None),
        ],
    );
}

#[test]
fn new_or_not() {
    by_words(
        Name::CustomerKind,
        En,
        &[
            (&[(Buyer, "We've been with you four years.")], Some("\"existing\"")),
            (
                &[(Rep, "It's about your renewal."), (Buyer, "I know.")],
                Some("\"existing\""),
            ),
            (&[(Buyer, "I've never dealt with you.")], Some("\"new\"")),
            (&[(Buyer, "We've been with them four years.")], None),
            (&[(Rep, "It's about your renewal."), (Buyer, "No, we have none.")], None),
            (&[(Buyer, "This is the first time I see snow.")], None),
            (&[(Buyer, "We have been here four years.")], None),
        ],
    );
    by_words(
        Name::CustomerKind,
        Ru,
        &[
            (&[(Buyer, "Мы у вас уже пять лет.")], Some("\"existing\"")),
            (&[(Buyer, "Вы нам насос поставили весной.")], Some("\"existing\"")),
            (&[(Buyer, "Раньше с вами не работали.")], Some("\"new\"")),
            (&[(Buyer, "Мы у них уже пять лет.")], None),
            (&[(Buyer, "Первый раз такое слышу.")], None),
            (&[(Rep, "Вы нам насос поставили?"), (Buyer, "Нет, не мы.")], None),
            (&[(Buyer, "Пять лет тут живём.")], None),
        ],
    );
}

#[test]
fn how_to_reach_them() {
    by_words(
        Name::ContactPreference,
        En,
        &[
            (&[(Buyer, "Text me, I don't pick up.")], Some("\"messenger\"")),
            (&[(Buyer, "Email is better for me.")], Some("\"email\"")),
            (&[(Buyer, "By phone, please, not on paper.")], Some("\"phone\"")),
            (&[(Rep, "I'll text me a note.")], None),
            (&[(Buyer, "He never emails by email.")], None),
            (&[(Buyer, "Call me a fool.")], None),
            (&[(Buyer, "We get orders on the phone.")], None),
        ],
    );
    by_words(
        Name::ContactPreference,
        Ru,
        &[
            (&[(Buyer, "Лучше в телеграм.")], Some("\"messenger\"")),
            (&[(Buyer, "Пришлите на почту, я читаю.")], Some("\"email\"")),
            (&[(Buyer, "Лучше звоните, почту не читаю.")], Some("\"phone\"")),
            (&[(Rep, "Скину в телеграм.")], None),
            (&[(Buyer, "Звоните, до свидания.")], None),
            (&[(Buyer, "Они пишут в телеграм.")], None),
            (&[(Buyer, "В телефоне всё сохранил.")], None),
        ],
    );
}

#[test]
fn the_trade_is_the_buyers_own() {
    let trade = |language, text| values(Name::Industry, language, &[(Buyer, &[Signal::BuyerSituation], text)]).concat();
    for (language, text, expected) in [
        (En, "We're a family bakery in Leeds.", "\"food\""),
        (En, "I run a dental clinic.", "\"health\""),
        (En, "We have a hotel by the sea.", "\"hospitality\""),
        (En, "Our client's bakery burned down.", ""),
        (En, "We're not a bakery.", ""),
        (En, "He works in a bakery.", ""),
        (Ru, "У нас пекарня в Кунгуре.", "\"food\""),
        (Ru, "Мы стоматология, три кресла.", "\"health\""),
        (Ru, "Держим турбазу на озере.", "\"hospitality\""),
        (Ru, "У нашего клиента пекарня.", ""),
        (Ru, "У нас не пекарня.", ""),
        (Ru, "Он работает в пекарне.", ""),
    ] {
        assert_eq!(trade(language, text), expected, "{text}");
    }
    let found = fields(
        Name::Industry,
        En,
        &[(Buyer, &[Signal::BuyerSituation], "We're a family bakery.")],
    );
    assert_eq!(
        (found[0].raw.as_str(), found[0].quote.as_str()),
        ("bakery", "We're a family bakery")
    );
}
