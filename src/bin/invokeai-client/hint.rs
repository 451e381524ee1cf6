//! What to do about an error.

use std::error::Error;

use invokeai_client::{
    Error as ClientError,
    workflow::{DefinitionError, InputError},
};

use crate::failure::Failure;

const WORKFLOW_FILES: &str =
    "a workflow is a file from the editor's \"Save workflow to file\", or a PNG image made by InvokeAI";
const INPUTS: &str = "`invokeai-client inspect WORKFLOW` lists the inputs and what they take";

/// The next step after an error, if there is one that usually helps. Looks through the error's causes.
pub(crate) fn for_error(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // A transparent error is not among the causes of what stands for it.
        match error.downcast_ref::<Failure>() {
            Some(Failure::Client(error)) => return for_client_error(error),
            Some(Failure::Other(error)) => return for_error(&**error),
            Some(Failure::Write(_) | Failure::NotReady(_) | Failure::Stopped(_)) | None => {}
        }
        if let Some(error) = error.downcast_ref::<ClientError>() {
            return for_client_error(error);
        }
        if let Some(error) = error.downcast_ref::<Box<ClientError>>() {
            return for_client_error(error);
        }
        if error.is::<InputError>() {
            return Some(INPUTS);
        }
        if let Some(error) = error.downcast_ref::<DefinitionError>() {
            return for_definition(error);
        }
        cause = error.source();
    }
    None
}

/// What is wrong with the path needs no more words.
fn for_definition(error: &DefinitionError) -> Option<&'static str> {
    (!matches!(error, DefinitionError::Io(_))).then_some(WORKFLOW_FILES)
}

fn for_client_error(error: &ClientError) -> Option<&'static str> {
    Some(match error {
        ClientError::Connect { .. } => {
            "name the server with --server URL or INVOKEAI_URL; `invokeai-client demo` starts one to play with"
        }
        ClientError::InvalidUrl { .. } => "an address looks like http://127.0.0.1:9090",
        ClientError::NotTheApi { .. } => {
            "open the address in a browser: it must show InvokeAI; behind a proxy the path belongs to the address"
        }
        ClientError::Unauthorized(_) => {
            "export INVOKEAI_TOKEN=$(invokeai-client login YOU@EXAMPLE.ORG), which asks for the password"
        }
        ClientError::Forbidden(_) => "log in as a user who may do this, or ask an administrator",
        ClientError::QueueFull { .. } => "`invokeai-client queue` shows what waits there",
        ClientError::Timeout { sent: true, .. } | ClientError::Interrupted { .. } => {
            "the server may have done it all the same: look before trying again (`invokeai-client queue list`)"
        }
        ClientError::Definition(error) => return for_definition(error),
        ClientError::Input(_) => INPUTS,
        ClientError::NotReady(_) => "`invokeai-client inspect WORKFLOW` shows the workflow; --set fills it in",
        error if error.is_unsupported() => "the server is too old, or too new, for this: update it, or this program",
        error if error.is_retryable() => "the server is busy: try again in a moment",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_found_behind_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] ClientError);
        let inner = invokeai_client::Client::new("nonsense").unwrap_err();
        assert!(for_error(&Failure::from(inner.clone())).is_some());
        assert!(for_error(&Failure::Other(Outer(inner.clone()).into())).is_some());
        assert!(for_error(&Outer(inner)).is_some_and(|hint| hint.contains("http://")));
        assert_eq!(for_error(&std::io::Error::other("disk")), None);
    }
}
