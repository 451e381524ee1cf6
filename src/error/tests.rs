//! One table over all variants: what programs ask of each, and what each says to a person.

use std::io;

use super::*;
use crate::{error::operation::Operation, workflow::WorkflowDefinition};

const NOTHING: &str = "not found";
const AGAIN: &str = "retryable";
const SENT: &str = "may have been sent";

fn answered(status: u16, body: &str) -> Error {
    let operation = Operation { id: "get_board", method: "GET", path: "/api/v1/boards/{board_id}" };
    Refusal::new(&operation, status, body.as_bytes(), None).into()
}

fn own(status: u16) -> Error {
    answered(status, r#"{"detail": "the reason"}"#)
}

fn wrong_state(passes: bool) -> Error {
    Error::WrongState { what: "item 7".into(), state: "is pending".into(), needed: "n", advice: "wait for it", passes }
}

fn body(fault: BodyFault) -> Error {
    Error::body("get_board", fault, "is wrong")
}

fn timeout(sent: bool) -> Error {
    Error::Timeout { doing: "reading".into(), limit: Duration::from_secs(1), sent }
}

fn cause() -> Cause {
    Arc::new(io::Error::other("no\nroute"))
}

/// Each error, with the questions that it answers with yes, and a word of its hint.
fn table() -> Vec<(Error, &'static [&'static str], &'static str)> {
    let operation = "get_board";
    let failure = JobFailure {
        item_id: 7,
        node: None,
        error_type: "ValueError".into(),
        message: "two\nlines".into(),
        traceback: None,
    };
    let unreadable = "{".parse::<WorkflowDefinition>().unwrap_err();
    vec![
        (own(404), &[NOTHING], "check the id"),
        (answered(404, "<html>Not here\n"), &[AGAIN, SENT], "proxy"),
        (answered(404, "404 page not found\n"), &[AGAIN, SENT], "proxy"),
        (answered(404, r#"{"message": "no Route matched with those values"}"#), &[AGAIN, SENT], "proxy"),
        (answered(404, r#"{"title": "Not Found", "status": 404, "detail": "no"}"#), &[AGAIN, SENT], "proxy"),
        (answered(404, ""), &[AGAIN, SENT], "proxy"),
        (answered(400, "<html>Bad\n"), &[SENT], "change"),
        (answered(401, "<html>Log in\n"), &[SENT], "log in"),
        (answered(403, ""), &[SENT], "administrator"),
        (answered(409, "busy"), &[SENT], "already exists"),
        (answered(413, "<html>Too large\n"), &[SENT], "change"),
        (answered(429, ""), &[AGAIN, SENT], "moment"),
        (own(401), &[], "log in"),
        (own(403), &[], "administrator"),
        (own(409), &[], "already exists"),
        (own(400), &[], "change"),
        (own(413), &[], "change"),
        (own(415), &[], "change"),
        (own(422), &[], "change"),
        (own(429), &[AGAIN], "moment"),
        (own(500), &[SENT], "log"),
        (own(502), &[AGAIN, SENT], "moment"),
        (own(503), &[AGAIN], "moment"),
        (answered(503, "<html>Unavailable\n"), &[AGAIN, SENT], "moment"),
        (own(504), &[AGAIN, SENT], "moment"),
        (own(405), &[SENT], "update"),
        (own(408), &[AGAIN, SENT], "moment"),
        (own(418), &[SENT], "proxy"),
        (Error::no_such("board", "cats", vec!["Cats".into()]), &[NOTHING], "spelling"),
        (Error::Ambiguous { what: "board", name: "c".into(), ids: vec!["1".into(), "2".into()] }, &[], "ids"),
        (Error::refused("to delete `x.png`", None), &[], "log"),
        (Error::refused("to delete `x.png`", Some("it is\nlocked".into())), &[], "log"),
        (wrong_state(true), &[AGAIN], "wait for it"),
        (wrong_state(false), &[], "wait for it"),
        (Error::invalid("limit", "is 0; expected at least 1"), &[], "value"),
        (Error::UnusableName { name: "../x".into(), problem: "has '/' in it".into() }, &[], "name of your choice"),
        (Error::UnusableLedger { path: "l".into(), problem: "it is a picture".into() }, &[], "new file"),
        (Error::HttpClient { cause: cause() }, &[], "certificates"),
        (Error::InvalidUrl { url: "x".into(), problem: "is short".into() }, &[], "http://"),
        (
            Error::NotTheApi { operation, method: "GET", path: "/", content_type: "a".into(), expected: "b" },
            &[SENT],
            "address",
        ),
        (
            Error::Redirected { operation, from: "a".into(), to: "b".into(), problem: "which is far".into() },
            &[SENT],
            "address",
        ),
        (Error::unsupported(operation, None), &[], "update"),
        (Error::TooOld { server_version: "5.0.0".into(), needed: "6.0.0" }, &[], "update"),
        (Error::Connect { url: "u".into(), cause: cause() }, &[AGAIN], "is running"),
        (Error::Interrupted { operation, cause: cause() }, &[AGAIN, SENT], "look before"),
        (timeout(true), &[AGAIN, SENT], "look before"),
        (timeout(false), &[AGAIN], "moment"),
        (Error::WaitTimeout { waiting_for: "item 7".into(), limit: Duration::from_secs(1) }, &[], "longer"),
        (body(BodyFault::CutOff), &[AGAIN, SENT], "look before"),
        (body(BodyFault::TooLarge), &[SENT], "limit"),
        (body(BodyFault::WrongKind), &[SENT], "file"),
        (Error::decode(operation, "a.b", "is 7", "{\n}"), &[SENT], "version"),
        (Error::NotReady(Vec::new()), &[], "inputs"),
        (Error::NodesDiffer(Vec::new()), &[], "again"),
        (unreadable.into(), &[], "file"),
        (Error::from(DefinitionError::Io(io::Error::other("gone"))), &[], "path"),
        (InputError::NotAnObject { found: "7".into() }.into(), &[], "list the inputs"),
        (EnqueueError::NoRuns.into(), &[], "batch"),
        (Error::QueueFull { enqueued: 1, requested: 2 }, &[AGAIN], "shorter"),
        (
            Error::NotTakenBack { enqueued: 1, requested: 2, cause: Box::new(answered(503, "no\nroute")) },
            &[SENT],
            "cancel the batch",
        ),
        (Error::JobFailed(Box::new(failure)), &[], "node"),
        (Error::JobCanceled { item_id: 7 }, &[], "canceled"),
        (Error::JobGone { item_id: 7 }, &[NOTHING], "gallery"),
        (Error::LedgerInUse { path: "l".into() }, &[AGAIN], "other program"),
        (Error::io("read", "f", io::Error::other("disk")), &[], "path"),
        (Error::Fleet { doing: "take a job", problem: "no connection".into(), passes: true }, &[AGAIN], "store"),
        (Error::Fleet { doing: "take a job", problem: "no such table".into(), passes: false }, &[], "store"),
    ]
}

/// Without an entry here a new variant does not compile, and without one in the table the test fails.
fn variant(error: &Error) -> usize {
    match error {
        Error::NotFound(_) => 0,
        Error::Unauthorized(_) => 1,
        Error::Forbidden(_) => 2,
        Error::Conflict(_) => 3,
        Error::NotAccepted(_) => 4,
        Error::Server(_) => 5,
        Error::UnexpectedStatus(_) => 6,
        Error::NoSuch { .. } => 7,
        Error::Ambiguous { .. } => 8,
        Error::Refused { .. } => 9,
        Error::WrongState { .. } => 10,
        Error::InvalidInput { .. } => 11,
        Error::UnusableName { .. } => 12,
        Error::UnusableLedger { .. } => 13,
        Error::HttpClient { .. } => 14,
        Error::InvalidUrl { .. } => 15,
        Error::NotTheApi { .. } => 16,
        Error::Redirected { .. } => 17,
        Error::Unsupported { .. } => 18,
        Error::TooOld { .. } => 19,
        Error::Connect { .. } => 20,
        Error::Interrupted { .. } => 21,
        Error::Timeout { .. } => 22,
        Error::WaitTimeout { .. } => 23,
        Error::Body { .. } => 24,
        Error::Decode { .. } => 25,
        Error::NotReady(_) => 26,
        Error::Definition(_) => 27,
        Error::Input(_) => 28,
        Error::Enqueue(_) => 29,
        Error::QueueFull { .. } => 30,
        Error::JobFailed(_) => 31,
        Error::JobCanceled { .. } => 32,
        Error::JobGone { .. } => 33,
        Error::LedgerInUse { .. } => 34,
        Error::Io { .. } => 35,
        Error::NotTakenBack { .. } => 36,
        Error::NodesDiffer(_) => 37,
        Error::Fleet { .. } => 38,
    }
}

#[test]
fn every_variant_answers_the_three_questions_and_says_what_to_do() {
    let mut met = [false; 39];
    for (error, yes, hint) in table() {
        met[variant(&error)] = true;
        let asked =
            [(NOTHING, error.is_not_found()), (AGAIN, error.is_retryable()), (SENT, error.may_have_been_sent())];
        let answers: Vec<_> = asked.iter().filter(|(_, is)| *is).map(|(question, _)| *question).collect();
        assert_eq!(answers, yes, "{error:?}");
        assert!(error.hint().contains(hint), "{error:?}: {}", error.hint());
    }
    assert_eq!(met, [true; 39], "each variant has a row");
}

#[test]
fn every_message_is_one_line_and_holds_its_cause() {
    for (error, ..) in table() {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert!(source.is_none_or(|source| !text.contains(&source)), "{error:?} says its source twice");
    }
    let says = |error: Error, text: &str| assert_eq!(error.to_string(), text);
    says(Error::Connect { url: "u".into(), cause: cause() }, "cannot connect to u: no route");
    says(Error::refused("to delete x", Some("it is\r\nlocked".into())), "the server refused to delete x: it is locked");
    says(Error::no_such("board", "cats", vec!["Cats".into()]), "there is no board `cats`; did you mean Cats?");
    says(wrong_state(true), "item 7 is pending; n");
    let names: Vec<_> = (0..12).map(|i| i.to_string()).collect();
    says(
        Error::NoSuch { what: "image", names, suggestions: Vec::new() },
        "there is no image with any of these 12 names: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more",
    );
}

#[test]
fn an_error_takes_little_room() {
    // Every `Result` is at least as large.
    assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
}

#[test]
fn a_step_after_one_that_was_carried_out_leaves_no_doubt_that_something_was_sent() {
    for (error, _, _) in table() {
        let (sent, text) = (error.may_have_been_sent(), error.to_string());
        let after = error.after("create_board");
        assert!(after.may_have_been_sent() && after.to_string().contains(&text), "{after}");
        assert_eq!(after.to_string() == text, sent, "{after}");
    }
}
