//! Standard Webhooks: how a receiver knows that it was us.
//!
//! The secret of an endpoint is `whsec_` and base64 of random bytes. What is signed is `{id}.{timestamp}.{body}`, with
//! HMAC-SHA256.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng as _;
use secrecy::{ExposeSecret as _, SecretString};

const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits.
pub fn fresh_secret() -> Result<SecretString, rand::rngs::SysError> {
    let mut bytes = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    Ok(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes))))
}

/// The value of `webhook-signature`: one signature with each secret, so that a receiver may know either. `timestamp`: seconds
/// since 1970, of this try. None: a secret is none.
pub fn sign(secrets: &[SecretString], id: &str, timestamp: i64, body: &str) -> Option<String> {
    let signatures = secrets.iter().map(|secret| {
        let secret = secret.expose_secret();
        let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let mut signed = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        signed.update(format!("{id}.{timestamp}.").as_bytes());
        signed.update(body.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(signed.sign())))
    });
    Some(signatures.collect::<Option<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// Published with the libraries that receivers use.
    #[test]
    fn known_signatures_come_out() {
        let vectors = [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_plJ3nmyCDGBKInavdOK15jsl",
                "msg_loFOjxBNrRLzqYUf",
                1_731_705_121,
                r#"{"event_type":"ping","data":{"success":true}}"#,
                "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
            ),
        ];
        for (key, id, timestamp, body, signature) in vectors {
            assert_eq!(sign(&[secret(key)], id, timestamp, body).as_deref(), Some(signature));
        }
    }

    #[test]
    fn each_secret_signs() {
        let secrets = [fresh_secret().expect("random"), fresh_secret().expect("random")];
        let both = sign(&secrets, "evt_1", 1, "{\"текст\":1}").expect("signed");
        let (first, second) = both.split_once(' ').expect("two");
        assert_eq!(sign(&secrets[..1], "evt_1", 1, "{\"текст\":1}").as_deref(), Some(first));
        assert_eq!(
            sign(&secrets[1..], "evt_1", 1, "{\"текст\":1}").as_deref(),
            Some(second)
        );
        assert_ne!(first, second);
        for other in [
            sign(&secrets[..1], "evt_2", 1, "{\"текст\":1}"),
            sign(&secrets[..1], "evt_1", 2, "{\"текст\":1}"),
            sign(&secrets[..1], "evt_1", 1, "{\"текст\":2}"),
        ] {
            assert_ne!(other.as_deref(), Some(first));
        }
    }

    #[test]
    fn secrets_have_32_bytes_and_are_never_the_same() {
        let made = fresh_secret().expect("random");
        let bytes = made.expose_secret().strip_prefix(PREFIX).expect("a prefix");
        assert_eq!(STANDARD.decode(bytes).expect("base64").len(), 32);
        assert_ne!(made.expose_secret(), fresh_secret().expect("random").expose_secret());
        assert_eq!(sign(&[secret("not one")], "evt_1", 1, ""), None);
    }
}
