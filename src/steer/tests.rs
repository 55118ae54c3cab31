use super::*;
use crate::pods::{Ordinal, Spread};

fn pods() -> Pods {
    let set = StatefulSet {
        name: "a".into(),
        service: "b".into(),
        namespace: "c".into(),
        cluster_domain: "d".into(),
        port: 80,
        replicas: 3,
        first_ordinal: 0,
    };
    Pods { set, placement: Placement::on(0..3, &[], Spread::Random).unwrap() }
}

fn edits(steering: &Steering, head: Head<'_>) -> Vec<Edit> {
    steering.edits(&mut steering.asked(&head), Place::Pod(Ordinal(2))).unwrap().collect()
}

#[test]
fn the_authority_becomes_the_pod_and_the_old_one_is_kept() {
    let steering = Steering::Authority(pods());
    let pod = Edit::Set(":authority".into(), b"a-2.b.c.svc.d:80".to_vec());
    for (forwarded, kept) in [
        (None, &b"mcp.example"[..]),
        (Some(&b""[..]), b"mcp.example"),
        (Some(b"public.example"), b"public.example, mcp.example"),
    ] {
        let head =
            Head { authority: Some(b"mcp.example"), forwarded_host: forwarded, ..Head::default() };
        let kept = Edit::Set("x-forwarded-host".into(), kept.to_vec());
        assert_eq!(edits(&steering, head), [kept, pod.clone()]);
    }
    assert_eq!(edits(&steering, Head::default()), std::slice::from_ref(&pod));
    let redirected = Head {
        authority: Some(b"a-1.b.c.svc.d:80"),
        forwarded_host: Some(b"mcp.example"),
        ..Head::default()
    };
    assert_eq!(edits(&steering, redirected), [pod], "it was kept the first time");
}

#[test]
fn a_dynamic_host_leaves_the_authority_alone() {
    let head = Head { authority: Some(b"mcp.example"), ..Head::default() };
    assert_eq!(
        edits(&Steering::DynamicHost(pods()), head),
        [
            Edit::FilterState("envoy.upstream.dynamic_host", "a-2.b.c.svc.d".into()),
            Edit::FilterState("envoy.upstream.dynamic_port", "80".into()),
            Edit::Set("x-podpin-host".into(), b"a-2.b.c.svc.d:80".to_vec()),
        ]
    );
}

#[test]
fn an_endpoint_is_out_of_reach_of_steering_by_name() {
    let endpoint = Place::Endpoint("10.0.0.1:80".parse().unwrap());
    for steering in [Steering::Authority(pods()), Steering::DynamicHost(pods())] {
        let places = steering.places();
        assert!(places.include(Place::Pod(Ordinal(2))) && !places.include(endpoint));
        assert!(steering.edits(&mut Asked::default(), endpoint).is_none());
    }
}

fn within() -> Addresses {
    Addresses { ranges: vec!["10.0.0.0/24".parse().unwrap()], port: 80 }
}

fn by_endpoint(encoding: Encoding) -> Steering {
    Steering::Endpoint { header: EndpointHeader { name: "x-pin".into(), encoding }, within: None }
}

#[test]
fn an_endpoint_is_named_in_the_form_that_its_reader_knows() {
    let [v4, v6] = ["10.0.0.1:80", "[fd00::1]:80"].map(|address| address.parse().unwrap());
    let by_proxy = |at, header: &str, value: &str| Edit::Endpoint(at, header.into(), value.into());
    let by_header = |_, header: &'static str, value: &str| Edit::Set(header.into(), value.into());
    type Wanted<'a> = &'a dyn Fn(SocketAddr, &'static str, &str) -> Edit;
    for (steering, endpoint, header, value, wanted) in [
        (by_endpoint(Encoding::Base64), v4, "x-pin", "MTAuMC4wLjE6ODA=", &by_proxy as Wanted<'_>),
        (by_endpoint(Encoding::Base64), v6, "x-pin", "W2ZkMDA6OjFdOjgw", &by_proxy),
        (by_endpoint(Encoding::Plain), v4, "x-pin", "10.0.0.1:80", &by_header),
        (by_endpoint(Encoding::Plain), v6, "x-pin", "[fd00::1]:80", &by_header),
        (
            Steering::OriginalDst(within()),
            v4,
            "x-envoy-original-dst-host",
            "10.0.0.1:80",
            &by_header,
        ),
    ] {
        let head = Head { authority: Some(b"mcp.example"), ..Head::default() };
        let edits: Vec<_> = steering
            .edits(&mut steering.asked(&head), Place::Endpoint(endpoint))
            .unwrap()
            .collect();
        assert_eq!(edits, [wanted(endpoint, header, value)]);
        assert_eq!(steering.header(), Some(header));
        assert_eq!(steering.pods(), None, "the proxy picks");
    }
}

#[test]
fn nothing_is_sent_to_an_address_outside_of_the_workload() {
    let steering = Steering::OriginalDst(within());
    for place in [
        Place::Endpoint("10.0.1.1:80".parse().unwrap()),
        Place::Endpoint("10.0.0.1:81".parse().unwrap()),
        Place::Pod(Ordinal(0)),
    ] {
        assert!(!steering.places().include(place));
        assert!(steering.edits(&mut Asked::default(), place).is_none(), "{place:?}");
        assert_eq!(steering.route(place), None, "{place:?}");
    }
}

#[test]
fn steering_headers_are_known_by_name_and_by_prefix() {
    let names = [
        "x-envoy-original-dst-host",
        "x-podpin-host",
        "x-podpin-",
        "x-podpin",
        "x-envoy-original-dst-hosts",
        "x-forwarded-host",
    ];
    let headers: Vec<_> = names.iter().map(|name| (name, "10.0.0.1:80")).collect();
    let steering = Steering::Authority(pods());
    let head = Head::read(&headers, |name| steering.is_steering(name));
    assert_eq!(head.client_steering, names[..3]);
    let steering = by_endpoint(Encoding::Base64);
    assert!(steering.is_steering(b"x-pin") && steering.is_steering(b"x-podpin-endpoint"));
}

/// Whoever can write to a Redis may name any place there.
#[test]
fn a_question_is_sent_nowhere_but_where_the_proxy_has_been() {
    let here: SocketAddr = "10.0.0.1:80".parse().unwrap();
    let elsewhere: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let (pod, endpoint) = (Place::Pod(Ordinal(2)), Place::Endpoint(here));
    let to = |cluster: Option<&str>| {
        let header = Some((ORIGINAL_DST.to_owned(), here.to_string()));
        Some(Route { cluster: cluster.map(str::to_owned), authority: None, header })
    };
    let base64 = || by_endpoint(Encoding::Base64);
    for (about, steering, place, address, addressed, wanted) in [
        (
            "by its address",
            Steering::DynamicHost(pods()),
            pod,
            Some(here),
            Some("c"),
            to(Some("c")),
        ),
        ("no address", Steering::DynamicHost(pods()), pod, None, Some("c"), None),
        ("no cluster", Steering::DynamicHost(pods()), pod, Some(here), None, None),
        ("its endpoint", base64(), endpoint, Some(here), Some("c"), to(Some("c"))),
        ("another answered", base64(), endpoint, Some(elsewhere), Some("c"), None),
        ("nobody answered", base64(), endpoint, None, Some("c"), None),
        ("no cluster", base64(), endpoint, Some(here), None, None),
        (
            "by the cluster at hand",
            Steering::OriginalDst(within()),
            endpoint,
            Some(here),
            None,
            to(None),
        ),
        ("another", Steering::OriginalDst(within()), endpoint, Some(elsewhere), None, None),
    ] {
        assert_eq!(steering.ping_route(place, address, addressed), wanted, "{about}");
    }
    let by_name = Steering::Authority(pods()).ping_route(pod, None, None).unwrap();
    assert_eq!(by_name.authority.as_deref(), Some("a-2.b.c.svc.d:80"));
    let plain = by_endpoint(Encoding::Plain).ping_route(endpoint, None, None).unwrap();
    assert_eq!(plain.header, Some(("x-pin".to_owned(), here.to_string())));
}
