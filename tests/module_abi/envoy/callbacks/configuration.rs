//! What belongs to a configuration, or to nothing. On the main thread, but for schedulers and the log.

use std::sync::Arc;
use std::time::Duration;

use podpin::host::{Callout, Secret};

use super::super::abi::{Buf, Field, Ours};
use super::super::config::{Config, ConfigScheduler, is_main};
use super::{pairs, texts};

/// Where Envoy has no cluster of a name.
const NO_SUCH_CLUSTER: u32 = 2;
/// What is defined too late.
const FROZEN: u32 = 3;

/// The configuration of this address.
unsafe fn at(config: Ours) -> Arc<Config> {
    assert!(is_main(), "only on the main thread");
    let config: *const Config = config.cast_const().cast();
    unsafe {
        Arc::increment_strong_count(config);
        Arc::from_raw(config)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_log(_: u32, message: Buf) {
    unsafe { message.text() };
}

/// All is, so that all that can be told is told.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log_enabled(_: u32) -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_is_validation_mode() -> bool {
    assert!(is_main(), "only on the main thread");
    false
}

unsafe fn define(config: Ours, name: Buf, labels: *const Buf, count: usize, id: *mut usize) -> u32 {
    let (config, name, labels) = unsafe { (at(config), name.text(), texts(labels, count)) };
    let mut metrics = config.metrics.lock().unwrap();
    if metrics.are_all {
        return FROZEN;
    }
    let number = match labels.is_empty() {
        true => {
            metrics.plain.push(name);
            metrics.plain.len()
        }
        false => {
            metrics.labelled.push((name, labels));
            metrics.labelled.len()
        }
    };
    unsafe { *id = number - 1 };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_counter(
    config: Ours,
    name: Buf,
    labels: *const Buf,
    count: usize,
    id: *mut usize,
) -> u32 {
    unsafe { define(config, name, labels, count, id) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
    config: Ours,
    name: Buf,
    labels: *const Buf,
    count: usize,
    id: *mut usize,
) -> u32 {
    unsafe { define(config, name, labels, count, id) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
    config: Ours,
    id: usize,
    labels: *const Buf,
    count: usize,
    value: u64,
) -> u32 {
    let (config, labels) = unsafe { (at(config), texts(labels, count)) };
    let name = config.metric(id, &labels);
    *config.proxy.lock().unwrap().counters.entry(name).or_default() += value;
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
    config: Ours,
    id: usize,
    labels: *const Buf,
    count: usize,
    value: u64,
) -> u32 {
    let (config, labels) = unsafe { (at(config), texts(labels, count)) };
    let name = config.metric(id, &labels);
    config.proxy.lock().unwrap().gauges.insert(name, value);
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
    config: Ours,
) -> *mut ConfigScheduler {
    Box::into_raw(Box::new(ConfigScheduler::new(&unsafe { at(config) })))
}

/// From any thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
    scheduler: *const ConfigScheduler,
    event: u64,
) {
    unsafe { &*scheduler }.commit(event);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
    scheduler: *mut ConfigScheduler,
) {
    drop(unsafe { Box::from_raw(scheduler) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_http_callout(
    config: Ours,
    id: *mut u64,
    cluster: Buf,
    fields: *const Field,
    count: usize,
    body: Buf,
    milliseconds: u64,
) -> u32 {
    let (config, headers) = unsafe { (at(config), pairs(fields, count)) };
    let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let header = |name: &str| {
        let found = headers.iter().find(|(its, _)| its == name);
        found.map(|(_, value)| text_of(value))
    };
    assert!(milliseconds > 0, "Envoy would wait for ever");
    let callout = Callout {
        cluster: unsafe { cluster.text() },
        method: match header(":method").as_deref() {
            Some("POST") => "POST",
            Some("DELETE") => "DELETE",
            Some("HEAD") => "HEAD",
            method => panic!("{method:?}"),
        },
        path: header(":path").expect("Envoy wants a path"),
        authority: header(":authority").expect("Envoy wants an authority"),
        headers: headers
            .iter()
            .filter(|(name, _)| !name.starts_with(':'))
            .map(|(name, value)| (name.clone(), Secret(text_of(value))))
            .collect(),
        body: unsafe { body.bytes() },
        timeout: Duration::from_millis(milliseconds),
    };
    let made = config.proxy.lock().unwrap().call(&callout);
    let Some(number) = made else { return NO_SUCH_CLUSTER };
    let at_once = config.at_once.lock().unwrap().clone();
    if let Some(response) = at_once {
        config.proxy.lock().unwrap().calls.pop();
        config.callout_done(number.into(), &response);
    }
    unsafe { *id = number.into() };
    0
}
