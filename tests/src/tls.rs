//! TLS in front of a server that has none, with certificates that are made for the run; it wants a client's where it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::records::unique;

/// Who signs certificates.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Signed {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// Makes one that nobody knows yet.
    ///
    /// # Errors
    /// No key can be made.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, unique("authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        Ok(Self { certificate: params.self_signed(&key)?, issuer: Issuer::new(params, key) })
    }

    /// Its certificate, in PEM form.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Signs a certificate for a name or an address, of a server or a client.
    ///
    /// # Errors
    /// No key can be made.
    pub fn sign(&self, name: &str) -> Result<Signed> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        Ok(Signed { certificate: params.signed_by(&key, &self.issuer)?, key })
    }
}

impl Signed {
    /// The certificate, in PEM form.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its key, in PEM form.
    #[must_use]
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }
}

/// A server's TLS. It ends with its owner.
pub struct Tls {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Tls {
    /// Ends TLS in front of `behind`, as the server of a certificate; where there are `clients`, for those only who have a certificate of
    /// this authority.
    ///
    /// # Errors
    /// No port is free, or the certificates are of no use.
    pub fn start(behind: &str, server: &Signed, clients: Option<&Authority>) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.der().clone())?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(server.key.serialize_der()).map_err(|error| anyhow::anyhow!("{error}"))?;
        let config = config.with_single_cert(vec![server.certificate.der().clone()], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("tls").enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("a free port")?;
        let (address, behind) = (listener.local_addr()?, behind.to_owned());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // who is not let in has been told by an alert
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let Ok(mut inside) = TcpStream::connect(&behind).await else { return };
                    drop(copy_bidirectional(&mut outside, &mut inside).await);
                });
            }
        });
        Ok(Self { address, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
    }
}
