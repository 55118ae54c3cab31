package istio

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// shipped are all files with resources of Kubernetes.
func shipped(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"manifests/*.yaml", "example/*.yaml"} {
		found, err := filepath.Glob(filepath.Join("../../istio", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if !strings.HasSuffix(file, "values.yaml") {
				files = append(files, file)
			}
		}
	}
	if len(files) < 6 {
		t.Fatalf("%v", files)
	}
	return files
}

func istioctl(t *testing.T, arguments ...string) string {
	t.Helper()
	output, _ := exec.Command(existing(t, ".tools/bin/istioctl", "tests/istio/install-tools"), arguments...).CombinedOutput()
	return string(output)
}

// Every EnvoyFilter gets this one.
var everyEnvoyFilter = regexp.MustCompile(`(?m)^.*EnvoyFilter exposes internal implementation details.*$`)

func TestIstioctlHasNothingToSayOfWhatIsShipped(t *testing.T) {
	for _, file := range shipped(t) {
		said := istioctl(t, "validate", "-f", file)
		for _, line := range strings.Split(everyEnvoyFilter.ReplaceAllString(said, ""), "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, "is valid") && !strings.HasSuffix(line, "has warnings:") {
				t.Errorf("validate %s: %s", file, line)
			}
		}
	}
	// All at once, for one file names what another has; IST0133 is the one that every EnvoyFilter gets.
	said := istioctl(t, append([]string{"analyze", "--use-kube=false", "--all-namespaces", besideFile(t)}, shipped(t)...)...)
	for _, line := range strings.Split(said, "\n") {
		if strings.Contains(line, "[IST") && !strings.Contains(line, "[IST0133]") {
			t.Errorf("analyze: %s", line)
		}
	}
	if !strings.Contains(said, "[IST0133]") {
		t.Errorf("analyze looked at no EnvoyFilter: %s", said)
	}
}

// besideFile has what the manifests need of a cluster.
func besideFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "beside.yaml")
	text := `
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: mcp-myserver, namespace: default}
spec: {selector: {app: myserver}, ports: [{name: http-mcp, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: mcp-myserver-headless, namespace: default}
spec: {clusterIP: None, selector: {app: myserver}, ports: [{name: http-mcp, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-0, namespace: default, labels: {app: client}}
spec: {containers: [{name: client, image: client}, {name: istio-proxy, image: proxy}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway-0, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: proxy}]}
---
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}
---
` + strings.Split(beside, "\n---\n")[0]
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheManifestsAreWhatTheChartMakes(t *testing.T) {
	for _, name := range manifests {
		values, err := os.ReadFile(filepath.Join("../../istio/manifests", name+".values.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := template(t, "myserver", string(values))
		if err != nil {
			t.Fatalf("%s: %s", name, rendered)
		}
		rendered = strings.ReplaceAll(rendered, "managed-by: Helm", "managed-by: kubectl")
		lines := strings.SplitAfterN(manifest(t, name), "\n", 3)
		if lines[2] != rendered {
			t.Errorf("%s.yaml is not what the chart makes of its values: `make manifests` renders it", name)
		}
	}
}

func TestTheChartHasTheAlertsAndTheDashboard(t *testing.T) {
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		if file(t, "istio/chart/files/"+name) != file(t, "istio/observability/"+name) {
			t.Errorf("istio/chart/files/%s is another: `make manifests` copies it", name)
		}
	}
	rendered, err := template(t, "myserver", overlay(t, leastEndpoint, "metrics: {rules: {enabled: true, labels: {team: a}}, dashboard: {enabled: true}}"))
	if err != nil {
		t.Fatal(rendered)
	}
	var rules, source, dashboard map[string]any
	for _, document := range strings.Split(rendered, "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Labels map[string]string }
			Spec     map[string]any
			Data     map[string]string
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		switch object.Kind {
		case "PrometheusRule":
			rules = object.Spec
			if object.Metadata.Labels["team"] != "a" {
				t.Errorf("labels %v", object.Metadata.Labels)
			}
		case "ConfigMap":
			if err := json.Unmarshal([]byte(object.Data["podpin.json"]), &dashboard); err != nil {
				t.Error(err)
			}
		}
	}
	if err := yaml.Unmarshal([]byte(file(t, "istio/observability/alerts.yaml")), &source); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(rules, source) || dashboard["panels"] == nil {
		t.Errorf("%v", rules)
	}
}

// The settings by which other tests read Podpin's metrics are those that Istio gives a proxy which has
// `extraStatTags: [scope, ordinal]`.
func TestIstioMakesTheScopeALabel(t *testing.T) {
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	if err != nil {
		t.Fatal(err)
	}
	bootstrap, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(where)), "tools/packaging/common/envoy_bootstrap.json"))
	if err != nil {
		t.Fatal(err)
	}
	tag := regexp.MustCompile(`"regex": "(\(\{\{ \$tag \}\}.*)",`).FindSubmatch(bootstrap)
	if tag == nil {
		t.Fatal("Istio makes tags in another way")
	}
	regex := strings.ReplaceAll(strings.ReplaceAll(string(tag[1]), "{{ $tag }}", "scope"), `\\`, `\`)
	if settings := find(asJSON(t, file(t, "tests/fixtures/istio-stats.json")), "stats_tags"); !strings.Contains(text(t, settings), strings.ReplaceAll(regex, `\`, `\\`)) {
		t.Errorf("no tag by %s", regex)
	}
	if example := file(t, "envoy/envoy.yaml"); !strings.Contains(example, "'"+regex+"'") {
		t.Errorf("the examples have another tag than %s", regex)
	}
}

func asJSON(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}
