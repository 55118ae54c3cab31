//! Any configuration is taken or refused with reasons, none of which shows a secret; one that is taken works.

#![no_main]

use std::cell::RefCell;
use std::rc::Rc;

use fuzz::workload::{address, pairs};
use libfuzzer_sys::fuzz_target;
use podpin::config::{Config, Variable};
use podpin::host::Secret;
use simulated::{Engine, ProxyRecord, Sim, Step};

const SECRET: &str = "a8f5f167f44f4964e6c998dee827110c";

fn variable(name: &str) -> Variable {
    match name {
        "TOKEN" => Variable::Is(Secret(SECRET.to_owned())),
        "KEYS" => Variable::Is(Secret(format!("a:{}", fuzz::workload::KEY))),
        "ELSEWHERE" => Variable::Elsewhere,
        _ => Variable::Missing,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let shows = |text: &str| text.contains(SECRET) || text.contains(fuzz::workload::KEY);
    let is_in_plain = shows(&String::from_utf8_lossy(bytes));
    match Config::parse(bytes, &variable) {
        Ok(config) => {
            assert!(is_in_plain || !shows(&format!("{config:?}")), "a secret is shown");
            work(config);
        }
        Err(mistakes) => {
            let text = mistakes.to_string();
            assert!(mistakes.iter().next().is_some(), "no reason");
            assert!(!text.contains(char::is_control), "more than a line: {text:?}");
            assert!(is_in_plain || !shows(&text), "a secret is shown");
        }
    }
});

/// A session from its beginning to its end.
fn work(config: Config) {
    let path = ["/mcp", "/sse", "/"].map(|path| path.as_bytes());
    let mut sim = Sim::on(Rc::new(RefCell::new(ProxyRecord::default())), config);
    for (method, path, id) in [
        (&b"POST"[..], path[0], None),
        (b"GET", path[1], None),
        (b"POST", path[0], Some(&b"a"[..])),
        (b"DELETE", path[0], Some(b"a")),
        (b"POST", path[2], None),
    ] {
        let mut headers = pairs(&[(":method", method), (":path", path), (":authority", b"a")]);
        headers.extend(id.map(|id| ("mcp-session-id".to_owned(), id.to_vec())));
        let (stream, mut step) = sim.request(headers);
        for (call, _) in sim.calls() {
            sim.respond_to_call(call, simulated::nothing());
        }
        if step == Step::Wait {
            step = sim.step(stream);
            assert_ne!(step, Step::Wait, "paused for ever");
        }
        if step == Step::Go {
            sim.request_body(stream, br#"{"method":"initialize"}"#, true);
            let head = pairs(&[(":status", b"200"), ("mcp-session-id", b"a")]);
            sim.response_head(stream, head, &address(0), true);
        }
        sim.end(stream);
        sim.tick();
    }
}
