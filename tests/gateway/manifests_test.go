package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// object is a resource of Kubernetes.
type object map[string]any

func (o object) kind() string { return o["kind"].(string) }
func (o object) name() string { return o.at("metadata")["name"].(string) }

// at is the map at a path, made if there is none.
func (o object) at(path ...string) object {
	for _, key := range path {
		switch next := o[key].(type) {
		case map[string]any:
			o = next
		case object:
			o = next
		case nil:
			made := object{}
			o[key] = made
			o = made
		}
	}
	return o
}

// plugin is the first Wasm of an EnvoyExtensionPolicy, or its first dynamic module.
func (o object) plugin() object {
	plugins, isWasm := o.at("spec")["wasm"].([]any)
	if !isWasm {
		plugins = o.at("spec")["dynamicModule"].([]any)
	}
	return object(plugins[0].(map[string]any))
}

// objects are the resources of a text.
func objects(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for _, part := range strings.Split(text, "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(part), &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

// example are the resources of files of gateway/example.
func example(t *testing.T, files ...string) []object {
	t.Helper()
	var all []object
	for _, file := range files {
		all = append(all, objects(t, content(t, filepath.Join("../../gateway/example", file)))...)
	}
	return all
}

// theExample is what a reader of the page applies, but for the server.
func theExample(t *testing.T) []object {
	return example(t, "envoyproxy.yaml", "gateway.yaml", "clienttrafficpolicy.yaml", "httproute.yaml", "envoyextensionpolicy.yaml")
}

// What the example says in the place of a digest.
const noDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// standalone makes resources ones for an Envoy Gateway without Kubernetes: it knows no Services and runs the
// Envoy it is told. Nothing else changes.
func (g *gateway) standalone(t *testing.T, all []object) []object {
	t.Helper()
	for _, o := range all {
		switch o.kind() {
		case "HTTPRoute":
			for _, rule := range o.at("spec")["rules"].([]any) {
				for _, reference := range rule.(map[string]any)["backendRefs"].([]any) {
					reference := reference.(map[string]any)
					reference["group"], reference["kind"] = "gateway.envoyproxy.io", "Backend"
					delete(reference, "port")
				}
			}
		case "EnvoyExtensionPolicy":
			if _, isWasm := o.at("spec")["wasm"]; !isWasm {
				continue
			}
			image := o.plugin().at("code", "image")
			image["url"] = strings.Replace(image["url"].(string), "registry.example.com/podpin@"+noDigest, g.image, 1)
		case "EnvoyProxy":
			o.at("spec")["provider"] = map[string]any{"type": "Host", "host": map[string]any{"envoyVersion": g.version}}
			o.at("spec", "shutdown")["drainTimeout"] = "1s"
			modules, _ := o.at("spec")["dynamicModules"].([]any)
			for _, module := range modules {
				object(module.(map[string]any)).at("source", "local")["path"] = existing(t, library, "make native")
			}
			bootstrap := o.at("spec", "bootstrap")
			var value object
			if err := yaml.Unmarshal([]byte(bootstrap["value"].(string)), &value); err != nil {
				t.Fatal(err)
			}
			resources := value.at("static_resources")
			resources["clusters"] = append(resources["clusters"].([]any), g.moduleCluster())
			text, err := yaml.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			bootstrap["value"] = string(text)
		}
	}
	return all
}

// apply writes resources to where Envoy Gateway reads them, each to a file of its own.
func (g *gateway) apply(t *testing.T, all ...object) {
	t.Helper()
	for _, o := range all {
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(o.kind()) + "-" + o.name() + ".yaml"
		whole := filepath.Join(g.home, name)
		if err := os.WriteFile(whole, text, 0o644); err != nil {
			t.Fatal(err)
		}
		// So that it never reads a part.
		if err := os.Rename(whole, filepath.Join(g.resources, name)); err != nil {
			t.Fatal(err)
		}
	}
}
