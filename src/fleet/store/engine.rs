//! What the engine does: handing out jobs, holding them, and giving back what dead workers had.

use std::{collections::HashSet, time::Duration};

use apalis_core::{
    backend::{TaskResult, WorkerFilter},
    task::{builder::TaskBuilder, status::Status, task_id::TaskId},
    worker::context::WorkerContext,
};
use apalis_postgres::{PgTask, queries as postgres};
use apalis_sqlite::{SqliteTask, queries as sqlite};
use serde_json::Value;
use sqlx::Acquire as _;

use super::{Pool, Store, failed, in_time, on, said};
use crate::error::{Error, Result};

/// How many jobs go into one statement.
const AT_ONCE: usize = 1000;

/// A job that is to be put into the store.
pub(in crate::fleet) struct New {
    /// A ULID.
    pub(in crate::fleet) id: String,
    /// No two jobs have the same: putting them in again changes nothing.
    pub(in crate::fleet) key: String,
    pub(in crate::fleet) payload: Vec<u8>,
    pub(in crate::fleet) priority: u32,
    pub(in crate::fleet) attempts: u32,
}

/// A job that somebody holds, as long as he says that he lives.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Taken {
    pub(in crate::fleet) id: String,
    /// Who, as the store knows him.
    pub(in crate::fleet) holder: String,
    /// Counts from 0: how many there were before.
    pub(in crate::fleet) attempt: u32,
    pub(in crate::fleet) most_attempts: u32,
    pub(in crate::fleet) payload: Vec<u8>,
    pub(in crate::fleet) queue: String,
}

/// How often it is tried to put jobs in, and how long the pause is between.
const PUSHES: usize = 3;
const BETWEEN_PUSHES: Duration = Duration::from_secs(1);

/// Names as one value, of which a statement makes rows.
fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    serde_json::Value::from_iter(names.map(String::as_str)).to_string()
}

/// Postgres stores every character but one.
pub(super) fn storable(problem: &str) -> String {
    problem.replace('\0', "\u{fffd}")
}

/// The id of a task, as the engine wants it.
fn ids(task: &PgTask) -> [String; 1] {
    [task.task_id().map(ToString::to_string).unwrap_or_default()]
}

impl Store {
    /// Puts jobs into a queue, all or none of each thousand. What is there by its key stays as it is: the answer to putting
    /// it in may have been lost.
    pub(in crate::fleet) async fn push(&self, queue: &str, jobs: Vec<New>) -> Result<()> {
        // By the store's own clock: that of a submitter who is ahead would make workers wait.
        let now = match &self.pool {
            Pool::Sqlite(_) => u64::try_from(self.now().await?).unwrap_or_default(),
            // Set below. The engine tells its listeners only of what is due when it is put in.
            Pool::Postgres(_) => 0,
        };
        let mut tasks: Vec<SqliteTask> = jobs
            .into_iter()
            .map(|job| {
                TaskBuilder::new(job.payload)
                    .task_id(TaskId::from_string(job.id))
                    .idempotency_key(job.key)
                    .priority(job.priority as usize)
                    .max_attempts(job.attempts as usize)
                    .run_at_timestamp(now)
                    .build()
            })
            .collect();
        while !tasks.is_empty() {
            let some: Vec<PgTask> = tasks.drain(..tasks.len().min(AT_ONCE)).collect();
            let doing = "put jobs into the store";
            let mut tries = 1;
            loop {
                match in_time(doing, self.push_some(doing, queue, some.clone())).await {
                    Err(Error::Fleet { passes: true, .. }) if tries < PUSHES => {
                        tries += 1;
                        tokio::time::sleep(BETWEEN_PUSHES).await;
                    }
                    other => break other?,
                }
            }
        }
        Ok(())
    }

    async fn push_some(&self, doing: &'static str, queue: &str, mut some: Vec<PgTask>) -> Result<()> {
        let failed = |error| failed(doing, &error);
        match &self.pool {
            Pool::Sqlite(pool) => {
                let mut transaction = pool.begin().await.map_err(failed)?;
                let pushed = sqlite::push_tasks(&mut *transaction, queue, &some).await;
                pushed.map_err(|error| said(doing, &error))?;
                transaction.commit().await.map_err(failed)
            }
            Pool::Postgres(pool) => {
                let mut connection = self.connection(pool, doing).await?;
                let mut transaction = connection.begin().await.map_err(failed)?;
                // The engine's statement for SQLite leaves out what is there, the one for Postgres fails.
                let keys: Vec<&str> = some.iter().filter_map(|task| task.idempotency_key()).collect();
                let there = "SELECT idempotency_key FROM apalis.jobs WHERE job_type = $1 AND idempotency_key = ANY($2)";
                let there = sqlx::query_scalar::<_, String>(there).bind(queue).bind(keys);
                let there = there.fetch_all(&mut *transaction).await.map_err(failed)?;
                let there: HashSet<String> = there.into_iter().collect();
                some.retain(|task| !task.idempotency_key().is_some_and(|key| there.contains(key)));
                let ids: Vec<String> = some.iter().filter_map(|task| Some(task.task_id()?.to_string())).collect();
                let pushed = postgres::push_tasks(&mut *transaction, queue, some).await;
                pushed.map_err(|error| said(doing, &error))?;
                // The engine knows seconds only, and hands out jobs of the same second in any order.
                let ordered = "UPDATE apalis.jobs j SET run_at = now() + o.place * interval '1 microsecond' FROM \
                               unnest($1::text[]) WITH ORDINALITY o(id, place) WHERE j.id = o.id";
                sqlx::query(ordered).bind(ids).execute(&mut *transaction).await.map_err(failed)?;
                transaction.commit().await.map_err(failed)
            }
        }
    }

    /// Introduces a holder of jobs to the store, for one queue. The engine's own way to do that in Postgres wants a type that it does not
    /// make public.
    pub(in crate::fleet) async fn register(&self, holder: &str, queue: &str) -> Result<()> {
        let sql = match self.pool {
            Pool::Sqlite(_) => {
                "INSERT INTO Workers (id, worker_type, storage_name, layers, last_seen, started_at) VALUES ($1, $2, \
                 'invokeai-client', '', strftime('%s', 'now'), strftime('%s', 'now')) ON CONFLICT (id) DO UPDATE SET \
                 last_seen = excluded.last_seen"
            }
            Pool::Postgres(_) => {
                "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen) VALUES ($1, $2, \
                 'invokeai-client', '', now()) ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen"
            }
        };
        on!(self, pool => sqlx::query(sql).bind(holder).bind(queue).execute(pool).await.map(|_| ()))
            .map_err(|error| failed("make the worker known to the store", &error))
    }

    /// Says that holders of jobs live, each with its queue: one statement for all, where the engine has one for each.
    pub(in crate::fleet) async fn keep_alive(&self, holders: &[(String, String)]) -> Result<()> {
        if holders.is_empty() {
            return Ok(());
        }
        let sql = match self.pool {
            Pool::Sqlite(_) => "UPDATE Workers SET last_seen = strftime('%s', 'now') WHERE id IN ({names})",
            Pool::Postgres(_) => "UPDATE apalis.workers SET last_seen = now() WHERE id IN ({names})",
        };
        let (sql, names) = (self.sql(sql), names(holders.iter().map(|(holder, _)| holder)));
        let known =
            on!(self, pool => sqlx::query(sql).bind(names).execute(pool).await.map(|done| done.rows_affected()));
        let known = known.map_err(|error| failed("tell the store that the worker lives", &error))?;
        // Somebody may have tidied up in the store.
        if usize::try_from(known).is_ok_and(|known| known < holders.len()) {
            for (holder, queue) in holders {
                self.register(holder, queue).await?;
            }
        }
        Ok(())
    }

    /// Gives back what the store holds for these, who run nothing, and answers how many jobs. None of that was an attempt:
    /// the engine counts those at the end.
    pub(in crate::fleet) async fn give_back(&self, holders: &[String]) -> Result<u64> {
        let sql = self.sql(
            "UPDATE {jobs} SET status = 'Pending', lock_by = NULL, lock_at = NULL WHERE lock_by IN ({names}) AND status IN \
             ('Queued', 'Running')",
        );
        let names = names(holders.iter());
        let given =
            on!(self, pool => sqlx::query(sql).bind(names).execute(pool).await.map(|done| done.rows_affected()));
        given.map_err(|error| failed("give back what nobody runs", &error))
    }

    /// Gives back what holders of a queue had that did not say for so long that they live. Answers how many jobs.
    pub(in crate::fleet) async fn give_back_of_dead(&self, queue: &str, lease: Duration) -> Result<u64> {
        let doing = "give back the jobs of dead workers";
        let seconds = lease.as_secs().max(1);
        in_time(doing, async {
            match &self.pool {
                Pool::Sqlite(pool) => {
                    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                    let given = sqlite::reenqueue_orphaned(pool, seconds, queue, &WorkerFilter::None).await;
                    given.map_err(|error| failed(doing, &error))
                }
                Pool::Postgres(pool) => {
                    let mut connection = self.connection(pool, doing).await?;
                    let given = postgres::reenqueue_orphaned(&mut *connection, queue, seconds).await;
                    given.map_err(|error| said(doing, &error))
                }
            }
        })
        .await
    }

    /// Takes the next job of a queue, if there is one. [`register`](Self::register) comes first. After an error, the store may
    /// hold a job for this holder all the same.
    pub(in crate::fleet) async fn take(&self, holder: &str, queue: &str) -> Result<Option<Taken>> {
        let doing = "take a job";
        let Some(task) = in_time(doing, self.next_task(doing, &WorkerContext::new(holder), queue)).await? else {
            return Ok(None);
        };
        let Some(id) = task.task_id().cloned() else { return Ok(None) };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Some(Taken {
            id: id.to_string(),
            holder: holder.to_owned(),
            attempt: number(task.attempt()),
            most_attempts: task.max_attempts().map_or(1, number),
            queue: queue.to_owned(),
            payload: task.args,
        }))
    }

    async fn next_task(&self, doing: &'static str, context: &WorkerContext, queue: &str) -> Result<Option<PgTask>> {
        let failed = |error| failed(doing, &error);
        let (task, locked) = match &self.pool {
            Pool::Sqlite(pool) => {
                let config = apalis_sqlite::Config::default().queue(queue).batch_size(1);
                let tasks = sqlite::fetch_next(pool, &config, context).await;
                let Some(task) = tasks.map_err(|error| said(doing, &error))?.pop() else { return Ok(None) };
                let locked = sqlite::lock_tasks(pool, &ids(&task), context.name()).await.map_err(failed)?;
                (task, locked)
            }
            Pool::Postgres(pool) => {
                let config = apalis_postgres::Config::default().queue(queue).batch_size(1);
                let mut connection = self.connection(pool, doing).await?;
                // Two statements of the engine, and one wait for the disk.
                let mut transaction = connection.begin().await.map_err(failed)?;
                let tasks = postgres::fetch_next(&mut *transaction, &config, context).await;
                let Some(task) = tasks.map_err(|error| said(doing, &error))?.pop() else { return Ok(None) };
                let locked = postgres::lock_tasks(&mut *transaction, &ids(&task), context.name()).await;
                let locked = locked.map_err(failed)?;
                transaction.commit().await.map_err(failed)?;
                (task, locked)
            }
        };
        // Whoever has the job now is named in its row; another took it between two statements if this changed none.
        Ok((locked == 1).then_some(task))
    }

    /// Records how an attempt ended. Returns whether the job was still held; if not, nothing is changed. Said again, it is so
    /// still: the engine keeps who held a job that has ended.
    pub(in crate::fleet) async fn end(&self, job: &Taken, ended: Ended<'_>) -> Result<bool> {
        let doing = "say how a job ended";
        let (status, attempt, result) = match ended {
            Ended::Done(attempt) => (Status::Done, attempt, Ok(Value::Null)),
            Ended::GivenUp(problem) => (Status::Killed, job.attempt, Err(storable(problem))),
        };
        let result = TaskResult { task_id: TaskId::from_string(&job.id), attempt: attempt as usize, status, result };
        let changed = in_time(doing, async {
            match &self.pool {
                Pool::Sqlite(pool) => {
                    let acked = sqlite::ack_tasks(pool, &[&result], &job.holder).await;
                    acked.map_err(|error| failed(doing, &error))
                }
                Pool::Postgres(pool) => {
                    let mut connection = self.connection(pool, doing).await?;
                    let acked = postgres::handle_results(&mut *connection, &[&result], &job.holder).await;
                    acked.map_err(|error| said(doing, &error))
                }
            }
        });
        Ok(changed.await? == 1)
    }
}

/// How a job ended for good.
#[derive(Debug, Clone, Copy)]
pub(in crate::fleet) enum Ended<'a> {
    /// After so many attempts.
    Done(u32),
    /// Why.
    GivenUp(&'a str),
}

impl Store {
    /// Gives a job back, to be tried again after a pause: the engine's own statement for that asks for nobody's leave, this
    /// one only changes what the worker still has. `counts` says whether it was an attempt.
    pub(in crate::fleet) async fn put_back(
        &self,
        job: &Taken,
        problem: Option<&str>,
        pause: Duration,
        counts: bool,
    ) -> Result<bool> {
        let later = match self.pool {
            Pool::Sqlite(_) => "strftime('%s', 'now') + $1",
            Pool::Postgres(_) => "now() + make_interval(secs => $1)",
        };
        let result = match self.pool {
            Pool::Sqlite(_) => "COALESCE($2, last_result)",
            Pool::Postgres(_) => "COALESCE(CAST($2 AS JSONB), last_result)",
        };
        let sql = format!(
            "UPDATE {{jobs}} SET status = $3, attempts = attempts + $4, done_at = NULL, lock_by = NULL, lock_at = NULL, \
             last_result = {result}, run_at = {later} WHERE id = $5 AND lock_by = $6 AND status = 'Running'"
        );
        let sql = self.sql(&sql);
        let problem = problem.map(|problem| serde_json::json!({ "Err": storable(problem) }).to_string());
        // Pending ones are handed out whatever their count; failed ones as long as attempts are left.
        let status = if counts { "Failed" } else { "Pending" };
        let counted = i32::from(counts);
        let pause = pause.as_secs_f64().ceil();
        let changed = on!(self, pool => {
            let query = sqlx::query(sql).bind(pause).bind(problem).bind(status).bind(counted).bind(&job.id).bind(&job.holder);
            query.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok(changed.map_err(|error| failed("give a job back", &error))? == 1)
    }

    /// Whether the job is still held, and if not, whether somebody canceled it.
    pub(in crate::fleet) async fn standing(&self, job: &Taken) -> Result<Standing> {
        let sql = self.sql("SELECT status, lock_by FROM {jobs} WHERE id = $1");
        let row = on!(self, pool => {
            sqlx::query_as::<_, (String, Option<String>)>(sql).bind(&job.id).fetch_optional(pool).await
        });
        let row = row.map_err(|error| failed("look whether a job is still held", &error))?;
        Ok(match row {
            Some((status, Some(by))) if status == "Running" && by == job.holder => Standing::Held,
            Some((status, _)) if status == "Killed" => Standing::Canceled,
            _ => Standing::Lost,
        })
    }
}

/// Whose a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum Standing {
    Held,
    /// Somebody canceled it.
    Canceled,
    /// Its lease ran out.
    Lost,
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        time::{Duration, Instant},
    };

    use apalis_core::worker::context::WorkerContext;
    use ulid::Ulid;

    use super::{
        super::{Attempt, Pool},
        Ended, New, Standing, Store,
    };

    /// A SQLite file, or what `INVOKEAI_FLEET_STORE` names.
    async fn store(folder: &tempfile::TempDir) -> Store {
        let file = || format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
        Store::open(&std::env::var("INVOKEAI_FLEET_STORE").unwrap_or_else(|_| file()), false).await.unwrap()
    }

    fn new_queue() -> String {
        format!("invokeai-fleet:{}", Ulid::generate())
    }

    fn new(id: &str) -> New {
        New { id: id.to_owned(), key: id.to_owned(), payload: b"{}".to_vec(), priority: 0, attempts: 3 }
    }

    /// Takes and ends jobs until there are none, and answers which.
    async fn drain(store: Store, holder: String, queue: String) -> Vec<String> {
        store.register(&holder, &queue).await.unwrap();
        let mut taken = Vec::new();
        while let Some(job) = store.take(&holder, &queue).await.unwrap() {
            assert!(store.end(&job, Ended::Done(1)).await.unwrap(), "{job:?}");
            taken.push(job.id);
        }
        taken
    }

    /// `INVOKEAI_FLEET_STORE` names another store than a SQLite file, `INVOKEAI_FLEET_STORE_JOBS` how many jobs are put in;
    /// how fast it is is printed.
    #[tokio::test(flavor = "multi_thread")]
    async fn each_job_is_handed_out_once_whoever_asks() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let jobs = std::env::var("INVOKEAI_FLEET_STORE_JOBS").map_or(40, |jobs| jobs.parse().unwrap());
        for workers in [1, 4] {
            let queue = new_queue();
            let ids: Vec<String> = (0..jobs).map(|_| Ulid::generate().to_string()).collect();
            let began = Instant::now();
            store.push(&queue, ids.iter().map(|id| new(id)).collect()).await.unwrap();
            let put = began.elapsed();
            let began = Instant::now();
            let working: Vec<_> = (0..workers)
                .map(|worker| tokio::spawn(drain(store.clone(), format!("{queue}-{worker}"), queue.clone())))
                .collect();
            let mut taken = Vec::new();
            for working in working {
                taken.extend(working.await.unwrap());
            }
            let rate = f64::from(jobs) / began.elapsed().as_secs_f64();
            println!("{jobs} jobs put in in {put:.0?}; {workers} workers take and end {rate:.0} per second");
            assert_eq!(taken.len(), ids.len());
            assert_eq!(taken.into_iter().collect::<HashSet<_>>(), ids.into_iter().collect());
        }
    }

    #[tokio::test]
    async fn what_a_holder_does_not_run_is_given_back_and_was_no_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue) = (store(&folder).await, new_queue());
        let id = Ulid::generate().to_string();
        store.push(&queue, vec![new(&id)]).await.unwrap();
        let [first, second, third] = ["1", "2", "3"].map(|number| format!("{queue}.{number}"));
        for holder in [&first, &second, &third] {
            store.register(holder, &queue).await.unwrap();
        }
        // The first statement of the engine, and not the second: between them, SQLite may be busy for too long.
        match &store.pool {
            Pool::Sqlite(pool) => {
                let config = apalis_sqlite::Config::default().queue(&queue).batch_size(1);
                super::sqlite::fetch_next(pool, &config, &WorkerContext::new(&first)).await.unwrap();
            }
            Pool::Postgres(pool) => {
                let config = apalis_postgres::Config::default().queue(&queue).batch_size(1);
                let mut connection = pool.acquire().await.unwrap();
                super::postgres::fetch_next(&mut *connection, &config, &WorkerContext::new(&first)).await.unwrap();
            }
        }
        assert!(store.take(&second, &queue).await.unwrap().is_none(), "the first holds it");
        assert_eq!(store.give_back(std::slice::from_ref(&second)).await.unwrap(), 0, "the second holds nothing");
        assert_eq!(store.give_back(&[second.clone(), first.clone()]).await.unwrap(), 1);
        // The answer to this is lost, too.
        store.take(&second, &queue).await.unwrap().unwrap();
        assert_eq!(store.give_back(&[first, second]).await.unwrap(), 1);
        let taken = store.take(&third, &queue).await.unwrap().unwrap();
        assert_eq!((taken.id.as_str(), taken.attempt), (id.as_str(), 0));
    }

    #[tokio::test]
    async fn what_is_said_again_because_its_answer_was_lost_changes_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue) = (store(&folder).await, new_queue());
        let id = Ulid::generate().to_string();
        // Before the other, whenever it is due.
        store.push(&queue, vec![New { priority: 1, ..new(&id) }]).await.unwrap();
        // With other ids, as whoever submits again has them.
        let other = New { id: Ulid::generate().to_string(), ..new(&id) };
        let more = Ulid::generate().to_string();
        store.push(&queue, vec![other, new(&more)]).await.unwrap();
        let [first, second] = ["1", "2"].map(|number| format!("{queue}.{number}"));
        for holder in [&first, &second] {
            store.register(holder, &queue).await.unwrap();
        }
        let job = store.take(&first, &queue).await.unwrap().unwrap();
        assert_eq!(job.id, id);
        assert!(store.put_back(&job, Some("Postgres stores no \0"), Duration::ZERO, true).await.unwrap());
        let again = store.take(&second, &queue).await.unwrap().unwrap();
        assert_eq!((again.id.as_str(), again.attempt), (id.as_str(), 1), "it is an attempt");
        assert!(!store.put_back(&job, None, Duration::ZERO, true).await.unwrap(), "another has it by now");
        assert_eq!(store.standing(&again).await.unwrap(), Standing::Held);
        for _ in 0..2 {
            assert!(store.finish(&again, "http://a/", "0").await.unwrap());
            assert!(store.end(&again, Ended::Done(2)).await.unwrap());
        }
        assert!(!store.finish(&again, "http://b/", "0").await.unwrap(), "that of somebody else is late");
        assert!(!store.finish(&again, "http://a/", "1").await.unwrap());
        assert!(!store.end(&job, Ended::GivenUp("late")).await.unwrap());
        let entry = store.entries(None).await.unwrap().into_iter().find(|entry| entry.id == id).unwrap();
        assert_eq!((entry.status.as_str(), entry.attempts), ("Done", 2));
        let last = store.take(&first, &queue).await.unwrap().unwrap();
        assert_eq!(last.id, more, "each key is there once");
        assert!(store.take(&first, &queue).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_canceled_gets_no_result_and_is_tried_again_as_another_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue) = (store(&folder).await, new_queue());
        let id = Ulid::generate().to_string();
        store.push(&queue, vec![New { attempts: i32::MAX as u32, ..new(&id) }]).await.unwrap();
        store.register(&queue, &queue).await.unwrap();
        let job = store.take(&queue, &queue).await.unwrap().unwrap();
        let attempt = Attempt {
            job: id.clone(),
            attempt: job.attempt,
            server: "http://a/".into(),
            queue: "default".into(),
            batch: "of the first".into(),
            uploads: Vec::new(),
            unnamed: false,
        };
        store.begin_attempt("worker", &attempt).await.unwrap();
        assert!(store.cancel(&id).await.unwrap());
        assert!(!store.finish(&job, "http://a/", "0").await.unwrap(), "it is too late for a result");
        assert_eq!(store.result_of(&id).await.unwrap(), None);
        // More attempts than the engine can count.
        assert!(store.retry(&id, i32::MAX as u32, None).await.unwrap());
        let again = store.take(&queue, &queue).await.unwrap().unwrap();
        assert_eq!(again.attempt, 1, "whoever cleans up after the first does not mean this one");
        assert_eq!(store.open_attempts(&id).await.unwrap(), [], "nobody waits for what was canceled");
        assert_eq!(store.failures(&id).await.unwrap(), [], "and its server did nothing wrong");
        assert!(store.finish(&again, "http://a/", "0").await.unwrap());
        assert!(!store.cancel(&id).await.unwrap());
        let left = store.left_on(["http://a/", "http://a/#here"], None).await.unwrap();
        assert_eq!(left.into_iter().map(|(left, _)| left).collect::<Vec<_>>(), [attempt], "it is cleaned up after");
    }

    #[tokio::test]
    async fn submissions_are_named_to_the_letter() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue) = (store(&folder).await, new_queue());
        let id = Ulid::generate().to_string();
        store.push(&queue, vec![New { key: format!("{id}/0"), ..new(&id) }]).await.unwrap();
        for (submission, jobs) in [(id.as_str(), 1), (&id[1..], 0), (&id[..5], 0), ("%", 0), ("_%", 0), ("", 0)] {
            assert_eq!(store.entries(Some(submission)).await.unwrap().len(), jobs, "{submission}");
            let counted: u64 = store.counts(Some(submission)).await.unwrap().iter().map(|count| count.jobs).sum();
            assert_eq!(counted, jobs as u64, "{submission}");
        }
    }

    #[tokio::test]
    async fn holders_that_somebody_tidied_away_are_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue) = (store(&folder).await, new_queue());
        let holders = [(format!("{queue}.1"), queue.clone()), (format!("{queue}.2"), queue.clone())];
        store.register(&holders[0].0, &queue).await.unwrap();
        store.keep_alive(&holders).await.unwrap();
        let id = Ulid::generate().to_string();
        store.push(&queue, vec![new(&id)]).await.unwrap();
        let held = store.take(&holders[1].0, &queue).await.unwrap().unwrap();
        assert_eq!(store.give_back_of_dead(&queue, Duration::from_secs(60)).await.unwrap(), 0, "it lives");
        assert_eq!(store.standing(&held).await.unwrap(), Standing::Held);
    }
}
