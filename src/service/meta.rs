//! What a client says about a call.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Language;
use crate::process::BUILT_IN;
use crate::store::{Consent, ContactKey, ContactKind, DealHint, DealId};

/// Everything is optional; what is said here goes before what the file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Meta {
    /// Day of the call: dates that are said are counted from it.
    pub call_date: Option<NaiveDate>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// `en` or `ru`; without it: detected.
    #[schema(value_type = Option<String>, example = "ru")]
    pub language: Option<Language>,
    /// Who sells: a speaker's name, or the channel `left` or `right`.
    pub rep: Option<String>,
    /// A process that comes with the program: `ppvvc`, `bant`, `meddicc`, `short_cycle`.
    pub process: Option<String>,
    /// The deal that it belongs to.
    pub deal: Option<DealMeta>,
    /// The other side: a call without a deal is matched by it.
    pub contact: Option<Contact>,
    /// The user whose call it is: id or e-mail address. Without it: who uploads. Reps may only name themselves.
    pub owner: Option<String>,
    /// Whether the people on the call agreed: with `denied` nothing is done with it.
    pub consent: Option<Consent>,
}

/// A deal by our id, by the id in the CRM, or by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum DealMeta {
    /// Our id.
    Id(String),
    Described {
        /// Our id.
        #[serde(default)]
        id: Option<String>,
        /// Id in the CRM; a deal that is not known yet is made.
        #[serde(default)]
        crm_id: Option<String>,
        /// With `crm_id`: what a new deal is called. Alone: the deal of that name, made if there is none.
        #[serde(default)]
        name: Option<String>,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Contact {
    pub phone: Option<String>,
    pub email: Option<String>,
    /// Of the person or the firm.
    pub name: Option<String>,
}

impl Contact {
    /// What is said of them, each with its kind.
    pub fn said(&self) -> impl Iterator<Item = (ContactKind, &str)> {
        let said = [
            (ContactKind::Phone, &self.phone),
            (ContactKind::Email, &self.email),
            (ContactKind::Name, &self.name),
        ];
        said.into_iter()
            .filter_map(|(kind, said)| Some((kind, said.as_deref()?)))
    }
}

const NAMES: &[&str] = &[
    "call_date",
    "started_at",
    "language",
    "rep",
    "process",
    "deal",
    "contact",
    "owner",
    "consent",
];

impl Meta {
    /// Reads what a client sent. With it the names that mean nothing here.
    pub fn read(text: &str) -> Result<(Self, Vec<String>), String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("meta: not JSON: {error}"))?;
        let Some(object) = value.as_object() else {
            return Err("meta: a JSON object is needed".to_owned());
        };
        let ignored = object
            .keys()
            .filter(|name| !NAMES.contains(&name.as_str()))
            .cloned()
            .collect();
        let meta: Self = serde_json::from_value(value).map_err(|error| format!("meta: {error}"))?;
        meta.check()?;
        Ok((meta, ignored))
    }

    fn check(&self) -> Result<(), String> {
        if let Some(name) = self
            .process
            .as_ref()
            .filter(|name| !BUILT_IN.iter().any(|(known, _)| known == name))
        {
            let names = BUILT_IN.map(|(known, _)| known).join(", ");
            return Err(format!(
                "meta.process: `{name}` is not known; one of {names}, or none for that of the workspace"
            ));
        }
        if let Some(DealMeta::Described {
            id: None,
            crm_id: None,
            name: None,
        }) = &self.deal
        {
            return Err("meta.deal: give `id`, `crm_id` or `name`".to_owned());
        }
        Ok(())
    }

    pub fn deal(&self) -> DealHint {
        match &self.deal {
            None => DealHint::Unsaid,
            Some(DealMeta::Id(id)) => DealHint::Ours(DealId::from(id.as_str())),
            Some(DealMeta::Described { id: Some(id), .. }) => DealHint::Ours(DealId::from(id.as_str())),
            Some(DealMeta::Described {
                crm_id: Some(id), name, ..
            }) => DealHint::Crm {
                id: id.clone(),
                name: name.clone(),
            },
            Some(DealMeta::Described { name: Some(name), .. }) => DealHint::Named(name.clone()),
            Some(DealMeta::Described { .. }) => DealHint::Unsaid,
        }
    }

    /// What a deal may be recognised by.
    pub fn keys(&self) -> Vec<ContactKey> {
        let Some(contact) = &self.contact else {
            return Vec::new();
        };
        contact
            .said()
            .filter_map(|(kind, said)| ContactKey::new(kind, said))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_is_told() {
        let (meta, ignored) =
            Meta::read(r#"{"call_date":"2026-03-12","colour":"red","deal":{"crm_id":"7"}}"#).expect("read");
        assert_eq!(ignored, ["colour"]);
        assert_eq!(
            meta.deal(),
            DealHint::Crm {
                id: "7".to_owned(),
                name: None
            }
        );
        for wrong in [
            r#"{"process":"spin"}"#,
            r#"{"deal":{}}"#,
            r#"{"call_date":"12.03.2026"}"#,
            r#"{"language":"de"}"#,
            "[]",
            "{",
        ] {
            assert!(Meta::read(wrong).expect_err(wrong).starts_with("meta"), "{wrong}");
        }
    }
}
