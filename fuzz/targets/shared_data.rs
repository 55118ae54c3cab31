//! Whatever is in shared data, by whomever: pins of both formats, lists, pages of what is known of pods, and
//! the journal. No request goes anywhere but to the workload.

#![no_main]

use std::cell::RefCell;
use std::rc::Rc;

use fuzz::input::Input;
use fuzz::workload::{Mode, address, ask, check_sent, open, parsed, redis, respond};
use libfuzzer_sys::fuzz_target;
use podpin::config::Config;
use podpin::host::{Callout, SharedData, Version};
use serde_json::{Value, json};
use simulated::mini_redis::Front;
use simulated::{Engine, ProxyRecord, Sim, Step, nothing};

/// What Podpin 0.1.0 wrote.
const WRITTEN: &str = include_str!("../../tests/fixtures/table-0.1.0.json");

thread_local! {
    static CONFIGS: Vec<(Mode, Config)> = Mode::ALL.into_iter().map(config).collect();
    static OLD: Vec<(String, Vec<u8>)> = old();
    /// With a journal, and placed by what is known of pods.
    static JOURNAL: Config = {
        let mut plugin = Mode::Authority.plugin();
        plugin["store"] = redis(Front::Webdis);
        plugin["placement"] = json!({"policy": "least_sessions"});
        parsed(&plugin)
    };
}

fn config(mode: Mode) -> (Mode, Config) {
    let mut plugin = mode.plugin();
    plugin["store"] = json!({"capacity": 8});
    (mode, parsed(&plugin))
}

fn old() -> Vec<(String, Vec<u8>)> {
    let written: Value = serde_json::from_str(WRITTEN).expect("JSON");
    let tables = written["shared_data"].as_object().expect("an object").iter();
    tables.map(|(name, value)| (name.clone(), bytes(value.as_str().expect("digits")))).collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let which = input.below(Mode::ALL.len() + 1);
    let (mode, config) = CONFIGS.with(|configs| match configs.get(which) {
        Some((mode, config)) => (*mode, config.clone()),
        None => (Mode::Authority, JOURNAL.with(Config::clone)),
    });
    let proxy = Rc::new(RefCell::new(ProxyRecord::default()));
    proxy.borrow_mut().milliseconds = 1_750_000_000_000;
    if input.flag() {
        OLD.with(|old| {
            for (name, value) in old {
                let mut proxy = proxy.borrow_mut();
                proxy.shared.replace(name, value, None).expect("a new key");
            }
        });
    }
    let mut sim = Sim::on(proxy.clone(), config.clone());
    while let Some(event) = input.byte() {
        let id = [b"abcd"[input.below(4)]];
        match event % 8 {
            0 => sim = Sim::on(proxy.clone(), config.clone()),
            1 | 2 => {
                let (stream, step) = ask(&mut sim, "POST", &id, store);
                if step == Step::Go {
                    check_sent(mode, &sim.record(stream));
                    let status = input.one_of(&["200", "404", "400", "503"]);
                    respond(&mut sim, stream, status, &address(0), store);
                }
                sim.end(stream);
            }
            3 => {
                let (stream, _) = open(&mut sim, &id, &address(input.below(3)), store);
                sim.end(stream);
            }
            4 => {
                let by = input.one_of(&[1000, 7000, 70_000, 4_000_000]);
                proxy.borrow_mut().milliseconds += by;
                sim.tick();
            }
            _ => write(&mut proxy.borrow_mut(), &mut input),
        }
    }
});

fn store(callout: &Callout) -> podpin::host::CallResponse {
    let body: &[u8] = match callout.body.split(|byte| *byte == b'/').next() {
        Some(b"SET") => br#"{"SET":[true,"OK"]}"#,
        Some(b"GET") => br#"{"GET":null}"#,
        Some(b"GETEX") => br#"{"GETEX":null}"#,
        _ => return nothing(),
    };
    podpin::host::CallResponse { status: 200, body: body.to_vec(), is_from_server: true }
}

/// Somebody else writes under one of the keys that there are.
fn write(proxy: &mut ProxyRecord, input: &mut Input<'_>) {
    let keys: Vec<_> = proxy.shared.values.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = &keys[usize::from(input.byte().unwrap_or(0)) % keys.len()];
    let (mut value, _) = proxy.shared.shared(key).unwrap_or((Vec::new(), Version(0)));
    let at = usize::from(input.byte().unwrap_or(0)) % (value.len() + 1);
    match input.below(5) {
        0 => {
            let bytes = input.line();
            value.splice(at.., bytes.iter().copied());
        }
        1 => value.truncate(at),
        2 => {
            let byte = input.byte().unwrap_or(0);
            value.iter_mut().skip(at).take(1).for_each(|to| *to = byte);
        }
        3 => {
            let again = value[at..].to_vec();
            value.extend(again);
        }
        _ => {
            let bytes = input.line();
            value.splice(at..at, bytes.iter().copied());
        }
    }
    value.truncate(100_000);
    // A version of 0 expects nothing.
    let _ = proxy.shared.set(key, &value, Version(0));
}
