//! Nothing that a client or a pod sends ends the module: a panic here would be a dead VM.

use kit::model::{Engine, Pairs, Step, example_plugin};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::host::Abi;

/// A request and its response, head and body each.
#[derive(Clone, Debug)]
struct Exchange {
    request: Pairs,
    body: Vec<u8>,
    response: Pairs,
    response_body: Vec<u8>,
    response_has_body: bool,
}

/// How far the exchanges of one run came.
#[derive(Debug, Default)]
struct Reached {
    pods: u32,
    replaced: u32,
    replies: u32,
}

fn run(exchanges: Vec<Exchange>) -> Reached {
    let worker = std::thread::spawn(move || {
        let mut abi = Abi::start(&example_plugin());
        let mut reached = Reached::default();
        for exchange in exchanges {
            let (stream, mut step) = abi.request(exchange.request);
            if step == Step::Go {
                step = abi.request_body(stream, &exchange.body, true);
            }
            if step == Step::Go {
                reached.pods += 1;
                let (head, has_body) = (exchange.response, exchange.response_has_body);
                step = abi.response_head(stream, head.clone(), "127.0.1.1:8080", has_body);
                reached.replaced += u32::from(abi.record(stream).response != head);
            }
            if step == Step::Go && exchange.response_has_body {
                abi.response_body(stream, &exchange.response_body, true);
            }
            reached.replies += u32::from(matches!(step, Step::Reply(..)));
            abi.end(stream);
        }
        reached
    });
    worker.join().expect("the module lives")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_exchange_is_survived(exchanges in prop::collection::vec(exchange(), 1..20)) {
        run(exchanges);
    }
}

/// Else the property above would say nothing.
#[test]
fn such_exchanges_come_far() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut one = || exchange().new_tree(&mut runner).expect("an exchange").current();
    let reached = run((0..2000).map(|_| one()).collect());
    let Reached { pods, replaced, replies } = reached;
    assert!(pods > 500 && replaced > 50 && replies > 200, "{reached:?}");
}

/// An exchange of a session's life after a few changes, or none.
fn exchange() -> impl Strategy<Value = Exchange> {
    let changes = || prop::collection::vec((any::<Index>(), change()), 0..3);
    let changed = (changes(), changes(), mangled(), mangled(), any::<bool>());
    (select(valid()), changed).prop_map(|(mut exchange, changed)| {
        let (request, response, body, response_body, has_body) = changed;
        request.into_iter().for_each(|(place, change)| change.apply(place, &mut exchange.request));
        response
            .into_iter()
            .for_each(|(place, change)| change.apply(place, &mut exchange.response));
        body.apply(&mut exchange.body);
        response_body.apply(&mut exchange.response_body);
        Exchange { response_has_body: has_body, ..exchange }
    })
}

fn valid() -> Vec<Exchange> {
    let pairs = |pairs: &[(&str, &str)]| -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    };
    let exchange = |method: &str, id: &str, body: &str, status: &str, kind: &str, answer: &str| {
        let mut request = pairs(&[(":method", method), (":path", "/mcp"), (":authority", "a")]);
        if !id.is_empty() {
            request.extend(pairs(&[("mcp-session-id", id)]));
        }
        Exchange {
            request,
            body: body.into(),
            response: pairs(&[
                (":status", status),
                ("content-type", kind),
                ("mcp-session-id", "known"),
            ]),
            response_body: answer.into(),
            response_has_body: true,
        }
    };
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    let result = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
    let stream = "event: message\r\ndata: {\"id\":0,\"error\":{\"code\":1}}\r\n\r\n";
    vec![
        exchange("POST", "", initialize, "200", "application/json", result),
        exchange("POST", "", initialize, "200", "text/event-stream", stream),
        exchange("POST", "known", r#"{"method":"tools/call"}"#, "200", "application/json", result),
        exchange("POST", "known", r#"{"method":"tools/call"}"#, "404", "text/plain", "who?"),
        exchange("GET", "known", "", "200", "text/event-stream", stream),
        exchange("DELETE", "known", "", "204", "text/plain", ""),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Add(String, Vec<u8>),
    Remove,
    Repeat,
    Replace(Vec<u8>),
    Byte(Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let name = select(vec![
        "mcp-session-id",
        "mcp-protocol-version",
        "x-podpin-host",
        "x-envoy-original-dst-host",
        "x-forwarded-host",
        "content-encoding",
        "content-length",
        "x-anything",
    ]);
    let value = || {
        let known = select(vec!["2025-06-18", "2026-07-28, ", "gzip", "", "known", "500", "HEAD"]);
        prop_oneof![
            known.prop_map(|value| value.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..600),
        ]
    };
    prop_oneof![
        (name, value()).prop_map(|(name, value)| Change::Add(name.to_owned(), value)),
        Just(Change::Remove),
        Just(Change::Repeat),
        value().prop_map(Change::Replace),
        any::<(Index, u8)>().prop_map(|(place, byte)| Change::Byte(place, byte)),
    ]
}

impl Change {
    fn apply(self, place: Index, pairs: &mut Pairs) {
        if let Self::Add(name, value) = self {
            pairs.push((name, value));
            return;
        }
        // Envoy lets no message pass without its pseudo-headers.
        let fields: Vec<usize> = (0..pairs.len()).filter(|at| pairs[*at].0 != ":status").collect();
        if fields.is_empty() {
            return;
        }
        let at = *place.get(&fields);
        match self {
            Self::Add(..) => {}
            Self::Remove if pairs[at].0.starts_with(':') => {}
            Self::Remove => drop(pairs.remove(at)),
            Self::Repeat => pairs.push(pairs[at].clone()),
            Self::Replace(value) => pairs[at].1 = value,
            Self::Byte(byte_at, byte) if !pairs[at].1.is_empty() => {
                let byte_at = byte_at.index(pairs[at].1.len());
                pairs[at].1[byte_at] = byte;
            }
            Self::Byte(..) => {}
        }
    }
}

/// Changes to a body.
#[derive(Clone, Debug)]
struct Mangled(Vec<(Index, u8)>, Option<Index>);

fn mangled() -> impl Strategy<Value = Mangled> {
    let bytes = prop::collection::vec(any::<(Index, u8)>(), 0..3);
    (bytes, prop::option::weighted(0.2, any::<Index>()))
        .prop_map(|(bytes, cut)| Mangled(bytes, cut))
}

impl Mangled {
    fn apply(self, body: &mut Vec<u8>) {
        let Self(bytes, cut) = self;
        for (place, byte) in bytes.into_iter().filter(|_| !body.is_empty()).collect::<Vec<_>>() {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len() + 1));
        }
    }
}
