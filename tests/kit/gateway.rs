//! What Envoy Gateway makes of its manifests, adapted to the ports of one test.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bootstrap::{ADMIN, Bootstrap, LISTENER, MODULE, POD};
use crate::discovered::CLUSTER;
use crate::pods::Pods;
use crate::{native, root};

/// `make test-gateway` holds it to Envoy Gateway itself.
const GOLDEN: &str = "tests/gateway/golden/envoy.yaml";
/// The same of the example with the dynamic module.
const NATIVE: &str = "tests/gateway/golden/native.yaml";

/// The host of a workload with another policy, and that of one without any.
pub const OTHER_HOST: &str = "other.example.com";
pub const PLAIN_HOST: &str = "plain.example.com";

/// The same on free ports, in front of these pods.
pub fn golden_for(pods: &Pods) -> Result<Bootstrap> {
    Ok(golden()?.port(LISTENER, 0).port(ADMIN, 0).port(POD, pods.port))
}

/// The same with the dynamic module.
pub fn native_for(pods: &Pods) -> Result<Bootstrap> {
    let native = read(NATIVE)?.with_module(&root().join(native::MODULE));
    Ok(native.port(LISTENER, 0).port(ADMIN, 0).port(POD, pods.port))
}

/// The same with pods that take turns, for who counts on that. Envoy Gateway's default picks the less busy of two.
pub fn in_turn(mut golden: Bootstrap) -> Bootstrap {
    let mut cluster = golden.take_cluster(CLUSTER);
    cluster.as_object_mut().expect("a cluster").remove("load_balancing_policy");
    golden.add_cluster(cluster);
    golden.balanced_by("ROUND_ROBIN")
}

/// What it made of `gateway/example`. All hosts but those of others are the example's; the rest is as it was.
pub fn golden() -> Result<Bootstrap> {
    Ok(read(GOLDEN)?.with_module(&root().join(MODULE)))
}

fn read(file: &str) -> Result<Bootstrap> {
    let path = root().join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let text = text.replace("httproute/default/myserver/rule/0", CLUSTER);
    let value: Value = serde_yaml_ng::from_str(&text).with_context(|| file.to_owned())?;
    let mut golden = Bootstrap(value);
    let listener = &mut golden.0["static_resources"]["listeners"][0];
    listener["name"] = json!("mcp");
    let socket = &mut listener["address"]["socket_address"];
    *socket = json!({"address": "127.0.0.1", "port_value": LISTENER});
    let hosts = &mut golden.connection_manager()["route_config"]["virtual_hosts"];
    let hosts = hosts.as_array_mut().context("virtual hosts")?;
    let example = hosts.iter_mut().find(|host| host["domains"] == json!(["mcp.example.com"]));
    example.context("the example's host")?["domains"] = json!(["*"]);
    Ok(golden)
}
