//! Any text in the place of a record, of each version: whatever it says, no request goes anywhere but to the
//! workload; where records are signed, only to where one that was signed says.

#![no_main]

use fuzz::input::Input;
use fuzz::workload::{
    Mode, SUBJECT, address, ask, check_sent, keys, open, pairs, parsed, redis, respond,
};
use libfuzzer_sys::fuzz_target;
use podpin::config::Config;
use podpin::host::{CallResponse, Callout};
use serde_json::{Value, json};
use simulated::mini_redis::{Front, percent_decoded};
use simulated::{Engine, Sim, Step};

thread_local! {
    static CONFIGS: Vec<(Mode, bool, Config)> = configs();
}

fn configs() -> Vec<(Mode, bool, Config)> {
    let mut configs = Vec::new();
    for (mode, is_signed, is_bound) in [
        (Mode::Authority, false, false),
        (Mode::Authority, true, false),
        (Mode::Authority, false, true),
        (Mode::Endpoint, false, false),
        (Mode::Endpoint, true, true),
        (Mode::OriginalDst, true, false),
    ] {
        let mut plugin = mode.plugin();
        plugin["store"] = redis(Front::Webdis);
        if is_signed {
            plugin["store"]["keys"] = keys();
        }
        if is_bound {
            plugin["session"]["bind_to"] = json!([{"header": SUBJECT}]);
        }
        configs.push((mode, is_signed, parsed(&plugin)));
    }
    configs
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    CONFIGS.with(|configs| {
        let (mode, is_signed, config) = &configs[input.below(configs.len())];
        let fits = input.flag();
        let text = String::from_utf8_lossy(input.0).into_owned();
        run(*mode, *is_signed, config.clone(), fits, &text);
    });
});

fn run(mode: Mode, is_signed: bool, config: Config, fits: bool, text: &str) {
    let start = || {
        let proxy = simulated::ProxyRecord {
            milliseconds: 1_750_000_000_000,
            ..simulated::ProxyRecord::default()
        };
        Sim::on(std::rc::Rc::new(std::cell::RefCell::new(proxy)), config.clone())
    };
    // One that was signed, with the text that is to be read in its place, or as it is.
    let signed = written(&mut start());
    let text = if fits { around(&signed, text) } else { text.to_owned() };
    let is_genuine = record_in(&text) == record_in(&signed);
    let mut sim = start();
    let mut answer = |callout: &Callout| reply(callout, &text);
    for method in ["POST", "DELETE"] {
        let (stream, step) = ask(&mut sim, method, b"a", &mut answer);
        if step == Step::Go {
            check_sent(mode, &sim.record(stream));
            assert!(!is_signed || is_genuine, "a record that nobody signed is used");
            respond(&mut sim, stream, "200", &address(0), &mut answer);
        }
        sim.end(stream);
    }
    // Its id is given out by a pod.
    let (stream, step) = open(&mut sim, b"a", &address(1), &mut answer);
    if step == Step::Go {
        sim.response_body(stream, br#"{"id":0,"result":{}}"#, true);
    }
    sim.end(stream);
    sim.advance(std::time::Duration::from_secs(70));
    let (stream, _) = ask(&mut sim, "POST", b"a", &mut answer);
    sim.end(stream);
}

/// What a front of a Redis says that has this text under every key.
fn reply(callout: &Callout, text: &str) -> CallResponse {
    let command = callout.body.split(|byte| *byte == b'/').next().unwrap_or_default();
    let body = match command {
        b"SET" if callout.body.ends_with(b"NX") => json!({"SET": null}),
        b"SET" => json!({"SET": [true, "OK"]}),
        _ => json!({"GET": text}),
    };
    CallResponse { status: 200, body: body.to_string().into_bytes(), is_from_server: true }
}

/// The record that a filter writes of the session `a`.
fn written(sim: &mut Sim) -> String {
    let mut record = String::new();
    let headers = pairs(&[(":method", b"POST"), (":path", b"/mcp"), (":authority", b"a")]);
    let (stream, _) = sim.request(headers);
    sim.request_body(stream, br#"{"method":"initialize"}"#, true);
    let head = pairs(&[(":status", b"200"), ("mcp-session-id", b"a")]);
    sim.response_head(stream, head, &address(1), true);
    for (_, callout) in sim.calls() {
        let body = String::from_utf8(callout.body).expect("a command");
        record = percent_decoded(body.split('/').nth(2).expect("a value"));
    }
    record
}

/// A signed record with another text in it.
fn around(signed: &str, text: &str) -> String {
    let mut value: Value = serde_json::from_str(signed).expect("a record");
    match value.get_mut("record") {
        Some(record) => *record = text.into(),
        None => return text.to_owned(),
    }
    value.to_string()
}

fn record_in(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.get("record").cloned()
}
