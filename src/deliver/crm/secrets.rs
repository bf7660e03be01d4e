//! Cuts secrets out of every text that leaves the engine.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::filters::encoded;

/// What stands in the place of a secret.
pub const CUT: &str = "[secret]";

/// Secrets in every form in which they are sent or come back.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.is_empty() {
            return;
        }
        // An address with a secret in it is a secret, and each of its parts too: alone they are found in errors.
        if let Ok(url) = url::Url::parse(secret)
            && url.has_host()
        {
            let parts = url.path_segments().into_iter().flatten().map(str::to_owned);
            let values = url.query_pairs().map(|(_, value)| value.into_owned());
            let parts: Vec<String> = parts.chain(values).filter(|part| part.len() >= 6).collect();
            parts.iter().for_each(|part| self.add(part));
        }
        let json = serde_json::Value::from(secret).to_string();
        let forms = [
            secret.to_owned(),
            encoded(secret),
            encoded(secret).to_lowercase(),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            json.trim_matches('"').to_owned(),
            json.trim_matches('"').replace('/', "\\/"),
            secret
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;"),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        for form in forms {
            if !self.0.contains(&form) {
                self.0.push(form);
            }
        }
        // The longest first: a shorter one may be a part of it.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    pub fn cut(&self, text: &str) -> String {
        let (mut cut, mut rest) = (String::with_capacity(text.len()), text);
        loop {
            // Of those that begin at the same place the longest comes first.
            let found = self
                .0
                .iter()
                .filter_map(|secret| Some((rest.find(secret.as_str())?, secret.len())));
            let Some((at, length)) = found.min_by_key(|(at, _)| *at) else {
                cut.push_str(rest);
                return cut;
            };
            cut.push_str(&rest[..at]);
            cut.push_str(CUT);
            rest = &rest[at + length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_cut_out_in_every_form() {
        let secret = "s3/cr&t \"käy\" ключ";
        let mut secrets = Secrets::default();
        secrets.add(secret);
        let json = serde_json::json!({ "echo": secret }).to_string();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for said in [
            format!("the key {secret} is wrong"),
            json,
            format!("https://crm.example.com/{}/x", encoded(secret)),
            format!("token={form}"),
            format!("Basic {}", STANDARD.encode(secret)),
        ] {
            let cut = secrets.cut(&said);
            assert!(cut.contains(CUT), "{cut}");
            for part in ["s3", "cr&t", "ключ", "ka", "%D0"] {
                assert!(!cut.contains(part), "{cut}");
            }
        }
        assert!(!format!("{secrets:?}").contains("s3"));
    }

    #[test]
    fn a_part_of_another_secret_leaves_nothing_of_it() {
        let mut secrets = Secrets::default();
        secrets.add("abc");
        secrets.add("abcdef");
        assert_eq!(secrets.cut("abcdef abc"), "[secret] [secret]");
        secrets.add("");
        assert_eq!(secrets.cut("hi"), "hi");
        // A short one is in the mark itself.
        secrets.add("e");
        assert_eq!(secrets.cut("abc met"), "[secret] m[secret]t");
    }
}
