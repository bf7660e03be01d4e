//! Passwords: how they are kept, and how often they may be tried.
//!
//! Argon2id takes its time and memory on purpose: it runs on threads of its own, a few at a time.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::Semaphore;

use super::Error;

/// Characters.
pub const SHORTEST: usize = 12;
pub const LONGEST: usize = 256;

/// Passwords that are worked on at the same time; each takes 19 MiB.
const AT_ONCE: usize = 2;
/// Tries that may come at once, and then a minute: for one e-mail address, and from one place.
const OF_EMAIL: (u32, u32) = (10, 1);
const FROM_ADDRESS: (u32, u32) = (30, 10);
/// Names that are remembered before those that tried long ago are forgotten.
const REMEMBERED: usize = 10_000;

/// Who has no password is asked for this one, which nobody knows: no answer comes sooner for a name that is not there.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| {
    let password = super::auth::random_token().ok()?;
    hash(&password).ok()
});

struct Tries(RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock>);

impl Tries {
    fn new((burst, a_minute): (u32, u32)) -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::keyed(
            Quota::per_minute(number(a_minute)).allow_burst(number(burst)),
        ))
    }

    fn count(&self, whose: String) -> Result<(), Error> {
        if self.0.len() > REMEMBERED {
            self.0.retain_recent();
        }
        self.0.check_key(&whose).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Error::too_many_tries(wait.as_secs() + 1)
        })
    }
}

pub struct Passwords {
    of_email: Tries,
    from_address: Tries,
    slots: Arc<Semaphore>,
}

impl Passwords {
    pub fn new() -> Self {
        Self {
            of_email: Tries::new(OF_EMAIL),
            from_address: Tries::new(FROM_ADDRESS),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Counts a try, wrong or right.
    pub fn count_try(&self, email: &str, address: IpAddr) -> Result<(), Error> {
        self.from_address.count(place(address))?;
        self.of_email.count(email.to_owned())
    }

    /// As it is kept: a PHC string.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let length = password.chars().count();
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(Error::unusable(format!(
                "password: {SHORTEST} to {LONGEST} characters are needed"
            )));
        }
        self.work(move || hash(&password)).await
    }

    /// Whether it is the password; as long in coming where there is none.
    pub async fn is_right(&self, password: String, kept: Option<String>) -> Result<bool, Error> {
        self.work(move || {
            let nobodys = NOBODYS.as_deref();
            let (known, compared) = match &kept {
                Some(kept) => (true, Some(kept.as_str())),
                None => (false, nobodys),
            };
            let hash = compared.and_then(|text| PasswordHash::new(text).ok());
            let hash = hash.ok_or_else(Error::internal)?;
            let same = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
            Ok(known && same)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.map_err(|_| Error::internal())?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a client that goes does not make room for another.
            let _slot = slot;
            work()
        });
        done.await.map_err(|_| Error::internal())?
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|_| Error::internal())?.to_string())
}

/// Whoever has one IPv6 address has 2⁶⁴ of them.
fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x}", u128::from(address) >> 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_found_again() {
        let passwords = Passwords::new();
        let kept = passwords.hash("верный пароль 1".to_owned()).await.expect("kept");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        for (said, kept, right) in [
            ("верный пароль 1", Some(kept.clone()), true),
            ("верный пароль 2", Some(kept), false),
            ("верный пароль 1", None, false),
        ] {
            let found = passwords.is_right(said.to_owned(), kept).await.expect("compared");
            assert_eq!(found, right, "{said}");
        }
        for wrong in ["short", &"x".repeat(LONGEST + 1)] {
            assert!(passwords.hash(wrong.to_owned()).await.is_err());
        }
    }

    #[test]
    fn tries_run_out_for_an_address_and_for_a_name() {
        let passwords = Passwords::new();
        let from = |text: &str| text.parse().expect("an address");
        let tries = |email: &str, address: &str| {
            (0..100)
                .take_while(|_| passwords.count_try(email, from(address)).is_ok())
                .count()
        };
        assert_eq!(tries("a@example.com", "192.0.2.1"), 10);
        assert_eq!(tries("a@example.com", "192.0.2.2"), 0, "the name, from elsewhere");
        assert_eq!(tries("b@example.com", "192.0.2.1"), 10);
        // Of the thirty of this place, two were refused for the name.
        assert_eq!(tries("c@example.com", "::ffff:192.0.2.1"), 8);
        assert_eq!(tries("d@example.com", "192.0.2.1"), 0, "any name, from there");
        assert_eq!(place(from("2001:db8::1")), place(from("2001:db8::2")));
    }
}
