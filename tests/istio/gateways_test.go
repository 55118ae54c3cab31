package istio

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// A port of the gateway that redirects to HTTPS.
const redirecting = 10081

// A gateway whose Service leads one port to another, and whose server speaks TLS.
func TestAnHTTPSGatewayBehindAServiceOfAnotherPort(t *testing.T) {
	for _, setup := range setups[:3] {
		t.Run(setup.String(), func(t *testing.T) {
			c := newCluster(t)
			sc := &scene{setup: setup, cluster: c, myserver: c.workload(t, "myserver", 1, 3)}
			directory := t.TempDir()
			certificate, key := pemOf(t, c.authority.identity(t, "", "", "mcp.example.com"))
			files := []string{filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")}
			for i, content := range [][]byte{certificate, key} {
				if err := os.WriteFile(files[i], content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			labels := map[string]string{"istio": "ingressgateway"}
			self := endpoint{pod: "gateway-0", address: "127.0.0.1", ready: true}
			c.serviceTo(t, "gateway", "default", "10.96.0.97", 443, public, labels)
			c.pod(t, "default", "", "gateway", labels, self)
			c.publish(t, "gateway", "default", public, []endpoint{self})

			c.more(t, "gateway", "default", redirecting)
			secure := strings.Replace(publicGateway, "port: {number: 10080, name: http, protocol: HTTP}", "port: {number: 443, name: https, protocol: HTTPS}\n    tls: {mode: SIMPLE, serverCertificate: "+files[0]+", privateKey: "+files[1]+"}", 1)
			secure += `
  - port: {number: 10081, name: http, protocol: HTTP}
    bind: 127.0.0.1
    hosts: [mcp.example.com, "*.mcp-myserver-headless.default.svc.cluster.local"]
    tls: {httpsRedirect: true}
`
			values := setup.values("myserver", "mcp.example.com", 3, "")
			if setup.resolution == "STATIC" {
				values = strings.Replace(values, "hosts: [", "port: 443, hosts: [", 1)
			}
			sc.beside = []string{secure}
			if setup.mode == "endpoint" {
				sc.beside = append(sc.beside, publicRoute)
			}
			c.start(t, append(sc.beside, render(t, "myserver", values))...)
			sc.proxy = c.gateway(t, public)
			sc.client = sc.proxy.at("https://mcp.example.com/mcp")
			sc.client.trust(c.authority)
			total := sc.client.load(t, 60, 20)
			if total.calls != 1200 || total.lost != 0 || total.strayed != 0 || len(total.pods) != 3 {
				t.Errorf("%+v", total)
			}
			// The redirection is Envoy's own, before any filter.
			plain := &proxy{cluster: c, address: fmt.Sprintf("127.0.0.1:%d", redirecting)}
			answer := plain.at("http://mcp.example.com/mcp").post(t, "", initialize)
			if answer.status != 301 || answer.header.Get("location") != "https://mcp.example.com/mcp" {
				t.Errorf("without TLS: %d %s", answer.status, answer.header.Get("location"))
			}
			if setup.mode == "authority" {
				if answer := sc.client.post(t, "", initialize, "Host", sc.myserver.host(1)); answer.status != 404 {
					t.Errorf("a pod's name as Host: %s", answer)
				}
			}
		})
	}
}

// A gateway of the Kubernetes Gateway API: istiod makes a Gateway and a VirtualService of it, with
// virtual hosts as any other.
func TestAGatewayOfTheKubernetesGatewayAPI(t *testing.T) {
	setup := setup{where: "gateway", mode: "endpoint"}
	c := newCluster(t)
	sc := &scene{setup: setup, cluster: c, myserver: c.workload(t, "myserver", 1, 3)}
	labels := map[string]string{"istio": "ingressgateway", "gateway.networking.k8s.io/gateway-name": "public"}
	self := endpoint{pod: "gateway-0", address: "127.0.0.1", ready: true}
	c.serviceTo(t, "gateway", "default", "10.96.0.97", public, public, labels)
	c.pod(t, "default", "", "gateway", labels, self)
	c.publish(t, "gateway", "default", public, []endpoint{self})
	kind, hostname, number := gatewayv1.AddressType("Hostname"), gatewayv1.Hostname("mcp.example.com"), gatewayv1.PortNumber(port)
	create(t, &gatewayv1.GatewayClass{
		ObjectMeta: metav1.ObjectMeta{Name: "istio"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: "istio.io/gateway-controller"},
	}, c.client.GatewayAPI().GatewayV1().GatewayClasses())
	create(t, &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: "public", Namespace: "default"},
		Spec: gatewayv1.GatewaySpec{
			GatewayClassName: "istio",
			Addresses:        []gatewayv1.GatewaySpecAddress{{Type: &kind, Value: "gateway.default.svc.cluster.local"}},
			Listeners:        []gatewayv1.Listener{{Name: "http", Hostname: &hostname, Port: public, Protocol: "HTTP"}},
		},
	}, c.client.GatewayAPI().GatewayV1().Gateways("default"))
	backend := gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
		BackendObjectReference: gatewayv1.BackendObjectReference{Name: "mcp-myserver", Port: &number},
	}}
	create(t, &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Name: "mcp", Namespace: "default"},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{Name: "public"}}},
			Hostnames:       []gatewayv1.Hostname{hostname},
			Rules:           []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{backend}}},
		},
	}, c.client.GatewayAPI().GatewayV1().HTTPRoutes("default"))
	c.start(t, sc.release(t, 3, ""))
	sc.proxy = c.gateway(t, public)
	sc.client = sc.proxy.at("http://mcp.example.com/mcp")
	until(t, "the gateway to listen", func() bool { return strings.Contains(sc.proxy.get("/listeners"), fmt.Sprint(public)) })
	total := sc.client.load(t, 60, 20)
	if total.calls != 1200 || total.lost != 0 || total.strayed != 0 || len(total.pods) != 3 {
		t.Errorf("%+v", total)
	}
	opened := sc.client.on(t, "myserver-1")
	sc.myserver.end(t, 1)
	sc.settled(t, 2)
	sc.lost(t, opened)
}

func (c *client) trust(authority *authority) {
	transport := c.proxy.transport()
	transport.TLSClientConfig = &tls.Config{RootCAs: authority.pool()}
	c.http.Transport = transport
}
