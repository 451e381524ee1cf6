//! Which server to talk to, with which credentials: from the command line, the environment, or a profile.

use std::env;

use clap::Args;
use invokeai_client::{Client, ClientBuilder};

use crate::{
    failure::Failure,
    profiles::{Profile, Profiles},
    suggest::quoted,
};

/// Where `invokeai-client demo` and InvokeAI itself listen.
const DEFAULT: &str = "http://127.0.0.1:9090";

/// The server, for commands that need one
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// Address of the server [env: INVOKEAI_URL] [default: the profile's, or http://127.0.0.1:9090]
    #[arg(id = "server", long = "server", global = true, help_heading = "Server", value_name = "URL")]
    servers: Vec<String>,
    /// Bearer token, for servers with users [env: INVOKEAI_TOKEN]
    #[arg(long, global = true, help_heading = "Server", value_name = "TOKEN")]
    token: Option<String>,
    /// Server and login that `login` saved under this name [env: INVOKEAI_PROFILE]
    #[arg(long, global = true, help_heading = "Server", value_name = "NAME")]
    profile: Option<String>,
    /// Header for a proxy in front of the server, as `NAME: VALUE`; may be repeated
    #[arg(long = "header", global = true, help_heading = "Server", value_name = "HEADER")]
    headers: Vec<String>,
    /// User and password for a proxy in front of the server, as `USER:PASSWORD` [env: INVOKEAI_BASIC_AUTH]
    #[arg(long, global = true, help_heading = "Server", value_name = "USER:PASSWORD")]
    basic_auth: Option<String>,
}

/// A server, and the credentials that are sent to it.
pub(crate) struct Server {
    /// The profile that it comes from, if any.
    pub(crate) name: Option<String>,
    pub(crate) profile: Profile,
}

impl ServerArgs {
    /// Whether the command line itself names a server.
    pub(crate) fn is_named(&self) -> bool {
        !self.servers.is_empty() || self.profile.is_some()
    }

    /// The server that the command line names.
    fn only(&self) -> Result<Option<&String>, Failure> {
        match &self.servers[..] {
            [] | [_] => Ok(self.servers.first()),
            several => {
                let problem = format!("--server is given {} times; only `fleet worker` takes several", several.len());
                Err(Failure::other(problem))
            }
        }
    }

    /// One client for each server that is named, or one for the server of the profile or the environment if none is
    /// named.
    #[cfg(feature = "fleet")]
    pub(crate) fn each(&self) -> Vec<Self> {
        match &self.servers[..] {
            [] => vec![self.clone()],
            several => several.iter().map(|url| Self { servers: vec![url.clone()], ..self.clone() }).collect(),
        }
    }

    /// The command-line options that name the server, each after a space. None of them is secret.
    pub(crate) fn naming(&self) -> String {
        let server = self.servers.first().map(|url| format!(" --server {}", quoted(shown(url))));
        let profile = self.profile.as_deref().map(|name| format!(" --profile {}", quoted(name)));
        [server, profile].into_iter().flatten().collect()
    }

    /// The name of the profile that the command line or the environment asks for.
    pub(crate) fn profile_name(&self) -> Option<String> {
        self.profile.clone().or_else(|| variable("INVOKEAI_PROFILE"))
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.client_with(|builder| builder)
    }

    /// A client with more settings.
    pub(crate) fn client_with(&self, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client, Failure> {
        let server = self.resolve(&Profiles::load()?)?;
        Ok(more(server.profile.builder()).build()?)
    }

    /// A client for the address alone, whatever the profiles hold. Used to log in.
    pub(crate) fn for_login(&self) -> Result<Server, Failure> {
        let profiles = Profiles::load()?;
        let name = self.profile_name();
        let known = name.as_deref().and_then(|name| profiles.get(name));
        let named = self.only()?.cloned().or_else(|| variable("INVOKEAI_URL"));
        let mut profile = match (named, known) {
            (Some(url), _) => Profile::new(url),
            (None, Some(known)) => known.clone(),
            (None, None) => Profile::new(DEFAULT.to_owned()),
        };
        profile.token = None;
        self.add_to(&mut profile)?;
        Ok(Server { name, profile })
    }

    /// The command line takes precedence, then the environment, then the profile in use.
    ///
    /// The credentials of a profile go only to the profile's own server, wherever the address comes from.
    pub(crate) fn resolve(&self, profiles: &Profiles) -> Result<Server, Failure> {
        let url = match (self.only()?, &self.profile) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(_)) => None,
            (None, None) => variable("INVOKEAI_URL"),
        };
        let chosen = self.profile_name();
        let of_name = match &chosen {
            Some(name) => Some((name.clone(), profiles.must_get(name)?.clone())),
            None => None,
        };
        let (name, mut profile) = match (url, of_name) {
            (None, Some((name, profile))) => (Some(name), profile),
            (None, None) => match profiles.current() {
                Some((name, profile)) => (Some(name.to_owned()), profile.clone()),
                None => (None, Profile::new(DEFAULT.to_owned())),
            },
            (Some(url), Some((name, profile))) if profile.is_of(&url) => (Some(name), profile),
            (Some(url), Some((name, profile))) if !self.servers.is_empty() && self.profile.is_some() => {
                let Profile { server, .. } = profile;
                let problem = format!("profile `{name}` is for {server}, not for {}: name one of them", shown(&url));
                return Err(Failure::other(problem));
            }
            (Some(url), _) => match profiles.of_address(&url) {
                Some((name, profile)) => (Some(name.to_owned()), profile.clone()),
                None => (None, Profile::new(url)),
            },
        };
        if let Some(token) = self.token.clone().or_else(|| variable("INVOKEAI_TOKEN")) {
            profile.token = Some(token);
        }
        self.add_to(&mut profile)?;
        Ok(Server { name, profile })
    }

    fn add_to(&self, profile: &mut Profile) -> Result<(), Failure> {
        for header in &self.headers {
            // The value may be a secret.
            let Some((name, value)) = header.split_once(':') else {
                return Err(Failure::other("--header takes `NAME: VALUE`; this one has no `:`"));
            };
            profile.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        if let Some(pair) = self.basic_auth.clone().or_else(|| variable("INVOKEAI_BASIC_AUTH")) {
            if !pair.contains(':') {
                return Err(Failure::other("--basic-auth takes `USER:PASSWORD`; this one has no `:`"));
            }
            profile.basic_auth = Some(pair);
        }
        Ok(())
    }
}

/// An environment variable; an empty one counts as unset.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// An address without a password before its `@` and without a query.
pub(crate) fn shown(url: &str) -> &str {
    url.rsplit('@').next().and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default()
}
