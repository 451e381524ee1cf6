//! Standard input: it can be read once, so one argument has it.

use std::{
    io::{self, ErrorKind, StdinLock},
    sync::{Mutex, PoisonError},
};

static TAKEN: Mutex<Option<String>> = Mutex::new(None);

/// Standard input, for an argument that names it. An error if another one has it: whoever comes second would read an
/// empty text.
pub(crate) fn take(by: &str) -> io::Result<StdinLock<'static>> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*taken {
        Some(first) => {
            Err(io::Error::new(ErrorKind::InvalidInput, format!("standard input is already read for {first}")))
        }
        None => {
            *taken = Some(by.to_owned());
            Ok(io::stdin().lock())
        }
    }
}
