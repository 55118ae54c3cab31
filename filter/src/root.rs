//! One configuration of the filter on one worker thread.

use std::rc::Rc;
use std::sync::Arc;

use log::{error, info};
use podpin::config::{Config, Variable};
use podpin::filter::Filter;
use podpin::host::{CallId, CallResponse, ExchangeId, Secret};
use podpin::worker::Worker;
use proxy_wasm::hostcalls as sdk;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType};

use crate::callouts::Callouts;
use crate::envoy::{Envoy, status};
use crate::hostcalls;
use crate::stream::{Refusal, Stream, Waiting};

/// So much of the response to a callout is read, in bytes. A Redis answers with a record, a pod with
/// an answer to `ping`: some hundred bytes. Memory that a module has taken stays taken.
const CALL_RESPONSE_BYTES: usize = 64 * 1024;

/// The root context.
pub(crate) struct Root {
    id: u32,
    callouts: Rc<Callouts>,
    waiting: Waiting,
    running: Option<(Arc<Worker>, Envoy)>,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            callouts: Rc::new(Callouts::new(id)),
            waiting: Waiting::default(),
            running: None,
        }
    }

    fn start(&mut self, config: Config) -> bool {
        let Ok(mut envoy) = Envoy::new(self.id, self.callouts.clone(), &config.served.scope) else {
            error!("Envoy does not let metrics be defined");
            return false;
        };
        let version = env!("CARGO_PKG_VERSION");
        info!("version {version} serves {} by {}", config.served.scope.label(), config.steering);
        let worker = Worker::start(config, &mut envoy);
        let ticking = sdk::set_tick_period(worker.tick_period()).is_ok();
        self.running = Some((worker, envoy));
        ticking
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        let _here = self.callouts.in_root();
        let Some((worker, envoy)) = &mut self.running else { return };
        let status = status(MapType::HttpCallResponseHeaders);
        let size = body_size.min(CALL_RESPONSE_BYTES);
        let response = CallResponse {
            status,
            is_from_server: is_from_server(status),
            body: hostcalls::buffer(BufferType::HttpCallResponseBody, size).unwrap_or_default(),
        };
        let wakes = worker.on_call_response(envoy, CallId(token.into()), &response);
        self.waiting.wake_all(wakes);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let callouts = self.callouts.clone();
        let _here = callouts.in_root();
        follow_log_level();
        let bytes = hostcalls::buffer(BufferType::PluginConfiguration, usize::MAX);
        match Config::parse(&bytes.unwrap_or_default(), &variable) {
            Ok(config) => self.start(config),
            Err(mistakes) => {
                error!("configuration refused: {mistakes}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let _here = self.callouts.in_root();
        follow_log_level();
        if let Some((worker, envoy)) = &mut self.running {
            let wakes = worker.tick(envoy);
            self.waiting.wake_all(wakes);
        }
    }

    /// Envoy never calls this: there is no queue. [`Callouts`] does.
    fn on_queue_ready(&mut self, _: u32) {
        self.callouts.send();
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let Some((worker, envoy)) = &self.running else { return Some(Box::new(Refusal)) };
        let filter = Filter::new(ExchangeId(id.into()), worker.clone());
        Some(Box::new(Stream::new(id, filter, envoy.for_stream(id), self.waiting.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// What Envoy lets through of its environment (`vm_config.environment_variables`).
fn variable(name: &str) -> Variable {
    match std::env::var(name) {
        Ok(text) => Variable::Is(Secret(text)),
        Err(_) => Variable::Missing,
    }
}

/// Whether a server has answered the callout at hand. What Envoy says in a server's place lacks the header
/// that it adds to what servers say (Envoy, "HTTP header manipulation").
fn is_from_server(status: u16) -> bool {
    let says_how_long =
        || hostcalls::header(MapType::HttpCallResponseHeaders, "x-envoy-upstream-service-time");
    match status {
        0 => false,
        503 | 504 => says_how_long().is_some(),
        _ => true,
    }
}

/// Logs what Envoy logs, also after its level was changed through the admin interface.
fn follow_log_level() {
    if let Ok(level) = sdk::get_log_level() {
        proxy_wasm::set_log_level(level);
    }
}
