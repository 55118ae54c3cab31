//! Envoy's side of a configuration, and its main thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;

use kit::model::ProxyRecord;
use podpin::host::CallResponse;

use super::abi::{self, Buf, Field, Mine, Ours};
use super::clock;

/// How the module names its thread that asks for ticks.
const TICKER: &str = "podpin-tick";

thread_local!(static IS_MAIN: Cell<bool> = const { Cell::new(false) });

/// A configuration. Its address is what the module gets of it.
#[derive(Default)]
pub(crate) struct Config {
    mine: AtomicPtr<c_void>,
    pub(crate) proxy: Mutex<ProxyRecord>,
    pub(crate) scope: Scope,
    pub(crate) metrics: Mutex<Metrics>,
    /// What the main thread is to be called for.
    pub(crate) events: Mutex<VecDeque<u64>>,
    /// What streams are to be called for.
    pub(crate) wakes: Arc<Wakes>,
    /// Every callout has this response, before it is told to be under way.
    pub(crate) at_once: Mutex<Option<CallResponse>>,
    /// The main thread does what it is called for while the caller still runs.
    pub(crate) is_quick: AtomicBool,
    /// So often has the module's own thread asked for a tick.
    pub(crate) ticks: (Mutex<u32>, Condvar),
}

/// Streams by their numbers, and their events.
pub(crate) type Wakes = Mutex<VecDeque<(u32, u64)>>;

/// The name of the scope. What the module shares it shares with all of this process, so that each configuration
/// has a scope of its own; tests see the one that they gave.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) own: String,
    pub(crate) shown: String,
}

/// Those without labels and those with labels are numbered apart.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) plain: Vec<String>,
    pub(crate) labelled: Vec<(String, Vec<String>)>,
    /// No more can be defined.
    pub(crate) are_all: bool,
}

/// What brings events of a configuration to the main thread.
pub(crate) struct ConfigScheduler(Weak<Config>);

/// What brings events to a stream.
pub(crate) struct Scheduler {
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) stream: u32,
}

/// Runs something on the main thread, while the caller waits.
pub(crate) fn on_main<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let now = clock::now();
    thread::scope(|scope| {
        let main = scope.spawn(move || {
            clock::set(now);
            IS_MAIN.set(true);
            run()
        });
        main.join().expect("the main thread lives")
    })
}

pub(crate) fn is_main() -> bool {
    IS_MAIN.get()
}

// === impl Config ===

impl Config {
    /// Gives a configuration to the module. `None` if that refuses it.
    pub(crate) fn load(text: &str, scope: Scope, proxy: ProxyRecord) -> Option<Arc<Self>> {
        let config = Arc::new(Self { scope, proxy: Mutex::new(proxy), ..Self::default() });
        on_main(|| {
            let (name, text) = (Buf::of("podpin"), Buf::of(text));
            // SAFETY of all hooks here: what they get lives for the call.
            let mine = unsafe {
                abi::envoy_dynamic_module_on_http_filter_config_new(config.ours(), name, text)
            };
            config.mine.store(mine.cast_mut(), Ordering::SeqCst);
        });
        config.metrics.lock().unwrap().are_all = true;
        (!config.mine().is_null()).then_some(config)
    }

    pub(crate) fn ours(&self) -> Ours {
        ptr::from_ref(self).cast_mut().cast()
    }

    pub(crate) fn mine(&self) -> Mine {
        self.mine.load(Ordering::SeqCst)
    }

    /// Brings it an event.
    pub(crate) fn scheduled(&self, event: u64) {
        on_main(|| unsafe {
            abi::envoy_dynamic_module_on_http_filter_config_scheduled(
                self.ours(),
                self.mine(),
                event,
            );
        });
    }

    /// The response to a callout, on the main thread.
    pub(crate) fn callout_done(&self, id: u64, response: &CallResponse) {
        assert!(is_main());
        let status = response.status.to_string();
        let mut pairs = vec![(":status", status.as_str())];
        if response.is_from_server {
            pairs.push(("x-envoy-upstream-service-time", "1"));
        }
        let is_whole = response.status > 0;
        let field = |(name, value)| Field { name: Buf::of(name), value: Buf::of(value) };
        let fields: Vec<_> =
            pairs.iter().filter(|_| is_whole).map(|(name, value)| field((*name, *value))).collect();
        let chunks: Vec<_> = response.body.chunks(1000).map(Buf::of).collect();
        let broke_off = u32::from(!is_whole);
        unsafe {
            abi::envoy_dynamic_module_on_http_filter_config_http_callout_done(
                self.ours(),
                self.mine(),
                id,
                broke_off,
                fields.as_ptr(),
                fields.len(),
                chunks.as_ptr(),
                chunks.len(),
            );
        }
    }

    /// Takes it from the module.
    pub(crate) fn destroy(&self) {
        on_main(|| unsafe {
            abi::envoy_dynamic_module_on_http_filter_config_destroy(self.mine());
        });
    }

    /// The metric of this number and these labels, as the wasm module names it.
    pub(crate) fn metric(&self, id: usize, values: &[String]) -> String {
        let metrics = self.metrics.lock().unwrap();
        let Some((name, labels)) = metrics.labelled.get(id).filter(|_| !values.is_empty()) else {
            return metrics.plain[id].clone();
        };
        assert_eq!(labels.len(), values.len(), "the labels of {name}");
        let shown = |value: &str| self.scope.show(value);
        let parts = labels.iter().zip(values);
        let parts = parts.map(|(label, value)| format!("{label}=.={};.;", shown(value)));
        parts.collect::<String>() + name
    }
}

// === impl Scope ===

impl Scope {
    /// The same in every run, for pods are chosen by it.
    pub(crate) fn of_this_test(shown: &str) -> Self {
        thread_local!(static STARTS: Cell<u32> = const { Cell::new(0) });
        STARTS.set(STARTS.get() + 1);
        let test = thread::current().name().unwrap_or("another").replace("::", "/");
        Self { own: format!("{shown}/{test}/{}", STARTS.get()), shown: shown.to_owned() }
    }

    /// With the name that tests gave.
    pub(crate) fn show(&self, text: &str) -> String {
        text.replace(&self.own, &self.shown)
    }
}

// === impl ConfigScheduler ===

impl ConfigScheduler {
    pub(crate) fn new(config: &Arc<Config>) -> Self {
        Self(Arc::downgrade(config))
    }

    /// From any thread. Ticks come when tests say so: what the module's own thread asks for is counted only.
    pub(crate) fn commit(&self, event: u64) {
        let Some(config) = self.0.upgrade() else { return };
        if thread::current().name() == Some(TICKER) {
            *config.ticks.0.lock().unwrap() += 1;
            config.ticks.1.notify_all();
        } else if config.is_quick.load(Ordering::SeqCst) {
            config.scheduled(event);
        } else {
            config.events.lock().unwrap().push_back(event);
        }
    }
}
