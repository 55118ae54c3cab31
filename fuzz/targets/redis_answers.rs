//! Any answers of a store, in every dialect, to all that it is asked in a session's life: nobody waits for
//! ever, and no request goes anywhere but to the workload.

#![no_main]

use fuzz::input::Input;
use fuzz::workload::{Mode, address, ask, check_sent, is_to_pod, open, parsed, redis, respond};
use libfuzzer_sys::fuzz_target;
use podpin::config::Config;
use podpin::host::{CallResponse, Callout};
use simulated::mini_redis::Front;
use simulated::{Engine, Sim, Step, nothing};

thread_local! {
    static CONFIGS: [Config; 2] = [Front::Webdis, Front::Upstash].map(|front| {
        let mut plugin = Mode::Authority.plugin();
        plugin["store"] = redis(front);
        parsed(&plugin)
    });
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let config = CONFIGS.with(|configs| configs[input.below(2)].clone());
    let mut sim = Sim::on(Default::default(), config);
    let mut answers = input;
    let mut answer = |callout: &Callout| match is_to_pod(callout) || answers.0.is_empty() {
        true => nothing(),
        false => {
            let status = answers.one_of(&[200, 200, 400, 401, 500, 503, 504, 0]);
            CallResponse { status, body: answers.line().to_vec(), is_from_server: status != 0 }
        }
    };
    for round in 0..3 {
        let (stream, step) = ask(&mut sim, "POST", b"a", &mut answer);
        if step == Step::Go {
            check_sent(Mode::Authority, &sim.record(stream));
            let status = ["200", "400", "404"][round];
            respond(&mut sim, stream, status, &address(0), &mut answer);
        }
        sim.end(stream);
        let (stream, _) = open(&mut sim, b"a", &address(1), &mut answer);
        sim.end(stream);
        sim.advance(std::time::Duration::from_secs(8));
        let (stream, step) = ask(&mut sim, "DELETE", b"a", &mut answer);
        if step == Step::Go {
            check_sent(Mode::Authority, &sim.record(stream));
            respond(&mut sim, stream, "200", &address(1), &mut answer);
        }
        sim.end(stream);
        sim.advance(std::time::Duration::from_secs(1));
    }
});
