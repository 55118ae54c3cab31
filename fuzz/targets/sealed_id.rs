//! Any session id where pins are sealed into ids: nothing opens but what was sealed with the key, and
//! whatever that says, no request goes anywhere but to the workload.

#![no_main]

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fuzz::input::Input;
use fuzz::workload::{
    KEY, KEY_ID, Mode, address, ask, check_sent, decision, keys, open, pairs, parsed,
};
use libfuzzer_sys::fuzz_target;
use podpin::config::Config;
use podpin::keyring::{Key, Keyring};
use podpin::session::SessionId;
use serde_json::json;
use simulated::{Engine, Sim, Step, nothing};

thread_local! {
    static CONFIGS: Vec<(Mode, Config)> = Mode::ALL.into_iter().map(config).collect();
    static RING: Keyring = Keyring::new(vec![Key::parse(KEY_ID, KEY).expect("a key")]).expect("one");
}

fn config(mode: Mode) -> (Mode, Config) {
    let mut plugin = mode.plugin();
    plugin["store"] = json!({"kind": "sealed", "keys": keys(), "remember_ended": 10});
    plugin["session"] = json!({"max_age": "1h"});
    (mode, parsed(&plugin))
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (mode, config) = CONFIGS.with(|configs| configs[input.below(configs.len())].clone());
    let proxy = simulated::ProxyRecord {
        milliseconds: 1_750_000_000_000,
        ..simulated::ProxyRecord::default()
    };
    let mut sim = Sim::on(Rc::new(proxy.into()), config.clone());
    let (stream, step) = open(&mut sim, b"pods-id", &address(1), |_| nothing());
    assert_eq!(step, Step::Go, "what is to be sealed waits");
    let genuine = id_of(&sim, stream);
    sim.end(stream);
    // From here on it is one that was opened already.
    let (stream, step) = ask(&mut sim, "POST", &genuine, |_| nothing());
    assert_eq!(step, Step::Go, "what was sealed is not opened");
    sent(mode, &sim, stream);
    sim.end(stream);
    let how = input.below(4);
    let id = match how {
        // Anything.
        0 => input.0.to_vec(),
        // The one that was sealed, changed here and there.
        1 => changed(&genuine, input),
        2 => {
            let bytes = URL_SAFE_NO_PAD.decode(&genuine).expect("base64");
            URL_SAFE_NO_PAD.encode(changed(&bytes, input)).into_bytes()
        }
        // What another release might have sealed.
        _ => sealed(&config, input.0),
    };
    if !id.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        // So much Envoy refuses, and session_id tries the rest.
        return;
    }
    for method in ["POST", "DELETE", "GET"] {
        let (stream, step) = ask(&mut sim, method, &id, |_| nothing());
        if step == Step::Go {
            sent(mode, &sim, stream);
            assert!(how == 3 || id == genuine, "what nobody sealed is opened");
            let pods = header(&sim.record(stream).request);
            let head = pairs(&[(":status", b"200"), ("mcp-session-id", &pods)]);
            let step = sim.response_head(stream, head, &address(1), true);
            assert_eq!(step, Step::Go, "a response waits");
            assert_eq!(header(&sim.record(stream).response), id, "a client's id never changes");
        } else {
            assert!(id != genuine || method == "GET", "what was sealed is not opened");
        }
        sim.end(stream);
    }
});

fn sent(mode: Mode, sim: &Sim, stream: u32) {
    let record = sim.record(stream);
    assert_eq!(decision(&record), "steered", "sent on as another thing");
    assert!(check_sent(mode, &record).is_some(), "sent nowhere in particular");
    let id = header(&record.request);
    assert!(SessionId::parse(&id).is_ok(), "a pod is sent an id that is none");
}

fn id_of(sim: &Sim, stream: u32) -> Vec<u8> {
    header(&sim.record(stream).response)
}

fn header(headers: &simulated::Pairs) -> Vec<u8> {
    let mut ids = headers.iter().filter(|(name, _)| name == "mcp-session-id");
    let id = ids.next().map(|(_, id)| id.clone());
    assert!(ids.next().is_none(), "two ids");
    id.unwrap_or_default()
}

/// A few bytes are others, or some are gone.
fn changed(bytes: &[u8], mut input: Input<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(at) = input.byte() {
        let at = usize::from(at) % (bytes.len() + 1);
        match input.byte() {
            Some(0) => bytes.truncate(at),
            Some(byte) if at < bytes.len() => bytes[at] = byte,
            Some(byte) => bytes.push(byte),
            None => {}
        }
    }
    bytes
}

/// What was sealed with the key, for this workload.
fn sealed(config: &Config, plain: &[u8]) -> Vec<u8> {
    const VERSION: u8 = 1;
    let scope = config.served.scope.own_key();
    let nonce = [7; 24];
    let context: [&[u8]; 3] = [b"podpin session id", &[VERSION], scope.bytes()];
    let (tag, sealed) = RING.with(|ring| ring.seal(&nonce, &context, plain)).expect("not too long");
    URL_SAFE_NO_PAD.encode([&[VERSION], &tag[..], &nonce, &sealed].concat()).into_bytes()
}
