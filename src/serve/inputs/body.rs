//! Reading the body of a request: no longer, no slower and no more at once than the limits say.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::serve::{limits::Limits, problem::Problem};

/// Bodies up to here may be read by all connections at once.
const SMALL: usize = 64 << 10;

/// How long a large body waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// How much of a body that is too long is thrown away before the refusal, and for how long: many clients read no answer
/// before they have sent everything.
const THROWN_AWAY: (usize, Duration) = (256 << 20, Duration::from_secs(3));

/// Reads bodies.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Reader {
    limits: Limits,
    large: Arc<Semaphore>,
}

/// A body that was read. It counts as being in memory until this is dropped.
#[derive(Debug)]
pub(in crate::serve) struct Read {
    pub(in crate::serve) bytes: Bytes,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Reader {
    pub(in crate::serve) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            large: Arc::new(Semaphore::new(limits.large_bodies.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The whole body.
    pub(in crate::serve) async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Read, Problem> {
        let most = self.limits.body;
        let promised =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if promised.is_some_and(|promised| promised > most) {
            throw_away(body).await;
            return Err(too_long(most));
        }
        let end = Instant::now() + self.limits.arrival;
        let mut turn = None;
        let mut read = BytesMut::new();
        loop {
            let pause = (Instant::now() + self.limits.pause).min(end);
            let frame = match timeout_at(pause, body.frame()).await {
                Err(_) => return Err(too_slow(&self.limits)),
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    let detail = format!("the body cannot be read: {error}");
                    return Err(Problem::new(StatusCode::BAD_REQUEST, "broken_body", detail));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > most {
                throw_away(body).await;
                return Err(too_long(most));
            }
            read.extend_from_slice(&data);
            if turn.is_none() && read.len() > SMALL {
                turn = Some(self.turn().await?);
            }
        }
        Ok(Read { bytes: read.freeze(), _turn: turn })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        match timeout(TURN, Arc::clone(&self.large).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let detail =
                    format!("{} large uploads are under way, and no more are taken now", self.limits.large_bodies);
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_uploads", detail).after(TURN))
            }
        }
    }
}

async fn throw_away(mut body: Body) {
    let (mut left, time) = THROWN_AWAY;
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    // Whoever sends on reads no answer: the connection ends with it.
    _ = timeout(time, all).await;
}

fn too_long(most: usize) -> Problem {
    let detail = format!("the body is longer than {most} bytes, which is the most that this service takes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail)
}

fn too_slow(limits: &Limits) -> Problem {
    let detail = format!(
        "the body did not arrive in time: at most {} s may pass without a byte of it, and {} s in all",
        limits.pause.as_secs(),
        limits.arrival.as_secs()
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}
