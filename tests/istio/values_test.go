package istio

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os/exec"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const leastAuthority = `
mode: authority
workload: {service: mcp, stateful_set: myserver, headless_service: mcp-headless, replicas: 3}
where: {sidecars: [{namespace: default}]}
module: {url: file:///podpin.wasm}
`

const leastEndpoint = `
mode: endpoint
workload: {service: mcp}
where: {sidecars: [{namespace: default}]}
module: {url: file:///podpin.wasm}
`

// Keys as `openssl rand` makes them, in both forms.
const (
	key      = "q1oyjR0HWVkgmAWdJ2AgR3QsnGmPzGLQF0tzmhFYdXE="
	otherKey = "5f1c0e8e9b7a4d3350c6f2a1087be96d24f3b8017ce5da9206413fc8ea57b09d"
	someKeys = "[{id: a, key: " + key + "}, {id: b, key: " + otherKey + "}]"
	sealed   = "store: {kind: sealed, keys_env: K}\n"
)

// Overlays of values, and what the refusal of each says.
var refused = []struct{ base, values, says string }{
	{"", "mode: ''", "mode: missing"},
	{"", "mode: dynamic_host", "/mode"},
	{"", "modes: endpoint", "modes"},
	{"", "workload: {servise: mcp}", "servise"},
	{leastEndpoint, "workload: {service: ''}", "workload.service: missing"},
	{leastEndpoint, "workload: {service: MCP}", "/workload/service"},
	{leastEndpoint, "workload: {port: 0}", "/workload/port"},
	{leastEndpoint, "workload: {replicas: 3}", "workload.replicas: is for mode authority"},
	{leastEndpoint, "workload: {headless_service: x}", "workload.headless_service: is for mode authority"},
	{leastEndpoint, "workload: {pod_port: 9}", "workload.pod_port: has no effect"},
	{leastEndpoint, "workload: {addresses: [10.0.0.0/4]}", "workload.addresses"},
	{leastEndpoint, "workload: {addresses: [10.0.0.1/8]}", "workload.addresses: \"10.0.0.1/8\" has bits beyond"},
	{leastEndpoint, "workload: {addresses: ['fe80::/64']}", "link-local"},
	{leastEndpoint, "workload: {addresses: [10.0.0.0]}", "/workload/addresses/0"},
	{leastEndpoint, "workload: {addresses: [169.254.0.0/16]}", "workload.addresses"},
	{leastEndpoint, "workload: {addresses: ['10.0.0.0/33']}", "workload.addresses"},
	{leastAuthority, "workload: {stateful_set: ''}", "workload.stateful_set: missing"},
	{leastAuthority, "workload: {headless_service: ''}", "workload.headless_service: missing"},
	{leastAuthority, "workload: {headless_service: mcp}", "workload.headless_service: \"mcp\" is workload.service too"},
	{leastAuthority, "workload: {replicas: null}", "workload.replicas: missing"},
	{leastAuthority, "workload: {replicas: 0}", "/workload/replicas"},
	{leastAuthority, "workload: {max_replicas: 2}", "workload.max_replicas: 2 is less than workload.replicas, 3"},
	{leastAuthority, "workload: {first_ordinal: -1}", "/workload/first_ordinal"},
	{leastAuthority, "workload: {addresses: [10.0.0.0/8]}", "workload.addresses: is for mode endpoint"},
	{leastAuthority, "workload: {stateful_set: " + strings.Repeat("a", 62) + "}", "longer than 63"},
	{leastAuthority, "workload: {cluster_domain: " + strings.Repeat(strings.Repeat("a", 60)+".", 4) + "x}", "longer than 253"},
	{leastAuthority, "workload: {cluster_domain: a..b}", "/workload/cluster_domain"},
	{leastAuthority, "pods: {resolution: dns}", "/pods/resolution"},
	{leastEndpoint, "where: {sidecars: []}", "where: names neither"},
	{leastEndpoint, "where: {sidecars: [{labels: {app: x}}]}", "namespace"},
	{leastEndpoint, "where: {sidecars: [{namespace: a}, {namespace: a}]}", "where.sidecars: names namespace a twice"},
	{leastEndpoint, "where: {gateway: {labels: {istio: x}}}", "where.gateway.hosts: missing"},
	{leastEndpoint, "where: {gateway: {hosts: [mcp.example.com]}}", "where.gateway.labels: missing"},
	{leastEndpoint, "where: {gateway: {labels: {istio: x}, hosts: [a.b, a.b]}}", "where.gateway.hosts: names a host twice"},
	{leastEndpoint, "where: {gateway: {labels: {istio: x}, hosts: [a.b], server_host: a.b}}", "where.gateway.server_host: is for mode authority"},
	{leastAuthority, "where: {gateway: {labels: {istio: x}, hosts: [a.b]}}", "where.gateway.gateway: missing"},
	{leastEndpoint, "kind: WasmPlugin", "kind: a WasmPlugin cannot put stateful_session"},
	{leastEndpoint, "module: {url: ''}", "module.url: missing"},
	{leastEndpoint, "module: {url: /podpin.wasm}", "/module/url"},
	{leastEndpoint, "module: {url: 'oci://a/b:1'}", "module.sha256: missing; the digest of the image's manifest"},
	{leastEndpoint, "module: {url: 'https://a/b', sha256: abc}", "/module/sha256"},
	{leastEndpoint, "module: {sha256: '" + strings.Repeat("0", 64) + "'}", "module.sha256: a file on the proxy"},
	{leastEndpoint, "failure_policy: FAIL_SOMEHOW", "/failure_policy"},
	{leastEndpoint, "endpoint_header: x-envoy-pin", "/endpoint_header"},
	{leastAuthority, "endpoint_header: x-pin", "endpoint_header: is for mode endpoint"},
	{leastEndpoint, "scope: 'a b'", "/scope"},
	{leastEndpoint, "store: {kind: memory}", "/store/kind"},
	{leastEndpoint, "store: {capacity: 1}", "/store/capacity"},
	{leastEndpoint, "store: {kind: redis}", "store.front.service: missing"},
	{leastEndpoint, "store: {kind: redis, front: {service: webdis}}", "store.front.port: missing"},
	{leastEndpoint, "store: {kind: redis, cluster: x, front: {service: webdis, port: 1}}", "store.cluster: store.front.service names"},
	{leastEndpoint, "store: {kind: redis, authority: x, front: {service: webdis, port: 1}}", "store.authority: store.front gives it"},
	{leastEndpoint, "store: {front: {service: webdis}}", "store.front.service: is for store.kind redis"},
	{leastEndpoint, "store: {timeout: 1s}", "store.timeout: is for store.kind redis"},
	{leastEndpoint, "store: {kind: redis, cluster: x, timeout: 2m}", "store.timeout: 2m is outside of 1ms to 1m"},
	{leastEndpoint, "store: {kind: redis, cluster: x, timeout: 1 s}", "/store/timeout"},
	{leastEndpoint, "store: {kind: redis, cluster: x, user: me}", "store.password: missing"},
	{leastEndpoint, "store: {kind: redis, cluster: x, password: me}", "store.user: missing"},
	{leastEndpoint, "store: {kind: redis, cluster: x, user: 'a:b', password: me}", "/store/user"},
	{leastEndpoint, "store: {kind: redis, cluster: x, token: t}", "store.token: is for the dialect upstash"},
	{leastEndpoint, "store: {kind: redis, cluster: x, dialect: upstash, user: a, password: b}", "store.user: is for the dialect webdis"},
	{leastEndpoint, "store: {kind: redis, cluster: x, on_error: retry}", "/store/on_error"},
	{leastEndpoint, "store: {kind: redis, cluster: x, token_env: T}", "store.token_env: is for the dialect upstash"},
	{leastEndpoint, "store: {kind: redis, cluster: x, dialect: upstash, password_env: P}", "store.password_env: is for the dialect webdis"},
	{leastEndpoint, "store: {kind: redis, cluster: x, password_env: P}", "store.user: missing"},
	{leastEndpoint, "store: {kind: redis, cluster: x, user: u, password: p, password_env: P}", "store.password_env: does not go with store.password"},
	{leastEndpoint, "store: {kind: redis, cluster: x, dialect: upstash, token: t, token_env: T}", "store.token_env: does not go with store.token"},
	{leastEndpoint, "store: {kind: redis, cluster: x, user: u, password_env: my-password}", "/store/password_env"},
	{leastEndpoint, "store: {kind: redis, cluster: x, remember_ended: 1}", "store.remember_ended: is for store.kind sealed"},
	{leastEndpoint, "store: {password_env: P}", "store.password_env: is for store.kind redis"},
	{leastEndpoint, "store: {keys_env: K}", "store.keys_env: is for store.kind sealed or redis"},
	{leastEndpoint, "store: {keys: " + someKeys + "}", "store.keys: is for store.kind sealed or redis"},
	{leastEndpoint, "store: {kind: sealed}", "store.keys_env: missing"},
	{leastEndpoint, "store: {kind: sealed, keys_env: 1K}", "/store/keys_env"},
	{leastEndpoint, "store: {kind: sealed, keys_env: K, keys: " + someKeys + "}", "store.keys_env: does not go with store.keys"},
	{leastEndpoint, "store: {kind: sealed, keys_env: K, capacity: 1000}", "store.capacity: is not for store.kind sealed"},
	{leastEndpoint, "store: {kind: sealed, keys_env: K, remember_ended: 4194305}", "/store/remember_ended"},
	{leastEndpoint, "store: {kind: sealed, keys_env: K, timeout: 1s}", "store.timeout: is for store.kind redis"},
	{leastEndpoint, "store: {kind: sealed, keys_env: K, front: {service: webdis}}", "store.front.service: is for store.kind redis"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: a}]}", "/store/keys/0"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: 'a:b', key: x}]}", "/store/keys/0/id"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: a, key: c2hvcnQ=}]}", "store.keys[0].key: is not 32 bytes"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: a, key: " + strings.Repeat("ab", 32) + "}]}", "store.keys[0].key: is not random"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: a, key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}", "store.keys[0].key: is not random"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: a, key: " + key + "}, {id: a, key: " + otherKey + "}]}", "store.keys[1]: is the same key"},
	{leastEndpoint, "store: {kind: sealed, keys: [{id: a, key: " + key + "}, {id: b, key: '" + key + "'}]}", "store.keys[1]: is the same key"},
	{leastEndpoint + sealed, "session: {idle_timeout: 1h}", "session.idle_timeout: has no effect with store.kind sealed"},
	{leastEndpoint + sealed, "sse_paths: [/sse]", "sse_paths: does not go with store.kind sealed"},
	{leastAuthority + sealed, "placement: {policy: least_sessions}", "placement.policy: least_sessions does not go with store.kind sealed"},
	{leastEndpoint, "session: {require_subject: true}", "session.require_subject: session.bind_to does not say"},
	{leastEndpoint, "session: {bind_to: {header: x-user}}", "/session/bind_to"},
	{leastEndpoint, "session: {bind_to: [x-user]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [[]]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{header: X-User}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{header: authorization}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{header: x-podpin-user}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{property: [request, id]}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{property: [connection, id]}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{property: []}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [{property: [a], header: b}]}", "/session/bind_to/0"},
	{leastEndpoint, "session: {bind_to: [[{header: a}, {property: a}]]}", "/session/bind_to/0/1"},
	{leastEndpoint, "session: {idle_timeout: 2 hours}", "/session/idle_timeout"},
	{leastEndpoint, "session: {idle_timeout: 10ms}", "session.idle_timeout: 10ms is outside of 1s to 8760h"},
	{leastEndpoint, "session: {max_age: 9999h}", "session.max_age: 9999h is outside"},
	{leastEndpoint, "session: {idle_timeout: 25h}", "session.idle_timeout: 25h is longer than session.max_age, 24h"},
	{leastEndpoint, "session: {idle_timeout: 2h, max_age: 1h}", "session.idle_timeout: 2h is longer than session.max_age, 1h"},
	{leastEndpoint, "placement: {drain: [1]}", "placement.drain: is for mode authority"},
	{leastEndpoint, "placement: {policy: random}", "placement.policy: is for mode authority"},
	{leastEndpoint, "placement: {eject: 20s}", "placement.eject: is for mode authority"},
	{leastAuthority, "placement: {eject: 500ms}", "placement.eject: 500ms is outside of 1s to 5m"},
	{leastAuthority, "probe: {timeout: 1m}", "probe.timeout: 1m is outside of 10ms to 10s"},
	{leastAuthority, "probe: {cluster: a}", "probe.cluster: is for mode endpoint"},
	{leastAuthority, "placement: {drain: [3]}", "placement.drain: 3 is outside the 3 replicas of myserver"},
	{leastAuthority, "placement: {drain: [0, 1, 2]}", "placement.drain: leaves no pod"},
	{leastAuthority, "placement: {policy: least}", "/placement/policy"},
	{leastEndpoint, "paths: [mcp]", "/paths/0"},
	{leastEndpoint, "paths: ['/a?b']", "/paths/0"},
	{leastEndpoint, "sse_paths: ['/a*b']", "/sse_paths/0"},
	{leastEndpoint, "on_unreachable: retry", "/on_unreachable"},
	{leastEndpoint, "modern: {era: legacy}", "/modern/era"},
	{leastEndpoint, "modern: {affinity: [{key: {header: x-user}}]}", "modern.affinity[0].remember: has to be true in mode endpoint"},
	{leastEndpoint, "modern: {affinity: [{pod_in: {header: x-cart}}]}", "modern.affinity[0].pod_in: is for mode authority"},
	{leastAuthority, "modern: {affinity: [{key: {header: a}, remember: true}]}\nstore: {kind: sealed, keys_env: K}", "modern.affinity[0].remember: does not go with store.kind sealed"},
	{leastAuthority, "modern: {era: refuse, affinity: [{key: {header: a}}]}", "modern.affinity: has no effect with modern.era refuse"},
	{leastAuthority, "modern: {affinity: [{key: {header: authorization}}]}", "/modern/affinity/0"},
	{leastAuthority, "modern: {affinity: [{task: {}}]}\nstore: {kind: sealed, keys_env: K}", "modern.affinity[0].task: does not go with store.kind sealed"},
	{leastAuthority, "modern: {affinity: [{}]}", "/modern/affinity/0"},
	{leastAuthority, "modern: {idle_timeout: 2h, max_age: 1h}", "modern.idle_timeout: 2h is longer than modern.max_age, 1h"},
}

func TestAWrongValueIsRefusedByASentenceThatNamesIt(t *testing.T) {
	for _, row := range refused {
		output, err := template(t, "myserver", overlay(t, row.base, row.values))
		if err == nil {
			t.Errorf("%s: not refused", row.values)
		} else if !strings.Contains(output, row.says) {
			t.Errorf("%s: refused by %s", row.values, output)
		}
	}
}

func TestARefusalShowsNoSecret(t *testing.T) {
	for _, values := range []string{
		"store: {kind: redis, cluster: x, token: 'hun ter2'}", "store: {kind: redis, cluster: x, password: \"hunter2\\n\", user: u}",
		"store: {kind: redis, cluster: x, password: hunter2}", "store: {password: hunter2}",
		"store: {kind: sealed, keys: [{id: a, key: hunter2}]}", "store: {kind: sealed, keys: [{id: a, key: 'hun ter2ü'}]}",
		"store: {keys: [{id: a, key: hunter2}]}", "store: {kind: sealed, keys: [{key: hunter2}]}",
		"store: {kind: sealed, keys_env: hunter2=}", "store: {kind: sealed, keys: [{id: 'a:hunter2', key: x}]}",
		"store: {kind: sealed, keys_env: K, keys: [{id: a, key: hunter2}]}", "store: {kind: sealed, keys: [{id: a, key: [hunter2]}]}",
	} {
		output, err := template(t, "myserver", overlay(t, leastEndpoint, values))
		if err == nil || strings.Contains(output, "hunter2") || strings.Contains(output, "hun ter2") {
			t.Errorf("%s: %s", values, output)
		}
	}
}

// overlay puts values on top of others.
func overlay(t *testing.T, base, values string) string {
	t.Helper()
	merged := map[string]any{}
	for _, text := range []string{base, values} {
		var layer map[string]any
		if err := yaml.Unmarshal([]byte(text), &layer); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for key, value := range layer {
			object, is := value.(map[string]any)
			if old, was := merged[key].(map[string]any); is && was {
				for key, value := range object {
					old[key] = value
				}
			} else {
				merged[key] = value
			}
		}
	}
	text, err := yaml.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// configuration is the filter's, in what a chart made.
func configuration(t *testing.T, rendered string) string {
	t.Helper()
	for _, document := range strings.Split(rendered, "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object["kind"] == "EnvoyFilter" {
			return find(object, "configuration").(map[string]any)["value"].(string)
		}
	}
	t.Fatalf("no EnvoyFilter in %s", rendered)
	return ""
}

// check has the filter's own code judge a configuration.
func check(t *testing.T, configuration string) (string, error) {
	t.Helper()
	command := exec.Command(existing(t, "target/release/podpin-check", "make check"), "-")
	command.Stdin = strings.NewReader(configuration)
	output, err := command.CombinedOutput()
	return string(output), err
}

// Values that say all there is to say, in ways that go together.
var complete = []string{
	overlayText(leastAuthority, `
scope: some/scope
workload: {port: 8081, first_ordinal: 2, cluster_domain: example.local}
store: {kind: redis, capacity: 1000, cluster: x, authority: front, timeout: 1s, key_prefix: 'a:', dialect: webdis, user: u, password: p, on_error: continue}
session: {idle_timeout: 1h, max_age: 3h}
placement: {policy: random, drain: [3], eject: 20s}
probe: {timeout: 500ms}
paths: [/a, /b*]
sse_paths: [/c]
on_unreachable: unavailable
modern: {era: pass, affinity: [{pod_in: {header: x-cart}}, {task: {id_header: x-task}}, {key: [{header: a}, {property: [b]}], remember: true}, {key: {header: x-user}}], capacity: 100, idle_timeout: 1h, max_age: 3h}
`),
	overlayText(leastEndpoint, `
endpoint_header: x-pin
workload: {addresses: [10.244.0.0/16, 'fd00::/64'], pod_port: 9000}
probe: {cluster: by_address}
modern: {affinity: [{key: {header: x-user}, remember: true}]}
store: {kind: redis, cluster: x, dialect: upstash, token: t}
`),
	overlayText(leastAuthority, `
store: {kind: redis, cluster: x, user: u, password_env: PASSWORD, keys: `+someKeys+`}
`),
	overlayText(leastEndpoint, `
store: {kind: redis, cluster: x, dialect: upstash, token_env: TOKEN, keys_env: KEYS}
`),
	overlayText(leastEndpoint, `
store: {kind: sealed, keys_env: KEYS, remember_ended: 0}
session: {bind_to: [{property: [connection, uri_san_peer_certificate]}, [{header: x-issuer}, {header: x-user}]], require_subject: true}
`),
}

func overlayText(base, values string) string { return base + "\n---\n" + values }

func TestEveryKeyOfTheFilterCanBeSet(t *testing.T) {
	got := map[string]bool{}
	for _, pair := range complete {
		layers := strings.Split(pair, "\n---\n")
		rendered, err := template(t, "myserver", overlay(t, layers[0], layers[1]))
		if err != nil {
			t.Fatal(rendered)
		}
		text := configuration(t, rendered)
		if said, err := check(t, text); err != nil {
			t.Errorf("%s: %s", text, said)
		}
		var config map[string]any
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		for key, value := range config {
			section, is := value.(map[string]any)
			if !is || key == "steer" {
				got[key] = true
				continue
			}
			for inner := range section {
				got[key+"."+inner] = true
			}
		}
	}
	page := file(t, "docs/configuration.md")
	want := map[string]bool{}
	tables := strings.SplitN(strings.SplitN(page, "\n## All keys\n", 2)[1], "\n## Secrets\n", 2)[0]
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(tables, -1) {
		for _, key := range strings.Split(row[1], ", ") {
			want[strings.Trim(key, "`")] = true
		}
	}
	if got, want := keys(got), keys(want); !slices.Equal(got, want) {
		t.Errorf("the chart sets %v; the page has %v", got, want)
	}
}

func keys(set map[string]bool) []string {
	var all []string
	for key := range set {
		all = append(all, key)
	}
	sort.Strings(all)
	return all
}

// Whatever the chart lets pass, the filter takes.
func TestTheFilterTakesWhateverTheChartLetsPass(t *testing.T) {
	pools := map[string][]string{
		"scope":                     {"a", "é", strings.Repeat("x", 256), strings.Repeat("x", 257), "a/b c", "'x:'", "'#x'", "'\"x\\y'", "'{x}'"},
		"endpoint_header":           {"x-p", "x-", "x-Pin", "x-forwarded-for", "x-" + strings.Repeat("a", 62), "x-" + strings.Repeat("a", 63)},
		"workload.replicas":         {"1", "1000", "1001", "3.5"},
		"workload.first_ordinal":    {"0", "1000000", "1000001"},
		"workload.stateful_set":     {"-a", "a-", strings.Repeat("a", 60), "a.b", "0"},
		"workload.headless_service": {strings.Repeat("a", 63), "a_b"},
		"workload.cluster_domain":   {"x", "-x", "a.b.c", strings.Repeat("a.", 90) + "b"},
		"workload.addresses":        {"[]", "['10.0.0.0/8']", "['10.0.0.1/8']", "['10.0.0.0/7']", "['::ffff:0:0/96']", "['fe80::/64']", "['fd00::/64', '999.0.0.0/8']", "['0.0.0.0/0']", "['fd00::1/64']", "['169.254.169.254/32']", "['128.0.0.0/8']", "['a9fe::/16']", "['::/8']", "['fd00:10:ff00::/40']", "['1:2:3:4:5:6:7:8/128']", "['1:2:3:4:5:6:7:8/127']", "['fec0::/10']", "['fe00::/8']", "['1::2::3/128']", "['1:2:3/128']", "['10.0.0/24']", "['01.0.0.0/8']", "['168.0.0.0/8']", "['169.0.0.0/8']", "['169.252.0.0/15']", "['169.254.0.0/15']", "['12345::/32']"},
		"workload.pod_port":         {"1", "65535", "65536"},
		"store.kind":                {"shared_data", "redis", "sealed"},
		"store.keys":                {"[]", someKeys, "[{id: a, key: " + strings.TrimSuffix(key, "=") + "}]", "[{id: a, key: " + strings.ToUpper(otherKey) + "}]", "[{id: a, key: " + strings.Replace(key, "X", "Y", 2) + "}]", "[{id: a, key: " + key[:42] + "F=}]", "[{id: a, key: _-" + key[2:] + "}]", "[{id: a, key: _+" + key[2:] + "}]", "[{id: a, key: YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=}]", "[{id: a, key: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff}]"},
		"store.keys_env":            {"K", "_k1", "1K", "K-1", "''", strings.Repeat("K", 257)},
		"store.remember_ended":      {"0", "4194304", "-1", "0.5"},
		"store.password_env":        {"P", "p p"},
		"store.token_env":           {"T"},
		"session.bind_to":           {"[]", "[{header: x-user}]", "[{header: 'x:user'}]", "[{header: cookie}]", "[{property: [a, 'b c']}]", "[{property: [a]}]", "[{property: [upstream, address]}]", "[{property: [connection, id]}]", "[{property: [connection, mtls]}]", "[{property: [connection]}]", "[{header: x-envoy-a}]", "[{header: x-envoy}]", "[[{property: [a]}, {header: b}]]", "[[]]", "[{}]", "[{property: [" + strings.Repeat("a, ", 16) + "a]}]"},
		"session.require_subject":   {"true", "false", "null"},
		"store.capacity":            {"8", "4194304", "4194305", "8.5"},
		"store.cluster":             {"x", "outbound|1||x", "a b"},
		"store.timeout":             {"1ms", "60000ms", "61s", "0s", "1m", "99999999999s"},
		"store.key_prefix":          {"p:", "p p"},
		"store.dialect":             {"webdis", "upstash"},
		"store.user":                {"u", "u:", "ü"},
		"store.password":            {"p", "p p", "\"p\\t\""},
		"store.token":               {"t", strings.Repeat("t", 4097)},
		"store.on_error":            {"fail", "continue"},
		"session.idle_timeout":      {"1s", "999ms", "1000ms", "24h", "8760h", "9999999999h"},
		"session.max_age":           {"1s", "1h", "525600m", "525601m"},
		"placement.policy":          {"random", "least_sessions"},
		"placement.eject":           {"1s", "5m", "301s", "999ms"},
		"probe.timeout":             {"10ms", "10s", "9ms", "11s"},
		"probe.cluster":             {"x", "outbound|1||x", "a b"},
		"placement.drain":           {"[0]", "[0, 0]", "[1, 2]", "[5]"},
		"paths":                     {"[/]", "['/*']", "['*']", "['/a#b']", "['/a b']", "[/a, /a]"},
		"sse_paths":                 {"[]", "[/s]", "['/é']"},
		"on_unreachable":            {"not_found", "unavailable"},
		"modern.era":                {"pass", "refuse"},
		"modern.affinity":           {"[]", "[{key: {header: x-user}}]", "[{key: {header: x-user}, remember: true}]", "[{key: [{header: a}, {property: [b]}], remember: false}]", "[{key: []}]", "[{pod_in: {header: x-cart}}]", "[{task: {}}]", "[{task: {id_header: x-task}}]", "[{task: {id_header: X}}]", "[{pod_in: {header: X-Cart}}]", "[{pod_in: {header: cookie}}]", "[{pod_in: {header: a}, remember: true}]", "[{pod_in: {header: a}, key: {header: b}}]"},
		"modern.capacity":           {"8", "4194304", "4194305", "8.5"},
		"modern.idle_timeout":       {"1s", "999ms", "24h", "25h"},
		"modern.max_age":            {"1s", "1h", "8761h"},
	}
	names := make([]string, 0, len(pools))
	for name := range pools {
		names = append(names, name)
	}
	sort.Strings(names)
	// The same ones each time, so that a failure is found again.
	random := rand.New(rand.NewSource(1))
	passed := 0
	try := func(values string) {
		rendered, err := template(t, "myserver", values)
		if err != nil {
			return
		}
		passed++
		if said, err := check(t, configuration(t, rendered)); err != nil {
			t.Errorf("the chart lets pass, but the filter refuses:\n%s%s", values, said)
		}
	}
	for _, base := range []string{leastAuthority, leastEndpoint} {
		for _, name := range names {
			for _, value := range pools[name] {
				more := nested(name, value)
				kinds := []string{""}
				switch name {
				case "store.kind", "store.capacity":
				case "store.keys", "store.keys_env", "store.remember_ended":
					kinds = []string{"store: {kind: redis, cluster: x}", "store: {kind: sealed}", sealed}
				case "store.password", "store.password_env":
					kinds = []string{"store: {kind: redis, cluster: x, user: u}"}
				case "store.token", "store.token_env":
					kinds = []string{"store: {kind: redis, cluster: x, dialect: upstash}"}
				default:
					if strings.HasPrefix(name, "store.") {
						kinds = []string{"store: {kind: redis, cluster: x}"}
					}
				}
				for _, kind := range kinds {
					try(overlay(t, base, overlay(t, kind, more)))
				}
			}
		}
		for range 60 {
			values := base
			for range 3 {
				name := names[random.Intn(len(names))]
				values = overlay(t, values, nested(name, pools[name][random.Intn(len(pools[name]))]))
			}
			try(values)
		}
	}
	t.Logf("%d configurations passed", passed)
	if passed < 60 {
		t.Error("hardly any passed")
	}
}

func nested(name, value string) string {
	section, key, found := strings.Cut(name, ".")
	if !found {
		return fmt.Sprintf("%s: %s", name, value)
	}
	return fmt.Sprintf("%s: {%s: %s}", section, key, value)
}
