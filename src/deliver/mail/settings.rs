//! What is known of a mail server. Everything that ends up in a header or a command of SMTP is read here, once, into types that
//! cannot hold a line break.

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of a name beside an address.
const LONGEST_NAME: usize = 100;
/// Of a user name or a password.
const LONGEST_SECRET: usize = 1000;
/// The word for the address of whose call it is.
const REP: &str = "rep";

/// How the connection is encrypted. The certificate must be valid for the host in either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// From the first byte on; port 465.
    #[default]
    Tls,
    /// After a few words; port 587. A server that does not offer it gets nothing.
    Starttls,
    /// Not at all, port 25: only in networks that the operator of the server allows.
    None,
}

/// A mail server. It is encrypted and not shown again.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    #[schema(example = "smtp.example.com")]
    pub host: String,
    /// 465, 587 or 25 by `security`, if nothing is said.
    pub port: Option<u16>,
    #[serde(default)]
    pub security: Security,
    /// With `password`; neither: the server wants none.
    pub username: Option<String>,
    pub password: Option<String>,
    /// Who sends: an address, or `Name <address>`.
    #[schema(example = "Acme Sales <sales@example.com>")]
    pub from: String,
    /// Where answers go: an address, or `rep`, the address of whose call it is; nothing: to `from`.
    pub reply_to: Option<String>,
    /// Who gets a copy that nobody else sees: an address, or `rep`.
    pub bcc: Option<String>,
}

/// Somebody beside those whom a letter is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Whose call it is; nobody, where it is nobody's.
    Rep,
    Address(Address),
}

/// A mail server whose settings make sense.
pub struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub credentials: Option<Credentials>,
    pub from: Mailbox,
    pub reply_to: Option<Whom>,
    pub bcc: Option<Whom>,
}

impl Server {
    /// An error names the setting.
    pub fn read(settings: &MailSettings) -> Result<Self, String> {
        let host = url::Host::parse(settings.host.trim()).map_err(|_| "host: it is no name of a host".to_owned())?;
        let usual = match settings.security {
            Security::Tls => 465,
            Security::Starttls => 587,
            Security::None => 25,
        };
        let credentials = match (&settings.username, &settings.password) {
            (None, None) => None,
            (Some(name), Some(password)) if [name, password].iter().all(|text| is_secret(text)) => {
                Some(Credentials::new(name.clone(), password.clone()))
            }
            (Some(_), Some(_)) => {
                return Err(format!(
                    "username, password: 1 to {LONGEST_SECRET} characters, without line breaks"
                ));
            }
            _ => return Err("username, password: both, or neither".to_owned()),
        };
        let whom = |name: &str, said: &Option<String>| match said.as_deref().map(str::trim) {
            None => Ok(None),
            Some(REP) => Ok(Some(Whom::Rep)),
            Some(said) => match address(said) {
                Ok(address) => Ok(Some(Whom::Address(address))),
                Err(problem) => Err(format!("{name}: {problem}; or say `{REP}`")),
            },
        };
        Ok(Self {
            host: host.to_string(),
            port: settings.port.unwrap_or(usual),
            security: settings.security,
            credentials,
            from: mailbox(&settings.from).map_err(|problem| format!("from: {problem}"))?,
            reply_to: whom("reply_to", &settings.reply_to)?,
            bcc: whom("bcc", &settings.bcc)?,
        })
    }

    /// Whether nobody on the way can read along.
    pub fn is_encrypted(&self) -> bool {
        self.security != Security::None
    }

    /// What may be shown of it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn is_secret(text: &str) -> bool {
    let characters = text.chars().count();
    (1..=LONGEST_SECRET).contains(&characters) && !text.contains(char::is_control)
}

/// One address of mail: Latin letters before the `@`, a host behind it.
pub fn address(said: &str) -> Result<Address, &'static str> {
    const NONE: &str = "it is no e-mail address; write it like dana@example.com";
    let (user, domain) = said.trim().rsplit_once('@').ok_or(NONE)?;
    // What may stand there only between quotes is in no address that people use.
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"(),:;<>@[\\]".contains(c);
    if !user.chars().all(is_plain) {
        return Err(NONE);
    }
    // As the names of hosts have it: other letters than Latin ones are written with them.
    let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else {
        return Err(NONE);
    };
    if domain.len() + user.len() > 253 || !domain.contains('.') && domain != "localhost" {
        return Err(NONE);
    }
    Address::new(user, domain).map_err(|_| NONE)
}

/// An address, or `Name <address>`.
fn mailbox(said: &str) -> Result<Mailbox, String> {
    let said = said.trim();
    let Some((name, rest)) = said.split_once('<') else {
        return Ok(Mailbox::new(None, address(said)?));
    };
    let inner = rest.strip_suffix('>').ok_or("write it like Name <dana@example.com>")?;
    let name = name.trim().trim_matches('"').trim();
    if name.contains(char::is_control) || name.chars().count() > LONGEST_NAME {
        return Err(format!(
            "a name has at most {LONGEST_NAME} characters, and no line breaks"
        ));
    }
    Ok(Mailbox::new(
        (!name.is_empty()).then(|| name.to_owned()),
        address(inner)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Server, String> {
        Server::read(&serde_json::from_str(text).expect("settings"))
    }

    #[test]
    fn addresses_are_of_one_line() {
        for (said, wanted) in [
            ("dana@example.com", "dana@example.com"),
            (" Dana.O'Neil+crm@mail.Example.com ", "Dana.O'Neil+crm@mail.example.com"),
            ("anna@пример.рф", "anna@xn--e1afmkfd.xn--p1ai"),
            ("root@localhost", "root@localhost"),
        ] {
            assert_eq!(
                address(said).map(|found| found.to_string()).as_deref(),
                Ok(wanted),
                "{said}"
            );
        }
        for said in [
            "",
            "@",
            "dana",
            "dana@",
            "@example.com",
            "dana@example",
            "a b@example.com",
            "\"a b\"@example.com",
            "dana@example.com\r\nBcc: eve@example.com",
            "dana\r\n@example.com",
            "dana\n@example.com",
            "dana@exam\r\nple.com",
            "dana@example.com>\r\nDATA",
            "dana@example.com,eve@example.com",
            "dana@example.com eve@example.com",
            "eve@example.com@example.com",
            "<dana@example.com>",
            "dana@[127.0.0.1]",
            "dana@127.0.0.1",
            "анна@example.com",
            "dana\0@example.com",
            "dana\u{2028}x@example.com",
            &format!("{}@example.com", "x".repeat(65)),
            &format!("x@{}.com", "x.".repeat(140)),
        ] {
            assert!(address(said).is_err(), "{said:?}");
        }
    }

    #[test]
    fn settings_are_read() {
        let server = settings(
            r#"{"host":"smtp.example.com","username":"u","password":"p","from":"Анна «Склад» <anna@example.com>",
                "reply_to":"rep","bcc":"crm@example.com"}"#,
        )
        .expect("settings");
        assert_eq!(server.name(), "smtp.example.com:465");
        assert!(server.is_encrypted() && server.credentials.is_some());
        assert_eq!(server.from.name.as_deref(), Some("Анна «Склад»"));
        assert_eq!(server.reply_to, Some(Whom::Rep));
        let plain = settings(r#"{"host":"10.0.0.5","security":"none","from":"a@example.com"}"#).expect("settings");
        assert_eq!((plain.port, plain.is_encrypted()), (25, false));
        let starttls =
            settings(r#"{"host":"m.example","port":2525,"security":"starttls","from":"\"A\" <a@example.com>"}"#);
        let starttls = starttls.expect("settings");
        assert_eq!((starttls.port, starttls.from.name.as_deref()), (2525, Some("A")));
        for (text, says) in [
            (r#"{"host":"a b","from":"a@example.com"}"#, "host: "),
            (r#"{"host":"m.example\r\nRSET","from":"a@example.com"}"#, "host: "),
            (r#"{"host":"m.example","from":"nobody"}"#, "from: "),
            (
                r#"{"host":"m.example","from":"A\r\nBcc: e@example.com <a@example.com>"}"#,
                "from: ",
            ),
            (r#"{"host":"m.example","from":"A <a@example.com"}"#, "from: "),
            (
                r#"{"host":"m.example","from":"A <a@example.com> <b@example.com>"}"#,
                "from: ",
            ),
            (r#"{"host":"m.example","from":"a@example.com","username":"u"}"#, "both"),
            (
                r#"{"host":"m.example","from":"a@example.com","username":"u","password":""}"#,
                "username, password",
            ),
            (
                r#"{"host":"m.example","from":"a@example.com","username":"u\nx","password":"p"}"#,
                "username, password",
            ),
            (r#"{"host":"m.example","from":"a@example.com","bcc":"owner"}"#, "bcc: "),
            (
                r#"{"host":"m.example","from":"a@example.com","reply_to":"x\n@example.com"}"#,
                "reply_to: ",
            ),
        ] {
            let problem = settings(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(problem.contains(says), "{text}: {problem}");
        }
    }
}
