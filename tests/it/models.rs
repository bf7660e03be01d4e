//! `dealstage models`: what is said about the weights is true.

use crate::support::{Scratch, dealstage, dealstage_with, stderr, stdout};

#[test]
fn the_fetched_weights_are_whole() {
    let output = dealstage(&["models", "verify"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let list = stdout(&dealstage(&["models", "list"]));
    for name in ["whisper-base", "multilingual-e5-small", "MIT"] {
        assert!(list.contains(name), "{name} is missing in:\n{list}");
    }
}

#[test]
fn missing_weights_are_said_to_be_missing() {
    let scratch = Scratch::new();
    let nothing = scratch.path("nothing").to_string_lossy().into_owned();
    let output = dealstage_with(&["models", "verify"], &[("DEALSTAGE_MODELS", &nothing)]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(
        said.contains("whisper-base") && said.contains("dealstage models pull"),
        "{said}"
    );
}
