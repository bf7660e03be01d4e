//! Running the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

pub fn dealstage(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dealstage"))
        .args(args)
        .output()
        .expect("the binary starts")
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
