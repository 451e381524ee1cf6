//! Bodies of answers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use reqwest::Response;
use tokio::time::timeout_at;

use super::Transport;
use crate::{
    base::{deadline, secrets},
    error::{BodyFault, Error, Result, operation::Operation, reason},
};

/// Memory for an answer's body before any of it has come.
const FIRST_CAPACITY: usize = 1024 * 1024;

/// Reads a whole body, up to a limit.
///
/// Boxed, because otherwise it would be part of each future that waits for it, and compiled with each.
pub(crate) fn body<'a>(
    transport: &'a Transport,
    operation: &'a Operation,
    response: Response,
    limit: usize,
) -> BoxFuture<'a, Result<Bytes>> {
    Box::pin(body_within(transport, operation, response, limit, transport.options().answer_timeout))
}

/// Reads a whole body, up to a limit of bytes and of time.
pub(super) async fn body_within(
    transport: &Transport,
    operation: &Operation,
    mut response: Response,
    limit: usize,
    time: Duration,
) -> Result<Bytes> {
    let too_long = || Error::body(operation.id, BodyFault::TooLarge, format!("is longer than {limit} bytes"));
    let expected = response.content_length().unwrap_or(0);
    if expected > limit as u64 {
        return Err(too_long());
    }
    let url = secrets::address(response.url());
    // The announced length is the server's word; memory is taken as bytes come.
    let mut whole = BytesMut::with_capacity((expected as usize).min(FIRST_CAPACITY));
    let end = deadline::after(time);
    loop {
        let chunk = timeout_at(end, transport.in_time(operation.id, response.chunk())).await.unwrap_or_else(|_| {
            let doing = format!("reading the answer to {}, of which {} bytes came", operation.id, whole.len());
            Err(Error::Timeout { doing, limit: time, sent: true })
        });
        match chunk? {
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
