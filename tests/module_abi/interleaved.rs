//! Streams, callouts and ticks in any order, and streams that are cut off anywhere.

use std::rc::Rc;
use std::time::Duration;

use kit::model::{Engine, Step};
use podpin::host::{CallResponse, Callout, Cause};

use crate::bench::{Bench, POD, RESULT, pairs, request, response};
use crate::envoy::stream::{LocalReply, Stream};

/// So many streams live at once, at most.
const STREAMS: usize = 12;

/// Numbers that look random, the same in every run.
struct Numbers(u64);

/// How far a stream is, as Envoy's codecs see it.
struct Running {
    stream: Rc<Stream>,
    is_initialize: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Headers,
    Body,
    Response,
    ResponseBody,
}

struct World<const MINOR: u32> {
    bench: Bench<MINOR>,
    numbers: Numbers,
    running: Vec<Running>,
    calls: Vec<(u32, Callout)>,
    /// So many streams ended in each way: served, answered by the module, cut off.
    ends: [u32; 3],
}

// === impl Numbers ===

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

// === impl World ===

impl<const MINOR: u32> World<MINOR> {
    fn new(seed: u64) -> Self {
        let (numbers, bench) = (Numbers(seed), Bench::start());
        Self { bench, numbers, running: Vec::new(), calls: Vec::new(), ends: [0; 3] }
    }

    /// One thing happens.
    fn turn(&mut self) {
        match self.numbers.below(20) {
            0..4 if self.running.len() < STREAMS => self.begin(),
            4..14 => self.step(),
            14..17 => self.respond(),
            17 => self.cut_off(),
            18 if self.numbers.below(5) == 0 => {
                let time = Duration::from_millis(self.numbers.below(900));
                self.bench.envoy.advance(time);
            }
            _ => {
                let is_quick = self.numbers.below(2) == 0;
                let config = &self.bench.envoy.config;
                config.is_quick.store(is_quick, std::sync::atomic::Ordering::SeqCst);
                let at_once = (self.numbers.below(4) == 0).then(|| CallResponse {
                    status: 503,
                    is_from_server: false,
                    body: Vec::new(),
                });
                *config.at_once.lock().unwrap() = at_once;
            }
        }
        self.calls.extend(self.bench.envoy.calls());
        let before = self.running.len();
        self.running.retain(|running| !running.stream.is_over());
        self.ends[1] += (before - self.running.len()) as u32;
    }

    fn begin(&mut self) {
        let id = format!("session-{}", self.numbers.below(30));
        let is_initialize = self.numbers.below(3) == 0;
        let trip = match self.numbers.below(60) {
            0 => "request_headers",
            1 => "request_body",
            2 => "response_headers",
            3 => "response_body",
            4 => "scheduled",
            5 => "stream_complete",
            _ => "none",
        };
        let known = [("mcp-session-id", id.as_str())];
        let known = if is_initialize { &[][..] } else { &known[..] };
        let headers = request(&[known, &[("x-trip", trip)]].concat());
        let (stream, step) = self.bench.ask(headers);
        let stage = Stage::Headers;
        self.follow(Running { stream, is_initialize, stage }, &step);
    }

    /// A stream that does not wait goes on.
    fn step(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let place = self.numbers.below(self.running.len() as u64) as usize;
        let mut running = self.running.swap_remove(place);
        let number = running.stream.number;
        if self.bench.envoy.record(number).paused {
            self.may_arrive(&running);
            self.running.push(running);
            return;
        }
        let envoy = &mut self.bench.envoy;
        let step = match running.stage {
            Stage::Headers => {
                running.stage = Stage::Body;
                let method = if running.is_initialize { "initialize" } else { "ping" };
                let body = format!(r#"{{"method":"{method}"}}"#);
                envoy.request_body(number, body.as_bytes(), true)
            }
            Stage::Body => {
                running.stage = Stage::Response;
                let id = format!("session-{}", self.numbers.below(30));
                match self.numbers.below(8) {
                    0 => {
                        let head = pairs(&[(":status", "503")]);
                        envoy.local_reply(number, head, POD, Cause::Unreachable)
                    }
                    1 => envoy.response(number, pairs(&[(":status", "404")]), POD),
                    2 => {
                        let head = pairs(&[(":status", "404"), ("content-length", "0")]);
                        envoy.response_head(number, head, POD, false)
                    }
                    _ if running.is_initialize => envoy.response(number, response(&id), POD),
                    _ => envoy.response(number, pairs(&[(":status", "200")]), POD),
                }
            }
            Stage::Response => {
                running.stage = Stage::ResponseBody;
                envoy.response_body(number, RESULT, true)
            }
            Stage::ResponseBody => {
                envoy.end(number);
                self.ends[0] += 1;
                return;
            }
        };
        self.follow(running, &step);
    }

    /// What arrives while a message is held.
    fn may_arrive(&mut self, running: &Running) {
        let stream = &running.stream;
        match running.stage {
            Stage::Headers if self.numbers.below(4) == 0 => {
                let headers = pairs(&[(":status", "503"), ("content-length", "7")]);
                let reply = LocalReply { headers, cause: Cause::Unreachable };
                *stream.fails.borrow_mut() = Some(reply);
            }
            Stage::Response if self.numbers.below(2) == 0 => {
                *stream.waiting.borrow_mut() = Some((RESULT.to_vec(), true));
            }
            _ => {}
        }
    }

    /// What the module made of a stream.
    fn follow(&mut self, running: Running, step: &Step) {
        match step {
            Step::Reply(..) => {
                self.bench.envoy.end(running.stream.number);
                self.ends[1] += 1;
            }
            Step::Go | Step::Wait => self.running.push(running),
        }
    }

    /// A callout is answered, in any order.
    fn respond(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let place = self.numbers.below(self.calls.len() as u64) as usize;
        let (call, callout) = self.calls.swap_remove(place);
        let now = self.bench.envoy.proxy().milliseconds;
        let nothing = |status| CallResponse { status, is_from_server: false, body: Vec::new() };
        let response = match (callout.cluster.as_str(), self.numbers.below(8)) {
            (_, 0) => nothing(0),
            ("webdis", 1..) => self.bench.redis.response(&callout, now),
            _ => nothing(504),
        };
        self.bench.envoy.respond_to_call(call, response);
    }

    fn cut_off(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let place = self.numbers.below(self.running.len() as u64) as usize;
        let running = self.running.swap_remove(place);
        self.bench.envoy.end(running.stream.number);
        self.ends[2] += 1;
    }
}

fn in_any_order<const MINOR: u32>() {
    let mut world = World::<MINOR>::new(4711);
    for _ in 0..40_000 {
        world.turn();
    }
    let World { mut bench, ends, running, .. } = world;
    assert!(ends.iter().all(|count| *count > 300), "{ends:?}");
    for running in running {
        bench.envoy.end(running.stream.number);
    }
    // Nothing is left that keeps the module from its work.
    bench.envoy.config.is_quick.store(false, std::sync::atomic::Ordering::SeqCst);
    *bench.envoy.config.at_once.lock().unwrap() = None;
    (0..60).for_each(|_| bench.envoy.advance(Duration::from_secs(1)));
    bench.envoy.calls();
    bench.open("after");
    let (stream, step) = bench.ask(request(&[("mcp-session-id", "after")]));
    assert_eq!(step, Step::Go);
    bench.envoy.end(stream.number);
    let panics = bench.panicked();
    assert!(panics > 20, "{panics} that were asked for");
}

#[test]
fn whatever_comes_in_whichever_order_is_survived_where_streams_go_at_once() {
    in_any_order::<39>();
}

#[test]
fn whatever_comes_in_whichever_order_is_survived_where_streams_go_later() {
    in_any_order::<40>();
}
