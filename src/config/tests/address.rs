//! Steering by address.

use super::*;
use crate::pods::Addresses;
use crate::steer::{Encoding, EndpointHeader};

#[test]
fn steering_by_address_needs_no_stateful_set_but_a_scope() {
    let endpoint = |name: &str, encoding| Steering::Endpoint {
        header: EndpointHeader { name: name.into(), encoding },
        within: None,
    };
    let default = "x-podpin-endpoint";
    for (steer, wanted) in [
        (json!("endpoint"), endpoint(default, Encoding::Base64)),
        (json!({"endpoint": {}}), endpoint(default, Encoding::Base64)),
        (json!({"endpoint": {"encoding": "plain"}}), endpoint(default, Encoding::Plain)),
        (
            json!({"endpoint": {"header": "x-pin", "encoding": "base64"}}),
            endpoint("x-pin", Encoding::Base64),
        ),
    ] {
        let config = parse(&json!({"steer": steer, "scope": "default/other"}));
        assert_eq!(config.steering, wanted);
    }
    let mut config = json!({
        "steer": "original_dst", "scope": "default/other",
        "workload": {"addresses": ["10.244.0.0/16", "fd00::/64"], "port": 8080},
    });
    let ranges = ["10.244.0.0/16", "fd00::/64"].map(|range| range.parse().unwrap());
    let addresses = Addresses { ranges: ranges.into(), port: 8080 };
    assert_eq!(parse(&config).steering, Steering::OriginalDst(addresses.clone()));
    config["steer"] = json!("endpoint");
    let Steering::Endpoint { within, .. } = parse(&config).steering else { panic!("endpoint") };
    assert_eq!(within, Some(addresses));
    // A StatefulSet still names the workload.
    let named = json!({"stateful_set": "myserver", "namespace": "default"});
    let config = parse(&json!({"steer": "endpoint", "workload": named}));
    assert_eq!(config.served.scope.label(), "default/myserver");
}

#[test]
fn what_does_not_go_with_steering_by_address_is_a_mistake() {
    let within = json!({"addresses": ["10.0.0.0/8"], "port": 80});
    for (config, wanted) in [
        (
            json!({"steer": "endpoint"}),
            "scope: missing: without a StatefulSet nothing else names the workload",
        ),
        (json!({"steer": "original_dst", "scope": "a"}), "workload: missing"),
        (
            json!({"steer": "original_dst", "scope": "a", "workload": {"port": 80}}),
            "workload.addresses: missing",
        ),
        (
            json!({"steer": "endpoint", "scope": "a", "workload": {"addresses": ["10.0.0.0/8"]}}),
            "workload.port: missing",
        ),
        (
            json!({"steer": "endpoint", "scope": "a", "placement": {"drain": [1]}}),
            "placement.drain: steer endpoint leaves that to Envoy: drain endpoints there",
        ),
        (
            json!({
                "steer": "original_dst", "scope": "a", "workload": within,
                "store": {"kind": "redis", "cluster": "webdis"},
            }),
            "store.kind: redis does not go with steer original_dst unless store.keys sign its records: \
             whoever can write to the Redis could send requests to any address of workload.addresses",
        ),
        (
            json!({"steer": {"authority": {}}, "scope": "a"}),
            "steer.endpoint: missing; any other way to steer is a word, not an object",
        ),
        (
            json!({"steer": "endpoint", "workload": {"stateful_set": "myserver"}}),
            "workload.namespace: missing",
        ),
        (
            json!({"steer": {"endpoint": {"encoding": "hex"}}, "scope": "a"}),
            "steer.endpoint.encoding: \"hex\" is not one of base64, plain",
        ),
        (
            json!({"steer": {"endpoint": {}, "authority": {}}, "scope": "a"}),
            "steer.authority: unknown key; known here are endpoint",
        ),
    ] {
        let mistakes = mistakes(&config);
        assert!(
            mistakes.split("; ").any(|mistake| mistake == wanted) || mistakes == wanted,
            "{mistakes}"
        );
    }
    for (range, wanted) in [
        ("10.0.0.0", "is not a CIDR range such as 10.244.0.0/16 or fd00:10::/32"),
        ("0.0.0.0/0", "is wider than /8"),
        ("169.254.169.254/32", "has link-local or IPv4-mapped addresses, which no pod has"),
        ("169.0.0.0/8", "has link-local or IPv4-mapped addresses, which no pod has"),
        ("::ffff:0:0/96", "has link-local or IPv4-mapped addresses, which no pod has"),
        ("fe80::/64", "has link-local or IPv4-mapped addresses, which no pod has"),
        ("10.1.2.3/16", "has bits beyond its prefix; 10.1.0.0/16 is meant"),
    ] {
        let workload = json!({"addresses": [range], "port": 80});
        let config = json!({"steer": "endpoint", "scope": "a", "workload": workload});
        assert_eq!(mistakes(&config), format!("workload.addresses[0]: {range:?} {wanted}"));
    }
    for header in ["", "x-", "mcp-session-id", "X-Pin", "x-forwarded-for", "x-envoy-a", "x a"] {
        let steer = json!({"endpoint": {"header": header}});
        let mistakes = mistakes(&json!({"steer": steer, "scope": "a"}));
        let wanted = format!("steer.endpoint.header: {header:?} is not a name of");
        assert!(mistakes.starts_with(&wanted), "{mistakes}");
    }
}
