//! The TLS of the HTTP clients that this crate makes.

#[cfg(feature = "rustls")]
use std::{
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use reqwest::ClientBuilder;
#[cfg(feature = "rustls")]
use {
    rustls::{
        DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::CryptoProvider,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
    rustls_platform_verifier::Verifier,
};

use crate::error::Result;

/// Two HTTP clients to be finished.
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
    let verifier = Arc::new(OnFirstUse { provider: Arc::clone(provider), verifier: OnceLock::new() });
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| crate::error::Error::invalid("http client", error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // WebSockets are opened over HTTP/1.1, which is all that InvokeAI's own server speaks.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Checks certificates as the platform does.
///
/// On Linux that takes reading all certificates of the system, which takes longer than everything else in a client. It
/// is done when a server shows a certificate: most servers do not encrypt, and a container may have no certificates.
#[cfg(feature = "rustls")]
#[derive(Debug)]
struct OnFirstUse {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Arc<Verifier>>,
}

#[cfg(feature = "rustls")]
impl OnFirstUse {
    fn verifier(&self) -> Result<&Verifier, rustls::Error> {
        if let Some(verifier) = self.verifier.get() {
            return Ok(verifier);
        }
        let verifier = verifier(&self.provider, Instant::now())?;
        Ok(self.verifier.get_or_init(|| verifier))
    }
}

#[cfg(feature = "rustls")]
impl ServerCertVerifier for OnFirstUse {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How long clients that need certificates use those that the first of them read.
#[cfg(feature = "rustls")]
const FRESH: Duration = Duration::from_secs(60);

/// The platform's verifier. Clients that need it within a minute share it, and one that is made later sees what has
/// changed on the system.
#[cfg(feature = "rustls")]
fn verifier(provider: &Arc<CryptoProvider>, now: Instant) -> Result<Arc<Verifier>, rustls::Error> {
    struct Last {
        read: Instant,
        provider: Arc<CryptoProvider>,
        verifier: Arc<Verifier>,
    }
    static LAST: Mutex<Option<Last>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = &*last
        && now.saturating_duration_since(last.read) < FRESH
        && Arc::ptr_eq(&last.provider, provider)
    {
        return Ok(Arc::clone(&last.verifier));
    }
    let verifier = Arc::new(Verifier::new(Arc::clone(provider))?);
    *last = Some(Last { read: now, provider: Arc::clone(provider), verifier: Arc::clone(&verifier) });
    Ok(verifier)
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_shared_for_a_minute_by_clients_with_the_same_cryptography() {
        let [one, other] = [(); 2].map(|()| Arc::new(rustls::crypto::ring::default_provider()));
        let now = Instant::now();
        let read = |provider, seconds| verifier(provider, now + Duration::from_secs(seconds)).unwrap();
        // Another test may read them in between: then they are read again.
        let shared = (0..100).any(|_| Arc::ptr_eq(&read(&one, 0), &read(&one, 59)));
        assert!(shared);
        assert!(!Arc::ptr_eq(&read(&one, 0), &read(&other, 0)));
        assert!(!Arc::ptr_eq(&read(&one, 0), &read(&one, 60)));
    }
}
