use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scope() -> Scope {
    let mut scope = Scope::default();
    scope.set("deal", &json!("7 / ../x?"));
    scope.set(
        "settings",
        &json!({ "url": "https://crm.example.com/base", "zone": null }),
    );
    scope.set("value", &json!(15000));
    scope.set("due", &json!("2026-11-27"));
    scope.set("nothing", &Json::Null);
    scope.set("body", &json!({
        "data": { "id": 3, "items": [{ "id": 1, "name": "One" }, { "id": 2, "name": "Two" }] },
        "pipelines": [{ "id": "p", "stages": [{ "id": "a" }, { "id": "b" }] }, { "id": "q", "_embedded": { "s": [{ "id": 5 }] } }],
        "text": "<id>42</id><id>43</id>",
    }));
    scope
}

fn value(text: &str) -> Json {
    let template = Template::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    template
        .value(&scope())
        .unwrap_or_else(|failed| panic!("{text}: {failed}"))
        .unwrap_or(json!("OMITTED"))
}

fn looked_up(text: &str) -> Option<Json> {
    let expression = Expression::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    expression
        .eval(&scope())
        .unwrap_or_else(|failed| panic!("{text}: {failed}"))
}

#[test]
fn one_expression_is_its_value_and_any_other_text_is_text() {
    assert_eq!(value("plain"), json!("plain"));
    assert_eq!(value("{{ value }}"), json!(15000));
    assert_eq!(value(" {{ value }} "), json!(15000));
    assert_eq!(value("{{ value }} EUR"), json!("15000 EUR"));
    assert_eq!(value("{{ value }}{{ value }}"), json!("1500015000"));
    assert_eq!(value("{{ body.data['items'] }}")[1]["name"], json!("Two"));
    assert_eq!(value("{{ {'a': {'b': value}} }}"), json!({ "a": { "b": 15000 } }));
    assert_eq!(
        value("{{ [1, 2.5, true, none, 'x'] }}"),
        json!([1, 2.5, true, null, "x"])
    );
    assert_eq!(
        value("{% if value > 1 %}much{% else %}little{% endif %}"),
        json!("much")
    );
    assert_eq!(value("[{{ nothing }}]"), json!("[]"));
}

#[test]
fn what_is_not_there_is_an_error_in_a_template_and_nothing_in_an_expression() {
    for text in [
        "{{ absent }}",
        "a {{ absent }}",
        "{{ body.absent }}",
        "a {{ body.absent.more }}",
    ] {
        let failed = Template::parse(text).expect("sound").value(&scope()).expect_err(text);
        assert_eq!(failed.kind, FailedBecause::Missing, "{text}");
    }
    for text in [
        "absent",
        "body.absent",
        "body.absent.more[0].of",
        "nothing.x",
        "value.x",
        "body.data.items[7].id",
    ] {
        assert_eq!(looked_up(text), None, "{text}");
    }
    assert_eq!(looked_up("body.data.id"), Some(json!(3)));
    assert_eq!(looked_up("absent or 5"), Some(json!(5)));
    assert_eq!(
        looked_up("absent | selectattr('id', 'eq', 1) | map(attribute='id') | list"),
        Some(json!([]))
    );
    assert_eq!(looked_up("(absent | selectattr('id', 'eq', 1) | first).id"), None);
    let holds = |text: &str| Expression::parse(text).expect(text).holds(&scope());
    assert!(holds("value > 3 and body.data") && !holds("body.error == 'x'") && !holds("body.absent.x > 3"));
}

#[test]
fn omit_leaves_out() {
    assert_eq!(value("{{ settings.zone or omit }}"), json!("OMITTED"));
    assert_eq!(
        value("{{ {'a': settings.zone or omit, 'b': [omit, 1]} }}"),
        json!({ "b": [1] })
    );
    let tree = Tree::Table(vec![
        (
            Template::parse("a").expect("sound"),
            Tree::Leaf(Template::parse("{{ omit }}").expect("sound")),
        ),
        (
            Template::parse("{{ value }}").expect("sound"),
            Tree::List(vec![
                Tree::Leaf(Template::parse("{{ omit }}").expect("sound")),
                Tree::Fixed(json!(1)),
            ]),
        ),
    ]);
    let scope = scope();
    assert_eq!(
        tree.value(&mut |template| template.value(&scope)),
        Ok(Some(json!({ "15000": [1] })))
    );
}

#[test]
fn what_is_put_into_an_address_cannot_lead_elsewhere() {
    let address = |text: &str, whole| Address::parse(text, whole).expect("sound").text(&scope());
    assert_eq!(
        address("/deals/{{ deal }}", false).expect("text"),
        "/deals/7%20%2F%20..%2Fx%3F"
    );
    assert_eq!(
        address("{{ settings.url }}/a/{{ value }}", true).expect("text"),
        "https://crm.example.com/base/a/15000"
    );
    assert_eq!(address("/x/{{ deal | safe }}", false).expect("text"), "/x/7 / ../x?");
    let mut up = scope();
    up.set("deal", &json!(".."));
    assert!(
        Address::parse("/deals/{{ deal }}/notes", false)
            .expect("sound")
            .text(&up)
            .is_err()
    );
}

proptest! {
    #[test]
    fn a_part_of_an_address_stays_one_part(deal in ".{1,40}") {
        let mut scope = scope();
        scope.set("deal", &json!(deal));
        let text = Address::parse("/deals/{{ deal }}/notes", false).expect("sound").text(&scope);
        if let Ok(text) = text {
            let url = url::Url::parse(&format!("https://crm.example.com{text}")).expect("an address");
            let parts: Vec<&str> = url.path_segments().expect("a path").collect();
            prop_assert_eq!(parts.len(), 3);
            prop_assert_eq!((parts[0], parts[2]), ("deals", "notes"));
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }

    /// Whatever the value: one expression gives it back as it is.
    #[test]
    fn values_go_through_unchanged(text in ".{0,60}", number in any::<i64>(), flag in any::<bool>()) {
        let whole = json!({ "text": text, "list": [number, flag, null], "inside": { "text": text } });
        let mut scope = Scope::default();
        scope.set("value", &whole);
        prop_assert_eq!(Template::parse("{{ value }}").expect("sound").value(&scope), Ok(Some(whole.clone())));
        prop_assert_eq!(Expression::parse("value").expect("sound").eval(&scope), Ok(Some(whole)));
    }

    /// Nobody's file makes the program panic.
    #[test]
    fn any_text_is_parsed_or_refused(text in r#"[{}%|.'"a-z0-9_()\[\]= ]{0,40}"#) {
        let _ = Template::parse(&text).map(|template| (template.variables(), template.value(&scope()), template.shown(&scope())));
        let _ = Expression::parse(&text).map(|expression| (expression.variables(), expression.eval(&scope()), expression.holds(&scope())));
        let _ = Address::parse(&text, true).map(|address| (address.variables(), address.text(&scope()), address.shown(&scope())));
    }

    #[test]
    fn numbers_are_read_from_texts_written_as_such(number in -1_000_000_000_i64..1_000_000_000) {
        prop_assert!(same(&json!(number), &json!(number.to_string())));
        let written = format!(" {number}.0 ");
        prop_assert!(same(&json!(number), &json!(written)));
        prop_assert!(!same(&json!(number), &json!(number + 1)));
    }
}

#[test]
fn filters_do_what_their_names_say() {
    let cases = [
        ("{{ due | date('%d/%m/%Y') }}", json!("27/11/2026")),
        ("{{ due | at('18:30') }}", json!("2026-11-27T18:30:00+00:00")),
        ("{{ due | at('18:30', '+03:00') }}", json!("2026-11-27T18:30:00+03:00")),
        ("{{ due | at('18:30', '+03:00') | unix }}", json!(1_795_793_400)),
        ("{{ due | unix_ms }}", json!(1_795_737_600_000_i64)),
        ("{{ 1795737600 | date('%Y-%m-%d %H:%M') }}", json!("2026-11-27 00:00")),
        ("{{ due | plus_days(-27) }}", json!("2026-10-31")),
        ("{{ '27.11.2026' | from_date('%d.%m.%Y') }}", json!("2026-11-27")),
        (
            "{{ '27.11.2026 15:00' | from_date('%d.%m.%Y %H:%M') }}",
            json!("2026-11-27"),
        ),
        ("{{ '' | from_date('%d.%m.%Y') }}", json!(null)),
        ("{{ '+7 (916) 123-45-67' | digits }}", json!("79161234567")),
        ("{{ '8 (916) 123-45-67' | phone(7) }}", json!("+79161234567")),
        ("{{ '916 123-45-67' | phone(7) }}", json!("+79161234567")),
        ("{{ '0171 555 0199' | phone('49') }}", json!("+491715550199")),
        ("{{ '0049 171 5550199' | phone }}", json!("+491715550199")),
        ("{{ '+1 202 555 0143' | phone(7) }}", json!("+12025550143")),
        ("{{ ('79161234567' | digits)[-10:] }}", json!("9161234567")),
        ("{{ 'a:b' | base64 }}", json!("YTpi")),
        ("{{ 'abc' | md5 }}", json!("900150983cd24fb0d6963f7d28e17f72")),
        (
            "{{ 'abc' | sha256 }}",
            json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ),
        (
            "{{ 'what do ya want for nothing?' | hmac_sha256('Jefe') }}",
            json!("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ),
        ("{{ 'a <b>\n& c' | html }}", json!("a &lt;b&gt;<br>&amp; c")),
        ("{{ body.text | match('<id>([0-9]+)</id>') }}", json!("42")),
        ("{{ body.text | match('x') }}", json!(null)),
        ("{{ body.text | match_all('<id>([0-9]+)</id>') }}", json!(["42", "43"])),
        (
            "{{ body.data | merge({'id': 4}) | without('items') }}",
            json!({ "id": 4 }),
        ),
        (
            "{{ body.pipelines | children('stages') | selectattr('parent.id', 'eq', 'p') | map(attribute='id') | list }}",
            json!(["a", "b"]),
        ),
        (
            "{{ body.pipelines | children('stages') | map(attribute='parent.id') | list }}",
            json!(["p", "p"]),
        ),
        (
            "{{ body.pipelines | children('_embedded.s') | map(attribute='id') | list }}",
            json!([5]),
        ),
        ("{{ \"it's \\\\ so\" | quoted }}", json!("'it\\'s \\\\ so'")),
        (
            "{{ body.data['items'] | selectattr('name', 'containing', 'w') | map(attribute='id') | list }}",
            json!([2]),
        ),
        (
            "{{ [{'m': ' Anna@Example.com', 'id': 1}, {'m': 'joanna@example.com', 'id': 2}, {'m': '', 'id': 3}, {'id': 4}] | selectattr('m', 'alike', 'anna@example.COM') | map(attribute='id') | list }}",
            json!([1]),
        ),
        (
            "{{ [{'m': ''}, {'m': none}] | selectattr('m', 'alike', '') | list }}",
            json!([]),
        ),
        (
            "{{ ['+7 916 123-45-67', '8 (916) 123 45 67', 9161234567, '+7 916 123-45-68', '67', none] | select('same_number', '+79161234567') | list | length }}",
            json!(3),
        ),
        ("{{ ['a'] + ['b', 'c'] }}", json!(["a", "b", "c"])),
        ("{{ (['a'] + ['b', 'c']) | join(',') }}", json!("a,b,c")),
        ("{{ {'a': 1} | tojson }}", json!("{\"a\":1}")),
        ("{{ 'a b' | urlencode }}", json!("a%20b")),
    ];
    for (text, wanted) in cases {
        assert_eq!(value(text), wanted, "{text}");
    }
    for text in [
        "{{ 'soon' | date('%Y') }}",
        "{{ due | at('noon') }}",
        "{{ due | date('%Q') }}",
        "{{ 'x' | from_date('%Y') }}",
        "{{ value | merge({}) }}",
    ] {
        assert!(Template::parse(text).expect(text).value(&scope()).is_err(), "{text}");
    }
}

#[test]
fn unknown_words_are_refused_with_their_place_before_anything_runs() {
    let wrong = |text: &str| {
        let wrong = Template::parse(text).expect_err(text);
        wrong
            .into_iter()
            .map(|wrong| (text[wrong.range].to_owned(), wrong.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        wrong("{{ due | dat('%Y') }}"),
        [(
            "dat".to_owned(),
            "unknown filter `dat`; did you mean `date`?".to_owned()
        )]
    );
    assert_eq!(
        wrong("{% if due is deffined %}{% endif %}"),
        [(
            "deffined".to_owned(),
            "unknown test `deffined`; did you mean `defined`?".to_owned()
        )]
    );
    assert_eq!(
        wrong("{{ rnge(3) }}"),
        [(
            "rnge".to_owned(),
            "unknown function `rnge`; did you mean `range`?".to_owned()
        )]
    );
    assert_eq!(wrong("{{ due.upper() }}")[0].0, "upper");
    // What is quoted is no word.
    assert!(Template::parse("{{ ' | nothing is such (' }} x | y is z (").is_ok());
    assert!(Template::parse("{{ 1 if (due) else (value and (nothing)) }}").is_ok());
    for text in ["{{ due", "{{ due | }}", "{% if %}", "{{ a b }} c"] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_file_cannot_keep_a_worker_busy() {
    let text = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
    assert!(Template::parse(text).expect("sound").value(&scope()).is_err());
}

#[test]
fn placeholders_stand_for_what_is_not_known() {
    let shown = |text: &str| Template::parse(text).expect(text).shown(&scope());
    assert_eq!(shown("{{ contact.id | int }}"), json!("<contact.id | int>"));
    assert_eq!(shown("{{ value }} of {{ contact.id }}"), json!("15000 of <contact.id>"));
    let address = Address::parse("{{ settings.url }}/x/{{ contact.id }}/{{ value }}", true).expect("sound");
    assert_eq!(
        address.shown(&scope()),
        "https://crm.example.com/base/x/<contact.id>/15000"
    );
}

#[test]
fn values_that_mean_the_same_are_the_same() {
    for (one, other) in [
        (json!("15000"), json!(15000)),
        (json!(15000.0), json!("15000.00")),
        (json!(null), json!("")),
        (json!("a\r\nb "), json!("a\nb")),
        (json!(["1", 2]), json!([1, 2])),
        (json!({ "a": 1 }), json!({ "a": "1" })),
        (json!(true), json!("true")),
    ] {
        assert!(same(&one, &other), "{one} {other}");
    }
    for (one, other) in [
        (json!("a"), json!("b")),
        (json!(null), json!(0)),
        (json!(""), json!(false)),
        (json!([1]), json!(1)),
        (json!("NaN"), json!("nan")),
        (json!({ "a": 1 }), json!({ "b": 1 })),
    ] {
        assert!(!same(&one, &other), "{one} {other}");
    }
}
