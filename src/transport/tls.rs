//! The TLS of the HTTP clients that this crate makes.

use crate::error::Result;
use reqwest::ClientBuilder;

/// Two HTTP clients to be finished. They share the certificates, because reading those takes longer than everything
/// else.
#[cfg(feature = "rustls")]
pub(crate) fn http_builders() -> Result<[ClientBuilder; 2]> {
    let config = config()?;
    Ok([(); 2].map(|()| ClientBuilder::new().tls_backend_preconfigured(config.clone())))
}

/// With whatever TLS the program has chosen for reqwest.
#[cfg(not(feature = "rustls"))]
pub(crate) fn http_builders() -> Result<[ClientBuilder; 2]> {
    Ok([(); 2].map(|()| ClientBuilder::new()))
}

/// Rustls with the certificates of the platform, and with the cryptography that the program has installed. Failing that
/// it is ring, not aws-lc as in reqwest: its C library takes longer to build than all of this crate.
#[cfg(feature = "rustls")]
fn config() -> Result<rustls::ClientConfig> {
    use rustls::crypto::{CryptoProvider, ring};
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| ring::default_provider().into());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|error| crate::error::Error::invalid("http client", error.to_string()))?
        .with_no_client_auth();
    // WebSockets are opened over HTTP/1.1, which is all that InvokeAI's own server speaks.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
