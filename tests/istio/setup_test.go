package istio

import (
	"fmt"
	"testing"
)

// The port of the gateway's server.
const public = 10080

const publicGateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 10080, name: http, protocol: HTTP}
    bind: 127.0.0.1
    hosts: [mcp.example.com, other.example.com, second.example.com, "*.mcp-myserver-headless.default.svc.cluster.local", "*.mcp-second-headless.default.svc.cluster.local"]
`

// A route of an operator's own, for mode endpoint.
const publicRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mcp, namespace: default}
spec:
  hosts: [mcp.example.com]
  gateways: [public]
  http:
  - route: [{destination: {host: mcp-myserver.default.svc.cluster.local, port: {number: 8080}}}]
`

// setup is one way to run Podpin: where, and how it steers.
type setup struct {
	where, mode, resolution string
	// More values of the chart.
	more string
}

func (s setup) String() string {
	if s.resolution == "" {
		return s.where + "/" + s.mode
	}
	return s.where + "/" + s.mode + "/" + s.resolution
}

var setups = []setup{
	{where: "gateway", mode: "authority", resolution: "DNS"},
	{where: "gateway", mode: "authority", resolution: "STATIC"},
	{where: "gateway", mode: "endpoint"},
	{where: "sidecar", mode: "authority", resolution: "DNS"},
	{where: "sidecar", mode: "authority", resolution: "STATIC"},
	{where: "sidecar", mode: "endpoint"},
}

// values are those of the chart for a workload, with more of them at the end.
func (s setup) values(name, host string, replicas int, more string) string {
	values := fmt.Sprintf("mode: %s\nworkload:\n  service: mcp-%s\n", s.mode, name)
	if s.mode == "authority" {
		values += fmt.Sprintf("  stateful_set: %[1]s\n  headless_service: mcp-%[1]s-headless\n  replicas: %[2]d\n  max_replicas: 8\n", name, replicas)
		values += fmt.Sprintf("pods: {resolution: %s, service_account: %s}\n", s.resolution, name)
	}
	if s.where == "sidecar" {
		values += "where: {sidecars: [{namespace: default, labels: {app: client}}]}\n"
	} else {
		gateway := ""
		if s.mode == "authority" {
			gateway = "gateway: default/public, "
		}
		values += fmt.Sprintf("where: {gateway: {labels: {istio: ingressgateway}, namespace: default, %shosts: [%s]}}\n", gateway, host)
	}
	return values + s.more + more
}

// scene is a workload of a cluster behind a proxy with Podpin.
type scene struct {
	setup
	*cluster
	myserver *workload
	proxy    *proxy
	client   *client
	// Resources beside the release's.
	beside []string
}

// stage makes a scene of three pods. `prepare` may add to the cluster before istiod starts, and gives
// resources beside the release's.
func (s setup) stage(t *testing.T, prepare func(*scene) []string) *scene {
	t.Helper()
	c := newCluster(t)
	sc := &scene{setup: s, cluster: c, myserver: c.workload(t, "myserver", 1, 3)}
	sc.beside = []string{publicGateway}
	if s.mode == "endpoint" {
		sc.beside = append(sc.beside, publicRoute)
	}
	if prepare != nil {
		sc.beside = append(sc.beside, prepare(sc)...)
	}
	c.start(t, sc.resources(t, 3)...)
	sc.begin(t)
	return sc
}

// begin starts the proxy.
func (sc *scene) begin(t *testing.T) {
	t.Helper()
	if sc.where == "gateway" {
		sc.proxy = sc.gateway(t, public)
		sc.client = sc.proxy.at("http://mcp.example.com/mcp")
	} else {
		sc.proxy = sc.sidecar(t)
		sc.client = sc.proxy.at("http://mcp-myserver.default.svc.cluster.local:8080/mcp")
	}
}

// restart ends the proxy and starts another, which knows nothing.
func (sc *scene) restart(t *testing.T) {
	t.Helper()
	sc.proxy.stop(t)
	sc.begin(t)
}

// release renders the release once more, with other values.
func (sc *scene) release(t *testing.T, replicas int, more string) string {
	t.Helper()
	return render(t, "myserver", sc.values("myserver", "mcp.example.com", replicas, more))
}

// resources are all of Istio's that the scene has, with the release for this many replicas.
func (sc *scene) resources(t *testing.T, replicas int) []string {
	t.Helper()
	return append([]string{sc.release(t, replicas, "")}, sc.beside...)
}
