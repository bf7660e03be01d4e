//! The connections that come along, against answers of the form that each vendor documents.

use super::*;
use crate::deliver::crm::BUILT_IN;

struct Vendor {
    name: &'static str,
    settings: Json,
    /// Part of the request line, part of the body, and the answer; the first that fits.
    answers: Vec<(&'static str, &'static str, Json)>,
    deals: &'static [&'static str],
    /// Name of a field, as a person says it, and its value.
    field: (&'static str, Json),
    stage: Json,
    /// A stage by its name, and its id.
    named: (&'static str, Json),
    note: Option<&'static str>,
    task: Option<&'static str>,
}

const MARKED: &str = "so [dealstage:chg_1]";

fn vendors() -> Vec<Vendor> {
    vec![
        Vendor {
            name: "hubspot",
            settings: json!({ "token": "t0ken-of-hubspot" }),
            answers: vec![
                (
                    "contacts/search",
                    "",
                    json!({ "total": 1, "results": [{ "id": "51" }] }),
                ),
                (
                    "deals/search",
                    "\"51\"",
                    json!({ "total": 1, "results": [{ "id": "7", "properties": {} }] }),
                ),
                (
                    "pipelines/2026-09/deals",
                    "",
                    json!({ "results": [{ "id": "default", "label": "Sales", "stages": [{ "id": "contractsent", "label": "Contract sent" }] }] }),
                ),
                (
                    "properties/2026-09/deals",
                    "",
                    json!({ "results": [{ "name": "budget_amount", "label": "Budget" }] }),
                ),
                (
                    "associations=notes",
                    "",
                    json!({ "id": "7", "associations": { "notes": { "results": [{ "id": "1", "type": "note_to_deal" }, { "id": "1", "type": "x" }] } } }),
                ),
                ("associations=tasks", "", json!({ "id": "7", "properties": {} })),
                (
                    "notes/batch/read",
                    "[{\"id\":\"1\"}]",
                    json!({ "results": [{ "id": "1", "properties": { "hs_note_body": MARKED } }] }),
                ),
                (
                    "GET /crm/objects/2026-09/deals/7",
                    "",
                    json!({ "properties": { "dealstage": "contractsent", "budget_amount": "15000" } }),
                ),
            ],
            deals: &["7"],
            field: ("budget", json!("15000")),
            stage: json!("contractsent"),
            named: ("Sales / contract sent", json!("contractsent")),
            note: Some("1"),
            task: None,
        },
        Vendor {
            name: "salesforce",
            settings: json!({ "client_id": "c", "client_secret": "s3cret-of-salesforce" }),
            answers: vec![
                ("oauth2/token", "", json!({ "access_token": "00D-t0ken" })),
                (
                    "OpportunityContactRole",
                    "",
                    json!({ "records": [{ "OpportunityId": "0061" }, { "OpportunityId": "0061" }] }),
                ),
                (
                    "Opportunity/describe",
                    "",
                    json!({ "fields": [{ "name": "StageName", "label": "Stage", "picklistValues": [{ "active": false, "label": "Old", "value": "Old" }, { "active": true, "label": "Proposal", "value": "Proposal/Price Quote" }] }, { "name": "Budget__c", "label": "Budget" }] }),
                ),
                (
                    "sobjects/Opportunity/7",
                    "",
                    json!({ "StageName": "Proposal/Price Quote", "Budget__c": 15000.0 }),
                ),
                (
                    "FROM+Task",
                    "",
                    json!({ "records": [{ "Id": "1", "Description": null }, { "Id": "2", "Description": MARKED }] }),
                ),
            ],
            deals: &["0061"],
            field: ("Budget", json!(15000.0)),
            stage: json!("Proposal/Price Quote"),
            named: ("proposal", json!("Proposal/Price Quote")),
            note: Some("2"),
            task: Some("2"),
        },
        Vendor {
            name: "pipedrive",
            settings: json!({ "token": "t0ken-of-pipedrive" }),
            answers: vec![
                (
                    "persons/search",
                    "",
                    json!({ "data": { "items": [{ "item": { "id": 5 } }] } }),
                ),
                ("deals?limit=50&person_id=5", "", json!({ "data": [{ "id": 7 }] })),
                (
                    "v2/stages?cursor=c2",
                    "",
                    json!({ "data": [{ "id": 4, "name": "Qualified" }], "additional_data": { "next_cursor": null } }),
                ),
                (
                    "v2/stages",
                    "",
                    json!({ "data": [{ "id": 3, "name": "Lead" }], "additional_data": { "next_cursor": "c2" } }),
                ),
                (
                    "v2/dealFields",
                    "",
                    json!({ "data": [{ "field_code": "9dc80c50d78a15643bfc4ca79d76156a73a1ca0e", "field_name": "Budget" }], "additional_data": { "next_cursor": null } }),
                ),
                (
                    "v2/deals/7",
                    "",
                    json!({ "data": { "id": 7, "status": "open", "stage_id": 3, "custom_fields": { "9dc80c50d78a15643bfc4ca79d76156a73a1ca0e": { "value": 15000, "currency": "EUR" } } } }),
                ),
                (
                    "v1/notes",
                    "",
                    json!({ "data": [{ "id": 1, "content": MARKED }], "additional_data": { "pagination": { "more_items_in_collection": false } } }),
                ),
                ("v2/activities", "", json!({ "data": null })),
            ],
            deals: &["7"],
            field: ("Budget", json!(15000)),
            stage: json!(3),
            named: ("qualified", json!(4)),
            note: Some("1"),
            task: None,
        },
        Vendor {
            name: "amocrm",
            settings: json!({ "token": "t0ken-of-amocrm" }),
            answers: vec![
                (
                    "v4/contacts",
                    "",
                    // Its search finds parts of words: of the second one `joanna@…`.
                    json!({ "_embedded": { "contacts": [
                        { "custom_fields_values": [{ "field_code": "EMAIL", "values": [{ "value": "Anna@Example.com" }] }], "_embedded": { "leads": [{ "id": 7 }, { "id": 8 }] } },
                        { "custom_fields_values": [{ "field_code": "EMAIL", "values": [{ "value": "joanna@example.com" }] }], "_embedded": { "leads": [{ "id": 9 }] } },
                        { "custom_fields_values": null, "_embedded": { "leads": [{ "id": 9 }] } },
                    ] } }),
                ),
                (
                    "leads?filter%5Bid%5D%5B%5D=7&filter%5Bid%5D%5B%5D=8",
                    "",
                    json!({ "_embedded": { "leads": [{ "id": 7, "closed_at": null }, { "id": 8, "closed_at": 1 }] } }),
                ),
                (
                    "leads/pipelines",
                    "",
                    json!({ "_embedded": { "pipelines": [{ "id": 1, "name": "A", "_embedded": { "statuses": [{ "id": 31, "name": "Новая" }, { "id": 142, "name": "Успех" }] } }, { "id": 2, "name": "B", "_embedded": { "statuses": [{ "id": 41, "name": "Новая" }, { "id": 142, "name": "Успех" }] } }] } }),
                ),
                (
                    "custom_fields?limit=250&page=1",
                    "",
                    json!({ "_links": { "next": { "href": "x" } }, "_embedded": { "custom_fields": [{ "id": 1, "name": "Other", "code": null }] } }),
                ),
                (
                    "custom_fields?limit=250&page=2",
                    "",
                    json!({ "_links": {}, "_embedded": { "custom_fields": [{ "id": 269303, "name": "Бюджет", "code": "BUDGET" }] } }),
                ),
                (
                    "leads/7/notes",
                    "",
                    json!({ "_embedded": { "notes": [{ "id": 1, "params": {} }, { "id": 2, "params": { "text": MARKED } }] } }),
                ),
                (
                    "v4/tasks",
                    "",
                    json!({ "_embedded": { "tasks": [{ "id": 3, "text": MARKED }] } }),
                ),
                (
                    "leads/7",
                    "",
                    json!({ "status_id": 31, "custom_fields_values": [{ "field_id": 1, "values": [{ "value": "no" }] }, { "field_id": 269303, "values": [{ "value": "15000" }] }] }),
                ),
            ],
            deals: &["7"],
            field: ("budget", json!("15000")),
            stage: json!(31),
            named: ("b / новая", json!(41)),
            note: Some("2"),
            task: Some("3"),
        },
        Vendor {
            name: "bitrix24",
            settings: json!({ "webhook": "URL/rest/17/t0ken-of-bitrix" }),
            answers: vec![
                (
                    "findbycomm",
                    "anna@example.com",
                    json!({ "result": { "CONTACT": [5] } }),
                ),
                (
                    "item.list",
                    "\"contactId\":5",
                    json!({ "result": { "items": [{ "id": 7 }] } }),
                ),
                (
                    "category.list",
                    "",
                    json!({ "result": { "categories": [{ "id": 0 }, { "id": 9 }] } }),
                ),
                (
                    "status.list",
                    "DEAL_STAGE_9",
                    json!({ "result": [{ "STATUS_ID": "C9:NEW", "NAME": "Квалификация" }] }),
                ),
                (
                    "status.list",
                    "",
                    json!({ "result": [{ "STATUS_ID": "NEW", "NAME": "Новая" }] }),
                ),
                (
                    "item.fields",
                    "",
                    json!({ "result": { "fields": { "ufCrm1": { "title": "Бюджет", "upperName": "UF_CRM_1" } } } }),
                ),
                (
                    "item.get",
                    "\"id\":7",
                    json!({ "result": { "item": { "stageId": "NEW", "ufCrm1": 15000 } } }),
                ),
                (
                    "comment.list",
                    "",
                    json!({ "result": [{ "ID": "1", "COMMENT": MARKED }] }),
                ),
                ("activity.list", "", json!({ "result": [] })),
            ],
            deals: &["7"],
            field: ("UF_CRM_1", json!(15000)),
            stage: json!("NEW"),
            named: ("квалификация", json!("C9:NEW")),
            note: Some("1"),
            task: None,
        },
        Vendor {
            name: "odoo",
            settings: json!({ "token": "t0ken-of-odoo" }),
            answers: vec![
                ("crm.lead/search_read", "email_normalized", json!([{ "id": 7 }])),
                (
                    "crm.stage/search_read",
                    "",
                    json!([{ "id": 1, "name": "New" }, { "id": 4, "name": "Proposition" }]),
                ),
                (
                    "fields_get",
                    "",
                    json!({ "x_budget": { "string": "Budget" }, "user_id": { "string": "Salesperson" } }),
                ),
                (
                    "crm.lead/read",
                    "\"ids\":[7]",
                    json!([{ "id": 7, "active": true, "stage_id": [1, "New"], "x_budget": 15000.0 }]),
                ),
                ("mail.message", MARKED_ONLY, json!([{ "id": 1 }])),
                ("mail.activity", "", json!([])),
            ],
            deals: &["7"],
            field: ("Budget", json!(15000.0)),
            stage: json!(1),
            named: ("Proposition", json!(4)),
            note: Some("1"),
            task: None,
        },
        Vendor {
            name: "espocrm",
            settings: json!({ "token": "t0ken-of-espocrm" }),
            answers: vec![
                ("v1/Contact?", "", json!({ "total": 1, "list": [{ "id": "c1" }] })),
                (
                    "v1/Contact/c1/opportunities",
                    "",
                    json!({ "total": 1, "list": [{ "id": "7" }] }),
                ),
                ("fields.stage.options", "", json!(["Prospecting", "Negotiation"])),
                (
                    "key=entityDefs.Opportunity.fields",
                    "",
                    json!({ "cBudget": { "type": "float" } }),
                ),
                (
                    "Opportunity/7/stream",
                    "",
                    json!({ "list": [{ "id": "1", "post": null }, { "id": "2", "post": MARKED }] }),
                ),
                ("v1/Task?", "", json!({ "list": [{ "id": "3" }] })),
                ("Opportunity/7", "", json!({ "stage": "Prospecting", "cBudget": 15000 })),
            ],
            deals: &["7"],
            field: ("cBudget", json!(15000)),
            stage: json!("Prospecting"),
            named: ("negotiation", json!("Negotiation")),
            note: Some("2"),
            task: Some("3"),
        },
    ]
}

const MARKED_ONLY: &str = "[dealstage:chg_1]";

fn opened(vendor: &Vendor, server: &Server) -> Connection {
    let text = CrmFile::built_in(vendor.name).expect("it comes along");
    let file = CrmFile::load(text, vendor.name).expect("sound");
    let mut settings = vendor.settings.as_object().expect("a table").clone();
    if file.settings().iter().any(|setting| setting.name == "url") {
        settings.insert("url".to_owned(), json!(server.url));
    }
    if let Some(Json::String(webhook)) = settings.get_mut("webhook") {
        *webhook = webhook.replace("URL", &server.url);
    }
    let mut connection = Connection::open(&file, &settings, &guard()).expect("open");
    // What a test waits for is not the rate.
    connection.rate = Rate::new(Vec::new());
    connection
}

#[tokio::test]
async fn every_vendor_is_understood() {
    assert_eq!(vendors().len(), BUILT_IN.len());
    for vendor in vendors() {
        let answers = vendor.answers.clone();
        let server = Server::start(move |heard, _| {
            let found = answers
                .iter()
                .find(|(line, body, _)| heard.line.contains(line) && heard.body.contains(body));
            match found {
                Some((_, _, body)) => answer(200, body.clone()),
                None if heard.line.starts_with("GET") => {
                    answer(418, json!({ "message": format!("{} {}", heard.line, heard.body) }))
                }
                // A write: its answer is looked at where an id is wanted.
                None => answer(200, json!({})),
            }
        })
        .await;
        let name = vendor.name;
        let mut crm = opened(&vendor, &server);
        let found = crm.find_deal(&[(By::Email, "anna@example.com".to_owned())]).await;
        assert_eq!(
            found.unwrap_or_else(|error| panic!("{name}: {error}")),
            vendor.deals,
            "{name}"
        );
        let (field, value) = &vendor.field;
        let state = crm
            .read_deal("7", &[(*field).to_owned()])
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((&state.stage, &state.fields[*field]), (&vendor.stage, value), "{name}");
        let (said, id) = &vendor.named;
        assert_eq!(crm.stage_id(said).await.as_ref(), Ok(id), "{name}");
        crm.write_stage("7", id, &state.stage)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        crm.write_field("7", field, value)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for entry in [Entry::Note, Entry::Task] {
            let text = EntryText {
                due: NaiveDate::from_ymd_opt(2026, 11, 27),
                owner: Some("5".to_owned()),
                ..note()
            };
            crm.add(entry, "7", &text)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let wanted = if entry == Entry::Note { vendor.note } else { vendor.task };
            let found = crm
                .find(entry, "7", MARKED_ONLY)
                .await
                .unwrap_or_else(|error| panic!("{name} {entry:?}: {error}"));
            assert_eq!(found.as_deref(), wanted, "{name} {entry:?}");
        }
    }
}

#[tokio::test]
async fn every_vendor_says_in_its_own_way_what_is_to_be_done() {
    type Check = fn(&Error) -> bool;
    let wait: Check = |error| matches!(error, Error::Wait(..));
    let person: Check = |error| matches!(error, Error::Person(_));
    let stop: Check = |error| matches!(error, Error::Stop(_));
    let cases: Vec<(&str, u16, Json, Check)> = vec![
        ("hubspot", 429, json!({ "policyName": "DAILY" }), wait),
        (
            "hubspot",
            400,
            json!({ "message": "Property values were not valid", "errors": [{ "message": "closedate is required" }] }),
            person,
        ),
        ("hubspot", 401, json!({ "message": "expired" }), stop),
        (
            "salesforce",
            403,
            json!([{ "errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded." }]),
            wait,
        ),
        (
            "salesforce",
            400,
            json!([{ "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Amount is needed" }]),
            person,
        ),
        (
            "pipedrive",
            403,
            json!({ "code": "feature_capping_deals_limit", "error": "limit" }),
            person,
        ),
        ("pipedrive", 403, json!({ "error": "blocked" }), stop),
        ("amocrm", 403, json!({ "detail": "blocked" }), stop),
        (
            "amocrm",
            400,
            json!({ "validation-errors": [{ "errors": [{ "code": "NotSupportedChoice", "path": "custom_fields_values.0.field_id", "detail": "no" }] }], "status": 400 }),
            person,
        ),
        ("bitrix24", 429, json!({ "error": "OPERATION_TIME_LIMIT" }), wait),
        (
            "bitrix24",
            503,
            json!({ "error": "OVERLOAD_LIMIT", "error_description": "blocked" }),
            stop,
        ),
        ("bitrix24", 503, json!({ "error": "OTHER" }), |error| {
            matches!(error, Error::Retry(_))
        }),
        ("bitrix24", 401, json!({ "error": "expired_token" }), stop),
        (
            "bitrix24",
            403,
            json!({ "error": "ACCESS_DENIED", "error_description": "the plan" }),
            person,
        ),
        (
            "bitrix24",
            400,
            json!({ "error": "", "error_description": "field UF is wrong" }),
            person,
        ),
        (
            "bitrix24",
            400,
            json!({ "error": "NOT_FOUND", "error_description": "Not found" }),
            |error| matches!(error, Error::Missing(_)),
        ),
        (
            "odoo",
            500,
            json!({ "name": "odoo.exceptions.ValidationError", "message": "no" }),
            person,
        ),
        (
            "odoo",
            404,
            json!({ "name": "odoo.exceptions.MissingError", "message": "gone" }),
            |error| matches!(error, Error::Missing(_)),
        ),
        (
            "odoo",
            500,
            json!({ "name": "psycopg2.Error", "message": "no" }),
            |error| matches!(error, Error::Retry(_)),
        ),
        ("espocrm", 409, json!({ "reason": "duplicate" }), person),
    ];
    for (name, status, body, is_meant) in cases {
        let told = body.clone();
        let server = Server::start(move |heard, _| {
            if heard.line.contains("oauth2") {
                answer(200, json!({ "access_token": "00D-t0ken" }))
            } else {
                answer(status, told.clone())
            }
        })
        .await;
        let vendor = vendors().into_iter().find(|vendor| vendor.name == name).expect("known");
        let error = opened(&vendor, &server).test().await.expect_err(name);
        assert!(is_meant(&error), "{name} {status} {body}: {error:?}");
        assert_eq!(
            server.lines().iter().filter(|line| !line.contains("oauth2")).count(),
            1,
            "{name} {status}"
        );
    }
    // A throttle that is over soon is waited for.
    for (name, status, body) in [
        ("bitrix24", 503, json!({ "error": "QUERY_LIMIT_EXCEEDED" })),
        ("amocrm", 429, json!("Too many requests")),
        ("salesforce", 400, json!([{ "errorCode": "UNABLE_TO_LOCK_ROW" }])),
    ] {
        let server = Server::start(move |heard, before| {
            let first = if name == "salesforce" { 1 } else { 0 };
            if heard.line.contains("oauth2") {
                answer(200, json!({ "access_token": "00D-t0ken" }))
            } else if before <= first {
                answer(status, body.clone())
            } else {
                answer(200, json!({}))
            }
        })
        .await;
        let vendor = vendors().into_iter().find(|vendor| vendor.name == name).expect("known");
        assert_eq!(opened(&vendor, &server).test().await, Ok(()), "{name}");
    }
}
