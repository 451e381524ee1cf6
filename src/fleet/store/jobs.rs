//! Looking at jobs, and changing many at once.

use super::{QUEUE, Store, attempts::NOTHING_THERE, failed, on};
use crate::error::Result;

/// A job as it stands.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Entry {
    pub(in crate::fleet) id: String,
    /// In the words of the engine.
    pub(in crate::fleet) status: String,
    pub(in crate::fleet) attempts: u32,
    pub(in crate::fleet) most_attempts: u32,
    pub(in crate::fleet) priority: i64,
    pub(in crate::fleet) payload: Vec<u8>,
    /// JSON, an object of `Ok` or `Err`.
    pub(in crate::fleet) last_result: Option<String>,
}

type Row = (String, String, i64, i64, i64, Vec<u8>, Option<String>);

/// How many jobs of a queue are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct Count {
    pub(in crate::fleet) queue: String,
    /// In the words of the engine; `Failed` only where no attempt is left.
    pub(in crate::fleet) status: String,
    pub(in crate::fleet) jobs: u64,
}

/// A queue with jobs that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct Waiting {
    pub(in crate::fleet) queue: String,
    pub(in crate::fleet) priority: i64,
}

/// What a canceled job has as its result, as both databases write it.
const CANCELED: &str = r#"{"Err": "canceled"}"#;

/// Failed ones with attempts left wait. The engine has one word for what was canceled and what was given up.
const STATUS: &str = "CASE WHEN status = 'Failed' AND attempts < max_attempts THEN 'Pending' WHEN status = 'Killed' AND \
                      CAST(last_result AS TEXT) = '{\"Err\": \"canceled\"}' THEN 'Canceled' ELSE status END";

/// Whether the key of a job begins with the second value, to the letter: LIKE would read signs in it.
const OF_SUBMISSION: &str = "substr(idempotency_key, 1, length(CAST($2 AS TEXT))) = CAST($2 AS TEXT)";

/// Whether a job has ended without a result.
const GIVEN_UP: &str = "(status = 'Killed' OR (status = 'Failed' AND attempts >= max_attempts))";

impl Store {
    /// All jobs of this crate, the oldest first; of one submission if it is named.
    pub(in crate::fleet) async fn entries(&self, submission: Option<&str>) -> Result<Vec<Entry>> {
        let sql = self.sql(&select(&format!("job_type LIKE $1 AND {OF_SUBMISSION} ORDER BY id")));
        let (queues, keys) = (format!("{QUEUE}%"), submission.map(key_of).unwrap_or_default());
        let rows = on!(self, pool => sqlx::query_as::<_, Row>(sql).bind(queues).bind(keys).fetch_all(pool).await);
        Ok(rows.map_err(|error| failed("list jobs", &error))?.into_iter().map(entry).collect())
    }

    /// A job by its id.
    #[cfg(feature = "serve")]
    pub(in crate::fleet) async fn entry(&self, id: &str) -> Result<Option<Entry>> {
        let sql = self.sql(&select("id = $1"));
        let row = on!(self, pool => sqlx::query_as::<_, Row>(sql).bind(id).fetch_optional(pool).await);
        Ok(row.map_err(|error| failed("look at a job", &error))?.map(entry))
    }

    /// How many jobs are where, by queue; of one submission if it is named.
    pub(in crate::fleet) async fn counts(&self, submission: Option<&str>) -> Result<Vec<Count>> {
        let sql = format!(
            "SELECT job_type, {STATUS}, COUNT(*) FROM {{jobs}} WHERE job_type LIKE $1 AND {OF_SUBMISSION} GROUP BY 1, 2"
        );
        let sql = self.sql(&sql);
        let (queues, keys) = (format!("{QUEUE}%"), submission.map(key_of).unwrap_or_default());
        let rows = on!(self, pool => {
            sqlx::query_as::<_, (String, String, i64)>(sql).bind(queues).bind(keys).fetch_all(pool).await
        });
        let rows = rows.map_err(|error| failed("count jobs", &error))?;
        let count = |(queue, status, jobs): (String, String, i64)| Count {
            queue,
            status,
            jobs: u64::try_from(jobs).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Queues with jobs that could be taken now, those with the highest priority first.
    pub(in crate::fleet) async fn waiting(&self) -> Result<Vec<Waiting>> {
        let sql = self.sql(
            "SELECT job_type, CAST(MAX(priority) AS BIGINT) FROM {jobs} WHERE job_type LIKE $1 AND (status = 'Pending' OR \
             (status = 'Failed' AND attempts < max_attempts)) AND {due} GROUP BY job_type ORDER BY 2 DESC, 1",
        );
        let queues = format!("{QUEUE}%");
        let rows = on!(self, pool => sqlx::query_as::<_, (String, i64)>(sql).bind(queues).fetch_all(pool).await);
        let rows = rows.map_err(|error| failed("look for jobs", &error))?;
        Ok(rows.into_iter().map(|(queue, priority)| Waiting { queue, priority }).collect())
    }

    /// Queues with jobs that somebody has: those of dead workers are among them.
    pub(in crate::fleet) async fn busy(&self) -> Result<Vec<String>> {
        let sql =
            self.sql("SELECT DISTINCT job_type FROM {jobs} WHERE job_type LIKE $1 AND status IN ('Running', 'Queued')");
        let queues = format!("{QUEUE}%");
        let rows = on!(self, pool => sqlx::query_scalar::<_, String>(sql).bind(queues).fetch_all(pool).await);
        rows.map_err(|error| failed("look for jobs of dead workers", &error))
    }

    /// Cancels a job that has not ended, and has no result yet. Whoever runs it sees that, and cancels it on its server.
    pub(in crate::fleet) async fn cancel(&self, id: &str) -> Result<bool> {
        let sql = self.sql(
            "UPDATE {jobs} SET status = 'Killed', lock_by = NULL, lock_at = NULL, last_result = {json} \
             WHERE id = $1 AND (status IN ('Pending', 'Queued', 'Running') OR (status = 'Failed' AND attempts < \
             max_attempts)) AND NOT EXISTS (SELECT 1 FROM invokeai_fleet_results r WHERE r.job = id)",
        );
        self.change(sql, id, CANCELED, None).await
    }

    /// Gives a job that failed or was canceled so many attempts again, with another description if there is one.
    ///
    /// An attempt that was canceled counts from now on: the next one has another number and another batch, so that whoever
    /// still cleans up after the one before touches nothing of it. Nor is there anything to look for of those before.
    pub(in crate::fleet) async fn retry(&self, id: &str, more: u32, payload: Option<Vec<u8>>) -> Result<bool> {
        let sql = self.sql(&format!(
            "UPDATE invokeai_fleet_attempts SET error = '{NOTHING_THERE}' WHERE job = $1 AND error IS NULL AND EXISTS (SELECT \
             1 FROM {{jobs}} WHERE id = $1 AND {GIVEN_UP})"
        ));
        let noted = on!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|_| ()));
        noted.map_err(|error| failed("change a job", &error))?;
        let made = "{greatest}(attempts, COALESCE((SELECT MAX(a.attempt) + 1 FROM invokeai_fleet_attempts a WHERE a.job = id), 0))";
        // The engine counts in 32 bits.
        let most = i32::MAX;
        let sql = self.sql(&format!(
            "UPDATE {{jobs}} SET status = 'Pending', attempts = CAST({{least}}({made}, {most} - 1) AS INTEGER), max_attempts = \
             CAST({{least}}({made} + {more}, {most}) AS INTEGER), lock_by = NULL, lock_at = NULL, done_at = NULL, \
             last_result = {{json}}, job = COALESCE($3, job) WHERE id = $1 AND {GIVEN_UP} AND NOT EXISTS (SELECT 1 FROM \
             invokeai_fleet_results r WHERE r.job = id)"
        ));
        self.change(sql, id, r#"{"Err": "tried again"}"#, Some(payload)).await
    }

    /// The third value is bound only where the statement has one.
    async fn change(
        &self,
        sql: sqlx::AssertSqlSafe<String>,
        id: &str,
        result: &str,
        payload: Option<Option<Vec<u8>>>,
    ) -> Result<bool> {
        let json = match self.pool {
            super::Pool::Sqlite(_) => "$2",
            super::Pool::Postgres(_) => "CAST($2 AS JSONB)",
        };
        let sql = sqlx::AssertSqlSafe(sql.0.replace("{json}", json));
        let changed = on!(self, pool => {
            let mut query = sqlx::query(sql).bind(id).bind(result);
            if let Some(payload) = payload {
                query = query.bind(payload);
            }
            query.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok(changed.map_err(|error| failed("change a job", &error))? == 1)
    }
}

/// Reads jobs where this holds.
fn select(condition: &str) -> String {
    format!(
        "SELECT id, {STATUS}, CAST(attempts AS BIGINT), CAST(max_attempts AS BIGINT), CAST(priority AS BIGINT), job, \
         CAST(last_result AS TEXT) FROM {{jobs}} WHERE {condition}"
    )
}

fn entry((id, status, attempts, most, priority, payload, last_result): Row) -> Entry {
    let number = |n: i64| u32::try_from(n).unwrap_or_default();
    let (attempts, most_attempts) = (number(attempts), number(most));
    Entry { id, status, attempts, most_attempts, priority, payload, last_result }
}

/// What the keys of a submission's jobs begin with.
fn key_of(submission: &str) -> String {
    format!("{submission}/")
}
