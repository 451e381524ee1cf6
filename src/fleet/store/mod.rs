//! The job engine: `apalis`, over SQLite or Postgres.
//!
//! Who may have a job, for how long, and what becomes of it when its worker dies, is the engine's: its statements hand out
//! jobs, hold them, keep workers alive, and give back what dead ones had. Beside its tables there are four of this crate: the
//! attempts and where they run, the results by job, what workers say of their servers, and settings: where files are, and in
//! which form all this is.

mod attempts;
mod engine;
mod jobs;
mod results;
mod servers;
mod watch;

use std::{future::Future, path::PathBuf, str::FromStr as _, time::Duration};

use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use futures::future::BoxFuture;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool, SqlitePool,
    migrate::MigrateError,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(super) use attempts::{AT_A_TIME, Attempt};
pub(super) use engine::{Ended, New, Standing, Taken};
pub(super) use jobs::{Entry, Waiting};

use crate::error::{Error, Result};

/// How long a statement waits for others that write to the same SQLite file.
const BUSY: Duration = Duration::from_secs(20);

/// How many connections to a SQLite file this has.
const CONNECTIONS: u32 = 4;

/// How long a connection to Postgres may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the answer to anything may take. Where the network is cut, no connection breaks for a quarter of an hour.
const ANSWER: Duration = Duration::from_secs(60);

/// How long a connection to Postgres that is asked whether it is one may take. A statement may take longer.
const PING: Duration = Duration::from_secs(5);

/// How often the set-up is tried: two programs that make the same store at the same time disturb each other.
const SETUPS: usize = 5;

/// Queues of this crate in an engine that others may use, too, begin with this.
pub(super) const QUEUE: &str = "invokeai-fleet:";

/// Tables of this crate. Both databases read them the same way.
const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS invokeai_fleet_attempts (job TEXT NOT NULL, attempt BIGINT NOT NULL, server TEXT NOT NULL, \
     queue TEXT NOT NULL, batch TEXT NOT NULL, worker TEXT NOT NULL, is_open BIGINT NOT NULL, uploads TEXT NOT NULL, \
     unnamed BIGINT NOT NULL, error TEXT, begun BIGINT NOT NULL, PRIMARY KEY (job, attempt, server))",
    "CREATE INDEX IF NOT EXISTS invokeai_fleet_attempts_open ON invokeai_fleet_attempts (server, is_open)",
    "CREATE TABLE IF NOT EXISTS invokeai_fleet_results (job TEXT PRIMARY KEY, attempt BIGINT NOT NULL, \
     server TEXT NOT NULL, manifest TEXT NOT NULL, stored BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS invokeai_fleet_servers (worker TEXT NOT NULL, server TEXT NOT NULL, said TEXT NOT NULL, \
     seen BIGINT NOT NULL, PRIMARY KEY (worker, server))",
    "CREATE TABLE IF NOT EXISTS invokeai_fleet_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
];

/// Under which name the settings keep the form of the tables, and which form is meant here. Whoever changes the tables so that
/// older programs would do harm counts it up.
const FORM: (&str, u32) = ("form", 1);

/// A store of jobs.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pool: Pool,
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Does the same with the pool of either database.
macro_rules! on {
    ($store:expr, $pool:ident => $what:expr) => {
        $store
            .explained(async {
                match &$store.pool {
                    $crate::fleet::store::Pool::Sqlite($pool) => $what,
                    $crate::fleet::store::Pool::Postgres($pool) => $what,
                }
            })
            .await
    };
}
pub(super) use on;

impl Store {
    /// Opens a store and makes what it lacks; if it is to be there already, only what a new version of this program adds.
    pub(super) async fn open(url: &str, existing: bool) -> Result<Self> {
        let store = match url.split_once(':') {
            Some(("sqlite", _)) => Self { pool: Pool::Sqlite(sqlite(url, existing).await?) },
            Some(("postgres" | "postgresql", _)) => Self { pool: Pool::Postgres(postgres(url).await?) },
            _ => {
                let problem = "must be sqlite:FILE, or postgres://USER:PASSWORD@HOST/DATABASE";
                return Err(Error::invalid("store", problem));
            }
        };
        if existing && !store.is_set_up().await? {
            return Err(no_fleet("no fleet is in this database"));
        }
        let mut tries = 1;
        while let Err(error) = store.set_up().await {
            if tries == SETUPS {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(200) * tries as u32).await;
            tries += 1;
        }
        Ok(store)
    }

    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match &self.pool {
            Pool::Sqlite(pool) => Some(pool.connect_options().get_filename().to_owned()),
            Pool::Postgres(_) => None,
        }
    }

    async fn is_set_up(&self) -> Result<bool> {
        let sql = match self.pool {
            Pool::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'invokeai_fleet_settings'",
            Pool::Postgres(_) => "SELECT COUNT(to_regclass('invokeai_fleet_settings'))",
        };
        let found = on!(self, pool => sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await);
        Ok(found.map_err(|error| failed("open the store", &error))? > 0)
    }

    async fn set_up(&self) -> Result<()> {
        let failed = |error| failed("set up the store", &error);
        match &self.pool {
            // The set-up of the engine would also turn the safety of SQLite off, for one of the connections.
            Pool::Sqlite(pool) => {
                let migrated = SqliteStorage::migrations().run(pool).await;
                migrated.map_err(|error| failed(error.into()))?;
            }
            Pool::Postgres(pool) => {
                PostgresStorage::<()>::setup(pool).await.map_err(|error| said("set up the store", &error))?;
            }
        }
        for table in TABLES {
            on!(self, pool => sqlx::query(table).execute(pool).await.map(|_| ())).map_err(failed)?;
        }
        let (name, known) = FORM;
        let found = self.setting(name, Some(&known.to_string())).await?.unwrap_or_default();
        if found.parse::<u32>().is_ok_and(|found| found <= known) {
            Ok(())
        } else {
            Err(newer(&format!("form {found}")))
        }
    }

    /// A connection for statements of the engine.
    async fn connection(&self, pool: &PgPool, doing: &'static str) -> Result<PoolConnection<sqlx::Postgres>> {
        self.explained(pool.acquire()).await.map_err(|error| failed(doing, &error))
    }

    /// Waits only so long, and gives the reason in place of an error that only says that there was no connection in time.
    fn explained<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = sqlx::Result<T>> + Send + 'a,
    ) -> impl Future<Output = sqlx::Result<T>> + Send + 'a {
        let answered = answered(work);
        async move {
            match (&self.pool, answered.await) {
                (Pool::Postgres(pool), Err(sqlx::Error::PoolTimedOut)) => {
                    Err(Box::pin(why_not(&pool.connect_options())).await)
                }
                (_, result) => result,
            }
        }
    }

    /// The statement as this database reads it.
    fn sql(&self, statement: &str) -> AssertSqlSafe<String> {
        let words = match self.pool {
            Pool::Sqlite(_) => [
                ("{jobs}", "Jobs"),
                ("{now}", "CAST(strftime('%s', 'now') AS BIGINT)"),
                ("{due}", "run_at <= strftime('%s', 'now')"),
                ("{names}", "SELECT value FROM json_each($1)"),
                ("{greatest}", "MAX"),
                ("{least}", "MIN"),
            ],
            Pool::Postgres(_) => [
                ("{jobs}", "apalis.jobs"),
                // A cast alone rounds: half of all times would be in the future.
                ("{now}", "CAST(floor(extract(epoch FROM now())) AS BIGINT)"),
                ("{due}", "run_at < now()"),
                ("{names}", "SELECT jsonb_array_elements_text(CAST($1 AS JSONB))"),
                ("{greatest}", "GREATEST"),
                ("{least}", "LEAST"),
            ],
        };
        // Made of words of this crate only; values are bound.
        let statement = words.into_iter().fold(statement.to_owned(), |made, (word, here)| made.replace(word, here));
        AssertSqlSafe(statement)
    }

    /// Seconds since 1970 by the store's clock: those of submitters and workers may differ.
    pub(super) async fn now(&self) -> Result<i64> {
        let sql = self.sql("SELECT {now}");
        let now = on!(self, pool => sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await);
        now.map_err(|error| failed("read the store's clock", &error))
    }

    /// What was set under a name first.
    pub(super) async fn setting(&self, name: &str, value: Option<&str>) -> Result<Option<String>> {
        let failed = |error| failed("read the settings", &error);
        if let Some(value) = value {
            let sql = self.sql("INSERT INTO invokeai_fleet_settings VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
            on!(self, pool => sqlx::query(sql).bind(name).bind(value).execute(pool).await.map(|_| ()))
                .map_err(failed)?;
        }
        let sql = self.sql("SELECT value FROM invokeai_fleet_settings WHERE name = $1");
        on!(self, pool => sqlx::query_scalar::<_, String>(sql).bind(name).fetch_optional(pool).await).map_err(failed)
    }
}

async fn sqlite(url: &str, existing: bool) -> Result<SqlitePool> {
    let (file, more) = url.split_once('?').unwrap_or((url, ""));
    // Each connection would have a memory of its own.
    if ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite://:memory:"].contains(&file) || more.contains("mode=memory")
    {
        return Err(Error::invalid("store", "must name a file: sqlite:FILE"));
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|error| Error::invalid("store", error.to_string()))?;
    if existing && !options.get_filename().exists() {
        return Err(no_fleet(&format!("there is no file {}", options.get_filename().display())));
    }
    let options = options
        .create_if_missing(!existing)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY);
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(BUSY * 2);
    // SQLite ends a transaction itself when the disk is full. sqlx then cannot, takes the next one for a part of it, and
    // never ends that: the connection would show the store as it was then for ever.
    let pool = pool.after_release(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
    pool.connect_with(options).await.map_err(|error| failed("open the store", &error))
}

async fn postgres(url: &str) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url).map_err(|error| Error::invalid("store", error.to_string()))?;
    // Before and after each use, as by itself, but not without end: where the network was cut, a connection that is only
    // waited for would be in use for a quarter of an hour, and no other in its place.
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(CONNECT)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(lives(connection)))
        .after_release(|connection, _| Box::pin(lives(connection)));
    match pool.connect_with(options.clone()).await {
        Err(sqlx::Error::PoolTimedOut) => Err(failed("open the store", &why_not(&options).await)),
        pool => pool.map_err(|error| failed("open the store", &error)),
    }
}

/// Fails if a connection does not answer.
async fn lives(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let silent = |_| sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the connection is silent"));
    tokio::time::timeout(PING, connection.ping()).await.map_err(silent)??;
    Ok(true)
}

/// Ends the wait for a database that says nothing. It may have done it: whoever tries again must not do it twice.
///
/// Boxed at once: what waits for a statement is tens of kilobytes, of which every function on the way would have copies on
/// its stack, where a thread of tokio has two megabytes.
fn answered<'a, T: 'a>(
    work: impl Future<Output = sqlx::Result<T>> + Send + 'a,
) -> impl Future<Output = sqlx::Result<T>> + Send + 'a {
    let work: BoxFuture<'a, _> = Box::pin(work);
    async move {
        tokio::time::timeout(ANSWER, work).await.unwrap_or_else(|_| {
            let problem = format!("the database did not answer within {} s", ANSWER.as_secs());
            Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, problem)))
        })
    }
}

/// The same for statements of the engine.
fn in_time<'a, T: 'a>(
    doing: &'static str,
    work: impl Future<Output = Result<T>> + Send + 'a,
) -> impl Future<Output = Result<T>> + Send + 'a {
    let work: BoxFuture<'a, _> = Box::pin(work);
    async move { answered(async { Ok(work.await) }).await.map_err(|error| failed(doing, &error))? }
}

/// Why there is no connection to Postgres, with its address.
async fn why_not(options: &PgConnectOptions) -> sqlx::Error {
    let why = match tokio::time::timeout(CONNECT / 2, PgConnection::connect_with(options)).await {
        Ok(Ok(_)) => "all connections of this program are in use".to_owned(),
        Ok(Err(sqlx::Error::Io(error))) => error.to_string(),
        // What Postgres itself says: no such user, for example.
        Ok(Err(error)) => return error,
        Err(_) => "it does not answer".to_owned(),
    };
    let (host, port) = (options.get_host(), options.get_port());
    sqlx::Error::Io(std::io::Error::other(format!("Postgres at {host}:{port}: {why}")))
}

/// There is no store where one is to be.
fn no_fleet(what: &str) -> Error {
    let problem = format!("{what}; the first submission to a fleet, or its first worker, makes it");
    Error::Fleet { doing: "open the store", problem, passes: false }
}

/// The store is of a version that is not known here.
fn newer(what: &str) -> Error {
    let problem = format!("a newer version of this program made it ({what}); use that version");
    Error::Fleet { doing: "open the store", problem, passes: false }
}

/// What the database said. Only its own words: they name neither password nor address.
fn failed(doing: &'static str, error: &sqlx::Error) -> Error {
    if let sqlx::Error::Migrate(error) = error
        && let MigrateError::VersionMissing(version) = &**error
    {
        return newer(&format!("migration {version} of its engine"));
    }
    let passes = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| passes(&code)),
        _ => false,
    };
    Error::Fleet { doing, problem: error.to_string(), passes }
}

/// Whether the reason of a database passes, by its code: numbers of SQLite, five characters of Postgres.
fn passes(code: &str) -> bool {
    match code.parse::<u32>() {
        // Busy, locked, failing and full disks; the higher bits say more of them.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 10 | 13),
        // Connections, conflicts, full disks and too many connections, shut-downs and starts.
        _ => ["08", "40", "53", "57P"].iter().any(|class| code.starts_with(class)),
    }
}

/// What the engine said.
fn said(doing: &'static str, error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return failed(doing, error);
        }
        cause = error.source();
    }
    Error::Fleet { doing, problem: error.to_string(), passes: false }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::{CONNECTIONS, answered, failed, passes, sqlite};
    use crate::error::Error;

    #[test]
    fn full_disks_and_restarts_pass_and_mistakes_do_not() {
        for code in ["5", "13", "266", "517", "08006", "40001", "53100", "53300", "57P03"] {
            assert!(passes(code), "{code}");
        }
        for code in ["1", "11", "19", "2067", "42601", "23505", "28P01"] {
            assert!(!passes(code), "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_says_nothing_is_not_waited_for_without_end() {
        let silent = answered(std::future::pending::<sqlx::Result<()>>()).await.unwrap_err();
        let told = failed("take a job", &silent);
        assert!(matches!(told, Error::Fleet { passes: true, .. }), "{told:?}");
        assert!(told.to_string().ends_with("the database did not answer within 60 s"), "{told}");
    }

    #[tokio::test]
    async fn after_a_full_disk_every_connection_sees_what_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
        let pool = sqlite(&url, false).await.unwrap();
        sqlx::query("CREATE TABLE t (x BLOB)").execute(&pool).await.unwrap();
        // Whoever tries again may be given the same connection.
        let mut connection = pool.acquire().await.unwrap();
        let mut full = connection.begin().await.unwrap();
        // As many pages as there are.
        sqlx::query("PRAGMA max_page_count = 1").execute(&mut *full).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut *full).await.unwrap_err();
        drop(full);
        let count = "SELECT COUNT(*) FROM t";
        let mut given_up = connection.begin().await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *given_up).await.unwrap(), 0);
        drop(given_up);
        drop(connection);
        let other = sqlite(&url, false).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (zeroblob(1))").execute(&other).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            all.push(pool.acquire().await.unwrap());
        }
        for connection in &mut all {
            assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut **connection).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_full_sqlite_says_so_by_code_13_and_passes() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        // As many pages as there are: every further one is a full disk.
        for statement in ["CREATE TABLE t (x BLOB)", "PRAGMA max_page_count = 2"] {
            sqlx::query(statement).execute(&mut *connection).await.unwrap();
        }
        let full = sqlx::query("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut *connection).await.unwrap_err();
        assert_eq!(full.as_database_error().and_then(|error| error.code()).as_deref(), Some("13"), "{full:?}");
        let told = failed("put jobs into the store", &full);
        assert!(matches!(told, Error::Fleet { passes: true, .. }), "{told:?}");
        assert!(told.to_string().contains("full"), "{told}");
    }
}
