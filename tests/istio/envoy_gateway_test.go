package istio

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The values that make the manifests of gateway/example, which tests/gateway has Envoy Gateway run.
const ofTheExample = `
platform: envoy-gateway
mode: endpoint
workload: {service: mcp-myserver}
envoy_gateway: {namespace: default, gateway: public, hosts: [mcp.example.com]}
module: {url: "oci://registry.example.com/podpin:0.2.0", sha256: "0000000000000000000000000000000000000000000000000000000000000000"}
scope: default/myserver
paths: [/mcp, /mcp/]
probe: {cluster: pods_by_address}
`

type resource struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Spec     map[string]any
}

// resources are those of a text, by their kinds.
func resources(t *testing.T, text string) map[string]resource {
	t.Helper()
	all := map[string]resource{}
	for _, part := range strings.Split(text, "---\n") {
		var r resource
		if err := yaml.Unmarshal([]byte(part), &r); err != nil {
			t.Fatalf("%v: %s", err, part)
		}
		if r.Kind != "" {
			all[r.Kind] = r
		}
	}
	return all
}

func rendered(t *testing.T, values string) map[string]resource {
	t.Helper()
	text, err := template(t, "myserver", values)
	if err != nil {
		t.Fatal(text)
	}
	return resources(t, text)
}

// wasm takes the configuration of the filter out of a policy.
func (r resource) wasm() map[string]any {
	return r.Spec["wasm"].([]any)[0].(map[string]any)
}

func TestTheChartMakesTheExampleOfEnvoyGateway(t *testing.T) {
	made := rendered(t, ofTheExample)
	for kind, file := range map[string]string{
		"HTTPRoute": "httproute", "EnvoyExtensionPolicy": "envoyextensionpolicy", "ClientTrafficPolicy": "clienttrafficpolicy",
	} {
		text, err := os.ReadFile(filepath.Join("../../gateway/example", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		wanted, have := resources(t, string(text))[kind], made[kind]
		if kind == "EnvoyExtensionPolicy" {
			config := have.wasm()["config"].(map[string]any)
			// The chart says what is so by default as well.
			delete(config, "store")
			config["steer"] = "endpoint"
		}
		if !reflect.DeepEqual(have.Spec, wanted.Spec) {
			t.Errorf("%s: %v, but the example has %v", kind, have.Spec, wanted.Spec)
		}
	}
	if len(made) != 3 {
		t.Errorf("%v", made)
	}
}

// What the page shows is the least that there is to say.
func TestThePageOnEnvoyGatewayShowsValuesThatDo(t *testing.T) {
	page, err := os.ReadFile("../../gateway/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, values, _ := strings.Cut(string(page), "```yaml\n")
	values, _, _ = strings.Cut(values, "```")
	if made := rendered(t, values); len(made) != 3 || made["HTTPRoute"].Metadata.Name != "myserver" {
		t.Errorf("%v", made)
	}
}

// It belongs to whoever owns the Gateway.
func TestAnEnvoyProxyIsMadeOnlyWhereItIsNamed(t *testing.T) {
	made := rendered(t, overlay(t, ofTheExample, "envoy_gateway: {namespace: gateways, envoy_proxy: public}"))
	proxy := made["EnvoyProxy"]
	order, _ := json.Marshal(proxy.Spec["filterOrder"])
	if string(order) != `[{"after":"envoy.filters.http.wasm","name":"envoy.filters.http.stateful_session"}]` {
		t.Errorf("%s", order)
	}
	if proxy.Metadata.Name != "public" || proxy.Metadata.Namespace != "gateways" || made["ClientTrafficPolicy"].Metadata.Namespace != "gateways" {
		t.Errorf("%v", made)
	}
	parent := made["HTTPRoute"].Spec["parentRefs"].([]any)[0].(map[string]any)
	if parent["namespace"] != "gateways" {
		t.Errorf("%v", parent)
	}
	if without := rendered(t, overlay(t, ofTheExample, "envoy_gateway: {client_traffic_policy: false}")); len(without) != 2 {
		t.Errorf("%v", without)
	}
}

func TestWhatProxiesHaveInTheirEnvironmentIsNamedToEnvoyGateway(t *testing.T) {
	policy := rendered(t, overlay(t, ofTheExample, sealed))["EnvoyExtensionPolicy"]
	if env, _ := json.Marshal(policy.wasm()["env"]); string(env) != `{"hostKeys":["K"]}` {
		t.Errorf("%s", env)
	}
	policy = rendered(t, overlay(t, ofTheExample, "failure_policy: FAIL_OPEN\nmodule: {url: 'https://example.com/podpin.wasm'}"))["EnvoyExtensionPolicy"]
	if code, _ := json.Marshal(policy.wasm()["code"]); policy.wasm()["failOpen"] != true || !strings.HasPrefix(string(code), `{"http":{"sha256":"000`) {
		t.Errorf("%v", policy)
	}
}

func TestWhatEnvoyGatewayCannotDoIsRefused(t *testing.T) {
	for _, row := range []struct{ values, says string }{
		{"mode: authority", "mode: Envoy Gateway cannot have mode authority"},
		{"kind: WasmPlugin", "kind: is for platform istio"},
		{"where: {sidecars: [{namespace: default}]}", "where: is for platform istio"},
		{"envoy_gateway: {gateway: ''}", "envoy_gateway.gateway: missing"},
		{"envoy_gateway: {namespace: ''}", "envoy_gateway.namespace: missing"},
		{"envoy_gateway: {hosts: []}", "envoy_gateway.hosts: missing"},
		{"envoy_gateway: {hosts: [a.example, a.example]}", "envoy_gateway.hosts: names a host twice"},
		{"envoy_gateway: {path: mcp}", "/envoy_gateway/path"},
		{"module: {url: 'file:///podpin.wasm', sha256: ''}", "module.url: Envoy Gateway fetches modules by"},
		{"module: {url: 'oci://example.com/podpin@sha256:00'}", "module.url: has a digest"},
		{"store: {kind: redis, front: {service: webdis, port: 7379}}", "store.front.service: Envoy Gateway's proxies"},
		{"platform: nginx", "/platform"},
	} {
		values := overlay(t, ofTheExample, row.values)
		if strings.Contains(row.values, "authority") {
			values = overlay(t, values, "workload: {stateful_set: a, headless_service: b, replicas: 3}\nprobe: {cluster: ''}")
		}
		if text, err := template(t, "myserver", values); err == nil || !strings.Contains(text, row.says) {
			t.Errorf("%s: %.300s", row.values, text)
		}
	}
}

// What goes wrong without a word is said when the release is installed.
func TestTheNotesWarnOfEachTrapOfEnvoyGateway(t *testing.T) {
	notes := func(values string) string {
		t.Helper()
		chart, err := filepath.Abs("../../istio/chart")
		if err != nil {
			t.Fatal(err)
		}
		helm := existing(t, ".tools/bin/helm", "tests/istio/install-tools")
		command := exec.Command(helm, "install", "--dry-run=client", "myserver", chart, "--namespace", "default", "--values", "-")
		command.Stdin = strings.NewReader(values)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		_, said, _ := strings.Cut(string(output), "\nNOTES:\n")
		return said
	}
	said := notes(overlay(t, ofTheExample, "envoy_gateway: {client_traffic_policy: false}\n"+sealed))
	for _, warning := range []string{
		"NOTHING IS STEERED unless", "filterOrder:", "A CLIENT CAN CHOOSE A POD", "after an upgrade of the module", "cuts all streams",
		"podpin-check", "A VM that died", "standard channel", "environment, or the filter refuses its configuration: K.",
	} {
		if !strings.Contains(said, warning) {
			t.Errorf("%q is not in %s", warning, said)
		}
	}
	said = notes(overlay(t, ofTheExample, "envoy_gateway: {envoy_proxy: public}"))
	if strings.Contains(said, "NOTHING IS STEERED") || !strings.Contains(said, "has to refer to the EnvoyProxy default/public") || strings.Contains(said, "A CLIENT CAN") {
		t.Error(said)
	}
}
