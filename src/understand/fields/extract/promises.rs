//! What either side promises to do.

use super::super::{dates, promises};
use super::Extractor;
use crate::domain::{Commitment, FieldName, FieldValue, Role, Signal};

impl Extractor<'_> {
    pub(super) fn promises(&mut self, at: usize, who: Role) {
        let text = self.turn(at).text.clone();
        let expected = self.has(
            at,
            if who == Role::Rep {
                Signal::RepNextStep
            } else {
                Signal::BuyerCommitment
            },
        );
        let days = self.days(at);
        let found = promises::find(&text, &days, expected).into_iter();
        for promise in found.filter(|promise| !promises::is_meeting(&text, &promise.range, &days)) {
            let value = Commitment {
                who,
                what: text[promise.range.clone()].to_owned(),
                due: promise
                    .value
                    .or_else(|| promises::at_once(&text[promise.range.clone()]).then(|| dates::on(self.call_date))),
            };
            self.add(
                FieldName::Commitments,
                at,
                &promise.range,
                Some(FieldValue::Commitment(value)),
                0.75,
            );
        }
    }
}
