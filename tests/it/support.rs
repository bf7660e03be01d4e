//! Running the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

pub fn dealstage(args: &[&str]) -> Output {
    dealstage_with(args, &[])
}

/// Runs the binary with variables of the environment.
pub fn dealstage_with(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dealstage"));
    // What the person who runs the tests has set for their own use.
    for (name, _) in std::env::vars() {
        if name.starts_with("DEALSTAGE_LLM_") || name.starts_with("DEALSTAGE_ASR") || name == "DEALSTAGE_PROMPTS" {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .env("NO_PROXY", "127.0.0.1")
        .envs(environment.iter().copied())
        .output()
        .expect("the binary starts")
}

/// Starts the binary and kills it when a file appears; it may also end by itself before.
pub fn kill_when(args: &[String], file: &Path) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dealstage"))
        .args(args)
        .spawn()
        .expect("the binary starts");
    while child.try_wait().expect("a state").is_none() {
        if file.exists() {
            child.kill().expect("killed");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `analyze … --json --quiet` and reads the document.
pub fn analyze(args: &[&str]) -> Value {
    let mut all = vec!["analyze", "--json", "--quiet"];
    all.extend(args);
    let output = dealstage(&all);
    assert!(output.status.success(), "{all:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("the document is JSON")
}

/// Writes a file into a fresh folder that lives as long as the value.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_string_lossy().into_owned()
    }
}
