//! Faults in what comes in: names, files and texts of a server, and files of the user.

use std::{error::Error as _, fs};

use invokeai_client::{Error, workflow::WorkflowDefinition};

use crate::{
    builder, names_in,
    raw_server::{Act, RawServer, whole},
};

/// What a report prints of an error must say why: nobody asks for its causes there.
fn assert_says(error: &Error, why: &str) {
    assert!(error.to_string().contains(why), "`{error}` does not say: {why}");
    assert!(error.source().is_none(), "what was said is not said again: {error:?}");
}

#[tokio::test]
async fn every_failure_in_a_report_says_why() {
    let server = RawServer::start(vec![Act::Answer(whole("200 OK", "image/jpeg", "bytes"))]).await;
    let client = builder(&server.url).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("folder.jpg")).unwrap();
    let report = client.images().download(["folder.jpg"], directory.path()).await.unwrap();
    assert_says(report.failed[0].error.as_ref().unwrap(), "something that is no file has this name");

    let below_a_file = directory.path().join("file");
    fs::write(&below_a_file, "").unwrap();
    let report = client.images().download(["a.jpg"], below_a_file.join("sub")).await.unwrap();
    assert_says(report.failed[0].error.as_ref().unwrap(), "Not a directory");
    assert_eq!(names_in(directory.path()), ["file", "folder.jpg"]);

    assert_says(&client.images().upload("missing.png").await.unwrap_err(), "No such file");
    let error = WorkflowDefinition::from_path("missing.json").unwrap_err();
    assert!(error.to_string().contains("No such file") && error.source().is_none(), "{error}");

    drop(server);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = builder(&format!("http://{nobody}")).build().unwrap();
    let outcome = client.images().delete(["a.png"]).await;
    assert_says(outcome.failed[0].error.as_ref().unwrap(), "Connection refused");
    let report = client.images().download(["a.png"], directory.path()).await.unwrap();
    assert_says(report.failed[0].error.as_ref().unwrap(), "Connection refused");
}
