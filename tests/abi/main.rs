//! The whole filter, SDK included, in a host of the proxy-wasm ABI that runs in this process.

mod any;
mod host;

use std::sync::{Arc, Mutex};

use std::time::Duration;

use kit::model::{Engine, Pairs, ProxyRecord, Step, example_plugin};
use podpin::host::CallResponse;
use podpin::telemetry::version;
use serde_json::json;

use host::Abi;

mod scenarios {
    kit::each_model_scenario!(crate::host::Abi);
}

fn request(headers: &[(&str, &[u8])]) -> Pairs {
    let headers = [&[(":method", &b"POST"[..]), (":path", b"/mcp")], headers].concat();
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

#[test]
fn a_configuration_with_mistakes_is_refused_and_named_in_one_line() {
    let mut plugin = example_plugin();
    plugin["workload"]["replicas"] = json!(0);
    plugin["steer"] = json!("guess");
    let proxy = Arc::new(Mutex::new(ProxyRecord::default()));
    let (mut abi, started) = Abi::worker(proxy.clone(), plugin.to_string().as_bytes());
    assert!(!started);
    assert_eq!(
        proxy.lock().unwrap().log,
        ["configuration refused: \
          steer: \"guess\" is not one of authority, dynamic_host, endpoint, original_dst; \
          workload.replicas: 0 is outside 1..=10000"]
    );
    // Envoy does not let a request come this far.
    assert!(matches!(abi.request(request(&[])).1, Step::Reply(503, ..)));
}

#[test]
fn the_version_is_told_once_a_configuration_is_taken() {
    let mut broken = example_plugin();
    broken["steer"] = json!("guess");
    for (plugin, wanted) in [(broken, None), (example_plugin(), Some(version()))] {
        let proxy = Arc::new(Mutex::new(ProxyRecord::default()));
        let worker = std::thread::spawn({
            let proxy = proxy.clone();
            move || Abi::worker(proxy, plugin.to_string().as_bytes()).1
        });
        assert_eq!(worker.join().expect("the worker lives"), wanted.is_some());
        let told = proxy.lock().unwrap().gauges.get(&kit::metric("podpin_version")).copied();
        assert_eq!(told, wanted);
    }
}

#[test]
fn sessions_bound_on_any_worker_are_known_on_every_worker() {
    let proxy = Arc::new(Mutex::new(ProxyRecord::default()));
    let plugin = example_plugin().to_string();
    let on_a_worker = |work: &(dyn Fn(&mut Abi, u32) + Sync)| {
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (proxy, plugin) = (proxy.clone(), plugin.as_bytes());
                scope.spawn(move || work(&mut Abi::worker(proxy, plugin).0, worker));
            }
        });
    };
    on_a_worker(&|abi, worker| {
        for number in 0..50 {
            let (stream, step) = abi.request(request(&[]));
            assert_eq!(step, Step::Go);
            abi.request_body(stream, br#"{"method":"initialize"}"#, true);
            let id = format!("{worker}-{number}");
            let headers = vec![
                (":status".to_owned(), b"200".to_vec()),
                ("mcp-session-id".to_owned(), id.into_bytes()),
            ];
            assert_eq!(abi.response(stream, headers, "127.0.1.1:8080"), Step::Go);
            abi.end(stream);
        }
    });
    on_a_worker(&|abi, _| {
        for (worker, number) in (0..4).flat_map(|worker| (0..50).map(move |n| (worker, n))) {
            let id = format!("{worker}-{number}");
            let (_, step) = abi.request(request(&[("mcp-session-id", id.as_bytes())]));
            assert_eq!(step, Step::Go, "{id}");
        }
    });
    assert_eq!(
        proxy.lock().unwrap().counters["scope=.=default/myserver;.;podpin_steered_total"],
        800
    );
}

/// Two filters of one Envoy, with the same vm_id and scopes of their own.
#[test]
fn a_session_of_one_scope_means_nothing_in_another() {
    let proxy = Arc::new(Mutex::new(ProxyRecord::default()));
    let statuses = |scope: &str, opens: bool| {
        let mut plugin = example_plugin();
        plugin["scope"] = json!(scope);
        let (proxy, plugin) = (proxy.clone(), plugin.to_string());
        let worker = std::thread::spawn(move || {
            let mut abi = Abi::worker(proxy, plugin.as_bytes()).0;
            if opens {
                let (stream, _) = abi.request(request(&[]));
                abi.request_body(stream, br#"{"method":"initialize"}"#, true);
                let headers = vec![
                    (":status".to_owned(), b"200".to_vec()),
                    ("mcp-session-id".to_owned(), b"shared-id".to_vec()),
                ];
                assert_eq!(abi.response(stream, headers, "127.0.1.1:8080"), Step::Go);
            }
            match abi.request(request(&[("mcp-session-id", b"shared-id")])).1 {
                Step::Go => 200,
                Step::Reply(status, ..) => status,
                Step::Wait => panic!("nothing to wait for"),
            }
        });
        worker.join().expect("the worker lives")
    };
    assert_eq!(statuses("team-a", true), 200);
    assert_eq!(statuses("team-b", false), 404);
    assert_eq!(statuses("team-a", false), 200);
}

/// Else it would keep its session from idling out for ever.
#[test]
fn an_exchange_that_was_never_logged_is_over_all_the_same() {
    let mut plugin = example_plugin();
    plugin["session"] = json!({"idle_timeout": "60s"});
    let mut abi = Abi::start(&plugin);
    let (stream, _) = abi.request(request(&[]));
    abi.request_body(stream, br#"{"method":"initialize"}"#, true);
    let headers =
        vec![(":status".to_owned(), b"200".to_vec()), ("mcp-session-id".to_owned(), b"a".into())];
    assert_eq!(abi.response(stream, headers, "127.0.1.1:8080"), Step::Go);
    abi.delete(stream);
    let (stream, step) = abi.request(request(&[("mcp-session-id", b"a")]));
    assert_eq!(step, Step::Go);
    abi.delete(stream);
    (0..90).for_each(|_| abi.advance(Duration::from_secs(1)));
    let (_, step) = abi.request(request(&[("mcp-session-id", b"a")]));
    assert!(matches!(step, Step::Reply(404, ..)), "{step:?}");
}

#[test]
fn no_log_line_holds_a_session_id() {
    let mut abi = Abi::start(&example_plugin());
    let secret = "c0ffee-is-secret";
    let (stream, _) = abi.request(request(&[]));
    abi.request_body(stream, br#"{"method":"initialize"}"#, true);
    let headers =
        vec![(":status".to_owned(), b"200".to_vec()), ("mcp-session-id".to_owned(), secret.into())];
    abi.response(stream, headers, "127.0.1.1:8080");
    for status in ["200", "404", "200"] {
        let (stream, step) = abi.request(request(&[("mcp-session-id", secret.as_bytes())]));
        if step == Step::Go {
            let headers = vec![(":status".to_owned(), status.into())];
            abi.response(stream, headers, "127.0.1.1:8080");
        }
    }
    let log = abi.proxy().log;
    let decisions: Vec<_> = log.iter().filter_map(|line| line.split(':').next()).collect();
    let wanted = ["placed", "bound", "steered", "steered", "lost", "unknown"];
    assert_eq!(decisions[1..], wanted, "after the line of the start");
    assert!(log.iter().all(|line| !line.contains("c0ffee")), "{log:?}");
}

/// Memory that a module has taken stays taken.
#[test]
fn a_response_to_a_callout_is_read_as_far_as_one_can_be_of_use() {
    let mut plugin = example_plugin();
    plugin["store"] = json!({"kind": "redis", "cluster": "webdis"});
    let mut abi = Abi::start(&plugin);
    for (padding, wanted) in [(60_000, 404), (70_000, 503)] {
        let id = padding.to_string();
        let (stream, step) = abi.request(request(&[("mcp-session-id", id.as_bytes())]));
        assert_eq!(step, Step::Wait);
        let body = [vec![b' '; padding], br#"{"GETEX":null}"#.to_vec()].concat();
        let [(call, _)] = abi.calls()[..] else { panic!("one look-up") };
        abi.respond_to_call(call, CallResponse { status: 200, body, is_from_server: true });
        let Step::Reply(status, ..) = abi.step(stream) else { panic!("a reply") };
        assert_eq!(status, wanted, "behind {padding} bytes");
    }
}

/// However often it fails and works again.
#[test]
fn the_log_tells_of_a_failing_store_now_and_then() {
    let mut plugin = example_plugin();
    plugin["store"] = json!({"kind": "redis", "cluster": "webdis"});
    let mut abi = Abi::start(&plugin);
    for number in 0..1000 {
        abi.request(request(&[("mcp-session-id", number.to_string().as_bytes())]));
        for (call, _) in abi.calls() {
            let (status, body) =
                if number % 4 == 0 { (200, r#"{"GETEX":null}"#) } else { (504, "") };
            abi.respond_to_call(
                call,
                CallResponse { status, body: body.into(), is_from_server: true },
            );
        }
        abi.advance(Duration::from_millis(100));
    }
    let log = abi.proxy().log;
    let told = log.iter().filter(|line| line.contains("the store")).count();
    assert!((10..=22).contains(&told), "{told} lines in 100 seconds");
}
