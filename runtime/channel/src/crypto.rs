//! The one provider of cryptography under TLS.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub(crate) fn crypto() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
