//! What to do about an error.

use std::error::Error;

use invokeai_client::{
    Error as ClientError,
    workflow::{DefinitionError, InputError},
};

use super::Failure;
use crate::suggest;

const INPUTS: &str = "`invokeai-client inspect WORKFLOW` lists the inputs and what they take";
const NOT_READY: &str = "`invokeai-client inspect WORKFLOW` shows the workflow; --set fills it in";
const LOOK_FIRST: &str =
    "the server may have done it anyway: check before you try again (`invokeai-client queue list`)";

/// The next step after an error, if there is one that usually helps. Looks through the error's causes.
pub(super) fn for_error(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The error inside a transparent one is not among its causes.
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
            return Some(error.hint());
        }
        cause = error.source();
    }
    None
}

/// The library's advice, in terms of this command where it has its own way.
fn for_client_error(error: &ClientError) -> Option<&'static str> {
    if error.refusal().is_some_and(|refusal| !refusal.is_own()) {
        return for_foreign_answer(error);
    }
    Some(match error {
        ClientError::Connect { .. } => {
            "name the server with --server URL or INVOKEAI_URL; `invokeai-client demo` starts one to play with"
        }
        ClientError::Unauthorized(_) => {
            "`invokeai-client login YOU@EXAMPLE.ORG` asks for the password, and saves the login"
        }
        ClientError::QueueFull { .. } => "`invokeai-client queue` shows what is waiting",
        ClientError::WaitTimeout { .. } if suggest::is_about_a_fleet() => {
            "`invokeai-client fleet status` shows where the jobs are, and why what waits"
        }
        ClientError::WaitTimeout { .. } => "`invokeai-client queue list` shows its status",
        ClientError::Timeout { sent: true, .. } | ClientError::Interrupted { .. } => LOOK_FIRST,
        ClientError::Input(_) => INPUTS,
        ClientError::NotReady(_) => NOT_READY,
        error => error.hint(),
    })
}

/// Advice about an answer that is not InvokeAI's.
fn for_foreign_answer(error: &ClientError) -> Option<&'static str> {
    Some(match error.status()? {
        401 | 407 => {
            "a proxy in front of InvokeAI asks for a login: give it with --basic-auth USER:PASSWORD or --header"
        }
        403 => {
            "a proxy in front of InvokeAI refuses this; --basic-auth or --header may let you through, or NO_PROXY \
             skips a proxy in this machine's settings"
        }
        404 => "the answer is not InvokeAI's own: is another program at this address?",
        502..=504 => "a proxy in front of InvokeAI cannot reach it: is InvokeAI running?",
        _ => error.hint(),
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
        let inner = invokeai_client::Client::new("ftp://nonsense").unwrap_err();
        assert!(for_error(&Failure::from(inner.clone())).is_some());
        assert!(for_error(&Failure::Other(Outer(inner.clone()).into())).is_some());
        assert!(for_error(&Outer(inner)).is_some_and(|hint| hint.contains("http://")));
        assert_eq!(for_error(&std::io::Error::other("disk")), None);
    }
}
