//! A letter as it travels: headers, text in UTF-8, an id that stays.

use chrono::{DateTime, Utc};
use lettre::address::Envelope;
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

use crate::deliver::failure::Failure;

pub struct Letter {
    pub from: Mailbox,
    /// At least one.
    pub to: Vec<Address>,
    pub reply_to: Option<Address>,
    pub bcc: Option<Address>,
    pub subject: String,
    pub body: String,
    /// Of the delivery: the same at every try.
    pub id: String,
    pub date: DateTime<Utc>,
}

impl Letter {
    /// Who gets it.
    pub fn envelope(&self) -> Result<Envelope, Failure> {
        let to = self.to.iter().chain(&self.bcc).cloned().collect();
        Envelope::new(Some(self.from.email.clone()), to).map_err(|_| Failure::Payload)
    }

    /// Its bytes, all of them ASCII: other letters are encoded. Who gets a hidden copy is not in them.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .date(self.date.into())
            .message_id(Some(format!("<{}@{}>", self.id, self.from.email.domain())))
            .subject(one_line(&self.subject))
            .envelope(self.envelope()?);
        for to in &self.to {
            message = message.to(to.clone().into());
        }
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone().into());
        }
        let message = message.singlepart(SinglePart::plain(lines(&self.body)));
        Ok(message.map_err(|_| Failure::Payload)?.formatted())
    }
}

/// A header is one line, whatever a person or a model wrote.
fn one_line(text: &str) -> String {
    let spaced = text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines as mail has them.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::address;
    use super::*;

    fn letter(subject: &str, body: &str) -> Letter {
        let at = |said: &str| address(said).expect("an address");
        Letter {
            from: Mailbox::new(Some("Анна Склад".to_owned()), at("sales@example.com")),
            to: vec![at("dana@example.com"), at("boss@example.com")],
            reply_to: Some(at("anna@example.com")),
            bcc: Some(at("crm@example.com")),
            subject: subject.to_owned(),
            body: body.to_owned(),
            id: "dlv_1".to_owned(),
            date: "2026-04-16T10:00:00Z".parse().expect("a time"),
        }
    }

    /// Names of the headers, and the text behind them.
    fn parts(letter: &Letter) -> (Vec<String>, String) {
        let text = String::from_utf8(letter.bytes().expect("a letter")).expect("ASCII");
        assert!(text.is_ascii());
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let names = head
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split_once(':').expect("a header").0.to_owned());
        (names.collect(), body.to_owned())
    }

    const HEADERS: [&str; 9] = [
        "From",
        "Date",
        "Message-ID",
        "Subject",
        "To",
        "Reply-To",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];

    #[test]
    fn a_letter_as_it_travels() {
        let text = letter("Our call on 12 March", "Hello Dana,\n.\nsee you.\n")
            .bytes()
            .expect("a letter");
        let text = String::from_utf8(text).expect("ASCII");
        insta::assert_snapshot!(text.replace("\r\n", "\n"), @r"
        From: =?utf-8?b?0JDQvdC90LAg0KHQutC70LDQtA==?= <sales@example.com>
        Date: Thu, 16 Apr 2026 10:00:00 +0000
        Message-ID: <dlv_1@example.com>
        Subject: Our call on 12 March
        To: dana@example.com, boss@example.com
        Reply-To: anna@example.com
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Hello Dana,
        .
        see you.
        ");
    }

    #[test]
    fn who_gets_a_hidden_copy_is_not_shown() {
        let letter = letter("S", "B");
        let envelope = letter.envelope().expect("an envelope");
        let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
        assert_eq!(to, ["dana@example.com", "boss@example.com", "crm@example.com"]);
        let text = String::from_utf8(letter.bytes().expect("a letter")).expect("ASCII");
        assert!(!text.contains("crm@"), "{text}");
    }

    #[test]
    fn no_text_makes_a_header() {
        for subject in [
            "Hi\r\nBcc: eve@example.com",
            "Hi\nBcc: eve@example.com",
            "Hi\rBcc: eve@example.com",
            "Hi\r\n\r\nother text",
            "Hi\u{2028}Bcc: eve@example.com",
            "Привет\r\nBcc: eve@example.com",
            "Hi\0\u{7f}\u{85}Bcc: eve@example.com",
            "=?utf-8?q?Hi=0D=0ABcc:_eve=40example.com?=",
        ] {
            assert_eq!(parts(&letter(subject, "text")).0, HEADERS, "{subject:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_stays_in_its_place(subject in "(?s).{0,80}", body in "(?s).{0,300}") {
            prop_assert_eq!(parts(&letter(&subject, &body)).0, HEADERS);
        }
    }
}
