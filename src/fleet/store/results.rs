//! Results by job. The first one counts, because a job has one row.

use super::{Store, failed, on};
use crate::error::Result;

/// A result that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct StoredResult {
    pub(in crate::fleet) job: String,
    /// Hash of its description in the store of files.
    pub(in crate::fleet) manifest: String,
}

impl Store {
    /// Stores the result of a job. Answers whether it is the one that counts: the first, or the same again, because the answer
    /// to storing it was lost.
    pub(in crate::fleet) async fn store_result(
        &self,
        job: &str,
        attempt: u32,
        server: &str,
        manifest: &str,
    ) -> Result<bool> {
        let sql = self.sql(
            "INSERT INTO invokeai_fleet_results (job, attempt, server, manifest, stored) VALUES ($1, $2, $3, $4, {now}) \
             ON CONFLICT (job) DO UPDATE SET manifest = excluded.manifest WHERE invokeai_fleet_results.manifest = \
             excluded.manifest AND invokeai_fleet_results.attempt = excluded.attempt AND invokeai_fleet_results.server = \
             excluded.server",
        );
        let number = i64::from(attempt);
        let changed = on!(self, pool => {
            let query = sqlx::query(sql).bind(job).bind(number).bind(server).bind(manifest);
            query.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok(changed.map_err(|error| failed("store a result", &error))? == 1)
    }

    pub(in crate::fleet) async fn result_of(&self, job: &str) -> Result<Option<StoredResult>> {
        let sql = self.sql("SELECT manifest FROM invokeai_fleet_results WHERE job = $1");
        let row = on!(self, pool => sqlx::query_scalar::<_, String>(sql).bind(job).fetch_optional(pool).await);
        let row = row.map_err(|error| failed("read a result", &error))?;
        Ok(row.map(|manifest| StoredResult { job: job.to_owned(), manifest }))
    }

    /// How many results were stored within the last seconds.
    pub(in crate::fleet) async fn stored_within(&self, seconds: i64) -> Result<u64> {
        let sql = self.sql("SELECT COUNT(*) FROM invokeai_fleet_results WHERE stored > {now} - $1");
        let count = on!(self, pool => sqlx::query_scalar::<_, i64>(sql).bind(seconds).fetch_one(pool).await);
        let count = count.map_err(|error| failed("count results", &error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
