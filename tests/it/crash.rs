//! The service is killed with SIGKILL in the middle of its work: nothing is lost, nothing is done twice.
//!
//! The short form of `make crash`. A failure prints its seed, with which `benches/crash.py` makes the same plan again.

use std::process::Command;

#[test]
fn on_sqlite_and_a_folder() {
    survives("sqlite");
}

#[test]
fn on_postgres_and_a_bucket() {
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        eprintln!("skipped: TEST_DATABASE_URL is not set; `make test` sets it");
        return;
    }
    survives("postgres");
}

fn survives(store: &str) {
    let output = Command::new("python3")
        .args(["-B", "benches/crash.py", "--binary", env!("CARGO_BIN_EXE_dealstage")])
        .args(["--store", store, "--kills", "5", "--uploads", "5", "--recordings", "0"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("python3");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
