//! Answers on disk, one file each, named by the question's hash.
//!
//! They hold what came back, with people still replaced; the question itself is not kept.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub struct Answers {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    model: String,
    answer: String,
}

impl Answers {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// A file that cannot be read is no answer: it is asked again and written anew.
    pub fn get(&self, key: &str) -> Option<String> {
        let bytes = std::fs::read(self.path(key)).ok()?;
        let stored: Stored = serde_json::from_slice(&bytes).ok()?;
        Some(stored.answer)
    }

    /// Without the file the analysis still stands; only the replay is lost.
    pub fn put(&self, key: &str, model: &str, answer: &str) {
        let stored = Stored {
            model: model.to_owned(),
            answer: answer.to_owned(),
        };
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| {
            let partial = self.folder.join(format!("{key}.{}.partial", std::process::id()));
            std::fs::write(&partial, serde_json::to_vec(&stored)?)?;
            keep_to_oneself(&self.folder, 0o700)?;
            keep_to_oneself(&partial, 0o600)?;
            std::fs::rename(partial, self.path(key))
        });
        if let Err(error) = written {
            tracing::warn!(folder = %self.folder.display(), %error, "an answer cannot be stored");
        }
    }
}

/// Answers quote the call: other users of the machine have no business with them.
#[cfg(unix)]
fn keep_to_oneself(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_to_oneself(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}
