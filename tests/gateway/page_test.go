package gateway

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	egv1a1 "github.com/envoyproxy/gateway/api/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// What the page has its reader do with each policy before it is applied.
func TestPodpinCheckTakesTheConfigurationOfEachPolicy(t *testing.T) {
	files, err := filepath.Glob("../../gateway/example/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range files {
		for _, o := range example(t, filepath.Base(file)) {
			if o.kind() != "EnvoyExtensionPolicy" {
				continue
			}
			config, err := json.Marshal(o.plugin().at("config"))
			if err != nil {
				t.Fatal(err)
			}
			command := exec.Command(existing(t, "dist/podpin-check", "make check"), "-")
			command.Stdin = bytes.NewReader(config)
			output, err := command.CombinedOutput()
			if err != nil || !bytes.Contains(output, []byte("serves default/myserver by endpoint in x-podpin-endpoint")) {
				t.Errorf("%s: %v: %s", file, err, output)
			}
			if bytes.Contains(output, []byte("has no effect")) {
				t.Errorf("%s: %s", file, output)
			}
			checked++
		}
	}
	if checked != 4 {
		t.Errorf("%d policies", checked)
	}
}

// What Envoy Gateway without Kubernetes does not read: the server is what the route leads to.
func TestTheServerIsWhatTheRouteLeadsTo(t *testing.T) {
	var service corev1.Service
	var deployment appsv1.Deployment
	for _, o := range example(t, "server.yaml") {
		switch o.kind() {
		case "Service":
			strictly(t, o, &service)
		case "Deployment":
			strictly(t, o, &deployment)
		}
	}
	var route gwapiv1.HTTPRoute
	strictly(t, example(t, "httproute.yaml")[0], &route)
	backend := route.Spec.Rules[0].BackendRefs[0]
	port := service.Spec.Ports[0]
	if string(backend.Name) != service.Name || *backend.Port != port.Port || route.Namespace != service.Namespace {
		t.Errorf("the route leads to %v", backend)
	}
	pods := deployment.Spec.Template
	if !reflect.DeepEqual(service.Spec.Selector, pods.Labels) || !reflect.DeepEqual(deployment.Spec.Selector.MatchLabels, pods.Labels) {
		t.Errorf("the Service has other pods: %v", pods.Labels)
	}
	if service.Spec.ClusterIP != "" || pods.Spec.Containers[0].Ports[0].ContainerPort != port.Port || *deployment.Spec.Replicas < 2 {
		t.Errorf("%v, %v", service.Spec, pods.Spec)
	}
}

// What only Kubernetes has, or a test has otherwise, are fields that there are.
func TestWhatTheExampleSaysForKubernetesIsTakenByItsTypes(t *testing.T) {
	text := content(t, "../../gateway/example/sealed.yaml")
	_, fragment, _ := strings.Cut(text, "#\n#   provider:\n")
	fragment, _, _ = strings.Cut("#   provider:\n"+fragment, "\napiVersion")
	fragment = regexp.MustCompile("(?m)^#   ").ReplaceAllString(fragment, "")
	var spec egv1a1.EnvoyProxySpec
	if err := yaml.UnmarshalStrict([]byte(fragment), &spec); err != nil {
		t.Fatal(err)
	}
	variable := spec.Provider.Kubernetes.EnvoyDeployment.Container.Env[0]
	policy := example(t, "sealed.yaml")[0].plugin()
	if variable.Name != policy.at("env")["hostKeys"].([]any)[0] || variable.Name != policy.at("config", "store")["keys_env"] {
		t.Errorf("%v, but %v", variable, policy)
	}
	for file, into := range map[string]any{
		"envoyproxy.yaml": &egv1a1.EnvoyProxy{}, "gateway.yaml": &gwapiv1.Gateway{}, "jwt.yaml": &egv1a1.SecurityPolicy{},
		"envoyextensionpolicy.yaml": &egv1a1.EnvoyExtensionPolicy{}, "clienttrafficpolicy.yaml": &egv1a1.ClientTrafficPolicy{},
	} {
		strictly(t, example(t, file)[0], into)
	}
	for _, o := range example(t, "native.yaml") {
		into := map[string]any{
			"EnvoyProxy": &egv1a1.EnvoyProxy{}, "HTTPRoute": &gwapiv1.HTTPRoute{}, "EnvoyExtensionPolicy": &egv1a1.EnvoyExtensionPolicy{},
		}
		strictly(t, o, into[o.kind()])
	}
}

// strictly reads a resource into its type, and fails if it says more than that has.
func strictly(t *testing.T, o object, into any) {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Errorf("%s: %v", o.kind(), err)
	}
}

// Each manifest is on the page, and the page names no other.
func TestThePageNamesEachManifest(t *testing.T) {
	page := content(t, "../../gateway/README.md")
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(`example/([a-z]+\.yaml)`).FindAllStringSubmatch(page, -1) {
		named[found[1]] = true
	}
	files, err := filepath.Glob("../../gateway/example/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !named[filepath.Base(file)] {
			t.Errorf("the page does not name %s", file)
		}
	}
	if len(named) != len(files) {
		t.Errorf("the page names %v", named)
	}
}
