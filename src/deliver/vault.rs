//! Secrets of endpoints, encrypted before they are stored.
//!
//! AES-256-GCM-SIV with a random nonce. The id of the endpoint is sealed in: a secret that was moved to another row does not
//! open there. Where sealed texts are kept is *not* here: see `store`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use rand::TryRng as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::hex;
use crate::store::{EndpointId, Sealed};

/// First byte of what is sealed.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const FILE: &str = "secret.key";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "DEALSTAGE_SECRET_KEY: a key is 32 bytes, as 64 hex digits or as base64, and several are separated by commas; \
         `openssl rand -hex 32` makes one"
    )]
    Setting,
    #[error(
        "secrets cannot be kept without a key: set DEALSTAGE_SECRET_KEY, to the same on every machine that uses the \
         database; `openssl rand -hex 32` makes one"
    )]
    NoKey,
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{}: this is no key; put back the file that was there, or set DEALSTAGE_SECRET_KEY", .0.display())]
    BadFile(PathBuf),
    #[error("the secret was sealed with another key; add that one to DEALSTAGE_SECRET_KEY")]
    OtherKey,
    #[error("there are no random numbers")]
    Random,
}

/// What seals and opens.
pub struct Vault {
    /// The first seals, all open.
    keys: OnceLock<Vec<RandomizedNonceKey>>,
    /// Where a key is made when the first secret comes.
    file: Option<PathBuf>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// `said`: keys, separated by commas. Without them a key is kept in `folder`, and made there when it is needed first; where
    /// there is no folder that all who open have, `said` is needed.
    pub fn new(said: Option<&SecretString>, folder: Option<&Path>) -> Result<Self, Error> {
        let keys = OnceLock::new();
        let file = folder.map(|folder| folder.join(FILE));
        if let Some(said) = said {
            let said = said
                .expose_secret()
                .split(',')
                .map(|said| key(said).ok_or(Error::Setting));
            let _ = keys.set(said.collect::<Result<_, _>>()?);
        } else if let Some(path) = &file
            && let Some(key) = read(path)?
        {
            let _ = keys.set(vec![key]);
        }
        Ok(Self { keys, file })
    }

    fn keys(&self) -> Result<&[RandomizedNonceKey], Error> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        let path = self.file.as_ref().ok_or(Error::NoKey)?;
        let made = make(path)?;
        Ok(self.keys.get_or_init(|| vec![made]))
    }

    /// Encrypts a secret of an endpoint.
    pub fn seal(&self, of: &EndpointId, secret: &SecretString) -> Result<Sealed, Error> {
        let key = self.keys()?.first().ok_or(Error::NoKey)?;
        let mut text = secret.expose_secret().as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(of.as_str()), &mut text)
            .map_err(|_| Error::Random)?;
        let nonce: &[u8; NONCE_LEN] = nonce.as_ref();
        let sealed = [&[VERSION], &nonce[..], &text[..]].concat();
        Ok(Sealed(STANDARD.encode(sealed)))
    }

    /// The secret again.
    pub fn open(&self, of: &EndpointId, sealed: &Sealed) -> Result<SecretString, Error> {
        let bytes = STANDARD.decode(&sealed.0).map_err(|_| Error::OtherKey)?;
        let Some((&[VERSION], rest)) = bytes.split_first_chunk() else {
            return Err(Error::OtherKey);
        };
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Error::OtherKey)?;
        for key in self.keys()? {
            let mut text = text.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            if let Ok(opened) = key.open_in_place(nonce, Aad::from(of.as_str()), &mut text) {
                let opened = std::str::from_utf8(opened).map_err(|_| Error::OtherKey)?;
                return Ok(SecretString::from(opened));
            }
        }
        Err(Error::OtherKey)
    }
}

fn key(said: &str) -> Option<RandomizedNonceKey> {
    let said = said.trim();
    let bytes = if said.len() == 2 * KEY_BYTES {
        unhex(said)
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|engine| engine.decode(said).ok())
    };
    let bytes = bytes.filter(|bytes| bytes.len() == KEY_BYTES)?;
    RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).ok()
}

fn unhex(said: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = said.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect(),
    )
}

fn read(path: &Path) -> Result<Option<RandomizedNonceKey>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => key(&text).map(Some).ok_or_else(|| Error::BadFile(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::File {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// Makes the file, whole and on the disk before anything is sealed with it; or takes the one that another process made meanwhile.
fn make(path: &Path) -> Result<RandomizedNonceKey, Error> {
    let failed = |cause| Error::File {
        path: path.to_owned(),
        cause,
    };
    let mut bytes = [0; KEY_BYTES];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| Error::Random)?;
    let part = path.with_extension(format!("part-{}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)?;
        writeln!(file, "{}", hex(bytes))?;
        file.sync_all()?;
        match std::fs::hard_link(&part, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => (),
        }
        path.parent()
            .map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    })();
    let _ = std::fs::remove_file(&part);
    written.map_err(failed)?;
    read(path)?.ok_or_else(|| Error::BadFile(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "/////////////////////////////////////////w8=";

    fn vault(keys: &str) -> Vault {
        Vault::new(Some(&SecretString::from(keys)), None).expect("a key")
    }

    fn secret() -> SecretString {
        SecretString::from("whsec_тайна")
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let vault = vault(HEX);
        let of = EndpointId::from("ep_1");
        let sealed = vault.seal(&of, &secret()).expect("sealed");
        assert_eq!(vault.open(&of, &sealed).expect("opened").expose_secret(), "whsec_тайна");
        assert!(matches!(
            vault.open(&EndpointId::from("ep_2"), &sealed),
            Err(Error::OtherKey)
        ));
        // Every nonce is new.
        assert_ne!(vault.seal(&of, &secret()).expect("sealed"), sealed);
        let bytes = STANDARD.decode(&sealed.0).expect("base64");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(vault.open(&of, &Sealed(STANDARD.encode(changed))).is_err(), "byte {at}");
            assert!(
                vault.open(&of, &Sealed(STANDARD.encode(&bytes[..at]))).is_err(),
                "{at} bytes"
            );
        }
        assert!(vault.open(&of, &Sealed("whsec_plain".to_owned())).is_err());
    }

    #[test]
    fn keys_are_changed_one_after_the_other() {
        let of = EndpointId::from("ep_1");
        let old = vault(HEX).seal(&of, &secret()).expect("sealed");
        let both = vault(&format!("{BASE64}, {HEX}"));
        assert_eq!(both.open(&of, &old).expect("opened").expose_secret(), "whsec_тайна");
        let new = both.seal(&of, &secret()).expect("sealed");
        assert!(vault(BASE64).open(&of, &new).is_ok());
        assert!(matches!(vault(HEX).open(&of, &new), Err(Error::OtherKey)));
        assert!(matches!(vault(BASE64).open(&of, &old), Err(Error::OtherKey)));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for said in [
            "",
            "hunter2",
            &HEX[1..],
            "/////w==",
            &format!("{HEX},"),
            &format!("{HEX};{HEX}"),
        ] {
            let error = Vault::new(Some(&SecretString::from(said)), None).expect_err(said);
            assert!(matches!(error, Error::Setting), "{said}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert!(Vault::new(Some(&SecretString::from(HEX.to_uppercase())), None).is_ok());
        assert!(
            Vault::new(
                Some(&SecretString::from(BASE64.trim_end_matches('=').replace('/', "_"))),
                None
            )
            .is_ok()
        );
    }

    #[test]
    fn a_key_is_made_when_it_is_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = EndpointId::from("ep_1");
        let vaults = [(); 2].map(|()| Vault::new(None, Some(folder.path())).expect("a vault"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let sealed = vaults[0].seal(&of, &secret()).expect("sealed");
        // The second takes the key of the first.
        assert!(vaults[1].open(&of, &sealed).is_ok());
        assert!(
            Vault::new(None, Some(folder.path()))
                .expect("a vault")
                .open(&of, &sealed)
                .is_ok()
        );
        let path = folder.path().join(FILE);
        assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        // A key that is no key must not be replaced: what it sealed would be lost.
        std::fs::write(&path, "").expect("written");
        assert!(matches!(Vault::new(None, Some(folder.path())), Err(Error::BadFile(_))));
    }

    #[test]
    fn without_a_folder_of_all_the_setting_is_needed() {
        let vault = Vault::new(None, None).expect("a vault");
        assert!(matches!(
            vault.seal(&EndpointId::from("ep_1"), &secret()),
            Err(Error::NoKey)
        ));
        assert_eq!(format!("{vault:?}"), "Vault(…)");
    }
}
