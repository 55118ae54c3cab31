package gateway

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// library is the dynamic module.
const library = "dist/libpodpin.so"

// static is what Envoy Gateway told its Envoy, as one file that any Envoy takes: the routes and endpoints are in
// their places, and the module is a file. Nothing else of the listener, the routes and their clusters differs.
func (g *gateway) static(t *testing.T) string {
	t.Helper()
	var dump struct{ Configs []object }
	if err := json.Unmarshal([]byte(g.get("/config_dump?include_eds")), &dump); err != nil {
		t.Fatal(err)
	}
	found := map[string][]object{}
	for _, config := range dump.Configs {
		for _, part := range []struct{ list, item string }{
			{"dynamic_active_clusters", "cluster"}, {"static_clusters", "cluster"}, {"dynamic_endpoint_configs", "endpoint_config"},
			{"static_endpoint_configs", "endpoint_config"},
			{"dynamic_listeners", "active_state.listener"}, {"dynamic_route_configs", "route_config"},
		} {
			items, _ := config[part.list].([]any)
			for _, item := range items {
				resource := object(item.(map[string]any)).at(strings.Split(part.item, ".")...)
				// In a file its place says what it is.
				delete(resource, "@type")
				found[part.item] = append(found[part.item], resource)
			}
		}
	}
	named := func(kind, key, name string) object {
		for _, item := range found[kind] {
			if item[key] == name {
				return item
			}
		}
		t.Fatalf("no %s of the name %q", kind, name)
		return nil
	}
	listener := named("active_state.listener", "name", "default/public/http")
	chain := listener.at("default_filter_chain")
	delete(listener, "default_filter_chain")
	listener["filter_chains"] = []any{chain}
	manager := object(chain["filters"].([]any)[0].(map[string]any)).at("typed_config")
	routes := named("route_config", "name", manager.at("rds")["route_config_name"].(string))
	delete(manager, "rds")
	manager["route_config"] = routes
	for _, filter := range manager["http_filters"].([]any) {
		config := object(filter.(map[string]any)).at("typed_config")
		if strings.HasSuffix(config["@type"].(string), ".Wasm") {
			config.at("config", "vm_config")["code"] = object{"local": object{"filename": "dist/podpin.wasm"}}
		}
		if strings.HasSuffix(config["@type"].(string), ".DynamicModuleFilter") {
			config.at("dynamic_module_config", "module", "local")["filename"] = library
		}
	}
	var clusters []any
	for _, cluster := range found["cluster"] {
		if name := cluster["name"].(string); strings.HasPrefix(name, "httproute/") || name == "pods_by_address" {
			if cluster["type"] == "EDS" {
				delete(cluster, "eds_cluster_config")
				cluster["type"] = "STATIC"
				cluster["load_assignment"] = named("endpoint_config", "cluster_name", name)
			}
			clusters = append(clusters, cluster)
		}
	}
	slices.SortFunc(clusters, func(a, b any) int {
		return strings.Compare(a.(object)["name"].(string), b.(object)["name"].(string))
	})
	text, err := yaml.Marshal(object{
		"admin":            object{"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 9901}}},
		"static_resources": object{"listeners": []any{listener}, "clusters": clusters},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
