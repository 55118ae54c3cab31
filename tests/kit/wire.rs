//! HTTP/1.1 by hand, at either end of a connection, for what no HTTP library can be made to do.

use std::net::SocketAddr;
use std::pin::Pin;

use anyhow::{Context, Result, bail};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::pods::{Seen, SeenSoFar};
use crate::wait::within;

/// One end of a connection.
pub struct Wire(BufReader<Box<dyn Io>>);

/// A connection, encrypted or not.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A pod at work on one connection, until it is over.
pub type Serving = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

impl Wire {
    pub fn new(stream: impl Io + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    pub async fn to(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.0.write_all(bytes.as_ref()).await?)
    }

    /// The next `size` bytes.
    pub async fn read(&mut self, size: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        within("bytes", self.0.read_exact(&mut bytes)).await?;
        Ok(bytes)
    }

    /// The head of the next request, which is noted in `seen`. Its body is yet to be read.
    pub async fn request(&mut self, seen: &SeenSoFar) -> Result<Seen> {
        let (line, headers) = self.head().await?;
        let mut words = line.split(' ');
        let (method, uri) = (words.next().context("a method")?, words.next().context("a path")?);
        let (method, uri) = (method.parse()?, uri.parse()?);
        let request = Seen { method, uri, headers, body: Vec::new() };
        seen.lock().unwrap().push(request.clone());
        Ok(request)
    }

    /// The head of the next response.
    pub async fn response(&mut self) -> Result<(StatusCode, HeaderMap)> {
        let (line, headers) = within("a response", self.head()).await?;
        let status = line.split(' ').nth(1).context("a status")?;
        Ok((status.parse()?, headers))
    }

    /// The body that goes with a head that came, if its length is known.
    pub async fn body(&mut self, headers: &HeaderMap) -> Result<Vec<u8>> {
        let length = headers.get("content-length").context("a length")?;
        self.read(length.to_str()?.parse()?).await
    }

    /// The first line and the headers of the next message.
    async fn head(&mut self) -> Result<(String, HeaderMap)> {
        let first = self.line().await?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            let name = HeaderName::from_bytes(name.as_bytes())?;
            headers.append(name, HeaderValue::from_str(value.trim())?);
        }
        Ok((first, headers))
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            bail!("the connection ended");
        }
        Ok(line.trim_end().to_owned())
    }
}
