//! A Postgres of its own, on a free port with a folder of its own. Without one on this machine that is said.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::skip::skipped;

/// The password of its user, where it asks for one.
pub(crate) const PASSWORD: &str = "correct-horse";

pub(crate) struct Postgres {
    binaries: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    server: Child,
}

/// Where Debian has it, the newest first; otherwise nowhere.
fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|it| it.path()).collect();
    versions.sort();
    versions.into_iter().rev().map(|version| version.join("bin")).find(|bin| bin.join("postgres").exists())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Postgres does not run as root.
fn as_its_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

impl Postgres {
    pub(crate) fn start(test: &str) -> Option<Self> {
        let postgres = Self::made(test, &["-A", "trust"])?;
        postgres.is_ready();
        Some(postgres)
    }

    /// One that asks for [`PASSWORD`].
    pub(crate) fn start_asking(test: &str) -> Option<Self> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), PASSWORD).unwrap();
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(file.path()).status().unwrap().success());
        }
        let file = file.path().display().to_string();
        let postgres = Self::made(test, &["-A", "scram-sha-256", "--pwfile", &file])?;
        postgres.is_ready();
        Some(postgres)
    }

    fn made(test: &str, access: &[&str]) -> Option<Self> {
        let Some(binaries) = binaries() else {
            skipped(format_args!("{test}: there is no Postgres in /usr/lib/postgresql"));
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = folder.path().join("data");
        let mut init = as_its_user(&binaries.join("initdb"));
        let made = init.args(access).args(["-U", "fleet", "-D"]).arg(&data).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = run(&binaries, folder.path(), port);
        Some(Self { binaries, folder, port, server })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://fleet@127.0.0.1:{}/postgres", self.port)
    }

    /// Its address for a user who gives this password.
    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("postgres://fleet:{password}@127.0.0.1:{}/postgres", self.port)
    }

    fn is_ready(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        let port = self.port.to_string();
        loop {
            let mut look = Command::new(self.binaries.join("pg_isready"));
            let looked = look.args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "fleet"]).status().unwrap();
            if looked.success() {
                return;
            }
            assert!(Instant::now() < end, "Postgres does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            self.server = run(&self.binaries, self.folder.path(), self.port);
            // Processes of the one that was killed may hold its memory for a moment.
            std::thread::sleep(Duration::from_millis(500));
            if self.server.try_wait().unwrap().is_none() {
                break;
            }
            assert!(Instant::now() < end, "Postgres does not start again");
        }
        self.is_ready();
    }
}

fn run(binaries: &Path, folder: &Path, port: u16) -> Child {
    let mut command = as_its_user(&binaries.join("postgres"));
    command.arg("-D").arg(folder.join("data")).args([
        "-p",
        &port.to_string(),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
    ]);
    command.arg(format!("unix_socket_directories={}", folder.display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
