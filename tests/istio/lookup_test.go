package istio

import (
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/yaml"
)

// objects are what Helm finds in a cluster.
type objects struct{ client dynamic.Interface }

func (o objects) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	version, err := schema.ParseGroupVersion(apiVersion)
	return o.client.Resource(version.WithResource(strings.ToLower(kind) + "s")), true, err
}

// renderIn renders the chart as Helm does where it can ask a cluster, which has these objects.
func renderIn(t *testing.T, values string, resources ...string) error {
	t.Helper()
	chart, err := loader.Load(filepath.Join("../../istio/chart"))
	if err != nil {
		t.Fatal(err)
	}
	given, err := common.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: "myserver", Namespace: "default"}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	cluster := objects{fake.NewSimpleDynamicClient(runtime.NewScheme())}
	for _, resource := range resources {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(resource), &object.Object); err != nil {
			t.Fatal(err)
		}
		client, _, err := cluster.GetClientFor(object.GetAPIVersion(), object.GetKind())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Namespace(object.GetNamespace()).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = engine.RenderWithClientProvider(chart, all, cluster)
	return err
}

const (
	rightService     = "{apiVersion: v1, kind: Service, metadata: {name: mcp, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{name: http-mcp, port: 8080}]}}"
	rightHeadless    = "{apiVersion: v1, kind: Service, metadata: {name: mcp-headless, namespace: default}, spec: {clusterIP: None, publishNotReadyAddresses: true, ports: [{name: http, port: 8080}]}}"
	rightStatefulSet = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: myserver, namespace: default}, spec: {serviceName: mcp-headless}}"
	rightGateway     = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: public, namespace: default}, spec: {servers: [{port: {number: 443}, hosts: [mcp.example.com, '*.mcp-headless.default.svc.cluster.local']}]}}"
	rightFront       = "{apiVersion: v1, kind: Service, metadata: {name: webdis, namespace: stores}, spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 7379}]}}"
)

func TestTheChartLooksAtTheCluster(t *testing.T) {
	atGateway := overlay(t, leastAuthority, "where: {gateway: {labels: {istio: x}, hosts: [mcp.example.com], gateway: default/public}}")
	redis := overlay(t, leastEndpoint, "store: {kind: redis, front: {service: webdis, namespace: stores, port: 7379}}")
	right := []string{rightService, rightHeadless, rightStatefulSet, rightGateway, rightFront}
	for _, values := range []string{leastAuthority, leastEndpoint, atGateway, redis} {
		for _, there := range [][]string{nil, right} {
			if err := renderIn(t, values, there...); err != nil {
				t.Errorf("%s: %v", values, err)
			}
		}
	}
	for _, row := range []struct{ values, right, part, wrong, says string }{
		{leastEndpoint, rightService, "10.96.0.1", "None", "workload.service: Service mcp is headless"},
		{leastEndpoint, rightService, "port: 8080", "port: 80", "workload.service: Service mcp has no port 8080"},
		{leastEndpoint, rightService, "http-mcp", "mcp", "workload.service: port 8080 of Service mcp is named \"mcp\""},
		{leastAuthority, rightHeadless, "None", "10.96.0.3", "workload.headless_service: Service mcp-headless is not headless"},
		{leastAuthority, rightHeadless, "publishNotReadyAddresses: true, ", "", "lacks publishNotReadyAddresses"},
		{leastAuthority, rightHeadless, "name: http,", "name: https,", "named \"https\""},
		{leastAuthority, rightStatefulSet, "mcp-headless", "other", "StatefulSet myserver has spec.serviceName other, not mcp-headless"},
		{leastAuthority, rightStatefulSet, "serviceName: mcp-headless", "serviceName: mcp-headless, ordinals: {start: 5}", "workload.first_ordinal: StatefulSet myserver has spec.ordinals.start 5, not 0"},
		{atGateway, rightGateway, ", '*.mcp-headless.default.svc.cluster.local'", "", "where.gateway.gateway: no server of default/public has the host"},
		{redis, rightFront, "10.96.0.2", "None", "store.front.service: Service webdis is headless"},
	} {
		err := renderIn(t, row.values, strings.Replace(row.right, row.part, row.wrong, 1))
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.says, err)
		}
	}
	// What no name needs.
	static := overlay(t, leastAuthority, "pods: {resolution: STATIC}")
	if err := renderIn(t, static, strings.Replace(rightHeadless, "publishNotReadyAddresses: true, ", "", 1)); err != nil {
		t.Error(err)
	}
}
