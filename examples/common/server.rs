//! The server that an example talks to: the one named on the command line, otherwise one inside the example itself.

use std::{env, error::Error, time::Duration};

use invokeai_client::testing::TestServer;

/// A server with its address. An embedded one stops when this is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    /// The command line without the server.
    #[allow(dead_code, reason = "not every example takes arguments")]
    pub(crate) arguments: Vec<String>,
    _embedded: Option<TestServer>,
}

impl Server {
    /// The server of `--server URL`, otherwise that of `INVOKEAI_URL`, otherwise an embedded one. Prints which.
    pub(crate) fn find() -> Result<Self, Box<dyn Error>> {
        let mut named = env::var("INVOKEAI_URL").ok();
        let mut arguments = Vec::new();
        let mut given = env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--server" => named = Some(given.next().ok_or("--server needs an address")?),
                _ => arguments.push(argument),
            }
        }
        if let Some(url) = named {
            println!("Server: {url}");
            return Ok(Self { url, arguments, _embedded: None });
        }
        // Slow enough to be watched.
        let embedded = TestServer::builder().step_time(Duration::from_millis(60)).start()?;
        let url = embedded.url().to_owned();
        println!("Server: embedded, at {url}. It only simulates models; --server URL names a real one.");
        Ok(Self { url, arguments, _embedded: Some(embedded) })
    }
}
