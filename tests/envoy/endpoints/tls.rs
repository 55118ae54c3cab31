//! The cluster's own TLS is what a steered request goes through.

use kit::bootstrap::Bootstrap;
use kit::client::Ask;
use kit::discovered::{got, open};
use kit::pods::App;
use kit::setup::Setup;
use kit::tls::Tls;
use serde_json::{Value, json};

fn context(example: &mut Bootstrap) -> &mut Value {
    let clusters = example.0["static_resources"]["clusters"].as_array_mut().unwrap();
    let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "myserver").unwrap();
    &mut cluster["transport_socket"]["typed_config"]
}

type Change = Box<dyn FnOnce(Bootstrap) -> Bootstrap>;

/// The pods show their certificate only to those who name its server.
#[tokio::test(flavor = "multi_thread")]
async fn steered_requests_verify_the_certificate_that_the_cluster_wants() {
    let setup = Setup::start("endpoint.yaml", App::Stateful, |example| example).await.unwrap();
    let (http, origin) = (reqwest::Client::new(), setup.envoy.url(""));
    for _ in 0..6 {
        let session = open(&http, &origin).await.unwrap();
        assert_eq!(session.count(&http, &origin).await.unwrap().text(), "1");
    }
    let stats = setup.envoy.stats("cluster.myserver.ssl").await.unwrap();
    assert!(stats["cluster.myserver.ssl.handshake"] >= 3, "{stats:?}");
    assert_eq!(stats["cluster.myserver.ssl.no_certificate"], 0, "{stats:?}");

    let another = Tls::new().unwrap();
    let authority = another.authority();
    let changes: [(&str, Change); 3] = [
        (
            "another server is named",
            Box::new(|mut example| {
                context(&mut example)["sni"] = json!("other.default.svc.cluster.local");
                example
            }),
        ),
        (
            "another name is wanted",
            Box::new(|mut example| {
                let validation = &mut context(&mut example)["common_tls_context"];
                let names = &mut validation["validation_context"]["match_typed_subject_alt_names"];
                *names = json!([{"san_type": "DNS", "matcher": {"exact": "other.example"}}]);
                example
            }),
        ),
        (
            "another authority is trusted",
            Box::new(move |mut example| {
                let validation = &mut context(&mut example)["common_tls_context"];
                validation["validation_context"]["trusted_ca"]["filename"] = json!(authority);
                example
            }),
        ),
    ];
    for (about, change) in changes {
        let setup = Setup::start("endpoint.yaml", App::Stateful, change).await.unwrap();
        let origin = setup.envoy.url("");
        let answer = got(Ask::initialize(), &http, &origin).await.unwrap();
        assert_eq!(answer.status, 503, "{about}");
        assert!(setup.pods.take_seen().is_empty(), "{about}");
        let stats = setup.envoy.stats("cluster.myserver.ssl.fail_verify").await.unwrap();
        let refused: u64 = stats.values().sum();
        assert!(refused > 0 || about == "another server is named", "{about}: {stats:?}");
    }
}
