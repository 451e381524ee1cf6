//! Which server to talk to.

use clap::Args;
use invokeai_client::{Client, ClientBuilder, Result};

/// The server, for commands that need one
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// Address of the server
    #[arg(
        long,
        global = true,
        help_heading = "Server",
        value_name = "URL",
        env = "INVOKEAI_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:9090"
    )]
    server: String,
    /// Bearer token, for servers with users
    #[arg(
        long,
        global = true,
        help_heading = "Server",
        value_name = "TOKEN",
        env = "INVOKEAI_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
}

impl ServerArgs {
    pub(crate) fn client(&self) -> Result<Client> {
        self.client_with(|builder| builder)
    }

    /// A client with something more to it.
    pub(crate) fn client_with(&self, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client> {
        let mut builder = more(Client::builder(&self.server));
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        builder.build()
    }
}
