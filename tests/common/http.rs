//! HTTP clients of the tests' own.

use std::sync::Once;

/// A client to be finished. It has the cryptography that this crate has, too: reqwest's own choice is a C library, which would be
/// built for tests alone. And it trusts nobody: reading the certificates of the system takes longer than most requests, and
/// tests that speak TLS say whom to trust.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // One that somebody else installed will do as well.
        _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().tls_certs_only([])
}

pub(crate) fn client() -> reqwest::Client {
    builder().build().unwrap()
}
