//! Learning of new jobs without asking the queues all the time.

use std::time::Duration;

use sqlx::{pool::PoolConnection, postgres::PgListener};
use tokio::time::{sleep, timeout};

use super::{Pool, Store, answered, failed};
use crate::error::Result;

/// How often a counter of SQLite is read that costs microseconds.
const COUNTER: Duration = Duration::from_millis(2);

/// How long nothing is heard before the queues are asked anyway: no news is lost for longer.
const LONGEST: Duration = Duration::from_millis(500);

/// The channel on which the engine notifies Postgres of a new job.
const CHANNEL: &str = "apalis::job::insert";

/// Waits for news of a store.
pub(in crate::fleet) enum Watch {
    /// The counter of one connection counts the commits of all others.
    Sqlite(Box<PoolConnection<sqlx::Sqlite>>, i64),
    Postgres(Box<PgListener>),
}

impl Store {
    pub(in crate::fleet) async fn watch(&self) -> Result<Watch> {
        let watch = answered(async {
            Ok(match &self.pool {
                Pool::Sqlite(pool) => Watch::Sqlite(Box::new(pool.acquire().await?), -1),
                Pool::Postgres(pool) => {
                    let mut listener = PgListener::connect_with(pool).await?;
                    listener.listen(CHANNEL).await?;
                    Watch::Postgres(Box::new(listener))
                }
            })
        });
        watch.await.map_err(|error| failed("listen for jobs", &error))
    }
}

impl Watch {
    /// Returns when there may be something new.
    pub(in crate::fleet) async fn changed(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(connection, seen) => {
                let mut waited = Duration::ZERO;
                while waited < LONGEST {
                    let version =
                        sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(&mut ***connection).await;
                    let version = version.map_err(|error| failed("listen for jobs", &error))?;
                    if version != *seen {
                        *seen = version;
                        return Ok(());
                    }
                    sleep(COUNTER).await;
                    waited += COUNTER;
                }
                Ok(())
            }
            Self::Postgres(listener) => match timeout(LONGEST, listener.try_recv()).await {
                Ok(Err(error)) => Err(failed("listen for jobs", &error)),
                Ok(Ok(_)) | Err(_) => Ok(()),
            },
        }
    }
}
