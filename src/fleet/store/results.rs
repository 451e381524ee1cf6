//! Results by job. The first one counts, because a job has one row.

use super::{Pool, Store, engine::Taken, failed, on};
use crate::error::Result;

/// A result that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct StoredResult {
    pub(in crate::fleet) job: String,
    /// Hash of its description in the store of files.
    pub(in crate::fleet) manifest: String,
}

impl Store {
    /// Stores the result of a job that is still held, and ends the job: both or neither, so that what was canceled has no
    /// result. Answers whether this result is the one that counts; said again, because the answer was lost, it is so still.
    pub(in crate::fleet) async fn finish(&self, job: &Taken, server: &str, manifest: &str) -> Result<bool> {
        let failed = |error| failed("store a result", &error);
        let now = match self.pool {
            Pool::Sqlite(_) => "strftime('%s', 'now')",
            Pool::Postgres(_) => "now()",
        };
        let ends = self.sql(&format!(
            "UPDATE {{jobs}} SET status = 'Done', attempts = $1, last_result = '{{\"Ok\":null}}', done_at = {now} WHERE \
             id = $2 AND lock_by = $3 AND status = 'Running'"
        ));
        let stores = self.sql(
            "INSERT INTO invokeai_fleet_results (job, attempt, server, manifest, stored) VALUES ($1, $2, $3, $4, {now}) \
             ON CONFLICT (job) DO NOTHING",
        );
        let counted = i32::try_from(job.attempt.saturating_add(1)).unwrap_or(i32::MAX);
        let number = i64::from(job.attempt);
        on!(self, pool => {
            let mut both = pool.begin().await?;
            let ended = sqlx::query(ends).bind(counted).bind(&job.id).bind(&job.holder).execute(&mut *both).await?;
            if ended.rows_affected() == 1 {
                let query = sqlx::query(stores).bind(&job.id).bind(number).bind(server).bind(manifest);
                query.execute(&mut *both).await?;
            }
            both.commit().await
        })
        .map_err(failed)?;
        let is_this = self.sql(
            "SELECT COUNT(*) FROM invokeai_fleet_results WHERE job = $1 AND attempt = $2 AND server = $3 AND manifest = $4",
        );
        let same = on!(self, pool => {
            let query = sqlx::query_scalar::<_, i64>(is_this).bind(&job.id).bind(number).bind(server).bind(manifest);
            query.fetch_one(pool).await
        });
        Ok(same.map_err(failed)? == 1)
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
