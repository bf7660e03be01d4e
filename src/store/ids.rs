//! Names of rows: a prefix that tells the kind, and a number that sorts by time.

use serde::{Deserialize, Serialize};

macro_rules! row_ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// A name that nothing has yet; later ones sort behind.
            pub fn fresh() -> Self {
                Self(format!(concat!($prefix, "_{}"), uuid::Uuid::now_v7().simple()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            /// As a client or the database gives it: nothing need have this name.
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )*};
}

row_ids! {
    WorkspaceId "ws";
    UserId "usr";
    KeyId "key";
    CallId "call";
    DealId "deal";
    JobId "job";
    /// Also the `webhook-id`.
    EventId "evt";
    CorrectionId "cor";
    EndpointId "ep";
    DeliveryId "dlv";
    ProposalId "prop";
    ChangeId "chg";
    ReminderId "rem";
}
