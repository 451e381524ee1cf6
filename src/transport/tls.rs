//! The TLS of the HTTP clients that this crate makes.

#[cfg(feature = "rustls")]
use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::ClientBuilder;
#[cfg(feature = "rustls")]
use {rustls::crypto::CryptoProvider, rustls_platform_verifier::Verifier};

use crate::error::Result;

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
    static RING: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| rustls::crypto::ring::default_provider().into());
    let provider = CryptoProvider::get_default().unwrap_or(&RING);
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| Ok(builder.dangerous().with_custom_certificate_verifier(verifier(provider)?)))
        .map_err(|error| crate::error::Error::invalid("http client", error.to_string()))?
        .with_no_client_auth();
    // WebSockets are opened over HTTP/1.1, which is all that InvokeAI's own server speaks.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// How long clients that are made use the certificates that the first of them read.
#[cfg(feature = "rustls")]
const FRESH: Duration = Duration::from_secs(60);

/// Checks certificates as the platform does.
///
/// On Linux it reads all certificates of the system, which takes longer than the rest of a client. So clients that are
/// made within a minute share it, and a program that runs for long still sees what has changed on the system.
#[cfg(feature = "rustls")]
fn verifier(provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, rustls::Error> {
    struct Last {
        read: Instant,
        provider: Arc<CryptoProvider>,
        verifier: Arc<Verifier>,
    }
    static LAST: Mutex<Option<Last>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = &*last
        && last.read.elapsed() < FRESH
        && Arc::ptr_eq(&last.provider, provider)
    {
        return Ok(Arc::clone(&last.verifier));
    }
    let verifier = Arc::new(Verifier::new(Arc::clone(provider))?);
    *last = Some(Last { read: Instant::now(), provider: Arc::clone(provider), verifier: Arc::clone(&verifier) });
    Ok(verifier)
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::*;

    #[test]
    fn clients_made_at_once_share_the_certificates_and_those_with_other_cryptography_do_not() {
        let [one, other] = [(); 2].map(|()| Arc::new(rustls::crypto::ring::default_provider()));
        // Another test may make a client in between: then they are read again.
        let shared = (0..100).any(|_| Arc::ptr_eq(&verifier(&one).unwrap(), &verifier(&one).unwrap()));
        assert!(shared);
        assert!(!Arc::ptr_eq(&verifier(&one).unwrap(), &verifier(&other).unwrap()));
    }
}
