//! Headers, filter state and what else belongs to a message, but its body.

use std::net::SocketAddr;

use kit::bootstrap::PODS;
use kit::model::{Pairs, StreamRecord, details_of};

use super::super::abi::{self, Buf, Field, Ours};
use super::super::stream::{Phase, Stream};

const UPSTREAM_ADDRESS: u32 = 41;
const CODE_DETAILS: u32 = 16;

/// The headers of a message. Those of the request stay to the end.
fn headers<'a>(stream: &Stream, record: &'a mut StreamRecord, map: u32) -> Option<&'a mut Pairs> {
    match map {
        abi::REQUEST => Some(&mut record.request),
        abi::RESPONSE => stream.has_response.get().then_some(&mut record.response),
        other => panic!("header map {other}"),
    }
}

/// Gives a value if there is one.
unsafe fn give(stream: &Stream, value: Option<&[u8]>, to: *mut Buf) -> bool {
    let Some(value) = value else { return false };
    unsafe { *to = stream.view(value) };
    true
}

/// Whether headers have not gone on yet.
fn can_change(stream: &Stream, map: u32) -> bool {
    match stream.running.get() {
        Some(Phase::Scheduled) => true,
        Some(Phase::Request) => map == abi::REQUEST,
        Some(Phase::Response) => map == abi::RESPONSE,
        _ => false,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(
    stream: Ours,
    map: u32,
) -> usize {
    let stream = unsafe { Stream::at(stream) };
    let mut record = stream.record.borrow_mut();
    headers(&stream, &mut record, map).map_or(0, |pairs| pairs.len())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    stream: Ours,
    map: u32,
    fields: *mut Field,
) -> bool {
    let stream = unsafe { Stream::at(stream) };
    let mut record = stream.record.borrow_mut();
    let Some(pairs) = headers(&stream, &mut record, map) else { return false };
    for (place, (name, value)) in pairs.iter().enumerate() {
        let field = Field { name: stream.view(name.as_bytes()), value: stream.view(value) };
        unsafe { fields.add(place).write(field) };
    }
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_header(
    stream: Ours,
    map: u32,
    name: Buf,
    value: *mut Buf,
    index: usize,
    count: *mut usize,
) -> bool {
    let (stream, name) = unsafe { (Stream::at(stream), name.text()) };
    let mut record = stream.record.borrow_mut();
    let Some(pairs) = headers(&stream, &mut record, map) else { return false };
    let values: Vec<_> = pairs.iter().filter(|(its, _)| *its == name).collect();
    unsafe { *count = values.len() };
    let found = values.get(index).map(|(_, value)| value.as_slice());
    unsafe { give(&stream, found, value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_header(
    stream: Ours,
    map: u32,
    name: Buf,
    value: Buf,
) -> bool {
    let (stream, name) = unsafe { (Stream::at(stream), name.text()) };
    assert!(can_change(&stream, map), "{name} in {:?}", stream.running.get());
    let value = (!value.data.is_null()).then(|| unsafe { value.bytes() });
    let mut record = stream.record.borrow_mut();
    let Some(pairs) = headers(&stream, &mut record, map) else { return false };
    pairs.retain(|(its, _)| *its != name);
    pairs.extend(value.map(|value| (name, value)));
    if map == abi::REQUEST {
        stream.is_changed.set(true);
    }
    stream.end_views();
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_clear_route_cache(stream: Ours) {
    let stream = unsafe { Stream::at(stream) };
    stream.is_changed.set(false);
    stream.end_views();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_upstream_override_host(
    stream: Ours,
    host: Buf,
    is_strict: bool,
) -> bool {
    let (stream, host) = unsafe { (Stream::at(stream), host.text()) };
    assert!(is_strict, "Envoy would choose another");
    assert!(can_change(&stream, abi::REQUEST), "in {:?}", stream.running.get());
    stream.end_views();
    let is_address = host.parse::<SocketAddr>().is_ok();
    stream.record.borrow_mut().endpoint = is_address.then_some(host);
    is_address
}

/// Filter state of any key, as Envoy keeps that of a wasm module, whose notes tests read.
fn noted(stream: &Stream, key: &str) -> String {
    format!("wasm.{}", stream.config.scope.show(key))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    stream: Ours,
    key: Buf,
    value: Buf,
) -> bool {
    let (stream, key, value) = unsafe { (Stream::at(stream), key.text(), value.text()) };
    stream.end_views();
    let key = noted(&stream, &key);
    stream.record.borrow_mut().filter_state.insert(key, value);
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_filter_state_bytes(
    stream: Ours,
    key: Buf,
    value: *mut Buf,
) -> bool {
    let (stream, key) = unsafe { (Stream::at(stream), key.text()) };
    let record = stream.record.borrow();
    let found = record.filter_state.get(&noted(&stream, &key));
    unsafe { give(&stream, found.map(String::as_bytes), value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_typed(
    stream: Ours,
    key: Buf,
    value: Buf,
) -> bool {
    let (stream, key, value) = unsafe { (Stream::at(stream), key.text(), value.text()) };
    stream.end_views();
    if stream.config.proxy.lock().unwrap().refuses_filter_state {
        return false;
    }
    stream.is_changed.set(true);
    stream.record.borrow_mut().filter_state.insert(key, value);
    true
}

/// Nobody has said who the client is.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_metadata_string(
    stream: Ours,
    _: u32,
    _: Buf,
    _: Buf,
    _: *mut Buf,
) -> bool {
    unsafe { Stream::at(stream) };
    false
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
    stream: Ours,
    attribute: u32,
    value: *mut Buf,
) -> bool {
    let stream = unsafe { Stream::at(stream) };
    let record = stream.record.borrow();
    let found = match (attribute, record.cause) {
        (UPSTREAM_ADDRESS, _) => record.address.as_deref(),
        (CODE_DETAILS, Some(cause)) => Some(details_of(cause)),
        (CODE_DETAILS, None) if record.address.is_some() => Some("via_upstream"),
        _ => None,
    };
    unsafe { give(&stream, found.map(str::as_bytes), value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_cluster_name(
    stream: Ours,
    name: *mut Buf,
) -> bool {
    let stream = unsafe { Stream::at(stream) };
    unsafe { give(&stream, Some(PODS.as_bytes()), name) }
}
