//! The functions that the module imports.
//!
//! SAFETY of all of them: the SDK passes pointers to live data of the lengths it says, and to
//! places for results; what is given to the module was allocated by the allocator that frees it.

use std::slice;
use std::time::Duration;

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, Status, StreamType};

use super::{Phase, ROOT, WORKER, Worker};
use kit::bootstrap::PODS;
use kit::model::{Pairs, StreamRecord, details_of};
use podpin::host::{Callout, Overtaken, Secret, SharedData, Version};
use podpin::http::HeaderMap;
use podpin::http::Packed;

type Bytes = *const u8;

unsafe fn bytes<'a>(data: Bytes, size: usize) -> &'a [u8] {
    match data.is_null() {
        true => &[],
        false => unsafe { slice::from_raw_parts(data, size) },
    }
}

unsafe fn text(data: Bytes, size: usize) -> String {
    String::from_utf8(unsafe { bytes(data, size) }.to_vec()).expect("text")
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Leaves `value` to the module; of nothing a null pointer, as Envoy does.
unsafe fn give(value: &[u8], data: *mut *mut u8, size: *mut usize) -> Status {
    unsafe {
        *size = value.len();
        *data = match value {
            [] => std::ptr::null_mut(),
            value => Box::into_raw(value.to_vec().into_boxed_slice()).cast(),
        };
    }
    Status::Ok
}

/// Runs `with` on the exchange whose callback runs.
fn current<T>(with: impl FnOnce(&mut StreamRecord, Phase) -> T) -> T {
    WORKER.with_borrow_mut(|worker| {
        let (stream, phase) = worker.current.expect("a callback of an exchange");
        with(worker.streams.get_mut(&stream).expect("a stream that was begun"), phase)
    })
}

fn on_worker<T>(with: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with_borrow_mut(with)
}

/// A header map, if it can be read in this phase: Envoy lets go of the request's once the response
/// is there.
fn on_map<T>(map: MapType, with: impl FnOnce(&mut Pairs) -> T) -> Result<T, Status> {
    current(|record, phase| match (map, phase) {
        (MapType::HttpRequestHeaders, Phase::Request) => Ok(with(&mut record.request)),
        (MapType::HttpResponseHeaders, Phase::Response) => Ok(with(&mut record.response)),
        _ => Err(Status::BadArgument),
    })
}

/// Acts for an exchange that paused, or again for the root.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_effective_context(context: u32) -> Status {
    on_worker(|worker| {
        worker.current = match (worker.paused.get(&context), worker.streams.get(&context)) {
            _ if context == ROOT => None,
            (Some(phase), Some(_)) => Some((context, *phase)),
            // Back from the root within a callback of its own.
            (None, Some(_)) => Some((context, worker.running.expect("a callback of an exchange"))),
            (_, None) => return Status::BadArgument,
        };
        Status::Ok
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_close_stream(_: StreamType) -> Status {
    current(|record, _| record.broken = true);
    Status::Ok
}

/// Only the root calls out: an exchange may end before its response comes.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_http_call(
    cluster: Bytes,
    cluster_size: usize,
    headers: Bytes,
    headers_size: usize,
    body: Bytes,
    body_size: usize,
    _: Bytes,
    _: usize,
    timeout: u32,
    call: *mut u32,
) -> Status {
    let headers = Packed::new(unsafe { bytes(headers, headers_size) }.to_vec());
    let header = |name| {
        headers.get(name).map(|value| String::from_utf8(value.to_vec()).expect("a header value"))
    };
    assert!(timeout > 0, "Envoy would wait for ever");
    let callout = Callout {
        cluster: unsafe { text(cluster, cluster_size) },
        method: match header(":method").as_deref() {
            Some("POST") => "POST",
            Some("DELETE") => "DELETE",
            Some("HEAD") => "HEAD",
            method => panic!("{method:?}"),
        },
        path: header(":path").expect("Envoy wants a path"),
        authority: header(":authority").expect("Envoy wants an authority"),
        headers: headers
            .fields()
            .map(|(name, value)| (text_of(name), Secret(text_of(value))))
            .filter(|(name, _)| !name.starts_with(':'))
            .collect(),
        body: unsafe { bytes(body, body_size) }.to_vec(),
        timeout: Duration::from_millis(timeout.into()),
    };
    let made = on_worker(|worker| {
        assert_eq!(worker.current, None, "a callout of an exchange ends with it");
        worker.proxy.lock().unwrap().call(&callout)
    });
    match made {
        Some(number) => {
            unsafe { *call = number };
            Status::Ok
        }
        None => Status::BadArgument,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_continue_stream(_: StreamType) -> Status {
    current(|record, _| record.resume());
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(_: LogLevel, message: Bytes, size: usize) -> Status {
    let line = unsafe { text(message, size) };
    on_worker(|worker| worker.proxy.lock().unwrap().log.push(line));
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_log_level(level: *mut LogLevel) -> Status {
    unsafe { *level = LogLevel::Trace };
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(time: *mut u64) -> Status {
    let milliseconds = on_worker(|worker| worker.proxy.lock().unwrap().milliseconds);
    unsafe { *time = milliseconds * 1_000_000 };
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_tick_period_milliseconds(period: u32) -> Status {
    assert!(period > 0);
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    buffer: BufferType,
    start: usize,
    max: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> Status {
    let value = match buffer {
        BufferType::PluginConfiguration => on_worker(|worker| Some(worker.plugin.clone())),
        BufferType::HttpCallResponseBody => {
            on_worker(|worker| worker.response.as_ref().map(|response| response.body.clone()))
        }
        BufferType::HttpRequestBody | BufferType::HttpResponseBody => {
            current(|record, phase| match (buffer, phase) {
                (BufferType::HttpRequestBody, Phase::RequestBody)
                | (BufferType::HttpResponseBody, Phase::ResponseBody) => Some(record.body.clone()),
                _ => None,
            })
        }
        _ => None,
    };
    let Some(value) = value else {
        return Status::NotFound;
    };
    let from = start.min(value.len());
    let to = from.saturating_add(max).min(value.len());
    unsafe { give(&value[from..to], data, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_buffer_bytes(
    buffer: BufferType,
    start: usize,
    max: usize,
    data: Bytes,
    size: usize,
) -> Status {
    let bytes = unsafe { bytes(data, size) }.to_vec();
    current(|record, phase| {
        assert!(matches!((buffer, phase), (BufferType::HttpResponseBody, Phase::ResponseBody)));
        assert!(start == 0 && max >= record.body.len(), "all of it");
        record.body = bytes;
    });
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(
    map: MapType,
    data: *mut *mut u8,
    size: *mut usize,
) -> Status {
    let block = on_map(map, |pairs| pairs.iter().map(|(n, v)| (n, v)).collect::<Packed>());
    match block {
        Ok(headers) => unsafe { give(headers.block(), data, size) },
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_value(
    map: MapType,
    key: Bytes,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> Status {
    let key = unsafe { text(key, key_size) };
    if matches!(map, MapType::HttpCallResponseHeaders) {
        // A response that broke off has no headers.
        let value = on_worker(|worker| {
            let response = worker.response.as_ref().filter(|response| response.status > 0)?;
            match key.as_str() {
                ":status" => Some(response.status.to_string()),
                "x-envoy-upstream-service-time" => response.is_from_server.then(|| "1".to_owned()),
                key => panic!("{key} of a callout"),
            }
        });
        return match value {
            None => Status::NotFound,
            Some(value) => unsafe { give(value.as_bytes(), data, size) },
        };
    }
    let find = |pairs: &mut Pairs| {
        let found = pairs.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| value.clone())
    };
    match on_map(map, find) {
        Ok(Some(value)) => unsafe { give(&value, data, size) },
        Ok(None) => Status::NotFound,
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_replace_header_map_value(
    map: MapType,
    key: Bytes,
    key_size: usize,
    value: Bytes,
    value_size: usize,
) -> Status {
    let (key, value) = unsafe { (text(key, key_size), bytes(value, value_size).to_vec()) };
    let replaced = on_map(map, |pairs| {
        pairs.retain(|(name, _)| *name != key);
        pairs.push((key, value));
    });
    replaced.err().unwrap_or(Status::Ok)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(
    map: MapType,
    key: Bytes,
    key_size: usize,
) -> Status {
    let key = unsafe { text(key, key_size) };
    let removed = on_map(map, |pairs| pairs.retain(|(name, _)| *name != key));
    removed.err().unwrap_or(Status::Ok)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_property(
    path: Bytes,
    path_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> Status {
    let path = unsafe { text(path, path_size) };
    let value = current(|record, _| match path.as_str() {
        "xds\0cluster_name" => Some(PODS.to_owned()),
        "upstream\0address" => record.address.clone(),
        "response\0code_details" if let Some(cause) = record.cause => {
            Some(details_of(cause).to_owned())
        }
        "response\0code_details" if record.address.is_some() => Some("via_upstream".to_owned()),
        "response\0code_details" => Some("route_not_found".to_owned()),
        // Nobody has said who the client is.
        path if path.starts_with("metadata\0") || path.starts_with("connection\0") => None,
        path if path.starts_with("podpin.") => {
            record.filter_state.get(&format!("wasm.{path}")).cloned()
        }
        _ => panic!("property {path:?} is not simulated"),
    });
    match value {
        Some(value) => unsafe { give(value.as_bytes(), data, size) },
        None => Status::NotFound,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_property(
    path: Bytes,
    path_size: usize,
    value: Bytes,
    value_size: usize,
) -> Status {
    let (path, value) = unsafe { (text(path, path_size), text(value, value_size)) };
    current(|record, _| record.filter_state.insert(format!("wasm.{path}"), value));
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_shared_data(
    key: Bytes,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
    version: *mut u32,
) -> Status {
    let key = unsafe { text(key, key_size) };
    let found = on_worker(|worker| worker.proxy.lock().unwrap().shared.shared(&key));
    match found {
        Some((value, Version(now))) => unsafe {
            *version = now;
            give(&value, data, size)
        },
        None => Status::NotFound,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_shared_data(
    key: Bytes,
    key_size: usize,
    value: Bytes,
    value_size: usize,
    version: u32,
) -> Status {
    let (key, value) = unsafe { (text(key, key_size), bytes(value, value_size)) };
    let expected = Version(version);
    match on_worker(|worker| worker.proxy.lock().unwrap().shared.set(&key, value, expected)) {
        Ok(()) => Status::Ok,
        Err(Overtaken) => Status::CasMismatch,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_send_local_response(
    status: u32,
    details: Bytes,
    details_size: usize,
    body: Bytes,
    body_size: usize,
    headers: Bytes,
    headers_size: usize,
    _: i32,
) -> Status {
    let (body, headers) = unsafe { (bytes(body, body_size), bytes(headers, headers_size)) };
    let details = unsafe { text(details, details_size) };
    let headers = Packed::new(headers.to_vec());
    let pairs = headers.fields().map(|(name, value)| {
        (String::from_utf8(name.to_vec()).expect("a header name"), value.to_vec())
    });
    current(|record, phase| {
        assert!(matches!(phase, Phase::Request | Phase::Response), "too late to answer: {phase:?}");
        record.details = details;
        record.reply_with(status as u16, pairs.collect(), body.to_vec());
    });
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_call_foreign_function(
    name: Bytes,
    name_size: usize,
    argument: Bytes,
    argument_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> Status {
    let (name, mut argument) = unsafe { (text(name, name_size), bytes(argument, argument_size)) };
    if name != "set_envoy_filter_state" {
        return Status::NotFound;
    }
    let (key, value) = (take_field(&mut argument, 1), take_field(&mut argument, 2));
    assert!(argument.is_empty(), "no more fields");
    current(|record, _| record.filter_state.insert(key, value));
    unsafe { give(&[], data, size) }
}

/// Takes a protobuf field of type string.
fn take_field(bytes: &mut &[u8], number: u8) -> String {
    let (tag, mut rest) = bytes.split_first().expect("a field");
    assert_eq!(*tag, (number << 3) | 2);
    let (mut length, mut shift) = (0, 0);
    loop {
        let (byte, tail) = rest.split_first().expect("a length");
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        rest = tail;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (value, rest) = rest.split_at(length);
    *bytes = rest;
    String::from_utf8(value.to_vec()).expect("text")
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_define_metric(
    _: MetricType,
    name: Bytes,
    name_size: usize,
    id: *mut u32,
) -> Status {
    let name = unsafe { text(name, name_size) };
    let number = on_worker(|worker| {
        worker.metrics.push(name);
        worker.metrics.len() as u32 - 1
    });
    unsafe { *id = number };
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_increment_metric(id: u32, offset: i64) -> Status {
    on_worker(|worker| {
        let name = worker.metrics[id as usize].clone();
        *worker.proxy.lock().unwrap().counters.entry(name).or_default() += offset as u64;
    });
    Status::Ok
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_record_metric(id: u32, value: u64) -> Status {
    on_worker(|worker| {
        let name = worker.metrics[id as usize].clone();
        worker.proxy.lock().unwrap().gauges.insert(name, value);
    });
    Status::Ok
}

/// What the SDK refers to and this filter never calls.
macro_rules! never_called {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> Status {
            panic!(concat!(stringify!($name), " is not simulated"))
        }
    )* };
}

never_called! {
    proxy_add_header_map_value proxy_dequeue_shared_queue proxy_done proxy_enqueue_shared_queue proxy_get_metric
    proxy_grpc_call proxy_grpc_cancel proxy_grpc_close proxy_grpc_send proxy_grpc_stream
    proxy_get_status proxy_register_shared_queue
    proxy_resolve_shared_queue
    proxy_set_header_map_pairs
}
