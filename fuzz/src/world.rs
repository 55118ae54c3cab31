//! A world of proxies, pods and clients, in which anything may happen in any order: what it has to hold is
//! asserted after each event.
//!
//! Responses of pods, and answers of the store, come when they will: early, late, twice, or never. A Redis
//! that answers does so honestly, but for answers that an input makes up. From then on nothing is said any
//! more of where a session lives, only of where requests may go at all.

mod exchange;
mod setup;
mod truth;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::OnceLock;

use podpin::host::{CallResponse, Callout, Cause};
use simulated::mini_redis::MiniRedis;
use simulated::{Engine, ProxyRecord, Sim, nothing};

use crate::input::Input;
use crate::workload::{FOREIGN, Mode, address, check_callout, is_to_pod};

use exchange::{Ask, Exchange, Phase};
use setup::Setup;
use truth::Truth;

/// The ids that pods give out, by each of the two transports.
const IDS: usize = 4;

/// So many exchanges at most.
const EXCHANGES: usize = 64;

/// How far the events of an input came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    /// Sessions that clients learned of.
    pub bound: u32,
    /// Requests that went where their session lives.
    pub steered: u32,
    /// Requests that the filter answered.
    pub replied: u32,
    /// Exchanges that waited.
    pub waited: u32,
    /// Responses that were replaced.
    pub replaced: u32,
}

/// The world.
pub struct World {
    setup: Setup,
    proxies: Vec<Rc<RefCell<ProxyRecord>>>,
    threads: Vec<Thread>,
    redis: Option<MiniRedis>,
    /// Callouts that were not answered.
    calls: Vec<Call>,
    /// Those that were.
    answered: Vec<(Call, CallResponse)>,
    exchanges: Vec<Exchange>,
    truth: Truth,
    /// Addresses from which a response came.
    connected: BTreeSet<String>,
    reached: Reached,
}

/// The filter on a thread of a proxy.
struct Thread {
    sim: Sim,
    proxy: usize,
    /// It takes no new exchanges.
    drains: bool,
}

#[derive(Clone)]
struct Call {
    thread: usize,
    number: u32,
    callout: Callout,
}

/// Lets everything happen that an input says.
pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input(bytes);
    let mut world = World::new(&mut input);
    while let Some(event) = input.byte() {
        world.on(event, &mut input);
        world.settle();
        world.tell();
    }
    world.close();
    world.reached
}

/// Whether each event is to be told, to make sense of an input.
fn is_told() -> bool {
    static TOLD: OnceLock<bool> = OnceLock::new();
    *TOLD.get_or_init(|| std::env::var_os("TRACE").is_some())
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let setup = Setup::read(input);
        let proxy = |randoms| {
            let milliseconds = 1_750_000_000_000;
            let proxy = ProxyRecord { milliseconds, randoms, ..ProxyRecord::default() };
            Rc::new(RefCell::new(proxy))
        };
        let proxies: Vec<_> = (0..setup.proxies()).map(|number| proxy(number << 40)).collect();
        let threads = [0, 0, 1].into_iter().filter(|proxy| *proxy < proxies.len());
        let start = |proxy: usize| {
            let sim = Sim::on(proxies[proxy].clone(), setup.config());
            Thread { sim, proxy, drains: false }
        };
        let mut world = Self {
            threads: threads.map(start).collect(),
            redis: setup.redis(),
            truth: Truth::new(&setup),
            setup,
            proxies,
            calls: Vec::new(),
            answered: Vec::new(),
            exchanges: Vec::new(),
            connected: BTreeSet::new(),
            reached: Reached::default(),
        };
        (0..world.threads.len()).for_each(|thread| world.take_calls(thread));
        world
    }

    fn mode(&self) -> Mode {
        self.setup.mode
    }

    fn now(&self) -> u64 {
        self.proxies[0].borrow().milliseconds
    }

    /// One event. Letters are for who writes inputs by hand.
    fn on(&mut self, event: u8, input: &mut Input<'_>) {
        const EVENTS: &[u8] = b"ousmqbrpdxagtvcn";
        let event = match event {
            b' ' | b'\n' => return,
            event if EVENTS.contains(&event) => event,
            event => EVENTS[usize::from(event) % EVENTS.len()],
        };
        if is_told() {
            eprintln!("{} {}", char::from(event), String::from_utf8_lossy(input.0).escape_debug());
        }
        match event {
            b'o' => self.ask(Ask::open(input), input),
            b'u' => self.ask(Ask::of_session(input, &self.truth), input),
            b's' => self.ask(Ask::open_stream(input), input),
            b'm' => self.ask(Ask::message(input), input),
            b'q' => self.ask(Ask::anything(input), input),
            b'b' => self.request_body(input),
            b'r' => self.response(input),
            b'p' => self.proxy_answers(input),
            b'd' => self.response_body(input),
            b'x' => self.leave(input),
            b'a' => self.answer(input),
            b'g' => self.answer_again(input),
            b't' => self.time_passes(input),
            b'v' => self.vm_dies(input),
            b'c' => self.configuration_changes(input),
            _ => self.proxy_changes(input),
        }
    }

    fn take_calls(&mut self, thread: usize) {
        for (number, callout) in self.threads[thread].sim.calls() {
            check_callout(self.mode(), &callout, &self.connected);
            self.calls.push(Call { thread, number, callout });
        }
    }

    /// Says how things stand.
    fn tell(&self) {
        if !is_told() {
            return;
        }
        for (at, exchange) in self.exchanges.iter().enumerate() {
            if exchange.phase != Phase::Over {
                eprintln!("    {at} on {}: {exchange}", exchange.thread);
            }
        }
        for Call { thread, callout, .. } in &self.calls {
            let Callout { method, path, body, .. } = callout;
            eprintln!("    {thread} calls: {method} {path} {}", String::from_utf8_lossy(body));
        }
    }

    // === Callouts

    fn answer(&mut self, input: &mut Input<'_>) {
        if self.calls.is_empty() {
            return;
        }
        let call = self.calls.remove(input.below(self.calls.len()));
        let proxys = |status| CallResponse { status, body: Vec::new(), is_from_server: false };
        let servers = |status, body: &[u8]| CallResponse {
            status,
            body: body.to_vec(),
            is_from_server: true,
        };
        let how = input.below(10);
        let response = match how {
            0 | 1 if !is_to_pod(&call.callout) => self.carried_out(&call),
            // The store has done it, and nobody hears of that.
            2 if !is_to_pod(&call.callout) => {
                self.carried_out(&call);
                nothing()
            }
            0 => servers(200, br#"{"jsonrpc":"2.0","id":"podpin","result":{}}"#),
            1 => servers(404, b""),
            2 => servers(400, br#"{"id":"podpin","error":{"code":-32000,"message":"no session"}}"#),
            3 => nothing(),
            4 => proxys(503),
            5 => proxys(0),
            6 => servers(503, b"busy"),
            7 => servers(401, b""),
            8 => servers(200, br#"{"SET":[false,"READONLY no"]}"#),
            _ => {
                if !is_to_pod(&call.callout) {
                    self.truth.lies();
                }
                servers(input.one_of(&[200, 400, 500]), input.line())
            }
        };
        self.deliver(call, response);
    }

    fn carried_out(&mut self, call: &Call) -> CallResponse {
        let now = self.now();
        self.redis.as_mut().map_or_else(nothing, |redis| redis.response(&call.callout, now))
    }

    fn deliver(&mut self, call: Call, response: CallResponse) {
        let thread = call.thread;
        let before = self.ends(thread);
        self.threads[thread].sim.respond_to_call(call.number, response.clone());
        if self.ends(thread) != before {
            self.truth.all_may_have_ended();
        }
        self.answered.push((call, response));
        self.take_calls(thread);
    }

    fn answer_again(&mut self, input: &mut Input<'_>) {
        if self.answered.is_empty() {
            return;
        }
        let (call, response) = self.answered[input.below(self.answered.len())].clone();
        self.threads[call.thread].sim.respond_to_call(call.number, response);
        self.take_calls(call.thread);
    }

    /// How often a session has ended, as this proxy counts it.
    fn ends(&self, thread: usize) -> u64 {
        let proxy = self.proxies[self.threads[thread].proxy].borrow();
        let count = |name: &str| proxy.counters.get(&simulated::counter(name)).copied();
        ["lost", "ended", "undone", "expired"].iter().filter_map(|name| count(name)).sum()
    }

    // === The proxies

    fn time_passes(&mut self, input: &mut Input<'_>) {
        const BACK: u64 = 0;
        let by = input.one_of(&[1000, 1, 50, 300, 1100, 5000, 20_000, 61_000, 3_700_000, BACK]);
        for proxy in &self.proxies {
            let now = &mut proxy.borrow_mut().milliseconds;
            *now = if by == BACK { *now - 3000 } else { *now + by };
        }
        if by == BACK {
            self.truth.all_may_have_ended();
        }
        self.tick();
    }

    fn tick(&mut self) {
        for thread in 0..self.threads.len() {
            let before = self.ends(thread);
            self.threads[thread].sim.tick();
            if self.ends(thread) != before {
                self.truth.all_may_have_ended();
            }
            self.take_calls(thread);
        }
    }

    fn thread(&self, input: &mut Input<'_>) -> usize {
        let awake: Vec<_> =
            (0..self.threads.len()).filter(|thread| !self.threads[*thread].drains).collect();
        input.one_of(&awake)
    }

    /// The VM of a thread dies, and another takes its place.
    fn vm_dies(&mut self, input: &mut Input<'_>) {
        let dead = self.thread(input);
        self.threads[dead].sim = self.threads[dead].sim.beside(self.setup.config());
        self.calls.retain(|call| call.thread != dead);
        self.answered.retain(|(call, _)| call.thread != dead);
        let its = self.exchanges.iter_mut().filter(|exchange| exchange.thread == dead);
        its.for_each(|exchange| exchange.phase = Phase::Over);
        self.take_calls(dead);
    }

    /// A thread gets another configuration. What runs by the old one goes on.
    fn configuration_changes(&mut self, input: &mut Input<'_>) {
        if self.threads.len() > 8 {
            return;
        }
        let old = self.thread(input);
        self.setup.change(input);
        let sim = self.threads[old].sim.beside(self.setup.config());
        let proxy = self.threads[old].proxy;
        self.threads[old].drains = true;
        self.threads.push(Thread { sim, proxy, drains: false });
        self.take_calls(self.threads.len() - 1);
    }

    /// A proxy cannot do something, or can again.
    fn proxy_changes(&mut self, input: &mut Input<'_>) {
        let proxy = &self.proxies[input.below(self.proxies.len())];
        let mut proxy = proxy.borrow_mut();
        match input.below(3) {
            0 => proxy.refuses_calls ^= true,
            1 => proxy.refuses_filter_state ^= true,
            _ => proxy.has_no_randomness ^= true,
        }
    }

    // === Responses

    /// Where a response comes from: the place where the request was sent, mostly.
    fn source(&self, at: usize, input: &mut Input<'_>) -> String {
        let exchange = &self.exchanges[at];
        let pod = |place: &str| place.rsplit('-').next().and_then(|number| number.parse().ok());
        let led = exchange.led.as_deref();
        let there = match led {
            Some(place) if self.mode().is_by_name() => pod(place).map(address),
            Some(address) => Some(address.to_owned()),
            None => None,
        };
        match input.below(9) {
            7 => FOREIGN.to_owned(),
            8 => String::new(),
            other if other < 3 => there.unwrap_or_else(|| address(other)),
            other => address(other % 3),
        }
    }

    fn proxy_answers(&mut self, input: &mut Input<'_>) {
        let is_open = |phase| matches!(phase, Phase::RequestHeld | Phase::Sent);
        let Some(at) = self.choose(input, is_open) else { return };
        let cause = input.one_of(&[
            Cause::Unreachable,
            Cause::Reset,
            Cause::TimedOut,
            Cause::Overloaded,
            Cause::Other,
        ]);
        let status = input.one_of(&["503", "504", "404", "500", "200"]);
        self.local_reply(at, status, cause);
    }

    /// All callouts are answered, and time passes: whoever waited waits no longer.
    fn close(&mut self) {
        for _ in 0..4 {
            // Each answer may cause another callout, but not for ever.
            for _ in 0..1000 {
                let Some(call) = self.calls.pop() else { break };
                let response = match is_to_pod(&call.callout) {
                    true => nothing(),
                    false => self.carried_out(&call),
                };
                self.deliver(call, response);
                self.settle();
            }
            assert!(self.calls.is_empty(), "callouts without an end");
            self.proxies.iter().for_each(|proxy| proxy.borrow_mut().milliseconds += 1000);
            self.tick();
            self.settle();
        }
        for exchange in &self.exchanges {
            assert!(!exchange.phase.is_held(), "paused for ever: {:?}", exchange.ask);
        }
    }
}
