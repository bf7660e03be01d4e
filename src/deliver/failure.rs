//! Why a try had no answer, in words that are kept.

use std::error::Error;

use crate::guard::{Blocked, NoName};

/// Why there was no answer. The words are kept, and read by programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("there was no answer in time")]
    Timeout,
    #[error("the connection was refused")]
    Refused,
    #[error("the receiver broke the connection")]
    Reset,
    /// It ended before an answer, or the answer is no HTTP.
    #[error("the connection ended before an answer")]
    Cut,
    #[error("the host cannot be reached")]
    Unreachable,
    #[error("the name of the host is not known")]
    Name,
    #[error("there is no safe connection: is the certificate valid?")]
    Tls,
    #[error("the address is not allowed: {0}")]
    Blocked(Blocked),
    #[error("the secret of the endpoint cannot be opened; is DEALSTAGE_SECRET_KEY the one that sealed it?")]
    Secret,
    #[error("the event cannot be read")]
    Payload,
    /// Of a mail server.
    #[error("the mail server does not offer what its settings want: STARTTLS, or signing in with a password")]
    Unsupported,
    /// The letter was on its way, and no answer said whether it was taken.
    #[error("the letter may have been sent and may not: look whether it arrived, and send it again only if it did not")]
    Unsure,
    #[error("the database did not answer")]
    Database,
    /// Another worker has the delivery by now.
    #[error("the try took too long, and nothing was sent")]
    Late,
    /// At the end of the process.
    #[error("this server stopped during the try")]
    Stopped,
}

impl Failure {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Unreachable => "unreachable",
            Self::Name => "name",
            Self::Tls => "tls",
            Self::Blocked(_) => "blocked",
            Self::Secret => "secret",
            Self::Payload => "payload",
            Self::Unsupported => "unsupported",
            Self::Unsure => "unsure",
            Self::Database => "database",
            Self::Late => "late",
            Self::Stopped => "stopped",
        }
    }

    /// The words of an error quote addresses, and whatever the other side says: only what kind it is goes on.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let unnamed = if error.is_connect() {
            Self::Unreachable
        } else {
            Self::Cut
        };
        Self::cause(error.source(), error.is_connect()).unwrap_or(unnamed)
    }

    /// What an error goes back to. `connecting`: there was no connection yet.
    pub(super) fn cause(mut cause: Option<&(dyn Error + 'static)>, connecting: bool) -> Option<Self> {
        while let Some(this) = cause {
            if let Some(blocked) = this.downcast_ref::<Blocked>() {
                return Some(Self::Blocked(*blocked));
            }
            if this.is::<NoName>() {
                return Some(Self::Name);
            }
            cause = this.source();
            if let Some(io) = this.downcast_ref::<std::io::Error>() {
                if let Some(failure) = Self::of_io(io.kind(), connecting) {
                    return Some(failure);
                }
                // What it wraps is not its source.
                if let Some(inner) = io.get_ref() {
                    cause = Some(inner);
                }
            }
        }
        None
    }

    fn of_io(kind: std::io::ErrorKind, while_connecting: bool) -> Option<Self> {
        use std::io::ErrorKind as Kind;
        match kind {
            Kind::TimedOut => Some(Self::Timeout),
            Kind::ConnectionRefused => Some(Self::Refused),
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Some(Self::Reset),
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => Some(Self::Unreachable),
            // Of the handshake: nothing else is read while connecting.
            Kind::InvalidData | Kind::UnexpectedEof if while_connecting => Some(Self::Tls),
            _ => None,
        }
    }
}
