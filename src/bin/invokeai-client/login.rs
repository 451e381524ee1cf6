//! `invokeai-client login` and `logout`.

use std::io::{self, IsTerminal as _};

use clap::Args;
use invokeai_client::{Client, Error};
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    print::{note, paint, visible},
    profiles::{Profiles, same_server},
    server::{Server, ServerArgs},
    session, style,
    table::Output,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  invokeai-client login you@example.org --server https://pictures.example.org
  invokeai-client login you@example.org --profile work < password-file
  invokeai-client login --server localhost:9090 --profile home     a server without users: keeps the address

The password is asked for on the terminal, unseen; without one it is the first line of standard input. The login is kept
in a file that only you can read, and used from now on for this server.")]
pub(crate) struct LoginArgs {
    /// Email address; not for servers without users
    email: Option<String>,
    /// Make the login last a week instead of a day
    #[arg(long)]
    remember: bool,
}

pub(crate) fn login(args: LoginArgs, server: &ServerArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let Server { name, mut profile } = server.for_login()?;
    let client = profile.builder().build()?;
    let name = name.unwrap_or_else(|| name_for(&client));
    let expires_in = match &args.email {
        Some(email) => {
            let password = ask(email, &client)?;
            let login =
                session::run(&client, async { Ok(client.auth().login(email, &password, args.remember).await?) })?;
            profile.user = Some(login.user.email);
            profile.token = Some(login.token);
            Some(login.expires_in)
        }
        None => {
            let status = session::run(&client, async { Ok(client.auth().status().await?) })?;
            if status.multiuser_enabled {
                let problem =
                    format!("{} has users: give your email address, `login YOU@EXAMPLE.ORG`", client.base_url());
                return Err(Failure::other(problem));
            }
            None
        }
    };
    profile.server = client.base_url().to_string();
    let shown = (profile.server.clone(), profile.user.clone());
    Profiles::change(|profiles| {
        profiles.store(name.clone(), profile);
        profiles.use_from_now_on(&name);
        Ok(())
    })?;
    let (url, user) = shown;
    if output.json {
        output.out.json(&json!({ "profile": name, "server": url, "user": user, "expires_in": expires_in }))?;
        return Ok(Exit::Done);
    }
    match (user, expires_in) {
        (Some(user), Some(seconds)) => {
            let hours = seconds / 3600;
            output.out.line(format!("logged in to {url} as {user} for {hours} hours; saved as profile {name}"))?;
        }
        _ => output.out.line(format!("{url} has no users; saved as profile {name}"))?,
    }
    Ok(Exit::Done)
}

pub(crate) fn logout(server: &ServerArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let profiles = Profiles::load()?;
    let Server { name, mut profile } = server.resolve(&profiles)?;
    let url = same_server(&profile.server).unwrap_or_default();
    // The saved token, whatever other one is used otherwise.
    let saved = name.as_deref().and_then(|name| profiles.get(name)?.token.clone());
    let Some((name, token)) = name.zip(saved) else {
        return Err(Failure::other(format!("there is no login for {url} to forget")));
    };
    profile.token = Some(token);
    let client = profile.builder().build()?;
    Profiles::change(|profiles| Ok(profiles.forget_login(&name)))?;
    // It is forgotten here whatever the server says.
    let told = session::run(&client, async {
        match client.auth().logout().await {
            Ok(()) | Err(Error::Unauthorized(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    if let Err(error) = told {
        let what = format!(" the login is forgotten here, but {url} could not be informed: {error}");
        note(paint(style::WARNING, "warning:").then(what));
    }
    output.done("logged out", &name)?;
    Ok(Exit::Done)
}

/// Host, port and path of the server.
fn name_for(client: &Client) -> String {
    let url = client.base_url();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path().trim_end_matches('/'))
}

/// Asks for the password. Not while this program handles signals: at the prompt, Ctrl-C ends it as usual.
fn ask(email: &str, client: &Client) -> Result<String, Failure> {
    let failed = |error| Failure::other(format!("cannot read the password: {error}"));
    match io::stdin().is_terminal() {
        true => {
            let prompt = format!("Password of {email} at {}: ", client.base_url());
            rpassword::prompt_password(visible(&prompt)).map_err(failed)
        }
        false => {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map_err(failed)?;
            Ok(line.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}
