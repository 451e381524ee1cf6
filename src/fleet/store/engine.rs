//! What the engine does: handing out jobs, holding them, and giving back what dead workers had.

use std::time::Duration;

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
use crate::error::Result;

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

/// A job that this worker has, as long as it lives.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Taken {
    pub(in crate::fleet) id: String,
    /// Counts from 0: how many there were before.
    pub(in crate::fleet) attempt: u32,
    pub(in crate::fleet) most_attempts: u32,
    pub(in crate::fleet) payload: Vec<u8>,
    pub(in crate::fleet) queue: String,
}

/// The id of a task, as the engine wants it.
fn ids(task: &PgTask) -> [String; 1] {
    [task.task_id().map(ToString::to_string).unwrap_or_default()]
}

/// The engine knows a worker by one queue.
fn worker_of(worker: &str, queue: &str) -> WorkerContext {
    WorkerContext::new(&format!("{worker}/{queue}"))
}

impl Store {
    /// Puts jobs into a queue, all or none of each thousand.
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
            in_time(doing, self.push_some(doing, queue, some)).await?;
        }
        Ok(())
    }

    async fn push_some(&self, doing: &'static str, queue: &str, some: Vec<PgTask>) -> Result<()> {
        let failed = |error| failed(doing, &error);
        match &self.pool {
            Pool::Sqlite(pool) => {
                let mut transaction = pool.begin().await.map_err(failed)?;
                let pushed = sqlite::push_tasks(&mut *transaction, queue, &some).await;
                pushed.map_err(|error| said(doing, &error))?;
                transaction.commit().await.map_err(failed)
            }
            Pool::Postgres(pool) => {
                let ids: Vec<String> = some.iter().filter_map(|task| Some(task.task_id()?.to_string())).collect();
                let mut connection = self.connection(pool, doing).await?;
                let mut transaction = connection.begin().await.map_err(failed)?;
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

    /// Makes a worker known for a queue. The engine's own way to do that in Postgres wants a type that it does not make
    /// public.
    pub(in crate::fleet) async fn register(&self, worker: &str, queue: &str) -> Result<()> {
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
        let name = worker_of(worker, queue).name().to_owned();
        on!(self, pool => sqlx::query(sql).bind(name).bind(queue).execute(pool).await.map(|_| ()))
            .map_err(|error| failed("make the worker known to the store", &error))
    }

    /// Says that a worker lives, for a queue.
    pub(in crate::fleet) async fn keep_alive(&self, worker: &str, queue: &str) -> Result<()> {
        let doing = "tell the store that the worker lives";
        let context = worker_of(worker, queue);
        let known = in_time(doing, async {
            Ok(match &self.pool {
                Pool::Sqlite(pool) => {
                    let config = apalis_sqlite::Config::default().queue(queue);
                    sqlite::keep_alive(pool, &config, &context).await.is_ok()
                }
                Pool::Postgres(pool) => {
                    let mut connection = self.connection(pool, doing).await?;
                    postgres::keep_alive(&mut *connection, queue, &context).await.is_ok()
                }
            })
        });
        // Somebody may have tidied up in the store. If that is not the reason, this fails for the same.
        if known.await? { Ok(()) } else { self.register(worker, queue).await }
    }

    /// Gives back what workers of a queue had that did not say for so long that they live. Answers how many jobs.
    pub(in crate::fleet) async fn give_back_of_dead(&self, worker: &str, queue: &str, lease: Duration) -> Result<u64> {
        let doing = "give back the jobs of dead workers";
        let seconds = lease.as_secs().max(1);
        in_time(doing, async {
            match &self.pool {
                Pool::Sqlite(pool) => {
                    let others = WorkerFilter::AllExcept(worker_of(worker, queue).name().to_owned());
                    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                    let given = sqlite::reenqueue_orphaned(pool, seconds, queue, &others).await;
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

    /// Takes the next job of a queue, if there is one. [`register`](Self::register) comes first.
    pub(in crate::fleet) async fn take(&self, worker: &str, queue: &str) -> Result<Option<Taken>> {
        let doing = "take a job";
        let Some(task) = in_time(doing, self.next_task(doing, &worker_of(worker, queue), queue)).await? else {
            return Ok(None);
        };
        let Some(id) = task.task_id().cloned() else { return Ok(None) };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Some(Taken {
            id: id.to_string(),
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

    /// Records how an attempt ended. Returns whether the job was still this worker's; if not, nothing is changed.
    pub(in crate::fleet) async fn end(&self, worker: &str, job: &Taken, ended: Ended<'_>) -> Result<bool> {
        let doing = "say how a job ended";
        let context = worker_of(worker, &job.queue);
        let (status, attempt, result) = match ended {
            Ended::Done(attempt) => (Status::Done, attempt, Ok(Value::Null)),
            Ended::GivenUp(problem) => (Status::Killed, job.attempt, Err(problem.to_owned())),
        };
        let result = TaskResult { task_id: TaskId::from_string(&job.id), attempt: attempt as usize, status, result };
        let changed = in_time(doing, async {
            match &self.pool {
                Pool::Sqlite(pool) => {
                    let acked = sqlite::ack_tasks(pool, &[&result], context.name()).await;
                    acked.map_err(|error| failed(doing, &error))
                }
                Pool::Postgres(pool) => {
                    let mut connection = self.connection(pool, doing).await?;
                    let acked = postgres::handle_results(&mut *connection, &[&result], context.name()).await;
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
        worker: &str,
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
        let (sql, name) = (self.sql(&sql), worker_of(worker, &job.queue).name().to_owned());
        let problem = problem.map(|problem| serde_json::json!({ "Err": problem }).to_string());
        // Pending ones are handed out whatever their count; failed ones as long as attempts are left.
        let status = if counts { "Failed" } else { "Pending" };
        let counted = i32::from(counts);
        let pause = pause.as_secs_f64().ceil();
        let changed = on!(self, pool => {
            let query = sqlx::query(sql).bind(pause).bind(problem).bind(status).bind(counted).bind(&job.id).bind(name);
            query.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok(changed.map_err(|error| failed("give a job back", &error))? == 1)
    }

    /// Whether the worker still has the job, and if not, whether somebody canceled it.
    pub(in crate::fleet) async fn standing(&self, worker: &str, job: &Taken) -> Result<Standing> {
        let sql = self.sql("SELECT status, lock_by FROM {jobs} WHERE id = $1");
        let row = on!(self, pool => {
            sqlx::query_as::<_, (String, Option<String>)>(sql).bind(&job.id).fetch_optional(pool).await
        });
        let row = row.map_err(|error| failed("look whether a job is still held", &error))?;
        Ok(match row {
            Some((status, Some(by))) if status == "Running" && by == worker_of(worker, &job.queue).name() => {
                Standing::Held
            }
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
    use std::{collections::HashSet, time::Instant};

    use ulid::Ulid;

    use super::{Ended, New, Store};

    /// Takes and ends jobs until there are none, and answers which.
    async fn drain(store: Store, worker: String, queue: String) -> Vec<String> {
        store.register(&worker, &queue).await.unwrap();
        let mut taken = Vec::new();
        while let Some(job) = store.take(&worker, &queue).await.unwrap() {
            assert!(store.end(&worker, &job, Ended::Done(1)).await.unwrap(), "{job:?}");
            taken.push(job.id);
        }
        taken
    }

    /// `INVOKEAI_FLEET_STORE` names another store than a SQLite file, `INVOKEAI_FLEET_STORE_JOBS` how many jobs are put in;
    /// how fast it is is printed.
    #[tokio::test(flavor = "multi_thread")]
    async fn each_job_is_handed_out_once_whoever_asks() {
        let folder = tempfile::tempdir().unwrap();
        let file = || format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
        let store = Store::open(&std::env::var("INVOKEAI_FLEET_STORE").unwrap_or_else(|_| file())).await.unwrap();
        let jobs = std::env::var("INVOKEAI_FLEET_STORE_JOBS").map_or(40, |jobs| jobs.parse().unwrap());
        for workers in [1, 4] {
            let queue = format!("invokeai-fleet:{}", Ulid::generate());
            let ids: Vec<String> = (0..jobs).map(|_| Ulid::generate().to_string()).collect();
            let new = |id: &String| New {
                id: id.clone(),
                key: id.clone(),
                payload: b"{}".to_vec(),
                priority: 0,
                attempts: 3,
            };
            let began = Instant::now();
            store.push(&queue, ids.iter().map(new).collect()).await.unwrap();
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
}
