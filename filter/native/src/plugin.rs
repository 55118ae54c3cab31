//! One configuration at work. Its streams share it, on all worker threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{error, info};
use podpin::config::{Config, Variable};
use podpin::filter::Filter;
use podpin::host::{CallResponse, ExchangeId, Secret};
use podpin::worker::Worker;

use crate::attributes;
use crate::callouts::Callouts;
use crate::envoy::{self, Main, SentId};
use crate::host::{Around, Envoy};
use crate::logger;
use crate::metrics::Metrics;
use crate::ticker::{Due, Ticker};
use crate::waiting::Waiting;

/// What a configuration has Envoy call it back for, on the main thread.
mod event {
    pub(super) const TICK: u64 = 0;
    pub(super) const CALLOUTS: u64 = 1;
}

/// What Envoy holds: the configuration, until the last stream and this are gone, and its clock.
pub(crate) struct Configuration {
    pub(crate) plugin: Arc<Plugin>,
    due: Due,
    _ticker: Option<Ticker>,
}

/// The configuration.
pub(crate) struct Plugin {
    worker: Arc<Worker>,
    pub(crate) around: Around,
    pub(crate) waiting: Waiting,
    streams: AtomicU64,
    /// So many panics are not counted yet, in the order of [`Blind`].
    panics: [AtomicU64; 2],
}

/// The hooks in which Envoy lets nothing be counted: the next tick counts what panicked in them.
#[derive(Clone, Copy)]
pub(crate) enum Blind {
    New,
    Destroy,
}

// === impl Configuration ===

impl Configuration {
    /// Takes a configuration; `None` if it is refused. The log says why.
    pub(crate) fn take(main: &Main<'_>, bytes: &[u8]) -> Option<Self> {
        logger::follow();
        let config = match Config::parse(bytes, &variable) {
            Ok(config) => config,
            Err(mistakes) => {
                error!("configuration refused: {mistakes}");
                return None;
            }
        };
        let unknown = attributes::unknown(&config);
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            error!(
                "configuration refused: session.bind_to: a dynamic module cannot read {unknown}"
            );
            return None;
        }
        let Some(metrics) = Metrics::define(main, &config.served.scope) else {
            error!("Envoy does not let metrics be defined");
            return None;
        };
        let version = env!("CARGO_PKG_VERSION");
        info!("version {version} serves {} by {}", config.served.scope.label(), config.steering);
        let callouts = Callouts::new(main.scheduler(), event::CALLOUTS);
        let around = Around::new(metrics, callouts, &config);
        let mut host = Envoy::on_main(main, &around);
        let worker = Worker::start(config, &mut host);
        let wanted = host.wishes.callouts;
        around.callouts.want(wanted);
        let due = Due::default();
        let period = worker.tick_period();
        let ticker = match envoy::is_validating() {
            true => None,
            false => match Ticker::start(period, main.scheduler(), event::TICK, due.clone()) {
                Ok(ticker) => Some(ticker),
                Err(why) => {
                    error!("no thread that ticks: {why}");
                    return None;
                }
            },
        };
        let (waiting, streams, panics) = Default::default();
        let plugin = Arc::new(Plugin { worker, around, waiting, streams, panics });
        Some(Self { plugin, due, _ticker: ticker })
    }

    /// What it has asked Envoy for has come.
    pub(crate) fn on_event(&self, main: &Main<'_>, event: u64) {
        if event == event::TICK {
            self.due.done();
            self.plugin.tick(main);
        }
        self.plugin.send(main);
    }

    /// A hook of it panicked.
    pub(crate) fn panicked(&self, main: &Main<'_>, hook: &str) {
        self.due.done();
        let change = self.plugin.around.metrics.panics(hook);
        main.count(change.id, &change.labels, 1);
    }
}

// === impl Plugin ===

impl Plugin {
    /// The filter for one more exchange.
    pub(crate) fn filter(&self) -> (ExchangeId, Filter) {
        let id = ExchangeId(self.streams.fetch_add(1, Ordering::Relaxed) + 1);
        (id, Filter::new(id, self.worker.clone()))
    }

    /// Such a hook panicked.
    pub(crate) fn panicked(&self, hook: Blind) {
        let [new, destroy] = &self.panics;
        let panics = match hook {
            Blind::New => new,
            Blind::Destroy => destroy,
        };
        panics.fetch_add(1, Ordering::Relaxed);
    }

    fn count_panics(&self, main: &Main<'_>) {
        for (hook, panics) in ["new", "destroy"].into_iter().zip(&self.panics) {
            let panics = panics.swap(0, Ordering::Relaxed);
            if panics > 0 {
                let change = self.around.metrics.panics(hook);
                main.count(change.id, &change.labels, panics);
            }
        }
    }

    fn tick(&self, main: &Main<'_>) {
        logger::follow();
        self.count_panics(main);
        let mut host = Envoy::on_main(main, &self.around);
        let wakes = self.worker.tick(&mut host);
        let wanted = host.wishes.callouts;
        self.around.callouts.want(wanted);
        self.waiting.tick();
        self.waiting.wake(wakes);
    }

    fn send(&self, main: &Main<'_>) {
        for (id, response) in self.around.callouts.send(main) {
            self.respond(main, id, &response);
        }
    }

    /// The response to a callout came.
    pub(crate) fn on_response(&self, main: &Main<'_>, sent: SentId, response: &CallResponse) {
        if let Some(id) = self.around.callouts.answered(sent) {
            self.respond(main, id, response);
        }
    }

    fn respond(&self, main: &Main<'_>, id: podpin::host::CallId, response: &CallResponse) {
        let mut host = Envoy::on_main(main, &self.around);
        let wakes = self.worker.on_call_response(&mut host, id, response);
        let wanted = host.wishes.callouts;
        self.around.callouts.want(wanted);
        self.waiting.wake(wakes);
    }
}

/// The environment of Envoy, all of which this module sees.
fn variable(name: &str) -> Variable {
    match std::env::var(name) {
        Ok(text) => Variable::Is(Secret(text)),
        Err(_) => Variable::Missing,
    }
}
