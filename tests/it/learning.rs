//! `dealstage train` and `dealstage eval`: on labelled calls of the repository.

use std::path::Path;

use serde_json::Value;

use crate::support::{Scratch, dealstage, dealstage_with, fixture, kill_when, stderr, stdout};

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

/// Four short calls: enough to see that what is fitted loads, says something, and comes out the same twice.
fn few_calls(scratch: &Scratch) -> String {
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
    folder.to_string_lossy().into_owned()
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    ["heads.safetensors", "heads.json"]
        .map(|file| std::fs::read(folder.join(file)).expect("written"))
        .to_vec()
}

#[test]
fn the_same_seed_and_calls_give_the_same_model_even_after_a_stop() {
    let scratch = Scratch::new();
    let calls = few_calls(&scratch);
    let out = |name: &str| scratch.path(name).to_string_lossy().into_owned();
    let args = |out: &str| -> Vec<String> {
        ["train", &calls, "--out", out, "--fresh", "--epochs", "6", "--quiet"]
            .map(str::to_owned)
            .to_vec()
    };
    let fit = |name: &str| {
        let args = args(&out(name));
        let output = dealstage(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{}", stderr(&output));
        files(&scratch.path(name))
    };
    let whole = fit("whole");
    // Stopped as soon as it has written down a pass, and started again.
    let unfinished = scratch.path("stopped").join("training.unfinished");
    kill_when(&args(&out("stopped")), &unfinished);
    assert!(unfinished.exists(), "it was not stopped in time");
    let again = args(&out("stopped"));
    let output = dealstage_with(
        &again.iter().map(String::as_str).collect::<Vec<_>>(),
        &[("RUST_LOG", "dealstage=info")],
    );
    assert!(
        output.status.success() && stderr(&output).contains("going on"),
        "{}",
        stderr(&output)
    );
    assert!(
        files(&scratch.path("stopped")) == whole,
        "after a stop it comes out otherwise"
    );
    assert!(!unfinished.exists());

    let output = dealstage(&[
        "eval",
        &calls,
        "--split",
        "dev",
        "--turn-model",
        &out("whole"),
        "--errors",
        "2",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = stdout(&output);
    assert!(table.contains("stage macro-F1") && table.contains("said "), "{table}");
}

#[test]
fn a_model_that_does_better_is_not_replaced() {
    let scratch = Scratch::new();
    let calls = few_calls(&scratch);
    let out = scratch.path("out").to_string_lossy().into_owned();
    // Without a pass it can only be as good as the present one.
    let output = dealstage(&["train", &calls, "--out", &out, "--epochs", "0", "--quiet"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("the present model does at least as well"),
        "{}",
        stderr(&output)
    );
    assert!(!scratch.path("out").join("heads.json").exists());
    let output = dealstage(&["train", &calls, "--out", &out, "--epochs", "0", "--force", "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(scratch.path("out").join("heads.json").exists());
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
