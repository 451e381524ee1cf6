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
    pub(crate) fn profile_name(&self) -> Result<Option<String>, Failure> {
        given_or(&self.profile, "INVOKEAI_PROFILE")
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
        let name = self.profile_name()?;
        let known = name.as_deref().and_then(|name| profiles.get(name));
        let named = given_or(&self.only()?.cloned(), "INVOKEAI_URL")?;
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
            (None, None) => variable("INVOKEAI_URL")?,
        };
        let chosen = self.profile_name()?;
        let of_name = match &chosen {
            Some(name) => Some((name.clone(), profiles.must_get(name)?.clone())),
            None => None,
        };
        let (name, mut profile) = match (url, of_name) {
            (None, Some((name, profile))) => (Some(name), profile),
            (None, None) => match profiles.must_have_current()? {
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
        if let Some(token) = given_or(&self.token, "INVOKEAI_TOKEN")? {
            profile.token = Some(token);
        }
        self.add_to(&mut profile)?;
        if let (Some(name), true) = (&name, profile.basic_auth.as_ref().is_some_and(|pair| !pair.contains(':'))) {
            return Err(Failure::other(format!("profile `{name}`: `basic_auth` is not `USER:PASSWORD`")));
        }
        Ok(Server { name, profile })
    }

    /// Puts the headers of the command line in the place of those of the profile with the same names.
    fn add_to(&self, profile: &mut Profile) -> Result<(), Failure> {
        let mut given = Vec::new();
        for header in &self.headers {
            // The value may be a secret.
            let Some((name, value)) = header.split_once(':') else {
                return Err(Failure::other("--header takes `NAME: VALUE`; this one has no `:`"));
            };
            given.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let pair = given_or(&self.basic_auth, "INVOKEAI_BASIC_AUTH")?;
        if pair.as_ref().is_some_and(|pair| !pair.contains(':')) {
            return Err(Failure::other("--basic-auth takes `USER:PASSWORD`; this one has no `:`"));
        }
        // The user and password of a proxy are a header, too.
        let is_authorization = |name: &str| name.eq_ignore_ascii_case("authorization");
        profile.headers.retain(|(saved, _)| {
            let is_given = given.iter().any(|(name, _)| name.eq_ignore_ascii_case(saved));
            !is_given && (pair.is_none() || !is_authorization(saved))
        });
        if pair.is_some() || given.iter().any(|(name, _)| is_authorization(name)) {
            profile.basic_auth = pair;
        }
        profile.headers.append(&mut given);
        Ok(())
    }
}

/// What the command line gives, otherwise an environment variable.
fn given_or(given: &Option<String>, variable_name: &str) -> Result<Option<String>, Failure> {
    match given {
        Some(given) => Ok(Some(given.clone())),
        None => variable(variable_name),
    }
}

/// An environment variable; an empty one counts as unset. One that cannot be read must not: without it, this program
/// would act on another server, or as another user.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        // It may be a secret.
        Err(env::VarError::NotUnicode(_)) => Err(Failure::other(format!("{name} is not UTF-8 text"))),
    }
}

/// An address without a password before its `@` and without a query.
pub(crate) fn shown(url: &str) -> &str {
    url.rsplit('@').next().and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[&str], basic_auth: Option<&str>, saved: Profile) -> Profile {
        let mut profile = saved;
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        let basic_auth = basic_auth.map(str::to_owned);
        let args = ServerArgs { servers: Vec::new(), token: None, profile: None, headers, basic_auth };
        args.add_to(&mut profile).expect("headers");
        profile
    }

    #[test]
    fn headers_that_are_given_again_replace_the_saved_ones() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut saved = Profile::new("http://127.0.0.1:9090".to_owned());
        saved.headers = vec![header("X-Gate", "one"), header("Authorization", "Basic a"), header("X-Other", "o")];
        let new = with(&["x-gate: two", "x-gate: three"], None, saved.clone());
        let (gates, other) = ([header("x-gate", "two"), header("x-gate", "three")], header("X-Other", "o"));
        assert_eq!(new.headers, [[header("Authorization", "Basic a"), other.clone()], gates.clone()].concat());
        let new = with(&["x-gate: two"], Some("u:p"), saved);
        assert_eq!((&new.headers[..], new.basic_auth.as_deref()), (&[other, gates[0].clone()][..], Some("u:p")));
        let new = with(&["authorization: Basic b"], None, new);
        assert_eq!((new.headers.len(), new.basic_auth), (3, None));
    }
}
