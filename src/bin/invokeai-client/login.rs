//! `invokeai-client login`.

use std::io::{self, IsTerminal as _, Write};

use clap::Args;
use invokeai_client::Client;

use crate::Failure;

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

pub(crate) async fn run(args: LoginArgs, client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let password = match io::stdin().is_terminal() {
        true => rpassword::prompt_password(format!("Password of {} at {}: ", args.email, client.base_url()))?,
        false => {
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    let login = client.auth().login(&args.email, &password, args.remember).await?;
    Ok(writeln!(out, "{}", login.token)?)
}
