//! TCP links that can be told to fail, and one that spreads connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dns::any_port;

/// What a link does with connections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Forwards them.
    Open,
    /// Closes them at once.
    Closed,
    /// Takes what comes and answers nothing, until the mode changes; then forwards what came.
    Held,
    /// Answers every request with these bytes, and closes.
    Answers(Vec<u8>),
}

/// A link between Envoy and a store.
pub struct Link {
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    server: JoinHandle<()>,
}

impl Link {
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(any_port()).await?;
        let address = listener.local_addr()?;
        let (mode, watched) = watch::channel(Mode::Open);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, target, watched.clone()));
            }
        });
        Ok(Self { address, mode, server })
    }

    /// Changes what happens to connections from now on. Open ones end, unless they were held.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(mut stream: TcpStream, target: SocketAddr, mut watched: watch::Receiver<Mode>) {
    let mode = watched.borrow_and_update().clone();
    match mode {
        Mode::Open => forward(stream, target, watched).await,
        Mode::Closed => {}
        Mode::Held => {
            let _ = watched.changed().await;
            forward(stream, target, watched).await;
        }
        Mode::Answers(bytes) => {
            let mut request = [0; 4096];
            while !matches!(stream.read(&mut request).await, Ok(0) | Err(_)) {
                if stream.write_all(&bytes).await.is_err() || bytes.is_empty() {
                    return;
                }
                let _ = stream.shutdown().await;
            }
        }
    }
}

async fn forward(mut stream: TcpStream, target: SocketAddr, mut watched: watch::Receiver<Mode>) {
    let Ok(mut upstream) = TcpStream::connect(target).await else { return };
    let _ = (stream.set_nodelay(true), upstream.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut upstream) => {}
        _ = watched.changed() => {}
    }
}

/// Spreads connections over what is behind it, in turn.
pub struct Balancer {
    pub address: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    server: JoinHandle<()>,
}

impl Balancer {
    pub async fn over(targets: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind(any_port()).await?;
        let address = listener.local_addr()?;
        let targets = Arc::new(Mutex::new(targets));
        let next = AtomicUsize::new(0);
        let server = tokio::spawn({
            let targets = targets.clone();
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let target = {
                        let targets = targets.lock().unwrap();
                        targets[next.fetch_add(1, Ordering::Relaxed) % targets.len()]
                    };
                    tokio::spawn(async move {
                        if let Ok(mut upstream) = TcpStream::connect(target).await {
                            let _ = (stream.set_nodelay(true), upstream.set_nodelay(true));
                            let _ = copy_bidirectional(&mut stream, &mut upstream).await;
                        }
                    });
                }
            }
        });
        Ok(Self { address, targets, server })
    }

    /// Puts another in the place of one that is behind it.
    pub fn replace(&self, old: SocketAddr, new: SocketAddr) {
        let mut targets = self.targets.lock().unwrap();
        targets.iter_mut().filter(|target| **target == old).for_each(|target| *target = new);
    }

    /// Leaves one out.
    pub fn set(&self, targets: Vec<SocketAddr>) {
        *self.targets.lock().unwrap() = targets;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.server.abort();
    }
}
