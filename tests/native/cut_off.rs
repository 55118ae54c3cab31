//! Exchanges that end in the middle of anything: clients, pods and callouts are cut off at random.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::envoy::Envoy;
use kit::link::Mode;
use kit::mini_redis::Front;
use kit::pods::App;
use kit::setup::{SharedSetup, on_free_ports};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const LANES: u64 = 8;

/// Growth of what Envoy holds that means nothing: its buffers and pools, in KB.
const NOISE: u64 = 20_000;

/// How many exchanges; `EXCHANGES` says otherwise.
fn exchanges() -> u64 {
    let set = std::env::var("EXCHANGES").ok();
    set.map_or(4_000, |number| number.parse().expect("EXCHANGES is a number"))
}

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the clients saw, together.
#[derive(Default)]
struct Tally {
    done: AtomicU64,
    served: AtomicU64,
    cut_off: AtomicU64,
    misrouted: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_that_are_cut_off_anywhere_harm_nothing() {
    for example in ["envoy.yaml", "endpoint.yaml"] {
        let mut setup = SharedSetup::start_for(example, Front::Webdis, App::Stateful)
            .await
            .expect("the set-up starts");
        let mut bootstrap: Bootstrap =
            on_free_ports(example, &setup.pods, &setup.dns).expect("the example");
        bootstrap.take_store(setup.bootstrap().expect("the store"));
        let bootstrap = bootstrap.plugin(|plugin| plugin["store"]["timeout"] = "100ms".into());
        let envoy = Envoy::start(&bootstrap.natively()).await.expect("Envoy starts");
        let tally = Arc::new(Tally::default());
        let (begun, mut exchanges_begun) = unbounded_channel();
        let lanes = (1..=LANES).map(|lane| {
            let (tally, begun) = (tally.clone(), begun.clone());
            tokio::spawn(run(lane, envoy.url(""), exchanges() / LANES / 2, tally, begun))
        });
        let lanes: Vec<_> = lanes.collect();
        drop(begun);
        let (mut numbers, mut resident) = (Numbers(42), Vec::new());
        // Every so many exchanges something else is broken, until there are no more.
        while exchanges_begun.recv().await.is_some() {
            setup.link.set(match numbers.below(8) {
                0 => Mode::Closed,
                1 => Mode::Held,
                _ => Mode::Open,
            });
            if numbers.below(10) == 0 {
                let pod = numbers.below(3) as usize;
                setup.pods.stop(pod).await;
                setup.pods.start_again(pod).expect("the pod comes back");
            }
            resident.push(envoy.resident_kb());
            for _ in 0..numbers.below(100) {
                exchanges_begun.recv().await;
            }
        }
        for lane in lanes {
            lane.await.expect("no client fails");
        }
        setup.link.set(Mode::Open);
        let count = |number: &AtomicU64| number.load(Ordering::SeqCst);
        let (served, cut_off) = (count(&tally.served), count(&tally.cut_off));
        let quarter = resident.len() / 4;
        println!(
            "{example}: {} exchanges, {served} served, {cut_off} cut off; resident KB: {} {} {}",
            count(&tally.done),
            resident[0],
            resident[quarter],
            resident[resident.len() - 1]
        );
        assert_eq!(count(&tally.misrouted), 0);
        assert!(served > 0 && cut_off > 0, "{served} served, {cut_off} cut off");
        assert!(resident[resident.len() - 1] < resident[quarter] + NOISE, "{resident:?}");
        let panicked = envoy.stats("podpin_panicked_total").await.expect("Envoy lives");
        assert!(panicked.values().all(|count| *count == 0), "{panicked:?}");
        let http = reqwest::Client::new();
        kit::wait::until("a session", async || {
            let got = Ask::initialize().send(&http, &envoy.url("")).await.ok()?;
            got.status().is_success().then_some(())
        })
        .await;
    }
}

/// One client with a few sessions, each on the pod that opened it. Says when it has begun one more exchange.
async fn run(
    lane: u64,
    origin: String,
    exchanges: u64,
    tally: Arc<Tally>,
    begun: UnboundedSender<()>,
) {
    let mut numbers = Numbers(lane * 7919);
    let http = reqwest::Client::new();
    let mut sessions: Vec<(HeaderValue, String)> = Vec::new();
    for _ in 0..exchanges {
        let is_cut = numbers.below(3) == 0;
        let patience = match is_cut {
            true => Duration::from_micros(numbers.below(4000)),
            false => Duration::from_secs(60),
        };
        let known = match numbers.below(8) {
            0 => None,
            _ => sessions.get(numbers.below(10) as usize).cloned(),
        };
        let ends = numbers.below(20) == 0;
        let ask = match &known {
            None => Ask::initialize(),
            Some((id, _)) if ends => Ask::delete().session(id),
            Some((id, _)) => Ask::tool("whoami").session(id),
        };
        let exchange = async {
            let got = ask.send(&http, &origin).await.ok()?;
            let (status, id) = (got.status(), got.headers().get("mcp-session-id").cloned());
            Some((status.as_u16(), id, got.text().await.ok()?))
        };
        tally.done.fetch_add(1, Ordering::Relaxed);
        begun.send(()).expect("somebody counts");
        let Ok(Some((status, id, text))) = tokio::time::timeout(patience, exchange).await else {
            tally.cut_off.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        match (known, id) {
            (None, Some(id)) if status == 200 && sessions.len() < 10 => {
                // Which pod it is on it says itself.
                let ask = Ask::tool("whoami").session(&id).send(&http, &origin).await;
                if let Ok(got) = ask
                    && got.status() == 200
                    && let Some(pod) = pod_in(&got.text().await.unwrap_or_default())
                {
                    sessions.push((id, pod));
                }
            }
            (Some((_, pod)), _) if status == 200 && !ends => {
                tally.served.fetch_add(1, Ordering::Relaxed);
                let is_wrong = pod_in(&text).is_some_and(|by| by != pod);
                tally.misrouted.fetch_add(is_wrong.into(), Ordering::Relaxed);
            }
            (Some((id, _)), _) if status == 404 || ends => sessions.retain(|(its, _)| *its != id),
            _ => {}
        }
    }
}

/// The pod that an answer names.
fn pod_in(text: &str) -> Option<String> {
    let start = text.find(kit::STATEFUL_SET)?;
    Some(text[start..].chars().take(kit::STATEFUL_SET.len() + 2).collect())
}
