//! `invokeai-client login`.

use std::io::{self, IsTerminal as _};

use clap::Args;
use invokeai_client::Client;

use crate::{
    exit::Exit,
    failure::Failure,
    print::{Out, visible},
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export INVOKEAI_TOKEN=$(invokeai-client login you@example.org)
  export INVOKEAI_TOKEN=$(invokeai-client login you@example.org < password-file)

The password is asked for on the terminal, unseen; without one it is the first line of standard input.")]
pub(crate) struct LoginArgs {
    /// Mail address
    email: String,
    /// Make the token last a week instead of a day
    #[arg(long)]
    remember: bool,
}

/// Asks for the password. Not while signals are taken: whoever waits at the prompt can leave as ever.
pub(crate) fn ask(args: &LoginArgs, client: &Client) -> Result<String, Failure> {
    let failed = |error| Failure::other(format!("cannot read the password: {error}"));
    match io::stdin().is_terminal() {
        true => {
            let prompt = format!("Password of {} at {}: ", args.email, client.base_url());
            rpassword::prompt_password(visible(&prompt)).map_err(failed)
        }
        false => {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map_err(failed)?;
            Ok(line.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

pub(crate) async fn run(
    args: LoginArgs,
    password: String,
    client: &Client,
    out: &mut Out<'_>,
) -> Result<Exit, Failure> {
    let login = client.auth().login(&args.email, &password, args.remember).await?;
    out.line(login.token.to_string())?;
    Ok(Exit::Done)
}
