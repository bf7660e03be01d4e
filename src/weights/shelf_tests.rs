use super::*;

/// Weights of one small file, `a.bin` with the content `abc`.
pub fn manifest() -> Manifest {
    toml::from_str(
        r#"
        [[weight]]
        name = "small"
        purpose = "a test"
        origin = "here"
        licence = "MIT"
        version = "1"
        default = true
        convert = "e5-gguf"
        input = [{ file = "e5-small-q4.bin", size = 3, sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }]
        source = [{ kind = "hub", repository = "maker/small", revision = "0123456789012345678901234567890123456789" }]
        installed = [{ file = "a.bin", size = 3, sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }]
        "#,
    )
    .unwrap()
}

#[test]
fn the_folder_is_the_named_one_or_in_the_cache() {
    let with = |pairs: &'static [(&str, &str)]| {
        folder(
            |key| {
                pairs
                    .iter()
                    .find(|(name, _)| *name == key)
                    .map(|(_, value)| value.into())
            },
            Some("/home/ann".into()),
        )
        .unwrap()
    };
    assert_eq!(with(&[("DEALSTAGE_MODELS", "/w")]), PathBuf::from("/w"));
    assert_eq!(
        with(&[("DEALSTAGE_MODELS", ""), ("XDG_CACHE_HOME", "/c")]),
        PathBuf::from("/c/dealstage/models")
    );
    assert_eq!(
        with(&[("XDG_CACHE_HOME", "c")]),
        PathBuf::from("/home/ann/.cache/dealstage/models")
    );
    assert!(matches!(folder(|_| None, None), Err(Error::NoFolder)));
}

#[test]
fn what_is_on_disk_is_told_truly() {
    let (root, manifest) = (tempfile::tempdir().unwrap(), manifest());
    let shelf = Shelf {
        root: root.path().into(),
        manifest: &manifest,
    };
    let weight = manifest.weight("small").unwrap();
    let file = root.path().join("small/a.bin");
    assert_eq!(shelf.state(weight), State::Missing);
    let error = shelf.locate("small", "a.bin").unwrap_err();
    assert!(
        error.is_missing() && error.to_string().contains("dealstage models pull"),
        "{error}"
    );
    assert!(shelf.locate("small", "b.bin").unwrap_err().is_usage());

    fs::create_dir(root.path().join("small")).unwrap();
    fs::write(&file, "ab").unwrap();
    assert_eq!(shelf.state(weight), State::Incomplete);
    assert!(matches!(
        shelf.locate("small", "a.bin"),
        Err(Error::Damaged {
            found: 2,
            expected: 3,
            ..
        })
    ));

    fs::write(&file, "abc").unwrap();
    assert_eq!(shelf.locate("small", "a.bin").unwrap(), file);
    assert!(shelf.is_whole(weight).unwrap());
    assert!(matches!(shelf.verify(&[]).unwrap()[..], [Checked::Intact { .. }]));

    // Damage that keeps the size: only reading all of it shows it, and from then on a pull knows.
    fs::write(&file, "abd").unwrap();
    assert!(shelf.is_whole(weight).unwrap(), "the stamp is trusted");
    assert!(matches!(shelf.verify(&[]).unwrap()[..], [Checked::Damaged { .. }]));
    assert!(!shelf.is_whole(weight).unwrap(), "verify took the stamp away");
}
