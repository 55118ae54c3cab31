//! Clients that show certificates, as those of a mesh do: each has the name of its workload in it, a SPIFFE ID.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::wire::Wire;

/// What the certificate of Envoy is for.
const SERVER: &str = "mcp.example";

/// The authority of a mesh.
pub struct Peers {
    authority: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Peers {
    /// An authority, and a certificate of Envoy's in files.
    pub fn new() -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "authority of the mesh");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let (directory, key) = (tempfile::tempdir()?, KeyPair::generate()?);
        let server = CertificateParams::new([SERVER.to_owned()])?.signed_by(&key, &authority)?;
        for (file, text) in [
            ("ca.pem", authority.pem()),
            ("server.pem", server.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            std::fs::write(directory.path().join(file), text)?;
        }
        Ok(Self { authority, directory })
    }

    /// Has a listener of Envoy's demand certificates of this authority.
    pub fn transport_socket(&self) -> Value {
        let file = |name: &str| json!({"filename": self.directory.path().join(name)});
        json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": true,
                "common_tls_context": {
                    "tls_certificates": [
                        {"certificate_chain": file("server.pem"), "private_key": file("server.key")},
                    ],
                    "validation_context": {"trusted_ca": file("ca.pem")},
                },
            },
        })
    }

    /// A connection of the workload with this SPIFFE ID.
    pub async fn connect(&self, address: SocketAddr, workload: &str) -> Result<Wire> {
        let mut client = CertificateParams::new(Vec::new())?;
        client.subject_alt_names.push(SanType::URI(workload.try_into()?));
        let key = KeyPair::generate()?;
        let certificate = client.signed_by(&key, &self.authority)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.der().to_vec()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        let stream = TcpStream::connect(address).await?;
        let server = ServerName::try_from(SERVER)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
        Ok(Wire::new(stream.context("hands are not shaken")?))
    }
}
