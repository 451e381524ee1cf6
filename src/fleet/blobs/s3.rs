//! Files in S3, or in what speaks like it. Keys, region and address are where the tools of S3 look for them: in `AWS_…`.

use std::{sync::Arc, time::Duration};

use object_store::{
    ClientOptions, Error as StoreError, PutMode, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    client::{HttpClient, HttpConnector},
    path::Path,
};

use super::{Blobs, failed};
use crate::{
    error::{Error, Result},
    transport::http_builders,
};

/// How long a connection may take, and how long a transfer may stand still.
const CONNECT: Duration = Duration::from_secs(10);
const STILL: Duration = Duration::from_secs(30);

/// How long one call goes on trying. Workers try again after that; whoever waits for a command wants to know.
const TRYING: Duration = Duration::from_secs(20);

/// Opens `s3://BUCKET/PREFIX`. Nothing is sent.
pub(super) fn open(url: &url::Url) -> Result<Blobs> {
    let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| Error::invalid("files", "names no bucket; expected s3://BUCKET/PREFIX"))?;
    let retries = RetryConfig { max_retries: 3, retry_timeout: TRYING, ..RetryConfig::default() };
    let builder =
        AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries).with_http_connector(Connector);
    let is_plain = |key| builder.get_config_value(&key).is_some_and(|endpoint| endpoint.starts_with("http://"));
    let is_plain = is_plain(AmazonS3ConfigKey::Endpoint) || is_plain(AmazonS3ConfigKey::S3Endpoint);
    if is_plain && !std::env::var("AWS_ALLOW_HTTP").is_ok_and(|allow| allow == "true") {
        let problem = "is at an address without encryption (AWS_ENDPOINT_URL); AWS_ALLOW_HTTP=true allows that";
        return Err(Error::invalid("files", problem));
    }
    let store = builder.build().map_err(|error| failed("open", &error))?;
    let below = Path::from_url_path(url.path()).map_err(|error| Error::invalid("files", error.to_string()))?;
    // Not all that speak like S3 know how to refuse what is there already; of one content, the second is as good.
    Ok(Blobs { store: Arc::new(store), below, mode: PutMode::Overwrite })
}

/// HTTP clients with the TLS of this crate.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let made = || -> std::result::Result<_, Box<dyn std::error::Error + Send + Sync>> {
            let [builder, _] = http_builders()?;
            let agent = concat!("invokeai-client/", env!("CARGO_PKG_VERSION"));
            Ok(builder.connect_timeout(CONNECT).read_timeout(STILL).user_agent(agent).build()?)
        };
        made().map(HttpClient::new).map_err(|source| StoreError::Generic { store: "S3", source })
    }
}
