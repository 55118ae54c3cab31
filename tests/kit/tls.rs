//! TLS of the pods: a certificate for their Service, of an authority made for the occasion.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;

use crate::dns::SERVICE;

/// An authority, and what the pods show of it.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    directory: Arc<TempDir>,
}

/// Shows the certificate only to those who name its server.
#[derive(Debug)]
struct ForService(Arc<CertifiedKey>);

impl ResolvesServerCert for ForService {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        (hello.server_name() == Some(SERVICE)).then(|| self.0.clone())
    }
}

impl Tls {
    /// A certificate for the Service, and its authority in a file.
    pub fn new() -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        // A certificate whose issuer has its own name would count as signed by itself.
        authority.distinguished_name.push(DnType::CommonName, "authority of the pods");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate()?;
        let directory = tempfile::tempdir()?;
        let certificate = authority.self_signed(&authority_key)?;
        std::fs::write(directory.path().join("ca.pem"), certificate.pem())?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority, authority_key);
        let certificate = CertificateParams::new([SERVICE.to_owned()])?.signed_by(&key, &issuer)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(
            tokio_rustls::rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let certified = CertifiedKey::from_der(
            vec![certificate.der().clone()],
            key,
            builder.crypto_provider(),
        )?;
        let config = builder.with_cert_resolver(Arc::new(ForService(Arc::new(certified))));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, directory: Arc::new(directory) })
    }

    /// The certificate of the authority, as PEM.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Accepts connections that speak TLS.
    pub fn listen(&self, listener: TcpListener) -> TlsListener {
        let address = listener.local_addr().expect("a listener has an address");
        let (accepted, connections) = mpsc::channel(64);
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                let (accepted, acceptor) = (accepted.clone(), acceptor.clone());
                tokio::spawn(async move {
                    // Whoever fails to shake hands is no connection.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = accepted.send((stream, peer)).await;
                    }
                });
            }
        });
        TlsListener { connections, address }
    }
}

/// Connections on which hands were shaken.
pub struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}
