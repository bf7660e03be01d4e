use std::time::Duration;

use super::super::fetch::Unwatched;
use super::super::shelf;
use super::*;

/// A hub that nobody answers for.
fn nobody() -> Reach {
    Reach {
        hub: "http://127.0.0.1:9".into(),
        python: Vec::new(),
        rest: Duration::ZERO,
    }
}

#[test]
fn weights_that_are_there_are_left_alone() {
    let (root, manifest) = (tempfile::tempdir().unwrap(), shelf::tests::manifest());
    fs::create_dir(root.path().join("small")).unwrap();
    fs::write(root.path().join("small/a.bin"), "abc").unwrap();
    let shelf = Shelf {
        root: root.path().into(),
        manifest: &manifest,
    };
    let pulled = pull(&shelf, &nobody(), &[], &mut Unwatched).unwrap();
    assert!(matches!(
        pulled[..],
        [Pulled {
            outcome: Ok(Outcome::Present),
            ..
        }]
    ));
}

#[test]
fn without_a_source_the_attempts_are_named() {
    let (root, manifest) = (tempfile::tempdir().unwrap(), shelf::tests::manifest());
    let shelf = Shelf {
        root: root.path().into(),
        manifest: &manifest,
    };
    let pulled = pull(&shelf, &nobody(), &[], &mut Unwatched).unwrap();
    let error = pulled[0].outcome.as_ref().unwrap_err();
    assert!(error.is_missing());
    let said = error.to_string();
    assert!(
        said.contains("model hub (http://127.0.0.1:9/maker/small)") && said.contains("again"),
        "{said}"
    );
    // What is put there by hand is taken.
    let folder = root.path().join(DOWNLOADS).join("small");
    let after = format!("or after putting e5-small-q4.bin into {}", folder.display());
    assert!(said.ends_with(&after), "{said}");
    std::fs::write(folder.join("e5-small-q4.bin"), "abc").unwrap();
    let pulled = pull(&shelf, &nobody(), &[], &mut Unwatched).unwrap();
    let error = pulled[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, Error::Convert { .. }), "{error}");
}

#[test]
fn a_conversion_that_gives_something_else_installs_nothing() {
    let (root, manifest) = (tempfile::tempdir().unwrap(), shelf::tests::manifest());
    let shelf = Shelf {
        root: root.path().into(),
        manifest: &manifest,
    };
    let weight = manifest.weight("small").unwrap();
    let error = install(&shelf, weight, &[b"abd".to_vec()]).unwrap_err();
    assert!(matches!(error, Error::Converted { .. }));
    assert!(!root.path().join("small").exists());
    install(&shelf, weight, &[b"abc".to_vec()]).unwrap();
    assert!(shelf.is_whole(weight).unwrap());
}
