//! Builds the program anew where the page that it holds has changed.

use std::path::Path;

fn main() {
    // A program for development reads the page from its folder. A folder that is not there would build it anew every time.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let folders = ["web/dist", "web"].into_iter().filter(|_| is_release);
    let watched = folders.chain(["build.rs"]).find(|path| Path::new(path).exists());
    println!("cargo::rerun-if-changed={}", watched.unwrap_or("build.rs"));
}
