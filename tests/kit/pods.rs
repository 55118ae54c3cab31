//! Pods: MCP servers with sessions in their own memory, each on a loopback address of its own and
//! all on one port, as the pods of a StatefulSet are.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::ListenerExt;
use http::{HeaderMap, Method, Uri};
use http_body_util::BodyExt;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CustomNotification, ProtocolVersion, ServerCapabilities, ServerConfig, ServerNotification,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::STATEFUL_SET;
use crate::dns::pod_ip;
use crate::tls::Tls;
use crate::wait::until;
use crate::wire::{Serving, Wire};
use crate::{dialects, sse};

/// What runs in the pods.
#[derive(Clone, Copy)]
pub enum App {
    /// MCP servers with sessions. They accept any `Host`.
    Stateful,
    /// MCP servers with sessions that accept only this `Host`, as SDKs do by default against DNS
    /// rebinding.
    StatefulFor(&'static str),
    /// MCP servers without sessions.
    Stateless,
    /// MCP servers with sessions that say in many ways that they do not know one.
    Dialects,
    /// Servers of HTTP+SSE.
    Sse,
    /// Answers that no real server can be made to give.
    Script(fn(&Seen) -> http::Response<String>),
    /// What this makes of the ordinal, anew for each start of a pod.
    Made(fn(usize) -> Router),
    /// Whatever is said on each connection, byte for byte.
    Wire(fn(Wire, SeenSoFar) -> Serving),
}

/// A StatefulSet.
pub struct Pods {
    pub port: u16,
    app: App,
    tls: Option<Tls>,
    pods: Vec<Pod>,
}

/// A runtime of its own, so that all of a pod can be ended at once: its listener, its connections
/// and what it has in memory.
struct Pod {
    runtime: Option<Runtime>,
    /// Keeps its port from whoever asks for a free one while it is stopped. It refuses connections.
    held: Option<TcpSocket>,
    address: SocketAddr,
    seen: SeenSoFar,
    trouble: Arc<Mutex<Trouble>>,
}

/// What is wrong with a pod that runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trouble {
    #[default]
    None,
    /// Each request waits so long before it is served.
    Slow(Duration),
    /// Each request is answered 500.
    Errors,
}

/// What a pod has seen.
pub type SeenSoFar = Arc<Mutex<Vec<Seen>>>;

/// A request as a pod saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Pods {
    /// Starts `replicas` pods, on a port that is free if none is named.
    pub fn start(replicas: usize, port: Option<u16>, app: App) -> Result<Self> {
        Self::start_with(replicas, port, app, None)
    }

    /// The same with pods that speak TLS.
    pub fn start_with(
        replicas: usize,
        port: Option<u16>,
        app: App,
        tls: Option<Tls>,
    ) -> Result<Self> {
        let listeners = listen(replicas, port)?;
        let port = listeners.first().context("no replicas")?.local_addr()?.port();
        let mut pods = Self { port, app, tls, pods: Vec::new() };
        for listener in listeners {
            let pod = pods.run(listener, pods.pods.len(), Arc::default())?;
            pods.pods.push(pod);
        }
        Ok(pods)
    }

    fn run(&self, listener: TcpListener, ordinal: usize, seen: SeenSoFar) -> Result<Pod> {
        Pod::run(listener, self.app, ordinal, seen, self.tls.clone())
    }

    /// The TLS that they speak.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Starts one more pod, on another address. Fails if the port is taken there.
    pub fn add(&mut self, ip: IpAddr) -> Result<()> {
        let listener = TcpListener::bind((ip, self.port))?;
        let pod = self.run(listener, self.pods.len(), Arc::default())?;
        self.pods.push(pod);
        Ok(())
    }

    /// Starts a pod again on the same address, without anything it had in memory.
    pub fn start_again(&mut self, ordinal: usize) -> Result<()> {
        self.start_again_at(ordinal, pod_ip(ordinal))
    }

    /// The same on another address, as Kubernetes does.
    pub fn start_again_at(&mut self, ordinal: usize, ip: Ipv4Addr) -> Result<()> {
        let listener = TcpListener::bind((ip, self.port))?;
        let seen = self.pods[ordinal].seen.clone();
        self.pods[ordinal] = self.run(listener, ordinal, seen)?;
        Ok(())
    }

    /// Starts a pod again that speaks no TLS.
    pub fn start_again_plain(&mut self, ordinal: usize) -> Result<()> {
        let tls = self.tls.take();
        let started = self.start_again(ordinal);
        self.tls = tls;
        started
    }

    /// Makes something wrong with a pod, until it is started again.
    pub fn trouble(&self, ordinal: usize, trouble: Trouble) {
        *self.pods[ordinal].trouble.lock().unwrap() = trouble;
    }

    /// Stops a pod; its connections have ended when this returns.
    pub async fn stop(&mut self, ordinal: usize) {
        if let Some(runtime) = self.pods[ordinal].runtime.take() {
            // It must not end within another.
            let ended = tokio::task::spawn_blocking(|| drop(runtime));
            ended.await.expect("the pod ends");
            let pod = &mut self.pods[ordinal];
            let address = pod.address;
            // A process that another thread starts has what was open here until it runs its own program.
            pod.held = Some(until("the address to be free", || async { hold(address).ok() }).await);
        }
    }

    /// What the pods have seen since this was last asked, each with the ordinal of the pod.
    pub fn take_seen(&self) -> Vec<(usize, Seen)> {
        let each = self.pods.iter().enumerate();
        each.flat_map(|(ordinal, pod)| {
            std::mem::take(&mut *pod.seen.lock().unwrap()).into_iter().map(move |s| (ordinal, s))
        })
        .collect()
    }
}

impl Pod {
    fn run(
        listener: TcpListener,
        app: App,
        ordinal: usize,
        seen: SeenSoFar,
        tls: Option<Tls>,
    ) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (noting, trouble) = (seen.clone(), Arc::<Mutex<Trouble>>::default());
        let serve = {
            let trouble = trouble.clone();
            move || {
                noted(app.serve(ordinal), noting.clone())
                    .layer(from_fn_with_state(trouble, be_troubled))
            }
        };
        let noting = seen.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            if let Some(tls) = tls {
                let _ = axum::serve(tls.listen(listener), serve()).await;
                return;
            }
            // Else the kernel holds small events back until the last one was acknowledged.
            let mut listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            // Ends with the runtime, never by itself.
            if let App::Wire(serve) = app {
                loop {
                    let (stream, _) = axum::serve::Listener::accept(&mut listener).await;
                    // An error is the end of the connection.
                    tokio::spawn(serve(Wire::new(stream), noting.clone()));
                }
            }
            let _ = axum::serve(listener, serve()).await;
        });
        Ok(Self { runtime: Some(runtime), held: None, address, seen, trouble })
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Takes an address without listening there. Whoever asks for it by name still gets it.
fn hold(address: SocketAddr) -> Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A port that is free on the addresses of so many pods.
pub fn free_port(pods: usize) -> Result<u16> {
    let listeners = listen(pods, None)?;
    Ok(listeners.first().context("no pods")?.local_addr()?.port())
}

/// One port that is free on every pod's address.
fn listen(replicas: usize, port: Option<u16>) -> Result<Vec<TcpListener>> {
    'attempt: for _ in 0..100 {
        let mut listeners = Vec::new();
        let mut shared = port.unwrap_or(0);
        for ordinal in 0..replicas {
            let address = SocketAddr::from((pod_ip(ordinal), shared));
            match TcpListener::bind(address) {
                Ok(listener) => {
                    shared = listener.local_addr()?.port();
                    listeners.push(listener);
                }
                Err(_) if port.is_none() => continue 'attempt,
                Err(error) => {
                    return Err(error).context(format!("no pod can listen on {address}"));
                }
            }
        }
        return Ok(listeners);
    }
    bail!("no port is free on all of {} and the next {replicas}", pod_ip(0))
}

async fn be_troubled(
    State(trouble): State<Arc<Mutex<Trouble>>>,
    request: Request,
    next: Next,
) -> Response {
    let trouble = *trouble.lock().unwrap();
    match trouble {
        Trouble::None => next.run(request).await,
        Trouble::Slow(time) => {
            tokio::time::sleep(time).await;
            next.run(request).await
        }
        Trouble::Errors => {
            let response = Response::builder().status(500);
            response.body(Body::from("out of order")).expect("a response")
        }
    }
}

/// Writes down every request to `app`.
pub fn noted(app: Router, seen: SeenSoFar) -> Router {
    app.layer(from_fn_with_state(seen, note))
}

async fn note(State(seen): State<SeenSoFar>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    seen.lock().unwrap().push(Seen {
        method: head.method.clone(),
        uri: head.uri.clone(),
        headers: head.headers.clone(),
        body: body.to_vec(),
    });
    next.run(Request::from_parts(head, Body::from(body))).await
}

impl App {
    /// The server of one pod.
    pub fn serve(self, ordinal: usize) -> Router {
        let config = StreamableHttpServerConfig::default();
        let config = match self {
            Self::Stateful => config.disable_allowed_hosts(),
            Self::StatefulFor(host) => config.with_allowed_hosts([host]),
            Self::Stateless => config.disable_allowed_hosts().with_legacy_session_mode(false),
            Self::Dialects => return dialects::serve(),
            Self::Sse => return sse::serve(),
            Self::Made(serve) => return serve(ordinal),
            Self::Wire(_) => panic!("a pod that speaks byte for byte has no router"),
            Self::Script(response) => {
                return Router::new().fallback(async move |request: Request| {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes());
                    response(&Seen {
                        method: head.method,
                        uri: head.uri,
                        headers: head.headers,
                        body: body.unwrap_or_default().to_vec(),
                    })
                });
            }
        };
        let service = StreamableHttpService::new(
            move || Ok(Server::new(ordinal)),
            Arc::<LocalSessionManager>::default(),
            config,
        );
        Router::new().fallback_service(service)
    }
}

/// An MCP server that counts within a session.
#[derive(Clone)]
struct Server {
    pod: String,
    count: Arc<AtomicU32>,
    #[expect(dead_code, reason = "the SDK's macro reads it")]
    tool_router: ToolRouter<Self>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[tool_router]
impl Server {
    fn new(ordinal: usize) -> Self {
        Self {
            pod: format!("{STATEFUL_SET}-{ordinal}"),
            count: Arc::default(),
            tool_router: Self::tool_router(),
        }
    }

    #[tool(description = "Counts the calls of this session: 1, 2, 3 and so on")]
    fn count(&self) -> String {
        (self.count.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    #[tool(description = "Tells the name of the pod that holds this session")]
    fn whoami(&self) -> String {
        self.pod.clone()
    }

    #[tool(description = "Sends a notification with this text on the session's GET stream")]
    async fn notify(
        &self,
        Parameters(Text { text }): Parameters<Text>,
        context: RequestContext<RoleServer>,
    ) -> String {
        let params = serde_json::json!({"text": text});
        let notification = CustomNotification::new("notifications/podpin", Some(params));
        let notification = ServerNotification::CustomNotification(notification);
        match context.peer.send_notification(notification).await {
            Ok(()) => "sent".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

#[tool_handler]
impl ServerHandler for Server {
    /// Those with sessions, so that a client which knows a later one opens a session all the same.
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25).into()
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
