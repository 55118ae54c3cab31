//! What a request says of its session: of any headers, however many, in any block.

#![no_main]

use fuzz::workload::{AUTHORITY, Mode, check_sent, parsed};
use libfuzzer_sys::fuzz_target;
use podpin::config::Config;
use podpin::exchange::Intent;
use podpin::http::{Head, HeaderMap, Packed};
use podpin::session::{MAX_ID_BYTES, SessionHeader, SessionId};
use simulated::{Engine, Pairs, Sim, Step};

thread_local! {
    static CONFIG: Config = parsed(&Mode::Authority.plugin());
}

fuzz_target!(|bytes: &[u8]| {
    packed(bytes);
    let headers: Pairs = bytes.split(|byte| *byte == b'\n').filter_map(header).collect();
    let ids: Vec<_> = headers.iter().filter(|(name, _)| name == "mcp-session-id").collect();
    let is_good = |id: &[u8]| {
        (1..=MAX_ID_BYTES).contains(&id.len()) && id.iter().all(|byte| (0x21..=0x7e).contains(byte))
    };
    for (_, id) in &ids {
        let parsed = SessionId::parse(id);
        assert_eq!(parsed.is_ok(), is_good(id), "an id is what MCP says");
        if let Ok(id) = parsed {
            assert!(format!("{id:?}").len() < 24, "an id is shown");
        }
    }
    CONFIG.with(|config| {
        let head = Head::read(&headers, |name| config.steering.is_steering(name));
        match (ids.as_slice(), head.session_id) {
            ([], SessionHeader::None) => {}
            ([(_, id)], SessionHeader::One(found)) => assert_eq!(id, found, "another id is read"),
            ([_, _, ..], SessionHeader::Many) => {}
            (ids, found) => panic!("{} headers are read as {found:?}", ids.len()),
        }
        let intent = Intent::of(&head, &config.served);
        if let (Intent::Use { key, .. }, [(_, id)]) = (intent, ids.as_slice())
            && config.served.paths.cover(head.path)
        {
            let id = SessionId::parse(id).expect("a good id");
            assert_eq!(key, config.served.scope.key(id), "the key of another session");
        }
        let is_grpc = head.is_grpc;
        answered(config, headers.clone(), intent, is_grpc);
    });
});

/// The filter does what the request is for.
fn answered(config: &Config, mut headers: Pairs, intent: Intent, is_grpc: bool) {
    headers.push((":authority".to_owned(), AUTHORITY.into()));
    let mut sim = Sim::on(Default::default(), config.clone());
    let (stream, step) = sim.request(headers);
    match intent {
        // It goes to a pod as one that means nothing.
        _ if is_grpc => assert_eq!(step, Step::Go, "gRPC is not veiled"),
        Intent::Malformed(_) => assert!(matches!(step, Step::Reply(400, ..)), "no 400: {step:?}"),
        Intent::Use { .. } => assert!(matches!(step, Step::Reply(404, ..)), "no 404: {step:?}"),
        _ => assert_eq!(step, Step::Go, "held back"),
    }
    if step == Step::Go {
        check_sent(Mode::Authority, &sim.record(stream));
    }
}

fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
    let name = std::str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
    let value = &line[colon + 1..];
    Some((name, value.strip_prefix(b" ").unwrap_or(value).to_vec()))
}

/// A block of headers is read without a panic, and what was read is written as it was.
fn packed(bytes: &[u8]) {
    let block = Packed::new(bytes.to_vec());
    let fields: Vec<_> = block.fields().collect();
    let again: Packed = fields.iter().copied().collect();
    assert_eq!(again.fields().collect::<Vec<_>>(), fields, "written otherwise than read");
    Head::read(&block, |name| name.starts_with(b"x-podpin-"));
}
