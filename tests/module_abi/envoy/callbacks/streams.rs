//! What becomes of a stream. Most of these call hooks of it before they return.

use std::sync::Arc;

use super::super::abi::{Buf, Field, Ours};
use super::super::config::Scheduler;
use super::super::stream::{Phase, Stream};
use super::{pairs, texts};

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response(
    stream: Ours,
    status: u32,
    fields: *const Field,
    count: usize,
    body: Buf,
    details: Buf,
) {
    let stream = unsafe { Stream::at(stream) };
    if stream.is_over() {
        return;
    }
    stream.end_views();
    let (fields, body) = unsafe { (pairs(fields, count), body.bytes()) };
    let mut record = stream.record.borrow_mut();
    record.details = unsafe { details.text() };
    record.reply_with(status as u16, fields, body);
    drop(record);
    match stream.running.get() {
        // It goes past this filter, and Envoy ends the stream when the hook has returned.
        Some(Phase::Request | Phase::RequestBody) => {}
        Some(Phase::Response | Phase::Scheduled) => stream.complete(),
        other => panic!("too late to answer: {other:?}"),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_reset_stream(
    stream: Ours,
    reason: u32,
    details: Buf,
) {
    let (stream, details) = unsafe { (Stream::at(stream), details.text()) };
    assert_eq!(reason, 0, "a local reset");
    if stream.is_over() {
        return;
    }
    stream.end_views();
    let mut record = stream.record.borrow_mut();
    record.details = details;
    record.broken = true;
    drop(record);
    stream.complete();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: Ours) {
    let stream = unsafe { Stream::at(stream) };
    stream.end_views();
    stream.resume(true);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_continue_encoding(stream: Ours) {
    let stream = unsafe { Stream::at(stream) };
    stream.end_views();
    stream.resume(false);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_new(
    stream: Ours,
) -> *mut Scheduler {
    let stream = unsafe { Stream::at(stream) };
    let wakes = stream.config.wakes.clone();
    Box::into_raw(Box::new(Scheduler { wakes, stream: stream.number }))
}

/// From any thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
    scheduler: *const Scheduler,
    event: u64,
) {
    let Scheduler { wakes, stream } = unsafe { &*scheduler };
    let wakes = Arc::clone(wakes);
    wakes.lock().unwrap().push_back((*stream, event));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_delete(
    scheduler: *mut Scheduler,
) {
    drop(unsafe { Box::from_raw(scheduler) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_increment_counter(
    stream: Ours,
    id: usize,
    labels: *const Buf,
    count: usize,
    value: u64,
) -> u32 {
    let (stream, labels) = unsafe { (Stream::at(stream), texts(labels, count)) };
    let name = stream.config.metric(id, &labels);
    *stream.config.proxy.lock().unwrap().counters.entry(name).or_default() += value;
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_set_gauge(
    stream: Ours,
    id: usize,
    labels: *const Buf,
    count: usize,
    value: u64,
) -> u32 {
    let (stream, labels) = unsafe { (Stream::at(stream), texts(labels, count)) };
    let name = stream.config.metric(id, &labels);
    stream.config.proxy.lock().unwrap().gauges.insert(name, value);
    0
}
