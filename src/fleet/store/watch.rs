//! Learning of new jobs without asking the queues all the time.

use std::time::Duration;

use sqlx::{
    Acquire as _,
    pool::PoolConnection,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{Instant, sleep, timeout};

use super::{CONNECT, Pool, Store, failed, lives};
use crate::error::Result;

/// How often a counter of SQLite is read that costs microseconds.
const COUNTER: Duration = Duration::from_millis(2);

/// How long nothing is heard before the queues are asked anyway: no news is lost for longer.
const LONGEST: Duration = Duration::from_millis(500);

/// How long nothing is heard of Postgres before it is asked whether it is there: where the network was cut, a connection that
/// only listens never learns of it.
const QUIET: Duration = Duration::from_secs(10);

/// The channel on which the engine notifies Postgres of a new job.
const CHANNEL: &str = "apalis::job::insert";

/// Waits for news of a store.
pub(in crate::fleet) enum Watch {
    /// The counter of one connection counts the commits of all others.
    Sqlite(Box<PoolConnection<sqlx::Sqlite>>, i64),
    /// And when it was last heard.
    Postgres(Box<PgListener>, Instant),
}

impl Store {
    pub(in crate::fleet) async fn watch(&self) -> Result<Watch> {
        let watch = self.explained(async {
            Ok(match &self.pool {
                Pool::Sqlite(pool) => Watch::Sqlite(Box::new(pool.acquire().await?), -1),
                Pool::Postgres(pool) => {
                    // Of its own, or one that was cut off would be missing among those for statements.
                    let own = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
                    let own = own.acquire_timeout(CONNECT).connect_lazy_with((*pool.connect_options()).clone());
                    let mut listener = PgListener::connect_with(&own).await?;
                    // Whoever watches makes a new one: making it again here would be broken off twice a second.
                    listener.eager_reconnect(false);
                    listener.listen(CHANNEL).await?;
                    Watch::Postgres(Box::new(listener), Instant::now())
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
            Self::Postgres(listener, heard) => {
                let failed = |error| failed("listen for jobs", &error);
                match timeout(LONGEST, listener.try_recv()).await {
                    Ok(Err(error)) => return Err(failed(error)),
                    Ok(Ok(None)) => return Err(failed(sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into()))),
                    Err(_) if heard.elapsed() < QUIET => return Ok(()),
                    Ok(Ok(Some(_))) => {}
                    Err(_) => {
                        let connection = listener.acquire().await.map_err(failed)?;
                        lives(connection).await.map_err(failed)?;
                    }
                }
                *heard = Instant::now();
                Ok(())
            }
        }
    }
}
