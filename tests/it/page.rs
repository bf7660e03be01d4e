//! The page, and what the API has for it: lists, search, words, the process, waveforms.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::served::{self, Service, Settings};
use crate::support::{Scratch, dealstage, fixture, stdout};

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("a list").iter();
    items.map(|item| item["id"].as_str().expect("an id")).collect()
}

fn get_as(service: &Service, key: &str, path: &str) -> Value {
    served::json(
        service.ask_as(key, "GET", path).send().expect("an answer"),
        StatusCode::OK,
    )
}

#[test]
fn the_page_is_for_browsers_and_the_api_for_programs() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let browse = |path: &str| {
        let request = service.bare("GET", path).header("accept", "text/html");
        request.send().expect("an answer")
    };
    for path in ["/", "/calls/call_1"] {
        let answer = browse(path);
        if answer.status() == StatusCode::OK {
            let headers = answer.headers();
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            let policy = headers["content-security-policy"].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        } else {
            assert!(served::problem(answer, 404).contains("make web"));
        }
    }
    assert!(served::problem(browse("/v1/nothing"), 404).contains("openapi.json"));
    assert!(served::problem(service.bare("GET", "/nothing").send().expect("an answer"), 404).contains("openapi.json"));
}

#[test]
fn calls_and_deals_are_found_and_tell_where_they_stand() {
    let scratch = Scratch::new();
    let services = [
        Some(Settings::new(&scratch.path("sqlite"))),
        Settings::new(&scratch.path("servers")).on_servers(),
    ];
    for settings in services.into_iter().flatten() {
        let service = settings.start();
        let rep = json!({"email": "rita@example.com", "name": "Rita", "role": "rep"});
        let rep = service.post("/v1/users", &rep, StatusCode::CREATED)["id"].clone();
        let key = service.post("/v1/keys", &json!({"name": "k", "user_id": rep}), StatusCode::CREATED);
        let key = key["key"].as_str().expect("a key").to_owned();
        let clinic = json!({"deal": {"name": "Clinic North"}, "owner": "rita@example.com"});
        let first = service.take(&fixture("deals/clinic-1.json"), &clinic);
        let analysis = service.analysed(&first);
        let second = service.take(
            &fixture("deals/clinic-2.json"),
            &json!({"deal": {"name": "Clinic North"}}),
        );
        let latest = service.analysed(&second);
        let store = service.take(&fixture("deals/sklad-1.json"), &json!({"deal": {"name": "Склад"}}));
        service.analysed(&store);

        for (query, found) in [
            ("q=договоров", vec![&store]),
            ("q=СКЛАДА", vec![&store]),
            ("q=receptionist", vec![&first]),
            ("q=Clinic%20spreadsheets", vec![&first]),
            ("q=clinic", vec![&second, &first]),
            ("q=clinic%20zebra", vec![]),
            ("q=clinic&to=2025-03-12", vec![&first]),
            ("from=2025-04-10", vec![&store]),
        ] {
            let page = service.get(&format!("/v1/calls?{query}"));
            let found: Vec<&str> = found.into_iter().map(String::as_str).collect();
            assert_eq!(ids(&page), found, "{query}");
        }
        let hit = &service.get("/v1/calls?q=договор")["items"][0]["found"];
        assert_eq!(
            *hit,
            json!({"turn": 14, "quote": "Договор генеральный подписывает, а деньги согласует финансовый директор."})
        );
        let many = service
            .ask("GET", "/v1/calls?q=a+b+c+d+e+f+g")
            .send()
            .expect("an answer");
        assert!(served::problem(many, 400).contains("at most 6 words"));
        let row = service.get(&format!("/v1/calls/{first}"));
        assert_eq!(row["deal_name"], "Clinic North");
        assert_eq!((&row["language"], &row["turns"]), (&json!("en"), &json!(22)));
        let deal = &analysis["deal"];
        let decided = if deal["abstained"] == true {
            &Value::Null
        } else {
            &deal["stage"]
        };
        assert_eq!((&row["abstained"], &row["stage"]), (&deal["abstained"], decided));
        assert_eq!(row["outcome"], deal["call_outcome"]);
        assert_eq!(row["lead_score"], analysis["qualification"]["lead_score"]);
        assert_eq!(row["not_sales"], false);
        let action = &analysis["next_actions"][0];
        assert_eq!(
            row["next_action"],
            json!({"id": action["id"], "title": action["title"], "due": action["due"]})
        );
        assert!(row.get("found").is_none());

        let deals = service.get("/v1/deals?q=clinics");
        let deal = &deals["items"][0];
        assert_eq!(
            (deals["items"].as_array().map(Vec::len), &deal["name"]),
            (Some(1), &json!("Clinic North"))
        );
        assert_eq!(
            (&deal["calls"], &deal["last_call_date"]),
            (&json!(2), &latest["call"]["call_date"])
        );
        assert_eq!(deal["next_action"]["call_id"], second.as_str());
        assert_eq!(deal["next_action"]["title"], latest["next_actions"][0]["title"]);
        assert_eq!(deal["lead_score"], latest["qualification"]["lead_score"]);
        // Health is that of the forecast.
        let forecast = service.get("/v1/insights/forecast");
        let open = forecast["deals"].as_array().expect("a list").iter();
        let open = open.clone().find(|open| open["deal"] == deal["id"]).expect("open");
        assert_eq!(deal["health"], open["health"]);
        let unproven: Vec<&Value> = latest["deal"]["elements"]
            .as_array()
            .expect("elements")
            .iter()
            .filter(|element| element["score"].as_u64() < Some(2))
            .map(|element| &element["id"])
            .collect();
        assert!(!unproven.is_empty());
        assert_eq!(deal["missing"], json!(unproven));
        assert_eq!(
            service.get(&format!("/v1/deals/{}", deal["id"].as_str().expect("an id")))["calls"],
            2
        );
        assert_eq!(ids(&service.get("/v1/deals?stage=nowhere")), Vec::<&str>::new());
        let new = service.post("/v1/deals", &json!({"name": "Mill"}), StatusCode::CREATED);
        assert_eq!(
            (&new["calls"], &new["health"], &new["next_action"], &new["missing"]),
            (&json!(0), &Value::Null, &Value::Null, &json!([]))
        );

        // A rep finds own calls only.
        assert_eq!(ids(&get_as(&service, &key, "/v1/calls?q=clinic")), [first.as_str()]);
        assert_eq!(
            ids(&get_as(&service, &key, "/v1/calls?q=receptionist")),
            [first.as_str()]
        );
        assert_eq!(ids(&get_as(&service, &key, "/v1/calls?q=договор")), Vec::<&str>::new());
        let own = service.get(&format!("/v1/calls?owner={}", rep.as_str().expect("an id")));
        assert_eq!(ids(&own), [first.as_str()]);
    }
}

#[test]
fn ids_have_words_and_the_process_is_cards() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let words = service.get("/v1/vocabulary?language=ru");
    assert_eq!(words["signals"]["buyer_pain"], "проблема");
    assert_eq!(words["fields"]["budget"], "бюджет");
    assert_eq!(words["metrics"]["talk_ratio"], "доля речи менеджера");
    assert_eq!(
        service.get("/v1/vocabulary")["health"]["stalled"],
        "silent for too long"
    );
    let wrong = service
        .ask("GET", "/v1/vocabulary?language=de")
        .send()
        .expect("an answer");
    served::problem(wrong, 400);

    let card = |service: &Service| {
        let asked = service.ask("GET", "/v1/process").header("accept", "application/json");
        served::json(asked.send().expect("an answer"), StatusCode::OK)
    };
    let shown = card(&service);
    assert_eq!((&shown["id"], &shown["own"]), (&json!("ppvvc"), &json!(false)));
    assert_eq!(shown["stages"][0]["name"], json!({"en": "Lead", "ru": "Лид"}));
    assert_eq!(
        (&shown["stages"][0]["kind"], &shown["elements"][0]["id"]),
        (&json!("open"), &json!("pain"))
    );
    assert!(
        shown["stages"][1]["questions"]["ru"]
            .as_array()
            .is_some_and(|all| all.len() > 2)
    );
    // Its file is there to start from.
    let text = |service: &Service| {
        let answer = service.ask("GET", "/v1/process").send().expect("an answer");
        assert_eq!(answer.headers()["content-type"], "application/toml");
        answer.text().expect("a text")
    };
    assert_eq!(text(&service), stdout(&dealstage(&["process", "show"])));
    let file = stdout(&dealstage(&["process", "show", "bant"]));
    let check = |text: &str| {
        let request = service.ask("POST", "/v1/process/check").body(text.to_owned());
        served::json(request.send().expect("an answer"), StatusCode::OK)
    };
    assert_eq!(check(&file), json!({"problems": []}));
    let broken = file.replacen("version = 1", "version = 1\ncolour = \"red\"", 1);
    let problems = check(&broken)["problems"].clone();
    let line = 1 + broken
        .lines()
        .position(|line| line.starts_with("colour"))
        .expect("the line");
    assert_eq!(
        (&problems[0]["line"], &problems[0]["column"]),
        (&json!(line), &json!(1))
    );
    assert!(
        problems[0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("colour")),
        "{problems}"
    );
    // A check keeps nothing.
    assert_eq!(card(&service)["own"], false);
    let put = service
        .ask("PUT", "/v1/process")
        .body(file.clone())
        .send()
        .expect("an answer");
    assert_eq!(put.status(), StatusCode::OK);
    let shown = card(&service);
    assert_eq!((&shown["id"], &shown["own"]), (&json!("bant"), &json!(true)));
    assert_eq!(text(&service), file);

    let listed: Value = serde_json::from_str(&stdout(&dealstage(&["models", "list", "--json"]))).expect("JSON");
    let models = service.get("/v1/models");
    assert_eq!(
        models["items"].as_array().map(Vec::len),
        listed.as_array().map(Vec::len)
    );
    for name in ["name", "state", "size", "licence", "purpose", "origin"] {
        assert_eq!(models["items"][0][name], listed[0][name], "{name}");
    }
}

#[test]
fn a_recording_has_a_waveform_as_long_as_it_is_kept() {
    let scratch = Scratch::new();
    let service = Settings::new(&scratch.path("data")).start();
    let transcript = service.take(&fixture("deals/clinic-1.json"), &json!({}));
    service.analysed(&transcript);
    let ask = |id: &str| {
        let request = service.ask("GET", &format!("/v1/calls/{id}/waveform"));
        request.send().expect("an answer")
    };
    served::problem(ask(&transcript), 404);
    let id = service.take(&fixture("audio/discovery-en.opus"), &json!({"call_date": "2025-03-12"}));
    service.analysed(&id);
    let waveform = served::json(ask(&id), StatusCode::OK);
    let seconds = waveform["duration_s"].as_f64().expect("seconds");
    assert!(seconds > 60.0, "{seconds}");
    let channels = waveform["channels"].as_array().expect("channels");
    assert!(!channels.is_empty());
    for channel in channels {
        let peaks = channel.as_array().expect("peaks");
        assert!(
            (peaks.len() as f64 / 10.0 - seconds).abs() <= 0.1,
            "{} {seconds}",
            peaks.len()
        );
        let loud = peaks.iter().filter(|peak| peak.as_u64() > Some(20)).count();
        assert!(loud > peaks.len() / 10, "{loud} of {}", peaks.len());
        assert!(peaks.iter().all(|peak| peak.as_u64() <= Some(255)));
    }
    let denied = service
        .ask("PATCH", &format!("/v1/calls/{id}"))
        .json(&json!({"consent": "denied"}));
    assert_eq!(denied.send().expect("an answer").status(), StatusCode::OK);
    served::problem(ask(&id), 410);
}
