//! Bodies of answers.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::{Transport, without_secrets};
use crate::{
    error::{BodyFault, Error, Result, reason},
    operation::Operation,
};

/// Memory for an answer's body before any of it has come.
const FIRST_CAPACITY: usize = 1024 * 1024;

/// Reads a whole body, up to a limit.
pub(crate) async fn body(
    transport: &Transport,
    operation: &Operation,
    mut response: Response,
    limit: usize,
) -> Result<Bytes> {
    let too_long = || Error::body(operation.id, BodyFault::TooLarge, format!("is longer than {limit} bytes"));
    let expected = response.content_length().unwrap_or(0);
    if expected > limit as u64 {
        return Err(too_long());
    }
    let url = without_secrets(response.url());
    // The announced length is the server's word; memory is taken as bytes come.
    let mut whole = BytesMut::with_capacity((expected as usize).min(FIRST_CAPACITY));
    loop {
        match transport.in_time(operation.id, response.chunk()).await? {
            Ok(Some(chunk)) if whole.len().saturating_add(chunk.len()) > limit => return Err(too_long()),
            Ok(Some(chunk)) => whole.extend_from_slice(&chunk),
            Ok(None) => return Ok(whole.freeze()),
            Err(error) if error.is_timeout() => return Err(transport.failure(operation.id, url, error)),
            Err(error) => {
                let cause = reason(&error);
                let problem = format!("was cut off after {} bytes: {cause}", whole.len());
                return Err(Error::body(operation.id, BodyFault::CutOff, problem));
            }
        }
    }
}
