//! The service is killed with SIGKILL in the middle of its work, and lines are cut: nothing is lost, nothing is done twice.
//!
//! The short form of `make crash`. A failure prints its seed, with which `benches/crash.py` and `benches/deliver.py` make the same
//! plan again.

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

/// The CRM has no keys against doubles: after a cut, it must be asked what it has.
#[test]
fn every_change_is_made_once_though_the_line_is_cut() {
    let cuts = ["--cuts", "20", "--within", "300"];
    holds(
        "benches/deliver.py",
        &[&["--binary", env!("CARGO_BIN_EXE_dealstage")], &cuts[..]].concat(),
    );
}

/// What the service is compared with would otherwise be worth nothing.
#[test]
fn the_receiver_does_what_it_says() {
    holds("benches/receiver_test.py", &[]);
}

fn survives(store: &str) {
    let kills = ["--store", store, "--kills", "5", "--uploads", "5", "--recordings", "0"];
    holds(
        "benches/crash.py",
        &[&["--binary", env!("CARGO_BIN_EXE_dealstage")], &kills[..]].concat(),
    );
}

fn holds(program: &str, arguments: &[&str]) {
    let output = Command::new("python3")
        .args(["-B", program])
        .args(arguments)
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
