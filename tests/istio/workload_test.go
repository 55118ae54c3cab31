package istio

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is a StatefulSet with its two Services. Its pods are real MCP servers behind the mesh's TLS.
type workload struct {
	cluster         *cluster
	name, namespace string
	// The third number of the addresses of its pods, of which each has its own.
	net, last int
	pods      map[string]*pod
	// What tells it from a StatefulSet, if it is a Deployment.
	hash string
}

type pod struct {
	endpoint
	server *http.Server
	mutex  sync.Mutex
	seen   []*http.Request
	opened []*mcp.Server
}

func (w *workload) service() string  { return "mcp-" + w.name }
func (w *workload) headless() string { return w.service() + "-headless" }
func (w *workload) pod(ordinal int) string {
	if w.hash != "" {
		return fmt.Sprintf("%s-%s-%05x", w.name, w.hash, ordinal*7919)
	}
	return fmt.Sprintf("%s-%d", w.name, ordinal)
}

func (w *workload) host(ordinal int) string {
	return w.pod(ordinal) + "." + w.headless() + "." + w.namespace + ".svc.cluster.local"
}

// workload makes one with this many pods. Its number tells its addresses from those of others.
func (c *cluster) workload(t *testing.T, name string, number, replicas int) *workload {
	t.Helper()
	return c.workloadIn(t, "default", name, number, replicas)
}

func (c *cluster) workloadIn(t *testing.T, namespace, name string, number, replicas int) *workload {
	t.Helper()
	w := &workload{cluster: c, name: name, namespace: namespace, net: number, pods: map[string]*pod{}}
	selector := map[string]string{"app": name}
	c.service(t, w.service(), namespace, fmt.Sprintf("10.96.0.%d", number), port, selector)
	c.service(t, w.headless(), namespace, "", port, selector)
	for ordinal := range replicas {
		w.run(t, ordinal)
	}
	return w
}

// run starts a pod, under a new address, in the place of the one there is.
func (w *workload) run(t *testing.T, ordinal int) *pod {
	t.Helper()
	w.end(t, ordinal)
	w.last++
	p := &pod{endpoint: endpoint{pod: w.pod(ordinal), address: fmt.Sprintf("10.244.%d.%d", w.net, w.last), ready: true}}
	certificate := w.cluster.authority.identity(t, w.namespace, w.name)
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", p.address, port))
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"istio"},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: w.cluster.authority.pool(),
	})
	p.server = &http.Server{
		Handler: p.handler(),
		ConnContext: func(ctx context.Context, connection net.Conn) context.Context {
			return context.WithValue(ctx, peer{}, connection.(opaque).Conn)
		},
	}
	go p.server.Serve(hidden{secure})
	t.Cleanup(func() { p.server.Close() })
	w.pods[p.pod] = p
	w.publish(t)
	return p
}

// end stops a pod, if there is one, and takes it off.
func (w *workload) end(t *testing.T, ordinal int) {
	t.Helper()
	p := w.pods[w.pod(ordinal)]
	if p == nil {
		return
	}
	p.server.Close()
	delete(w.pods, p.pod)
	w.cluster.names.set(w.host(ordinal), "")
	pods := w.cluster.client.Kube().CoreV1().Pods(w.namespace)
	if err := pods.Delete(context.Background(), p.pod, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.publish(t)
}

// set changes what is known of a pod.
func (w *workload) set(t *testing.T, ordinal int, change func(*endpoint)) {
	t.Helper()
	change(&w.pods[w.pod(ordinal)].endpoint)
	w.publish(t)
}

// publish tells Kubernetes and DNS what there is.
func (w *workload) publish(t *testing.T) {
	t.Helper()
	var endpoints []endpoint
	for name, p := range w.pods {
		labels := map[string]string{
			"app": w.name, "statefulset.kubernetes.io/pod-name": name, "security.istio.io/tlsMode": "istio",
		}
		w.cluster.pod(t, w.namespace, w.headless(), w.name, labels, p.endpoint)
		host := name + "." + w.headless() + "." + w.namespace + ".svc.cluster.local"
		w.cluster.names.set(host, p.address)
		w.cluster.hosts[host] = p.address
		endpoints = append(endpoints, p.endpoint)
	}
	sort.Slice(endpoints, func(i, j int) bool { return endpoints[i].pod < endpoints[j].pod })
	for _, service := range []string{w.service(), w.headless()} {
		w.cluster.publish(t, service, w.namespace, port, endpoints)
	}
}

// peer is the key of a connection in the context of a request.
type peer struct{}

// handler is an MCP server that says which pod it is.
func (p *pod) handler() http.Handler {
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server {
		server := mcp.NewServer(&mcp.Implementation{Name: p.pod, Version: "1"}, nil)
		mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: p.pod}}}, nil, nil
		})
		p.mutex.Lock()
		p.opened = append(p.opened, server)
		p.mutex.Unlock()
		return server
	}, &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)})
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		p.mutex.Lock()
		p.seen = append(p.seen, request)
		p.mutex.Unlock()
		writer.Header().Set("x-pod", p.pod)
		handler.ServeHTTP(writer, request)
	})
}

// lastSeen is the latest request that the pod had, and its client's identity.
func (p *pod) lastSeen() (*http.Request, string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	request := p.seen[len(p.seen)-1]
	state := request.Context().Value(peer{}).(*tls.Conn).ConnectionState()
	return request, state.PeerCertificates[0].URIs[0].String()
}

// notify has each session of the pod hear that its tools changed.
func (p *pod) notify() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, server := range p.opened {
		name := fmt.Sprintf("tool-%d", time.Now().UnixNano())
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{}, nil, nil
		})
	}
}

// hidden keeps net/http from seeing a TLS connection, which it closes for the protocol name `istio`.
type hidden struct{ net.Listener }

type opaque struct{ net.Conn }

func (h hidden) Accept() (net.Conn, error) {
	connection, err := h.Listener.Accept()
	return opaque{connection}, err
}

// has says whether the pod had a request of this method in a session, which resumes a stream if an
// event is named.
func (p *pod) has(method, session, event string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, request := range p.seen {
		if request.Method == method && request.Header.Get("mcp-session-id") == session && request.Header.Get("last-event-id") == event {
			return true
		}
	}
	return false
}
