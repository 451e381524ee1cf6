//! `invokeai-client profile`: saved servers and logins.

use clap::Subcommand;
use serde_json::json;

use crate::{exit::Exit, failure::Failure, profiles::Profiles, server::shown, table::Output};

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List all profiles; `*` marks the one in use
    List,
    /// Use this profile whenever none is named
    Use {
        /// Name
        name: String,
    },
    /// Forget profiles and their logins
    Rm {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

pub(crate) fn run(command: ProfileCommand, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        ProfileCommand::List => {
            let profiles = Profiles::load()?;
            let current = profiles.current().map(|(name, _)| name);
            for (name, profile) in profiles.all() {
                let is_current = current == Some(name);
                let user = profile.user.clone();
                let server = shown(&profile.server).to_owned();
                let logged_in = profile.token.is_some();
                let value = json!({
                    "name": name, "server": server, "user": user, "logged_in": logged_in, "current": is_current,
                });
                let mark = if is_current { "*" } else { "" };
                output.row(
                    &value,
                    [1, 24, 36, 0],
                    [mark.to_owned(), name.to_owned(), server, user.unwrap_or_default()],
                )?;
            }
        }
        ProfileCommand::Use { name } => {
            Profiles::change(|profiles| {
                profiles.must_get(&name)?;
                profiles.use_from_now_on(&name);
                Ok(())
            })?;
            output.done("using", &name)?;
        }
        ProfileCommand::Rm { names } => {
            Profiles::change(|profiles| {
                for name in &names {
                    profiles.must_get(name)?;
                }
                names.iter().for_each(|name| profiles.remove(name));
                Ok(())
            })?;
            for name in &names {
                output.done("forgotten", name)?;
            }
        }
    }
    Ok(Exit::Done)
}
