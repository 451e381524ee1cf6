//! Arguments and variables that cannot mean what they say: nothing is done instead of something else.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::{NOWHERE, WORKFLOW, program::command, run, stderr, stdout};

/// Runs the command with a workflow on standard input.
fn with_input(arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(WORKFLOW).unwrap()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_variable_that_is_not_text_is_no_reason_to_ask_another_server() {
    for name in ["INVOKEAI_URL", "INVOKEAI_PROFILE", "INVOKEAI_TOKEN", "INVOKEAI_BASIC_AUTH"] {
        let mut command = command(&["api", "app_version"]);
        let refused = command.env(name, OsStr::from_bytes(b"secret\xff")).output().unwrap();
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(said.contains(&format!("{name} is not UTF-8 text")) && !said.contains("secret"), "{said}");
    }
}

#[test]
fn standard_input_is_read_for_one_argument() {
    let read = with_input(&["inspect", "-", "--set", "Picture=a.png"]);
    assert_eq!(read.status.code(), Some(0), "{}", stderr(&read));
    for arguments in [&["inspect", "-", "--set", "Width=@-"][..], &["diff", "-", "-"]] {
        let refused = with_input(arguments);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(if arguments[0] == "diff" { 5 } else { 1 }), "{said}");
        assert!(said.contains("standard input is already read for a workflow"), "{said}");
    }
}

#[test]
fn a_value_that_is_given_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("values.json");
    for (text, problem) in [
        (r#"{"Width": 64, "Width": 72}"#, "`Width` is given twice"),
        (r#"{"Width": 64, "width": 72}"#, "width: is given twice: it is also `Width`"),
    ] {
        fs::write(&values, text).unwrap();
        let refused = run(&["inspect", WORKFLOW, "--set-file", values.to_str().unwrap()], &[]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(problem), "{}", stderr(&refused));
    }
    let api = |arguments: &[&str]| run(&[&["api", "--server", NOWHERE, "--dry-run"], arguments].concat(), &[]);
    for (arguments, problem) in [
        (&["delete_images_from_list", "-f", "image_names=[\"a\"]", "-f", "image_names=[\"b\"]"][..], "is given twice"),
        (&["GET", "/api/v1/images/i/a.png", "-f", "image_name=b.png"], "has a value for it already"),
        (&["delete_board", "-f", "board_id=.."], "is not a name"),
    ] {
        let refused = api(arguments);
        assert!(stderr(&refused).contains(problem), "{arguments:?}: {}", stderr(&refused));
    }
    assert_eq!(api(&["delete_board", "-f", "board_id=b"]).status.code(), Some(0));
}

#[test]
fn an_answer_stays_what_it_is_if_nobody_reads_it_to_its_end() {
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");
    for (arguments, code) in [(&["diff", WORKFLOW, other][..], 1), (&["inspect", WORKFLOW], 2), (&["diff", "a"], 5)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", stderr(&ended));
    }
}

#[test]
fn errors_for_programs_are_json_whatever_the_text_is() {
    for arguments in [&["inspect", "no\u{200d}file"][..], &["images", "x\u{200d}y"]] {
        let refused = run(&[&["--json"], arguments].concat(), &[]);
        let said: Value = serde_json::from_str(&stderr(&refused)).expect("JSON");
        assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains('\u{200d}')), "{said}");
        assert!(!stderr(&refused).contains('\u{200d}') && stdout(&refused).is_empty());
    }
}
