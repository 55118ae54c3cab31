//! Access control beside Podpin: what a virtual host denies stays denied.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::dns::pod_name;
use kit::pods::App;
use kit::setup::Setup;
use serde_json::{Value, json};

const RBAC: &str = "envoy.filters.http.rbac";

/// Where the filter that authorizes stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    BeforePodpin,
    AfterPodpin,
}
use Place::{AfterPodpin, BeforePodpin};

/// Has the virtual host of the clients deny everything.
fn denying(place: Place) -> impl Fn(Bootstrap) -> Bootstrap {
    move |mut example| {
        let filter = json!({
            "name": RBAC,
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"},
        });
        let filters = example.filters();
        let podpin = filters.iter().position(|filter| filter["name"] == "podpin");
        let podpin = podpin.expect("the filter");
        let index = match place {
            BeforePodpin => podpin,
            AfterPodpin => podpin + 1,
        };
        filters.insert(index, filter);
        let everything = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
        hosts(&mut example)[0]["typed_per_filter_config"] = json!({RBAC: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
            "rbac": {"rules": {"action": "DENY", "policies": {"everything": everything}}},
        }});
        example
    }
}

/// Gives the pods a virtual host of their own, without what that of the clients sets.
fn with_a_host_of_the_pods(mut example: Bootstrap) -> Bootstrap {
    let hosts = hosts(&mut example);
    let domains = hosts[0]["domains"].as_array_mut().expect("domains");
    let of_pods = domains.pop().expect("the pods' domain");
    assert!(of_pods.as_str().is_some_and(|domain| domain.contains(kit::DOMAIN)), "{of_pods}");
    let routes = hosts[0]["routes"].clone();
    hosts.push(json!({"name": "pods", "domains": [of_pods], "routes": routes}));
    example
}

fn hosts(example: &mut Bootstrap) -> &mut Vec<Value> {
    let hosts = &mut example.connection_manager()["route_config"]["virtual_hosts"];
    hosts.as_array_mut().expect("virtual hosts")
}

/// The status for a client that sends its own name for the server, and for one that names a pod.
async fn statuses(setup: &Setup) -> [u16; 2] {
    let pod = format!("{}:{}", pod_name(0), setup.pods.port);
    let mut statuses = [0; 2];
    for (status, host) in statuses.iter_mut().zip(["mcp.example", &pod]) {
        let ask = Ask::initialize().header("host", host);
        let got = ask.send(&reqwest::Client::new(), &setup.envoy.url("")).await.unwrap();
        *status = got.status().as_u16();
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_virtual_host_of_an_example_denies_is_denied_in_every_steering_mode() {
    for example in ["envoy.yaml", "dynamic-host.yaml"] {
        for place in [BeforePodpin, AfterPodpin] {
            let setup = Setup::start(example, App::Stateful, denying(place)).await.unwrap();
            assert_eq!(statuses(&setup).await, [403, 403], "{example}, {place:?}");
            assert!(setup.pods.take_seen().is_empty(), "{example}, {place:?}");
        }
    }
}

/// Why the filter stands where it does, and why the examples have one virtual host.
#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_of_the_pods_own_is_a_way_around_what_another_denies() {
    for (place, expected) in [(BeforePodpin, [403, 200]), (AfterPodpin, [200, 200])] {
        let change = |example| with_a_host_of_the_pods(denying(place)(example));
        let setup = Setup::start("envoy.yaml", App::Stateful, change).await.unwrap();
        assert_eq!(statuses(&setup).await, expected, "{place:?}");
    }
}
