package istio

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// neighbour makes another HTTP service of the same port, which answers with its name and the headers
// that it got.
func (c *cluster) neighbour(t *testing.T) {
	t.Helper()
	const address = "10.244.99.1"
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{c.authority.identity(t, "default", "other")}, NextProtos: []string{"istio"},
	})
	server := &http.Server{Handler: http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("x-pod", "other")
		writer.Header().Set("mcp-session-id", "of-the-neighbour")
		request.Header.Write(writer)
	})}
	go server.Serve(hidden{secure})
	t.Cleanup(func() { server.Close() })
	labels := map[string]string{"app": "other", "security.istio.io/tlsMode": "istio"}
	pod0 := endpoint{pod: "other-0", address: address, ready: true}
	c.service(t, "other", "default", "10.96.0.99", port, labels)
	c.pod(t, "default", "", "other", labels, pod0)
	c.publish(t, "other", "default", port, []endpoint{pod0})
}

const neighbourRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: default}
spec:
  hosts: [other.example.com]
  gateways: [public]
  http:
  - route: [{destination: {host: other.default.svc.cluster.local, port: {number: 8080}}}]
`

// Headers by which a client would choose its pod, or that only Podpin looks at.
var steering = []string{
	"X-Podpin-Endpoint", "MTAuMjQ0LjEuMjo4MDgw", "X-Podpin-Host", "myserver-1", "X-Envoy-Original-Dst-Host", "10.244.1.2:8080",
	"Mcp-Session-Id", "of-a-client",
}

// greetNeighbour sends the neighbour an opening and a call, and fails if anything of them was changed.
func (sc *scene) greetNeighbour(t *testing.T) {
	t.Helper()
	url := "http://other.default.svc.cluster.local:8080/mcp"
	if sc.where == "gateway" {
		url = "http://other.example.com/mcp"
	}
	for _, message := range []string{initialize, whoami} {
		answer := sc.proxy.at(url).post(t, "", message, steering...)
		if answer.status != 200 || answer.pod != "other" || answer.session != "of-the-neighbour" {
			t.Fatalf("the neighbour's answer: %s", answer)
		}
		for i := 0; i < len(steering); i += 2 {
			if line := steering[i] + ": " + steering[i+1]; !strings.Contains(answer.body, line) {
				t.Errorf("%q did not reach the neighbour: %s", line, answer.body)
			}
		}
	}
}
