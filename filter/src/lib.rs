//! Podpin inside Envoy: proxy-wasm callbacks in, host calls out, and no decision in between.

#![allow(missing_docs, reason = "the one public item is the SDK's own entry point")]

mod envoy;
mod header_block;

use std::rc::Rc;

use log::{error, info};
use podpin::config::Config;
use podpin::filter::{Filter, Plugin};
use podpin::host::Flow;
use podpin::reply::Reply;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel};

use envoy::Envoy;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// One configuration of the filter on one worker thread.
#[derive(Default)]
struct Root {
    running: Option<(Rc<Plugin>, Envoy)>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        follow_log_level();
        let octets = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX);
        match Config::parse(&octets.ok().flatten().unwrap_or_default()) {
            Ok(config) => {
                let Ok(mut envoy) = Envoy::new() else {
                    error!("Envoy does not let metrics be defined");
                    return false;
                };
                info!("serving {} from {} replicas", config.workload, config.workload.replicas);
                let plugin = Plugin::start(config, &mut envoy);
                self.running = Some((plugin, envoy));
                hostcalls::set_tick_period(Plugin::TICK).is_ok()
            }
            Err(mistakes) => {
                error!("configuration refused: {mistakes}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        follow_log_level();
        if let Some((plugin, envoy)) = &mut self.running {
            plugin.tick(envoy);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.running {
            Some((plugin, envoy)) => {
                Box::new(Stream(Filter::new(id, plugin.clone(), envoy.clone())))
            }
            None => Box::new(Refusal),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Logs what Envoy logs, also after its level was changed through the admin interface.
fn follow_log_level() {
    if let Ok(level) = hostcalls::get_log_level() {
        proxy_wasm::set_log_level(level);
    }
}

/// One HTTP exchange.
struct Stream(Filter<Envoy>);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        action(self.0.on_request_headers())
    }

    fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
        action(self.0.on_request_body(size))
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        action(self.0.on_answer_headers())
    }

    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        action(self.0.on_answer_body(size))
    }

    fn on_log(&mut self) {
        self.0.on_end();
    }
}

fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Pause => Action::Pause,
    }
}

/// An exchange that came although the configuration was refused.
struct Refusal;

impl Context for Refusal {}

impl HttpContext for Refusal {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        envoy::reply(&Reply::unavailable());
        Action::Pause
    }
}
