//! What workers say of their servers, for those who look.

use super::{Store, failed, on};
use crate::error::Result;

/// What a worker said.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Said {
    pub(in crate::fleet) worker: String,
    pub(in crate::fleet) server: String,
    /// JSON.
    pub(in crate::fleet) said: String,
    /// How many seconds ago.
    pub(in crate::fleet) ago: i64,
}

impl Store {
    pub(in crate::fleet) async fn say(&self, worker: &str, server: &str, said: &str) -> Result<()> {
        let sql = self.sql(
            "INSERT INTO invokeai_fleet_servers (worker, server, said, seen) VALUES ($1, $2, $3, {now}) ON CONFLICT \
             (worker, server) DO UPDATE SET said = excluded.said, seen = excluded.seen",
        );
        let done = on!(self, pool => {
            sqlx::query(sql).bind(worker).bind(server).bind(said).execute(pool).await.map(|_| ())
        });
        done.map_err(|error| failed("say how the servers are", &error))
    }

    /// Takes a worker that ends out of the list.
    pub(in crate::fleet) async fn leave(&self, worker: &str) -> Result<()> {
        let sql = self.sql("DELETE FROM invokeai_fleet_servers WHERE worker = $1");
        let done = on!(self, pool => sqlx::query(sql).bind(worker).execute(pool).await.map(|_| ()));
        done.map_err(|error| failed("take the worker out of the list", &error))
    }

    /// What was said within the last seconds.
    pub(in crate::fleet) async fn said(&self, within: i64) -> Result<Vec<Said>> {
        let sql = self.sql(
            "SELECT worker, server, said, {now} - seen FROM invokeai_fleet_servers WHERE seen >= {now} - $1 ORDER BY \
             server, worker",
        );
        let rows = on!(self, pool => {
            sqlx::query_as::<_, (String, String, String, i64)>(sql).bind(within).fetch_all(pool).await
        });
        let rows = rows.map_err(|error| failed("read how the servers are", &error))?;
        Ok(rows.into_iter().map(|(worker, server, said, ago)| Said { worker, server, said, ago }).collect())
    }
}
