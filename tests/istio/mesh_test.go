package istio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	xds "istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// cluster is a Kubernetes with Istio: objects on a client in memory, and istiod's own code that
// makes configurations of proxies from them.
type cluster struct {
	authority *authority
	names     *names
	client    kube.CLIClient
	istiod    *xds.FakeDiscoveryServer
	// The addresses of Services and pods by their names, for clients.
	hosts map[string]string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return &cluster{
		authority: newAuthority(t), names: startDNS(t), client: kube.NewFakeClient(), hosts: map[string]string{},
	}
}

// start has istiod read what there is, and these resources of Istio.
func (c *cluster) start(t *testing.T, resources ...string) {
	t.Helper()
	settings := mesh.DefaultMeshConfig()
	settings.AccessLogFile = "/dev/stdout"
	c.istiod = xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		MeshConfig:                 settings,
		DisableSecretAuthorization: true,
		ConfigString:               join(resources...),
		KubeClientBuilder:          func(...runtime.Object) kube.Client { return c.client },
		ListenerBuilder:            func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
	})
}

// apply creates or updates resources of Istio, as `kubectl apply` does, and removes those of the
// kinds that are there but no longer here, if they are of the same release.
func (c *cluster) apply(t *testing.T, resources ...string) {
	t.Helper()
	wanted := map[string]bool{}
	for _, resource := range parse(t, join(resources...)) {
		wanted[resource.Key()] = true
		schema, found := collections.Pilot.FindByGroupVersionKind(resource.GroupVersionKind)
		if !found {
			t.Fatalf("istiod knows no %s", resource.GroupVersionKind)
		}
		if warning, err := schema.ValidateConfig(resource); err != nil || unexpected(warning) != "" {
			t.Fatalf("%s: %v %v", resource.Key(), err, warning)
		}
		store := c.istiod.Store()
		var err error
		if old := store.Get(resource.GroupVersionKind, resource.Name, resource.Namespace); old != nil {
			resource.ResourceVersion = old.ResourceVersion
			_, err = store.Update(resource)
		} else {
			_, err = store.Create(resource)
		}
		if err != nil {
			t.Fatalf("%s: %v", resource.Key(), err)
		}
	}
	for _, schema := range collections.Pilot.All() {
		for _, resource := range c.istiod.Store().List(schema.GroupVersionKind(), "") {
			if resource.Labels["app.kubernetes.io/name"] == "podpin" && !wanted[resource.Key()] {
				if err := c.istiod.Store().Delete(resource.GroupVersionKind, resource.Name, resource.Namespace, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Every EnvoyFilter gets the first warning.
func unexpected(warning error) string {
	if warning == nil || strings.HasPrefix(warning.Error(), "EnvoyFilter exposes internal implementation details") {
		return ""
	}
	return warning.Error()
}

func parse(t *testing.T, resources string) []config.Config {
	t.Helper()
	configs, unknown, err := crd.ParseInputs(resources)
	if err != nil || len(unknown) != 0 {
		t.Fatalf("not resources of Istio: %v %v", err, unknown)
	}
	return configs
}

// istiod splits resources at a line of dashes, and loses one that begins with such a line.
func join(resources ...string) string {
	var documents []string
	for _, resource := range resources {
		for _, document := range strings.Split("\n"+resource, "\n---\n") {
			if strings.TrimSpace(strip(document)) != "" {
				documents = append(documents, strings.TrimSpace(document))
			}
		}
	}
	return strings.Join(documents, "\n---\n")
}

// A document without its comments.
func strip(document string) string {
	var lines []string
	for _, line := range strings.Split(document, "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// rejected says which proxies have not accepted what istiod sent them.
func (c *cluster) rejected() string {
	recorder := httptest.NewRecorder()
	c.istiod.DiscoveryDebug.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/debug/syncz", nil))
	body, _ := io.ReadAll(recorder.Body)
	var proxies []map[string]any
	if err := json.Unmarshal(body, &proxies); err != nil {
		return fmt.Sprintf("syncz: %v", err)
	}
	for _, proxy := range proxies {
		for _, kind := range []string{"cluster", "listener", "route", "endpoint", "extension_config"} {
			if sent, acked := proxy[kind+"_sent"], proxy[kind+"_acked"]; sent != acked {
				return fmt.Sprintf("%v: %s: sent %v, acknowledged %v", proxy["proxy"], kind, sent, acked)
			}
		}
	}
	return ""
}

// create makes an object of Kubernetes, or updates it.
func create[T any](t *testing.T, object T, api interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
}) {
	t.Helper()
	if _, err := api.Update(t.Context(), object, metav1.UpdateOptions{}); err == nil {
		return
	}
	if _, err := api.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// until waits for a fact, with a limit that only a broken test reaches.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
