//! Names of ids for people, in the language of the call, and small pieces that both reports share.

use chrono::{Datelike, NaiveDate};

use super::{CallInfo, DealInfo, Document, FieldInfo, Provenance};
use crate::domain::{
    ActionId, CallOutcome, Channel, Commitment, Competitor, CompetitorStatus, ContactChannel, Criterion, CriticalEvent,
    CustomerKind, DateQualifier, DateValue, DecisionRole, DecisionStep, FieldName, FieldStatus, FieldValue, Language,
    LeadSource, Money, MoneyQualifier, Move, Objection, ObjectionKind, ObjectionStatus, PaperKind, PaperStep, Period,
    Person, PrematureMove, QualificationStatus, Quantity, Role, RootCauseId, Signal, Stage, Vat, title_in,
};

/// One of two texts.
pub fn say(language: Language, en: &'static str, ru: &'static str) -> &'static str {
    match language {
        Language::En => en,
        Language::Ru => ru,
    }
}

/// In the quotes of the language.
pub fn quoted(text: &str, language: Language) -> String {
    match language {
        Language::En => format!("“{text}”"),
        Language::Ru => format!("«{text}»"),
    }
}

/// The form of a Russian noun that goes with a number: 1 реплика, 2 реплики, 5 реплик.
fn ru_form<'a>(n: f64, forms: &[&'a str; 3]) -> &'a str {
    if n.fract() != 0.0 {
        return forms[1];
    }
    let n = n.abs() as u64;
    match (n % 10, n % 100) {
        (_, 11..=14) => forms[2],
        (1, _) => forms[0],
        (2..=4, _) => forms[1],
        _ => forms[2],
    }
}

/// "21 turns" / «21 реплика»
pub fn turns(count: usize, language: Language) -> String {
    let noun = match language {
        Language::En if count == 1 => "turn",
        Language::En => "turns",
        Language::Ru => ru_form(count as f64, &["реплика", "реплики", "реплик"]),
    };
    format!("{count} {noun}")
}

pub fn signal(signal: Signal, language: Language) -> &'static str {
    let (en, ru) = match signal {
        Signal::BuyerSituation => ("situation", "ситуация"),
        Signal::BuyerPain => ("problem", "проблема"),
        Signal::BuyerImpact => ("impact", "последствие"),
        Signal::BuyerVision => ("what they need", "что нужно"),
        Signal::BuyerDecider => ("who decides", "кто решает"),
        Signal::BuyerProcess => ("how they buy", "порядок решения"),
        Signal::BuyerBudget => ("budget", "бюджет"),
        Signal::BuyerTimeline => ("timeline", "срок"),
        Signal::BuyerCompetitor => ("competitor", "конкурент"),
        Signal::BuyerValueAck => ("benefit accepted", "признание пользы"),
        Signal::BuyerPriceQuestion => ("asks the price", "вопрос о цене"),
        Signal::BuyerBuyingSignal => ("buying signal", "сигнал к покупке"),
        Signal::BuyerObjPrice => ("objection: price", "возражение: цена"),
        Signal::BuyerObjNeed => ("objection: no need", "возражение: не нужно"),
        Signal::BuyerObjTrust => ("objection: trust", "возражение: доверие"),
        Signal::BuyerDelay => ("delay", "откладывает"),
        Signal::BuyerCommitment => ("commitment", "обязательство"),
        Signal::BuyerChampion => ("champion", "союзник"),
        Signal::BuyerRefusal => ("refusal", "отказ"),
        Signal::RepAgenda => ("agenda", "план разговора"),
        Signal::RepQSituation => ("asks: situation", "вопрос о ситуации"),
        Signal::RepQPain => ("asks: problem", "вопрос о проблеме"),
        Signal::RepQImpact => ("asks: impact", "вопрос о последствиях"),
        Signal::RepQVision => ("asks: need", "вопрос о желаемом"),
        Signal::RepQDecision => ("asks: decision", "вопрос о решении"),
        Signal::RepActiveListening => ("active listening", "активное слушание"),
        Signal::RepEmpathy => ("empathy", "сочувствие"),
        Signal::RepPitch => ("pitch", "рассказ о продукте"),
        Signal::RepValueLink => ("tied to their need", "связь с их задачей"),
        Signal::RepProof => ("proof", "доказательство"),
        Signal::RepPrice => ("price", "цена"),
        Signal::RepObjHandle => ("answers an objection", "ответ на возражение"),
        Signal::RepNextStep => ("next step", "следующий шаг"),
        Signal::RepClose => ("asks for the deal", "предложение купить"),
        Signal::RepPressure => ("pressure", "давление"),
    };
    say(language, en, ru)
}

/// Marks that the processes of the program know.
pub const FLAGS: [&str; 4] = ["verbal_yes", "column_fodder", "conflict", "no_economic_buyer"];

/// A mark of the deal; one that is not known here stays as it is.
pub fn flag(flag: &str, language: Language) -> &str {
    match flag {
        "verbal_yes" => say(language, "a spoken yes only", "согласие только на словах"),
        "column_fodder" => say(
            language,
            "a ready specification, no problem told",
            "готовое ТЗ без проблемы",
        ),
        "conflict" => say(language, "contradicting statements", "противоречивые ответы"),
        "no_economic_buyer" => say(
            language,
            "nobody known who has the money",
            "неизвестно, кто распоряжается деньгами",
        ),
        other => other,
    }
}

/// In short; the analysis has a title that goes with the call.
pub fn action(action: ActionId, language: Language) -> &'static str {
    let (en, ru) = match action {
        ActionId::SendRecapEmail => ("send the summary", "отправить резюме"),
        ActionId::UpdateCrm => ("update the CRM", "обновить CRM"),
        ActionId::FulfilPromise => ("keep our promise", "выполнить обещанное"),
        ActionId::RemindBuyerPromise => ("remind them of their promise", "напомнить об обещанном"),
        ActionId::RespondInboundLead => ("answer the new lead", "ответить на заявку"),
        ActionId::BookDiscovery => ("book a discovery talk", "назначить разговор о задаче"),
        ActionId::DeepenPain => ("ask about the problem", "расспросить о проблеме"),
        ActionId::QuantifyImpact => ("put a number on the consequence", "посчитать последствия"),
        ActionId::ConfirmPainInWriting => ("confirm the problem in writing", "подтвердить проблему письменно"),
        ActionId::MapDecision => ("find out how they decide", "выяснить, как решают"),
        ActionId::AskAccessToPower => ("ask for the person who decides", "выйти на того, кто решает"),
        ActionId::ArmChampion => ("prepare the champion", "подготовить сторонника"),
        ActionId::MultiThread => ("meet more people", "познакомиться с другими участниками"),
        ActionId::ScheduleTailoredDemo => ("book a demo of what they need", "назначить показ под их задачу"),
        ActionId::ReshapeVision => ("go through the criteria again", "вернуться к критериям"),
        ActionId::StartPresentationPrep => ("prepare the presentation", "подготовить презентацию"),
        ActionId::ConfirmPresentation => ("confirm the presentation", "подтвердить презентацию"),
        ActionId::BuildBusinessCase => ("work out the business case", "посчитать выгоду"),
        ActionId::SendProposal => ("send the proposal", "отправить предложение"),
        ActionId::BookProposalReview => ("book a talk about the proposal", "назначить разбор предложения"),
        ActionId::AnswerPriceObjection => ("answer the objection to the price", "ответить на возражение о цене"),
        ActionId::ShareProof => ("send proof", "прислать доказательства"),
        ActionId::ReduceRisk => ("reduce their risk", "снизить риск для клиента"),
        ActionId::DraftMutualPlan => ("write a plan with them", "составить общий план"),
        ActionId::StartPaperProcess => ("start the paperwork", "начать оформление"),
        ActionId::FixNextStep => ("agree on the next step", "согласовать следующий шаг"),
        ActionId::CheckBeforeDeadline => ("check before the deadline", "уточнить до срока"),
        ActionId::SendContract => ("send the contract", "отправить договор"),
        ActionId::AfterCompetitorDemo => ("ask after the competitor's demo", "спросить после показа конкурента"),
        ActionId::NurtureUntilDate => ("keep in touch until their date", "поддерживать связь до их срока"),
        ActionId::ReviveStalled => ("revive the deal", "оживить сделку"),
        ActionId::CloseTheLoop => ("ask for a yes or no", "попросить ответ: да или нет"),
        ActionId::GracefulExit => ("part on good terms", "завершить по-доброму"),
        ActionId::SlowDown => ("slow down", "не торопить"),
        ActionId::Handover => ("hand over to delivery", "передать в работу"),
    };
    say(language, en, ru)
}

/// In short; the analysis says what it is here.
pub fn premature(move_: PrematureMove, language: Language) -> &'static str {
    let (en, ru) = match move_ {
        PrematureMove::PitchBeforePain => ("pitch before the problem", "презентация до проблемы"),
        PrematureMove::PriceBeforeValue => ("price before the benefit", "цена до пользы"),
        PrematureMove::ProposalBeforePower => ("proposal before the decider", "предложение до того, кто решает"),
        PrematureMove::CloseEarly => ("asked for the deal too early", "слишком рано предложили купить"),
        PrematureMove::CloseOverObjection => (
            "asked for the deal over an objection",
            "предложили купить поверх возражения",
        ),
        PrematureMove::DiscountUnasked => ("discount that nobody asked for", "скидка без просьбы"),
        PrematureMove::StageJump => ("a stage was skipped", "этап пропущен"),
        PrematureMove::PushAfterNo => ("pushed after a no", "давление после отказа"),
    };
    say(language, en, ru)
}

/// In short; the analysis says what it is here.
pub fn cause(cause: RootCauseId, language: Language) -> &'static str {
    let (en, ru) = match cause {
        RootCauseId::NoPain => ("no problem told", "проблема не названа"),
        RootCauseId::NoImpact => ("no consequence told", "последствие не названо"),
        RootCauseId::NoPower => ("nobody who decides is reached", "нет выхода на того, кто решает"),
        RootCauseId::SingleThread => ("one contact only", "единственный контакт"),
        RootCauseId::RivalVision => ("what they want fits a rival", "желаемое подходит конкуренту"),
        RootCauseId::NoValue => ("no benefit accepted", "польза не признана"),
        RootCauseId::NoPlan => ("no plan agreed", "нет общего плана"),
        RootCauseId::NoNextStep => ("no next step", "нет следующего шага"),
        RootCauseId::Indecision => ("they cannot decide", "не решаются"),
        RootCauseId::Timing => ("not the time", "не время"),
        RootCauseId::WeDroppedIt => ("we dropped it", "мы упустили"),
        RootCauseId::ChampionLost => ("the champion is gone", "сторонник ушёл"),
    };
    say(language, en, ru)
}

/// Why a deal is not well looked after: ids and words of the reasons of the figures.
pub const HEALTH: [(&str, &str, &str); 8] = [
    ("no_next_step", "no next step with a day", "нет следующего шага с датой"),
    ("stalled", "silent for too long", "слишком долгая тишина"),
    ("promise_overdue", "our promise is overdue", "наше обещание просрочено"),
    ("single_contact", "one contact only", "единственный контакт"),
    (
        "passed_unproven",
        "went on without proof",
        "прошли этап без подтверждения",
    ),
    ("open_objection", "objection without an answer", "возражение без ответа"),
    (
        "decision_day_passed",
        "their day to decide has passed",
        "срок решения прошёл",
    ),
    ("put_off_twice", "put off twice", "откладывают второй раз"),
];

pub fn stage(stage: Stage, language: Language) -> &'static str {
    let (en, ru) = match stage {
        Stage::Opening => ("opening", "знакомство"),
        Stage::Discovery => ("discovery", "потребности"),
        Stage::Qualification => ("qualification", "квалификация"),
        Stage::Presentation => ("presentation", "презентация"),
        Stage::Objection => ("objection", "возражения"),
        Stage::Commercial => ("commercial", "цена и условия"),
        Stage::Closing => ("closing", "договорённости"),
        Stage::Other => ("other", "прочее"),
    };
    say(language, en, ru)
}

pub fn outcome(outcome: CallOutcome, language: Language) -> &'static str {
    let (en, ru) = match outcome {
        CallOutcome::Order => ("order", "заказ"),
        CallOutcome::Advance => (
            "advance: a step of theirs is agreed",
            "продвижение: согласован шаг клиента",
        ),
        CallOutcome::Continuation => ("continuation: nothing agreed", "продолжение: ничего не согласовано"),
        CallOutcome::NoSale => ("no sale", "отказ"),
    };
    say(language, en, ru)
}

pub fn step(step: Move, language: Language) -> &'static str {
    let (en, ru) = match step {
        Move::Advance => ("moved forward", "вперёд"),
        Move::Stay => ("stays", "на месте"),
        Move::Back => ("moved back", "назад"),
        Move::TooEarly => ("too early to say", "рано судить"),
    };
    say(language, en, ru)
}

pub fn status(status: QualificationStatus, language: Language) -> &'static str {
    let (en, ru) = match status {
        QualificationStatus::Qualified => ("qualified", "квалифицирован"),
        QualificationStatus::PartlyQualified => ("partly qualified", "квалифицирован частично"),
        QualificationStatus::Unqualified => ("not qualified yet", "пока не квалифицирован"),
        QualificationStatus::Disqualified => ("disqualified", "дисквалифицирован"),
    };
    say(language, en, ru)
}

pub fn role(role: Role, language: Language) -> &'static str {
    let (en, ru) = match role {
        Role::Rep => ("rep", "менеджер"),
        Role::Buyer => ("buyer", "клиент"),
        Role::Unknown => ("unknown", "неизвестно"),
    };
    say(language, en, ru)
}

pub fn channel(channel: Channel, language: Language) -> &'static str {
    let (en, ru) = match channel {
        Channel::Email => ("e-mail", "письмо"),
        Channel::Phone => ("phone", "звонок"),
        Channel::Messenger => ("messenger", "мессенджер"),
        Channel::Crm => ("CRM", "CRM"),
        Channel::Task => ("task", "задача"),
        Channel::Meeting => ("meeting", "встреча"),
    };
    say(language, en, ru)
}

pub fn field(field: FieldName, language: Language) -> &'static str {
    let (en, ru) = match field {
        FieldName::BuyerCompany => ("company", "компания"),
        FieldName::Industry => ("industry", "отрасль"),
        FieldName::Participants => ("participant", "участник"),
        FieldName::TeamSize => ("team size", "размер команды"),
        FieldName::Volumes => ("volumes", "объёмы"),
        FieldName::CurrentSolution => ("current solution", "сейчас используют"),
        FieldName::Pain => ("pain", "проблема"),
        FieldName::PainImpact => ("impact", "последствие"),
        FieldName::Goal => ("goal", "цель"),
        FieldName::DecisionCriteria => ("criterion", "критерий"),
        FieldName::DecisionMakers => ("decides", "решает"),
        FieldName::DecisionProcess => ("decision steps", "порядок решения"),
        FieldName::PaperProcess => ("paper process", "оформление"),
        FieldName::Budget => ("budget", "бюджет"),
        FieldName::SigningLimit => ("signing limit", "лимит подписи"),
        FieldName::QuotedPrice => ("quoted price", "названная цена"),
        FieldName::DiscountOffered => ("discount offered", "скидка"),
        FieldName::Timeline => ("timeline", "срок"),
        FieldName::CriticalEvent => ("critical event", "событие"),
        FieldName::Competitors => ("competitor", "конкурент"),
        FieldName::Objections => ("objection", "возражение"),
        FieldName::NextMeeting => ("next meeting", "следующая встреча"),
        FieldName::Commitments => ("promise", "обещание"),
        FieldName::MaterialsRequested => ("asked for", "просили прислать"),
        FieldName::OpenQuestions => ("open question", "открытый вопрос"),
        FieldName::LeadSource => ("lead source", "источник"),
        FieldName::CustomerKind => ("customer", "тип клиента"),
        FieldName::CallOutcome => ("outcome", "итог"),
        FieldName::ContactPreference => ("contact by", "канал связи"),
    };
    say(language, en, ru)
}

/// "Fri 25 Apr 2025" / «пт 25.04.2025»
pub fn date(date: NaiveDate, language: Language) -> String {
    match language {
        Language::En => date.format("%a %-d %b %Y").to_string(),
        Language::Ru => {
            const DAYS: [&str; 7] = ["пн", "вт", "ср", "чт", "пт", "сб", "вс"];
            let day = DAYS[date.weekday().num_days_from_monday() as usize];
            format!("{day} {}", date.format("%d.%m.%Y"))
        }
    }
}

/// "12:41"
pub fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    if whole >= 3600 {
        format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
    } else {
        format!("{}:{:02}", whole / 60, whole % 60)
    }
}

/// "1 500 000" / "1,500,000"
fn number(value: f64, language: Language) -> String {
    let digits = format!("{:.0}", value.abs().trunc());
    let separator = say(language, ",", "\u{a0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push_str(separator);
        }
        out.push(digit);
    }
    let rest = value.abs().fract();
    if rest > 0.001 {
        let digits = format!("{rest:.2}");
        out.push_str(say(language, ".", ","));
        out.push_str(match language {
            Language::En => &digits[2..],
            Language::Ru => digits[2..].trim_end_matches('0'),
        });
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

fn span(amount: Option<f64>, min: Option<f64>, max: Option<f64>, language: Language) -> String {
    match (amount, min, max) {
        (Some(amount), ..) => number(amount, language),
        (None, Some(min), Some(max)) => format!("{}–{}", number(min, language), number(max, language)),
        (None, Some(min), None) => format!("≥ {}", number(min, language)),
        (None, None, Some(max)) => format!("≤ {}", number(max, language)),
        (None, None, None) => String::new(),
    }
}

fn period(period: Period, language: Language) -> &'static str {
    let (en, ru) = match period {
        Period::OneOff => (" once", " разово"),
        Period::Day => (" a day", " в день"),
        Period::Week => (" a week", " в неделю"),
        Period::Month => (" a month", " в месяц"),
        Period::Quarter => (" a quarter", " в квартал"),
        Period::Year => (" a year", " в год"),
    };
    say(language, en, ru)
}

fn currency(code: &str, language: Language) -> &str {
    match (language, code) {
        (Language::Ru, "RUB") => "₽",
        (Language::Ru, "USD") => "$",
        (Language::Ru, "EUR") => "€",
        (_, other) => other,
    }
}

/// What a price is counted by, after «за».
fn per(unit: &str, language: Language) -> &str {
    match (language, unit) {
        (Language::Ru, "user") => "пользователя",
        (Language::Ru, "seat") => "место",
        (Language::Ru, "minute") => "минуту",
        (Language::Ru, "call") => "звонок",
        (Language::Ru, "site") => "площадку",
        (_, other) => other,
    }
}

/// Nouns that are counted on calls, in the three forms that go with a number.
const COUNTED: &[[&str; 3]] = &[
    ["человек", "человека", "человек"],
    ["сотрудник", "сотрудника", "сотрудников"],
    ["менеджер", "менеджера", "менеджеров"],
    ["продавец", "продавца", "продавцов"],
    ["оператор", "оператора", "операторов"],
    ["водитель", "водителя", "водителей"],
    ["диспетчер", "диспетчера", "диспетчеров"],
    ["инженер", "инженера", "инженеров"],
    ["бухгалтер", "бухгалтера", "бухгалтеров"],
    ["клиент", "клиента", "клиентов"],
    ["звонок", "звонка", "звонков"],
    ["заказ", "заказа", "заказов"],
    ["заявка", "заявки", "заявок"],
    ["сделка", "сделки", "сделок"],
    ["договор", "договора", "договоров"],
    ["магазин", "магазина", "магазинов"],
    ["склад", "склада", "складов"],
    ["филиал", "филиала", "филиалов"],
    ["машина", "машины", "машин"],
    ["точка", "точки", "точек"],
    ["смена", "смены", "смен"],
    ["рабочее место", "рабочих места", "рабочих мест"],
];

/// A noun as it was said, in the form that goes with the number as it is written.
fn counted(noun: &str, n: Option<f64>, language: Language) -> &str {
    let forms = COUNTED.iter().find(|forms| forms.contains(&noun));
    match (language, n, forms) {
        (Language::Ru, Some(n), Some(forms)) => ru_form(n, forms),
        _ => noun,
    }
}

fn money(value: &Money, language: Language) -> String {
    let approx = matches!(value.qualifier, MoneyQualifier::Approx);
    let mut out = String::from(if approx { "~ " } else { "" });
    out.push_str(&span(value.amount, value.min, value.max, language));
    out.push(' ');
    out.push_str(currency(&value.currency, language));
    if let Some(unit) = &value.per {
        out.push_str(say(language, " per ", " за "));
        out.push_str(per(unit, language));
    }
    out.push_str(value.period.map_or("", |p| period(p, language)));
    out.push_str(match value.vat {
        Some(Vat::Excluded) => say(language, ", VAT excluded", ", без НДС"),
        Some(Vat::Included) => say(language, ", VAT included", ", с НДС"),
        None => "",
    });
    out
}

fn date_value(value: &DateValue, language: Language) -> String {
    let mut out = match value.qualifier {
        DateQualifier::By => say(language, "by ", "до "),
        DateQualifier::Before => say(language, "before ", "раньше "),
        DateQualifier::After => say(language, "after ", "после "),
        DateQualifier::Approx => "~ ",
        DateQualifier::On => "",
    }
    .to_owned();
    match (value.date, value.start, value.end) {
        (Some(day), ..) => out.push_str(&date(day, language)),
        (None, Some(start), Some(end)) => {
            out.push_str(&format!("{} – {}", date(start, language), date(end, language)));
        }
        (None, Some(day), None) | (None, None, Some(day)) => out.push_str(&date(day, language)),
        (None, None, None) => {}
    }
    if let Some(time) = value.time {
        out.push_str(&time.format(" %H:%M").to_string());
    }
    if let Some(time) = value.time_end {
        out.push_str(&time.format("–%H:%M").to_string());
    }
    if value.ambiguous {
        out.push_str(say(language, " (ambiguous)", " (неоднозначно)"));
    }
    out
}

fn quantity(value: &Quantity, language: Language) -> String {
    let mut out = String::from(if value.approx { "~ " } else { "" });
    out.push_str(&span(value.n, value.min, value.max, language));
    if let Some(unit) = &value.unit {
        out.push(' ');
        out.push_str(counted(unit, value.n.or(value.max).or(value.min), language));
    }
    out.push_str(value.period.map_or("", |p| period(p, language)));
    out
}

fn person(value: &Person, language: Language) -> String {
    let title = value.title_in(language);
    let mut out = match (value.name.as_deref(), title) {
        (Some(name), Some(title)) => format!("{name}, {title}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        // "(economic buyer)" alone says a part without saying whose.
        (None, None) => role(value.side, language).to_owned(),
    };
    let mut roles: Vec<&str> = value.roles.iter().map(|role| decision_role(*role, language)).collect();
    // "security (security)" says nothing twice.
    roles.retain(|role| Some(*role) != title);
    if !roles.is_empty() {
        out.push_str(&format!(" ({})", roles.join(", ")));
    }
    out
}

pub fn decision_role(role: DecisionRole, language: Language) -> &'static str {
    match role {
        DecisionRole::EconomicBuyer => say(language, "economic buyer", "распоряжается деньгами"),
        DecisionRole::Signatory => say(language, "signs", "подписывает"),
        DecisionRole::Approver => say(language, "approves", "согласует"),
        DecisionRole::Champion => say(language, "champion", "наш союзник"),
        DecisionRole::Sponsor => say(language, "sponsor", "спонсор"),
        DecisionRole::Influencer => say(language, "influencer", "влияет"),
        DecisionRole::TechnicalEvaluator => say(language, "technical evaluator", "оценивает технически"),
        DecisionRole::Security => say(language, "security", "служба безопасности"),
        DecisionRole::Legal => say(language, "legal", "юристы"),
        DecisionRole::Procurement => say(language, "procurement", "закупки"),
        DecisionRole::User => say(language, "user", "пользователь"),
        DecisionRole::Gatekeeper => say(language, "gatekeeper", "секретарь"),
        DecisionRole::Blocker => say(language, "blocker", "против"),
        DecisionRole::Unknown => say(language, "role not known", "роль неизвестна"),
    }
}

fn competitor(value: &Competitor, language: Language) -> String {
    let status = match value.status {
        CompetitorStatus::Considering => say(language, "being considered", "рассматривают"),
        CompetitorStatus::Incumbent => say(language, "incumbent", "действующий"),
        CompetitorStatus::InHouse => say(language, "in house", "своими силами"),
        CompetitorStatus::Unnamed => say(language, "not named", "не назван"),
    };
    value
        .name
        .as_ref()
        .map_or_else(|| status.to_owned(), |name| format!("{name} ({status})"))
}

fn commitment(value: &Commitment, language: Language) -> String {
    let mut out = format!("{}: {}", role(value.who, language), value.what);
    if let Some(due) = &value.due {
        out.push_str(&format!(" — {}", date_value(due, language)));
    }
    out
}

fn criterion(value: &Criterion, language: Language) -> String {
    let weight = if value.must {
        say(language, "must", "обязательно")
    } else {
        say(language, "nice to have", "желательно")
    };
    format!("{} ({weight})", value.text)
}

fn decision_step(value: &DecisionStep, language: Language) -> String {
    let mut out = value.step.clone();
    // An owner whom the step names is not said twice.
    let owner = value.owner.as_deref().filter(|owner| !out.contains(owner));
    if let Some(owner) = owner.map(|owner| title_in(owner, language)) {
        out = format!("{owner}: {out}");
    }
    if let Some(due) = &value.due {
        out.push_str(&format!(" — {}", date_value(due, language)));
    }
    out
}

fn paper(value: &PaperStep, language: Language) -> String {
    let kind = match value.kind {
        PaperKind::Legal => say(language, "legal", "юристы"),
        PaperKind::Security => say(language, "security", "безопасность"),
        PaperKind::Procurement => say(language, "procurement", "закупки"),
        PaperKind::Tender => say(language, "tender", "тендер"),
        PaperKind::Contract => say(language, "contract", "договор"),
    };
    format!("{kind}: {}", value.step)
}

fn event(value: &CriticalEvent, language: Language) -> String {
    match &value.date {
        Some(date) => format!("{} — {}", value.text, date_value(date, language)),
        None => value.text.clone(),
    }
}

fn objection(value: Objection, language: Language) -> String {
    let kind = match value.kind {
        ObjectionKind::Price => say(language, "price", "цена"),
        ObjectionKind::Need => say(language, "no need", "не нужно"),
        ObjectionKind::Trust => say(language, "trust", "доверие"),
        ObjectionKind::Delay => say(language, "delay", "откладывает"),
    };
    let status = match value.status {
        ObjectionStatus::Open => say(language, "open", "без ответа"),
        ObjectionStatus::Answered => say(language, "answered", "ответ дан"),
        ObjectionStatus::Accepted => say(language, "answer accepted", "ответ принят"),
    };
    format!("{kind}, {status}")
}

fn lead_source(value: LeadSource, language: Language) -> &'static str {
    match value {
        LeadSource::Referral => say(language, "referral", "рекомендация"),
        LeadSource::Inbound => say(language, "came by themselves", "входящее обращение"),
        LeadSource::Outbound => say(language, "we called first", "исходящий звонок"),
        LeadSource::Event => say(language, "event", "мероприятие"),
        LeadSource::Repeat => say(language, "bought before", "повторное обращение"),
    }
}

fn customer(value: CustomerKind, language: Language) -> &'static str {
    match value {
        CustomerKind::New => say(language, "new", "новый"),
        CustomerKind::Existing => say(language, "existing", "действующий"),
    }
}

fn contact(value: ContactChannel, language: Language) -> &'static str {
    match value {
        ContactChannel::Email => say(language, "e-mail", "почта"),
        ContactChannel::Phone => say(language, "phone", "телефон"),
        ContactChannel::Messenger => say(language, "messenger", "мессенджер"),
    }
}

/// A value as a person reads it; the words themselves where they fix no value.
pub fn value(field: &FieldInfo, language: Language) -> String {
    let text = match &field.value {
        // The id of an industry is for machines; people read the words that were said.
        Some(FieldValue::Text(_)) if field.field == FieldName::Industry => {
            quoted(field.raw.as_deref().unwrap_or_default(), language)
        }
        Some(FieldValue::Pain(value)) => value.text.clone(),
        Some(FieldValue::Criterion(value)) => criterion(value, language),
        Some(FieldValue::Step(value)) => decision_step(value, language),
        Some(FieldValue::Paper(value)) => paper(value, language),
        Some(FieldValue::Event(value)) => event(value, language),
        Some(FieldValue::Objection(value)) => {
            let said = quoted(field.raw.as_deref().unwrap_or_default(), language);
            format!("{}: {said}", objection(*value, language))
        }
        Some(FieldValue::Source(value)) => lead_source(*value, language).to_owned(),
        Some(FieldValue::Customer(value)) => customer(*value, language).to_owned(),
        Some(FieldValue::Outcome(value)) => outcome(*value, language).to_owned(),
        Some(FieldValue::Contact(value)) => contact(*value, language).to_owned(),
        Some(FieldValue::Money(value)) => money(value, language),
        Some(FieldValue::Date(value)) => date_value(value, language),
        Some(FieldValue::Person(value)) => person(value, language),
        Some(FieldValue::Quantity(value)) => quantity(value, language),
        Some(FieldValue::Competitor(value)) => competitor(value, language),
        Some(FieldValue::Commitment(value)) => commitment(value, language),
        Some(FieldValue::Percent { percent }) => format!("{}%", number(*percent, language)),
        Some(FieldValue::Text(text)) => text.clone(),
        None => quoted(field.raw.as_deref().unwrap_or_default(), language),
    };
    let note = match field.status {
        FieldStatus::Conflict => say(language, " [conflict]", " [противоречие]"),
        FieldStatus::Proposed => say(language, " [proposed, not accepted]", " [предложено, не подтверждено]"),
        FieldStatus::Confirmed => say(language, " [confirmed]", " [подтверждено]"),
        FieldStatus::UnknownToBuyer => say(language, " [they do not know]", " [клиент не знает]"),
        FieldStatus::Stated | FieldStatus::NotStated => "",
    };
    format!("{text}{note}")
}

/// The day of the call, and that it is only assumed.
pub fn call_day(call: &CallInfo) -> String {
    let day = date(call.call_date, call.language);
    if call.call_date_assumed {
        format!("{day} ({})", say(call.language, "assumed", "предположительно"))
    } else {
        day
    }
}

/// Where the deal stands, or why nothing is said about it.
pub fn standing(document: &Document) -> String {
    match &document.call.other_language {
        Some(other) => format!(
            "not judged: the talk seems to be in {other}; English and Russian are understood, and --language overrides"
        ),
        None => deal_line(&document.deal, document.call.language),
    }
}

fn deal_line(deal: &DealInfo, language: Language) -> String {
    let (Some(name), Some(purpose)) = (&deal.stage_name, &deal.stage_purpose) else {
        return say(
            language,
            "not a sales call: no deal in it",
            "это не продажа: сделки здесь нет",
        )
        .to_owned();
    };
    let percent = (deal.confidence * 100.0).round();
    let mut line = if deal.abstained {
        match language {
            Language::En => format!("most likely {name}: {purpose} (not sure, {percent}%)"),
            Language::Ru => format!("скорее всего «{name}»: {purpose} (не наверняка, {percent}%)"),
        }
    } else {
        format!("{name}: {purpose} ({percent}%)")
    };
    if deal.on_hold {
        line.push_str(say(language, ", on hold", ", на паузе"));
    }
    line
}

/// What left the machine, and what the language model had to do with the result.
pub fn egress(provenance: &Provenance, language: Language) -> String {
    let (speech, questions): (Vec<_>, Vec<_>) = provenance.egress.iter().partition(|sent| sent.sound_s.is_some());
    let mut parts = Vec::new();
    if !speech.is_empty() {
        let seconds: f64 = speech.iter().filter_map(|sent| sent.sound_s).sum();
        parts.push(format!(
            "{}: {seconds:.0}",
            say(
                language,
                "seconds of speech that left this machine",
                "секунд речи покинуло эту машину"
            )
        ));
    }
    if !questions.is_empty() {
        parts.push(format!(
            "{}: {}",
            say(
                language,
                "questions that left this machine",
                "вопросов покинуло эту машину"
            ),
            questions.len()
        ));
    }
    let left = if parts.is_empty() {
        say(language, "nothing left this machine", "ничего не покинуло эту машину").to_owned()
    } else {
        parts.join("; ")
    };
    let Some(used) = &provenance.llm else { return left };
    let mut text = format!(
        "{left}; {} {}",
        say(language, "language model", "языковая модель"),
        used.model
    );
    if !used.problems.is_empty() {
        let stands = say(
            language,
            "without a usable answer, the local one stands there",
            "без пригодного ответа, там остался местный",
        );
        text.push_str(&format!(": {} {stands}", used.problems.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(1_500_000.0, Language::En), "1,500,000");
        assert_eq!(number(999.5, Language::En), "999.50");
        assert_eq!(number(1000.0, Language::Ru), "1\u{a0}000");
        assert_eq!(number(2.5, Language::Ru), "2,5");
        assert_eq!(number(0.75, Language::Ru), "0,75");
    }

    #[test]
    fn russian_nouns_go_with_their_numbers() {
        let forms = [1, 2, 5, 11, 12, 21, 22, 111].map(|count| turns(count, Language::Ru));
        assert_eq!(
            forms,
            [
                "1 реплика",
                "2 реплики",
                "5 реплик",
                "11 реплик",
                "12 реплик",
                "21 реплика",
                "22 реплики",
                "111 реплик"
            ]
        );
        assert_eq!(turns(1, Language::En), "1 turn");
        let mut people = Quantity {
            n: Some(2.0),
            min: None,
            max: None,
            unit: Some("человек".to_owned()),
            period: None,
            approx: false,
        };
        assert_eq!(quantity(&people, Language::Ru), "2 человека");
        people.n = Some(12.0);
        assert_eq!(quantity(&people, Language::Ru), "12 человек");
    }

    #[test]
    fn roubles_have_their_sign() {
        let price = Money {
            amount: Some(1_500_000.5),
            min: None,
            max: None,
            currency: "RUB".to_owned(),
            period: Some(Period::Month),
            per: Some("user".to_owned()),
            qualifier: MoneyQualifier::Exact,
            vat: None,
            scale_inferred: false,
            currency_inferred: false,
        };
        assert_eq!(
            money(&price, Language::Ru),
            "1\u{a0}500\u{a0}000,5 ₽ за пользователя в месяц"
        );
        assert_eq!(money(&price, Language::En), "1,500,000.50 RUB per user a month");
    }

    #[test]
    fn a_part_in_the_decision_is_somebodys() {
        let decider = Person {
            name: None,
            title: None,
            roles: vec![DecisionRole::EconomicBuyer],
            side: Role::Buyer,
        };
        assert_eq!(person(&decider, Language::Ru), "клиент (распоряжается деньгами)");
    }

    #[test]
    fn a_stage_that_is_not_decided_is_no_stage() {
        let mut deal = DealInfo {
            process: String::new(),
            process_hash: String::new(),
            stage: Some("vision".into()),
            stage_name: Some("Vision".to_owned()),
            stage_purpose: Some("get a vision in their words".to_owned()),
            stage_exit: None,
            confidence: 0.03,
            decided_by: crate::domain::DecidedBy::Local,
            abstained: true,
            on_hold: false,
            flags: Vec::new(),
            elements: Vec::new(),
            coverage: 0.0,
            index: 0.0,
            call_outcome: None,
            previous_stage: None,
            previous_stage_name: None,
            step: None,
            earlier_calls: Vec::new(),
            contradictions: Vec::new(),
            earlier_facts: Vec::new(),
            open_promises: Vec::new(),
            buyers: Vec::new(),
        };
        assert_eq!(
            deal_line(&deal, Language::En),
            "most likely Vision: get a vision in their words (not sure, 3%)"
        );
        assert_eq!(
            deal_line(&deal, Language::Ru),
            "скорее всего «Vision»: get a vision in their words (не наверняка, 3%)"
        );
        (deal.abstained, deal.confidence) = (false, 0.71);
        assert_eq!(
            deal_line(&deal, Language::En),
            "Vision: get a vision in their words (71%)"
        );
    }

    #[test]
    fn told_fields_have_their_words() {
        let field = |name, value| FieldInfo {
            field: name,
            status: FieldStatus::Stated,
            value: Some(value),
            raw: Some("пекарня".to_owned()),
            turn: Some(1),
            role: Some(Role::Buyer),
            quote: None,
            confidence: None,
            decided_by: None,
        };
        let day = DateValue {
            kind: None,
            date: NaiveDate::from_ymd_opt(2025, 4, 22),
            start: None,
            end: None,
            time: None,
            time_end: None,
            qualifier: DateQualifier::On,
            ambiguous: false,
            past: false,
        };
        let step = |owner: &str| {
            FieldValue::Step(DecisionStep {
                step: "Dana reads it".to_owned(),
                owner: Some(owner.to_owned()),
                due: Some(day.clone()),
            })
        };
        let price = FieldValue::Objection(Objection {
            kind: ObjectionKind::Price,
            status: ObjectionStatus::Answered,
        });
        let cases = [
            (
                FieldName::DecisionProcess,
                step("Dana"),
                "Dana reads it — Tue 22 Apr 2025",
                "Dana reads it — вт 22.04.2025",
            ),
            (
                FieldName::DecisionProcess,
                step("CFO"),
                "CFO: Dana reads it — Tue 22 Apr 2025",
                "финансовый директор: Dana reads it — вт 22.04.2025",
            ),
            (
                FieldName::Objections,
                price,
                "price, answered: “пекарня”",
                "цена, ответ дан: «пекарня»",
            ),
            (
                FieldName::Industry,
                FieldValue::Text("food".to_owned()),
                "“пекарня”",
                "«пекарня»",
            ),
            (
                FieldName::DecisionCriteria,
                FieldValue::Criterion(Criterion {
                    text: "1С".to_owned(),
                    must: true,
                }),
                "1С (must)",
                "1С (обязательно)",
            ),
            (
                FieldName::PaperProcess,
                FieldValue::Paper(PaperStep {
                    step: "DPIA".to_owned(),
                    kind: PaperKind::Security,
                }),
                "security: DPIA",
                "безопасность: DPIA",
            ),
            (
                FieldName::LeadSource,
                FieldValue::Source(LeadSource::Referral),
                "referral",
                "рекомендация",
            ),
            (
                FieldName::ContactPreference,
                FieldValue::Contact(ContactChannel::Email),
                "e-mail",
                "почта",
            ),
        ];
        for (name, told, en, ru) in cases {
            let field = field(name, told);
            assert_eq!(value(&field, Language::En), en);
            assert_eq!(value(&field, Language::Ru), ru);
        }
    }

    #[test]
    fn dates_name_the_weekday() {
        let day = NaiveDate::from_ymd_opt(2025, 4, 22).expect("a day");
        assert_eq!(date(day, Language::En), "Tue 22 Apr 2025");
        assert_eq!(date(day, Language::Ru), "вт 22.04.2025");
    }

    #[test]
    fn times_of_a_call() {
        assert_eq!(clock(761.4), "12:41");
        assert_eq!(clock(3661.0), "1:01:01");
    }
}
