//! Servers and logins that are saved between runs, in a file in the platform's configuration folder.
//!
//! The file holds tokens, so only its owner can read it. The tokens are not in the system's keyring, because the crates
//! for that need D-Bus and its C libraries on Linux, and a desktop session that servers and containers do not have.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use invokeai_client::{Client, ClientBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    failure::Failure,
    local_file,
    print::{note, paint},
    style,
};

/// Everything that is saved, including what a later version of this program adds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Profiles {
    /// The profile that is used if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    profiles: std::collections::BTreeMap<String, Profile>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// A server, and the credentials that are sent to it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Address.
    pub(crate) server: String,
    /// Who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// `USER:PASSWORD` of a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) basic_auth: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<(String, String)>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Without secrets.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Profile {
    pub(crate) fn new(server: String) -> Self {
        Self { server, user: None, token: None, basic_auth: None, headers: Vec::new(), more: Map::new() }
    }

    /// Starts building a client for this server, with its credentials.
    pub(crate) fn builder(&self) -> ClientBuilder {
        let mut builder = Client::builder(&self.server);
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        if let Some((user, password)) = self.basic_auth.as_deref().and_then(|pair| pair.split_once(':')) {
            builder = builder.basic_auth(user, password);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        builder
    }

    /// Whether an address, as a user may paste it, is that of this server.
    pub(crate) fn is_of(&self, url: &str) -> bool {
        same_server(url).is_some_and(|url| Some(url) == same_server(&self.server))
    }
}

/// The address in its canonical form.
pub(crate) fn same_server(url: &str) -> Option<String> {
    Client::new(url).ok().map(|client| client.base_url().to_string())
}

impl Profiles {
    /// The path of the file.
    fn path() -> Result<PathBuf, Failure> {
        let folders = etcetera::base_strategy::choose_native_strategy();
        let folders = folders.map_err(|error| Failure::other(format!("there is no folder for settings: {error}")))?;
        Ok(folders.config_dir().join(env!("CARGO_PKG_NAME")).join("profiles.json"))
    }

    /// Reads the file. Without a home folder there are no profiles.
    pub(crate) fn load() -> Result<Self, Failure> {
        match Self::path() {
            Ok(path) => Self::read(&path),
            Err(error) => {
                tracing::debug!(%error, "no profiles");
                Ok(Self::default())
            }
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::other(format!("cannot read the profiles in {}: {error}", path.display()))
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(&error)),
        };
        if is_open_to_others(path) {
            let what = format!(" others can read {}, which holds tokens: chmod 600 it", path.display());
            note(paint(style::WARNING, "warning:").then(what));
        }
        // The message does not quote the text, which holds secrets.
        serde_json::from_str(&text)
            .map_err(|error| failed(&format!("line {}, column {} is wrong", error.line(), error.column())))
    }

    /// Changes the file, one program at a time. It is the old one or the new one, never a part.
    pub(crate) fn change<T>(change: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let path = Self::path()?;
        let failed =
            |error: io::Error| Failure::other(format!("cannot write the profiles into {}: {error}", path.display()));
        let folder = path.parent().unwrap_or(Path::new("."));
        make_private(folder).map_err(failed)?;
        let lock = private().create(true).truncate(false).open(path.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut profiles = Self::read(&path)?;
        let made = change(&mut profiles)?;
        // It may be a link into a folder with the settings of all programs.
        let path = local_file::replaced(&path).map_err(failed)?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write(&temporary, &profiles).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(failed)?;
        Ok(made)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The profile of this name, which must exist.
    pub(crate) fn must_get(&self, name: &str) -> Result<&Profile, Failure> {
        self.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            let known = if names.is_empty() { "there is none yet".to_owned() } else { names.join(", ") };
            Failure::other(format!("there is no profile `{name}`; known: {known}"))
        })
    }

    /// The profile in use.
    pub(crate) fn current(&self) -> Option<(&str, &Profile)> {
        self.current.as_deref().and_then(|name| Some((name, self.get(name)?)))
    }

    /// The same, for whoever would otherwise talk to another server: an error if the profile in use is not there.
    pub(crate) fn must_have_current(&self) -> Result<Option<(&str, &Profile)>, Failure> {
        match &self.current {
            Some(name) => self.must_get(name).map(|profile| Some((name.as_str(), profile))),
            None => Ok(None),
        }
    }

    /// The profile for this address. If there are several, the one in use is preferred.
    pub(crate) fn of_address(&self, url: &str) -> Option<(&str, &Profile)> {
        self.current().into_iter().chain(self.all()).find(|(_, profile)| profile.is_of(url))
    }

    pub(crate) fn use_from_now_on(&mut self, name: &str) {
        self.current = Some(name.to_owned());
    }

    pub(crate) fn store(&mut self, name: String, profile: Profile) {
        self.profiles.insert(name, profile);
    }

    /// Forgets the login of a profile. Returns whether there was one.
    pub(crate) fn forget_login(&mut self, name: &str) -> bool {
        let profile = self.profiles.get_mut(name);
        profile.is_some_and(|profile| {
            profile.user = None;
            profile.token.take().is_some()
        })
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.profiles.remove(name);
        self.current.take_if(|current| current == name);
    }
}

fn write(path: &Path, profiles: &Profiles) -> io::Result<()> {
    // A killed program may have left it.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = private().create_new(true).open(path)?;
    file.write_all(serde_json::to_string_pretty(profiles)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// For files that only their owner can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}
