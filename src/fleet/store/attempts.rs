//! Which attempts there were, and where they run: written before anything is sent, so that whoever comes after a worker that
//! died finds what that one left.

use super::{Store, engine::storable, failed, on};
use crate::error::Result;

/// An attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct Attempt {
    pub(in crate::fleet) job: String,
    pub(in crate::fleet) attempt: u32,
    /// Which server, as all workers name it.
    pub(in crate::fleet) server: String,
    pub(in crate::fleet) queue: String,
    pub(in crate::fleet) batch: String,
    /// Files on the server that it reads.
    pub(in crate::fleet) uploads: Vec<String>,
    /// Whether there may be uploads whose names are not known: one was announced, and its answer is not recorded.
    pub(in crate::fleet) unnamed: bool,
}

/// In place of an error: the attempt neither failed nor is there anything to look for, because its job is tried again after
/// its end.
pub(super) const NOTHING_THERE: &str = "";

/// How many attempts are read at a time.
pub(in crate::fleet) const AT_A_TIME: usize = 100;

const COLUMNS: &str = "a.job, a.attempt, a.server, a.queue, a.batch, a.uploads, a.unnamed";

type Row = (String, i64, String, String, String, String, i64);

impl From<Row> for Attempt {
    fn from((job, attempt, server, queue, batch, uploads, unnamed): Row) -> Self {
        let uploads = serde_json::from_str(&uploads).unwrap_or_default();
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
        Self { job, attempt, server, queue, batch, uploads, unnamed: unnamed != 0 }
    }
}

impl Store {
    /// Records an attempt that is about to be made. One of the same number on the same server takes the place of what is
    /// there: that was given back before its batch was sent.
    pub(in crate::fleet) async fn begin_attempt(&self, worker: &str, attempt: &Attempt) -> Result<()> {
        let sql = self.sql(
            "INSERT INTO invokeai_fleet_attempts (job, attempt, server, queue, batch, worker, is_open, uploads, unnamed, \
             begun) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, {now}) ON CONFLICT (job, attempt, server) DO UPDATE SET \
             queue = excluded.queue, batch = excluded.batch, worker = excluded.worker, is_open = 1, error = NULL, \
             uploads = excluded.uploads, unnamed = excluded.unnamed, begun = excluded.begun",
        );
        let Attempt { job, server, queue, batch, uploads, .. } = attempt;
        let (number, unnamed) = (i64::from(attempt.attempt), i64::from(attempt.unnamed));
        let uploads = serde_json::json!(uploads).to_string();
        let done = on!(self, pool => {
            let query = sqlx::query(sql).bind(job).bind(number).bind(server).bind(queue).bind(batch).bind(worker);
            query.bind(uploads).bind(unnamed).execute(pool).await.map(|_| ())
        });
        done.map_err(|error| failed("record an attempt", &error))
    }

    /// The attempts at a job that may go on on a server, the newest first: it is not known how they ended.
    pub(in crate::fleet) async fn open_attempts(&self, job: &str) -> Result<Vec<Attempt>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invokeai_fleet_attempts a WHERE a.job = $1 AND a.is_open = 1 AND a.error IS NULL ORDER BY a.attempt DESC"
        );
        let sql = self.sql(&sql);
        let rows = on!(self, pool => sqlx::query_as::<_, Row>(sql).bind(job).fetch_all(pool).await);
        Ok(rows.map_err(|error| failed("read the attempts", &error))?.into_iter().map(Into::into).collect())
    }

    /// What was recorded of an attempt on a server: it was given back, and is made again.
    pub(in crate::fleet) async fn attempt_on(&self, job: &str, attempt: u32, server: &str) -> Result<Option<Attempt>> {
        let sql = self.sql(&format!(
            "SELECT {COLUMNS} FROM invokeai_fleet_attempts a WHERE a.job = $1 AND a.attempt = $2 AND a.server = $3"
        ));
        let number = i64::from(attempt);
        let row = on!(self, pool => {
            sqlx::query_as::<_, Row>(sql).bind(job).bind(number).bind(server).fetch_optional(pool).await
        });
        Ok(row.map_err(|error| failed("read the attempts", &error))?.map(Into::into))
    }

    /// What attempts at jobs that have ended may have left on a server, which has these names, each with how many seconds ago
    /// it was begun: the next [`AT_A_TIME`] after the one that is given, by job and number.
    pub(in crate::fleet) async fn left_on(
        &self,
        server: [&str; 2],
        after: Option<&Attempt>,
    ) -> Result<Vec<(Attempt, i64)>> {
        let sql = format!(
            "SELECT {COLUMNS}, {{now}} - a.begun FROM invokeai_fleet_attempts a JOIN {{jobs}} j ON j.id = a.job WHERE a.server IN ($1, $4) AND \
             a.is_open = 1 AND (j.status IN ('Done', 'Killed') OR (j.status = 'Failed' AND j.attempts >= j.max_attempts)) \
             AND (a.job > $2 OR (a.job = $2 AND a.attempt > $3)) ORDER BY a.job, a.attempt LIMIT {AT_A_TIME}"
        );
        let sql = self.sql(&sql);
        let (job, number) = after.map_or(("", -1), |last| (last.job.as_str(), i64::from(last.attempt)));
        type Aged = (String, i64, String, String, String, String, i64, i64);
        let rows = on!(self, pool => {
            sqlx::query_as::<_, Aged>(sql).bind(server[0]).bind(job).bind(number).bind(server[1]).fetch_all(pool).await
        });
        let rows = rows.map_err(|error| failed("read what attempts left", &error))?;
        let aged = |(job, attempt, server, queue, batch, uploads, unnamed, ago): Aged| {
            (Attempt::from((job, attempt, server, queue, batch, uploads, unnamed)), ago)
        };
        Ok(rows.into_iter().map(aged).collect())
    }

    /// Says that an attempt left nothing on its server any more.
    pub(in crate::fleet) async fn close_attempt(&self, attempt: &Attempt) -> Result<()> {
        let sql =
            self.sql("UPDATE invokeai_fleet_attempts SET is_open = 0 WHERE job = $1 AND batch = $2 AND server = $3");
        let Attempt { job, batch, server, .. } = attempt;
        let done = on!(self, pool => {
            sqlx::query(sql).bind(job).bind(batch).bind(server).execute(pool).await.map(|_| ())
        });
        done.map_err(|error| failed("record that an attempt is cleaned up", &error))
    }

    /// Keeps why an attempt failed, or was given back before its batch was sent: there is nothing to look for then.
    pub(in crate::fleet) async fn note_failure(&self, job: &str, attempt: u32, problem: &str) -> Result<()> {
        let sql = self.sql("UPDATE invokeai_fleet_attempts SET error = $3 WHERE job = $1 AND attempt = $2");
        let (number, problem) = (i64::from(attempt), storable(problem));
        let done =
            on!(self, pool => sqlx::query(sql).bind(job).bind(number).bind(problem).execute(pool).await.map(|_| ()));
        done.map_err(|error| failed("record why an attempt failed", &error))
    }

    /// Where a job has failed, and why; the last failure comes first.
    pub(in crate::fleet) async fn failures(&self, job: &str) -> Result<Vec<(String, String)>> {
        let sql = self.sql(&format!(
            "SELECT server, error FROM invokeai_fleet_attempts WHERE job = $1 AND error <> '{NOTHING_THERE}' ORDER BY \
             attempt DESC, begun DESC"
        ));
        let rows = on!(self, pool => sqlx::query_as::<_, (String, String)>(sql).bind(job).fetch_all(pool).await);
        rows.map_err(|error| failed("read where a job failed", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::engine::{Ended, New},
        AT_A_TIME, Attempt, Store,
    };

    /// Those at the front that cannot be cleaned up do not hide those behind them.
    #[tokio::test]
    async fn every_attempt_of_a_job_that_has_ended_is_named_page_by_page() {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
        let store = Store::open(&store, false).await.unwrap();
        let mut ids: Vec<String> = (0..=2 * AT_A_TIME).map(|_| ulid::Ulid::generate().to_string()).collect();
        ids.sort();
        let new =
            |id: &String| New { id: id.clone(), key: id.clone(), payload: b"{}".to_vec(), priority: 0, attempts: 1 };
        store.push("q", ids.iter().map(new).collect()).await.unwrap();
        store.register("holder", "q").await.unwrap();
        let mut expected = Vec::new();
        for _ in 1..ids.len() {
            let job = store.take("holder", "q").await.unwrap().unwrap();
            // Where the first page ends, there are two attempts at one job.
            for number in 0..if job.id == ids[AT_A_TIME - 1] { 2 } else { 1 } {
                let attempt = Attempt {
                    job: job.id.clone(),
                    attempt: number,
                    server: "http://a".into(),
                    queue: "default".into(),
                    batch: format!("{}.{number}", job.id),
                    uploads: Vec::new(),
                    unnamed: false,
                };
                store.begin_attempt("worker", &attempt).await.unwrap();
                expected.push(attempt.batch);
            }
            assert!(store.end(&job, Ended::Done(1)).await.unwrap());
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.left_on(["http://a", "http://a"], after.as_ref()).await.unwrap();
            found.extend(page.iter().map(|(attempt, _)| attempt.batch.clone()));
            after = page.last().map(|(attempt, _)| attempt.clone());
            if page.len() < AT_A_TIME {
                break;
            }
        }
        expected.sort();
        assert_eq!(found, expected);
        assert!(store.left_on(["http://b", "http://c"], None).await.unwrap().is_empty());
    }
}
