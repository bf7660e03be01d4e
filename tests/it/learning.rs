//! `dealstage train` and `dealstage eval`: on labelled calls of the repository.

use serde_json::Value;

use crate::support::{Scratch, dealstage, fixture, stderr, stdout};

/// Three excerpts of the annotation guide: they were neither fitted nor chosen on.
#[test]
fn the_model_keeps_its_floor_on_the_excerpts_of_the_guide() {
    let folder = fixture("calls").to_string_lossy().into_owned();
    let scratch = Scratch::new();
    let plot = scratch.path("reliability.svg").to_string_lossy().into_owned();
    let output = dealstage(&["eval", &folder, "--split", "gold", "--json", "--quiet", "--svg", &plot]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let figure = |name: &str| report["all"][name].as_f64().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(report["all"]["calls"], 3);
    assert!(figure("stage_macro_f1") > 0.5, "{}", figure("stage_macro_f1"));
    assert!(figure("signal_micro_f1") > 0.5, "{}", figure("signal_micro_f1"));
    assert!(figure("role_accuracy") > 0.9, "{}", figure("role_accuracy"));
    let interval = &report["intervals"]["stage_macro_f1"];
    assert!(interval["low"].as_f64() <= interval["high"].as_f64(), "{interval}");
    let drawn = std::fs::read_to_string(plot).expect("the plot is written");
    assert!(drawn.starts_with("<svg") && drawn.contains("<circle"), "{drawn}");
}

/// Four short calls are enough to see that what is fitted loads, says something, and comes out the same twice.
#[test]
fn the_same_seed_and_calls_give_the_same_heads() {
    let scratch = Scratch::new();
    let folder = scratch.path("calls");
    std::fs::create_dir(&folder).expect("a folder");
    for (name, split) in [
        ("en-m02", "train"),
        ("ru-m02", "train"),
        ("en-m04", "dev"),
        ("ru-m04", "dev"),
    ] {
        let text = std::fs::read_to_string(fixture(&format!("calls/{name}.json"))).expect("a call");
        let mut call: Value = serde_json::from_str(&text).expect("JSON");
        call["split"] = split.into();
        std::fs::write(folder.join(format!("{name}.json")), call.to_string()).expect("written");
    }
    let calls = folder.to_string_lossy().into_owned();
    let fit = |name: &str| {
        let out = scratch.path(name);
        let output = dealstage(&[
            "train",
            &calls,
            "--out",
            &out.to_string_lossy(),
            "--members",
            "1",
            "--quiet",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        out
    };
    let (one, two) = (fit("one"), fit("two"));
    for file in ["heads.safetensors", "heads.json"] {
        let read = |folder: &std::path::Path| std::fs::read(folder.join(file)).expect("written");
        assert!(read(&one) == read(&two), "{file} differs");
    }
    let output = dealstage(&[
        "eval",
        &calls,
        "--split",
        "dev",
        "--turn-model",
        &one.to_string_lossy(),
        "--errors",
        "2",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = stdout(&output);
    assert!(table.contains("stage macro-F1") && table.contains("said "), "{table}");
}

#[test]
fn a_folder_without_labels_is_said_to_have_none() {
    let scratch = Scratch::new();
    let folder = scratch.path("calls");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(
        folder.join("a.json"),
        r#"{"lang":"en","turns":[{"i":1,"text":"Hello."}]}"#,
    )
    .expect("written");
    let output = dealstage(&["eval", &folder.to_string_lossy(), "--quiet"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("a.json") && stderr(&output).contains("gold"),
        "{}",
        stderr(&output)
    );
}
