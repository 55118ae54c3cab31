package istio

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	xds "istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/kube"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "writes the golden files anew")

// The plain manifests, by their names.
var manifests = []string{"gateway-authority", "gateway-endpoint", "gateway-sealed", "sidecar-authority", "sidecar-endpoint"}

func manifest(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../istio/manifests", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What manifests that steer at a gateway need beside them, and another service of the mesh with a port
// of its own and one that it shares.
const beside = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [mcp.example.com, other.example.com, "*.mcp-myserver-headless.default.svc.cluster.local"]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: of-clients, namespace: default}
spec:
  selector: {app: client}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ["*.default.svc.cluster.local"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: of-clients, namespace: default}
spec:
  hosts: [mcp-myserver.default.svc.cluster.local]
  gateways: [of-clients]
  http: [{route: [{destination: {host: mcp-myserver.default.svc.cluster.local, port: {number: 8080}}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: of-clients-headless, namespace: default}
spec:
  hosts: [mcp-myserver-headless.default.svc.cluster.local]
  gateways: [of-clients]
  http: [{route: [{destination: {host: mcp-myserver-headless.default.svc.cluster.local, port: {number: 8080}}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: public, namespace: default}
spec:
  hosts: [mcp.example.com, "*.mcp-myserver-headless.default.svc.cluster.local"]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{number: 80, name: http, protocol: HTTP}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: default}
spec:
  hosts: [other.example.com]
  gateways: [istio-system/public]
  http: [{route: [{destination: {host: other.default.svc.cluster.local, port: {number: 8080}}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: default}
spec:
  hosts: [other.default.svc.cluster.local]
  addresses: [10.96.0.99]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}, {number: 9090, name: http-more, protocol: HTTP}]
  endpoints: [{address: 10.244.99.1}]
`

// An operator's own routes of the workload. A redirection has nothing to be tried again.
const ownRoutes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mcp, namespace: default}
spec:
  hosts: [%s]
  gateways: [%s]
  http:
  - {match: [{uri: {exact: /}}], redirect: {uri: /mcp}}
  - {route: [{destination: {host: mcp-myserver.default.svc.cluster.local, port: {number: 8080}}}]}
`

var ownRoutesOf = map[string]string{
	"gateway-endpoint": fmt.Sprintf(ownRoutes, "mcp.example.com", "istio-system/public"),
	"gateway-sealed":   fmt.Sprintf(ownRoutes, "mcp.example.com", "istio-system/public"),
	"sidecar-endpoint": fmt.Sprintf(ownRoutes, "mcp-myserver.default.svc.cluster.local", "mesh"),
}

// The two kinds of proxies, with the labels of those that the manifests are for.
var (
	gatewayKind = kind{model.Router, "istio-system", map[string]string{"istio": "ingressgateway"}}
	sidecarKind = kind{model.SidecarProxy, "default", map[string]string{"app": "client"}}
)

type kind struct {
	name      model.NodeType
	namespace string
	labels    map[string]string
}

// generated is what istiod tells the proxies that a manifest is for, as far as it matters to them:
// those of a new version, and the chains of filters of old ones.
func generated(t *testing.T, name, text string) string {
	kind := sidecarKind
	if strings.HasPrefix(name, "gateway") {
		kind = gatewayKind
	}
	old := generatedFor(t, name, text, "1.29.2", kind)
	old, _, _ = strings.Cut(old, "\n \"routes ")
	return generatedFor(t, name, text, "1.31.0", kind) + "of 1.29: " + old + "\n"
}

// elsewhere is what it tells the other kind, even with these labels.
func elsewhere(t *testing.T, name, text string) string {
	other := gatewayKind
	if strings.HasPrefix(name, "gateway") {
		other = sidecarKind
		other.namespace, other.labels = gatewayKind.namespace, gatewayKind.labels
	} else {
		other.namespace, other.labels = sidecarKind.namespace, sidecarKind.labels
	}
	return generatedFor(t, name, text, "1.31.0", other) + generatedFor(t, name, text, "1.29.2", other)
}

func generatedFor(t *testing.T, name, text, istio string, kind kind) string {
	t.Helper()
	c := &cluster{client: kube.NewFakeClient(), hosts: map[string]string{}}
	labels := map[string]string{"app": "myserver"}
	c.service(t, "mcp-myserver", "default", "10.96.0.1", port, labels)
	c.service(t, "mcp-myserver-headless", "default", "", port, labels)
	// The proxy itself serves the port, too.
	self := endpoint{pod: "self", address: "10.244.0.10", ready: true}
	c.service(t, "self", kind.namespace, "10.96.0.2", port, kind.labels)
	c.pod(t, kind.namespace, "", "self", kind.labels, self)
	c.publish(t, "self", kind.namespace, port, []endpoint{self})
	// Its Services have another port, which is not Podpin's.
	for _, service := range []string{"mcp-myserver", "mcp-myserver-headless"} {
		c.more(t, service, "default", 9090)
	}
	c.start(t, beside, text, ownRoutesOf[name])
	proxy := &model.Proxy{
		ID: "self." + kind.namespace, Type: kind.name, ConfigNamespace: kind.namespace, IPAddresses: []string{"10.244.0.10"}, Labels: kind.labels,
		Metadata: &model.NodeMetadata{IstioVersion: istio, Namespace: kind.namespace, Labels: kind.labels},
	}
	return dump(t, c.istiod, c.istiod.SetupProxy(proxy))
}

// dump is the chains of filters, the routes, the clusters of pods and the extensions of a proxy.
func dump(t *testing.T, istiod *xds.FakeDiscoveryServer, proxy *model.Proxy) string {
	t.Helper()
	all := map[string]any{}
	listeners := istiod.Listeners(proxy)
	for _, listener := range listeners {
		for _, chain := range append(listener.FilterChains, listener.DefaultFilterChain) {
			if chain == nil {
				continue
			}
			if filters := find(plain(t, chain), "http_filters"); filters != nil {
				all[fmt.Sprintf("listener %s, chain %s%v", listener.Name, chain.Name, chain.GetFilterChainMatch().GetDestinationPort())] = ours(filters)
			}
		}
	}
	for _, routes := range istiod.RoutesFromListeners(proxy, listeners) {
		all["routes "+routes.Name] = plain(t, routes)
	}
	for _, cluster := range istiod.Clusters(proxy) {
		if strings.Contains(cluster.Name, "myserver") {
			all["cluster "+cluster.Name] = plain(t, cluster)
		}
	}
	if !strings.Contains(fmt.Sprint(all), "config_discovery") {
		return text(t, all)
	}
	for _, extension := range istiod.ConfigGen.BuildExtensionConfiguration(proxy, istiod.PushContext(), []string{"podpin.default.myserver"}, nil) {
		all["extension "+extension.Name] = plain(t, extension)
	}
	return text(t, all)
}

func text(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// ours keeps the names of filters, and all of those that a release adds.
func ours(filters any) any {
	var kept []any
	for _, filter := range filters.([]any) {
		if name := filter.(map[string]any)["name"].(string); strings.HasPrefix(name, "podpin.") {
			kept = append(kept, filter)
		} else {
			kept = append(kept, name)
		}
	}
	return kept
}

// plain is a message as JSON, with the fields' own names.
func plain(t *testing.T, message proto.Message) any {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// find is the first value under a key, at any depth.
func find(value any, key string) any {
	switch value := value.(type) {
	case map[string]any:
		if found := value[key]; found != nil {
			return found
		}
		for _, inner := range value {
			if found := find(inner, key); found != nil {
				return found
			}
		}
	case []any:
		for _, inner := range value {
			if found := find(inner, key); found != nil {
				return found
			}
		}
	}
	return nil
}

func golden(name string) string { return filepath.Join("golden", name+".txt") }

func TestIstiodMakesOfEachManifestWhatItDid(t *testing.T) {
	for _, name := range manifests {
		t.Run(name, func(t *testing.T) {
			got := generated(t, name, manifest(t, name))
			if *update {
				if err := os.WriteFile(golden(name), []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden(name))
			if err != nil {
				t.Fatal(err)
			}
			if elsewhere(t, name, manifest(t, name)) != elsewhere(t, name, without(manifest(t, name), "EnvoyFilter")) {
				t.Error("the EnvoyFilters reach another kind of proxy")
			}
			if got != string(want) {
				t.Errorf("differs from %s; `cd tests/istio && go test -run Manifest -update .` writes it anew. Now:\n%s", golden(name), got)
			}
		})
	}
}

// istiod drops a patch that it does not understand, or a part of it, and says so in its log at most.
func TestEachPatchWithAFieldMisspeltIsSeen(t *testing.T) {
	for _, name := range manifests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(golden(name))
			if err != nil {
				t.Fatal(err)
			}
			text := manifest(t, name)
			untouched := elsewhere(t, name, without(text, "EnvoyFilter"))
			count := 0
			for document, part := range strings.Split(text, "\n---\n") {
				var object map[string]any
				if err := yaml.Unmarshal([]byte(part), &object); err != nil {
					t.Fatal(err)
				}
				if object["kind"] != "EnvoyFilter" {
					continue
				}
				patches := object["spec"].(map[string]any)["configPatches"].([]any)
				for index := range patches {
					for field := range fields(patches[index], "") {
						count++
						misspelt := strings.Replace(text, part, misspell(t, part, index, field), 1)
						if !seen(t, name, misspelt, string(want), untouched) {
							t.Errorf("document %d, patch %d: nobody sees that %s is misspelt", document, index, field)
						}
					}
				}
			}
			t.Logf("%d fields", count)
		})
	}
}

// seen says whether istiod refuses resources, fails on them, or makes of them something else.
func seen(t *testing.T, name, resources, want, untouched string) (seen bool) {
	t.Helper()
	if _, _, err := crd.ParseInputs(join(resources)); err != nil {
		return true
	}
	defer func() { seen = recover() != nil || seen }()
	return generated(t, name, resources) != want || elsewhere(t, name, resources) != untouched
}

// fields are the paths of all keys.
func fields(value any, path string) map[string]bool {
	all := map[string]bool{}
	if object, is := value.(map[string]any); is {
		for key, inner := range object {
			all[path+"/"+key] = true
			for field := range fields(inner, path+"/"+key) {
				all[field] = true
			}
		}
	}
	if list, is := value.([]any); is {
		for index, inner := range list {
			for field := range fields(inner, fmt.Sprintf("%s/%d", path, index)) {
				all[field] = true
			}
		}
	}
	return all
}

// misspell renders a document again with one key of a patch that has a letter too many.
func misspell(t *testing.T, document string, patch int, field string) string {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	var at any = object["spec"].(map[string]any)["configPatches"].([]any)[patch]
	keys := strings.Split(strings.TrimPrefix(field, "/"), "/")
	for _, key := range keys[:len(keys)-1] {
		if list, is := at.([]any); is {
			var index int
			fmt.Sscan(key, &index)
			at = list[index]
		} else {
			at = at.(map[string]any)[key]
		}
	}
	last := keys[len(keys)-1]
	holder := at.(map[string]any)
	holder[last+"x"] = holder[last]
	delete(holder, last)
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(text))
}
