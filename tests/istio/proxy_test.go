package istio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// proxy is an Envoy that has its configuration from istiod.
type proxy struct {
	cluster *cluster
	admin   string
	log     string
	// The address that clients connect to instead of the one of a name; none for a sidecar.
	address string
	// Ends it, after a look at what it refused.
	stop func(*testing.T)
}

// node is what a proxy says of itself.
type node struct {
	kind, ip, name, namespace, serviceAccount string
	labels                                    map[string]string
	version                                   string
}

// gateway starts the mesh's gateway. Its Gateway resources bind 127.0.0.1.
func (c *cluster) gateway(t *testing.T, number int) *proxy {
	t.Helper()
	return c.gatewayIn(t, "default", number)
}

func (c *cluster) gatewayIn(t *testing.T, namespace string, number int) *proxy {
	t.Helper()
	p := c.proxy(t, node{
		kind: "router", ip: "127.0.0.1", name: "gateway-0", namespace: namespace, serviceAccount: "gateway",
		labels: map[string]string{"istio": "ingressgateway"},
	})
	p.address = fmt.Sprintf("127.0.0.1:%d", number)
	return p
}

// sidecar starts that of a client, which intercepts what this process sends to the cluster.
func (c *cluster) sidecar(t *testing.T) *proxy {
	t.Helper()
	return c.sidecarIn(t, "default")
}

func (c *cluster) sidecarIn(t *testing.T, namespace string) *proxy {
	t.Helper()
	return c.proxy(t, node{
		kind: "sidecar", ip: "10.244.0.10", name: "client-0", namespace: namespace, serviceAccount: "client",
		labels: map[string]string{"app": "client"},
	})
}

func (c *cluster) proxy(t *testing.T, node node) *proxy {
	t.Helper()
	directory := t.TempDir()
	bootstrap := c.bootstrap(t, node)
	config := filepath.Join(directory, "envoy.json")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &proxy{cluster: c, log: filepath.Join(directory, "envoy.log")}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	admin := filepath.Join(directory, "admin")
	command := exec.Command(envoy(t), "--disable-hot-restart", "--concurrency", "2", "--log-level", "info",
		"--config-path", config, "--admin-address-path", admin)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Gid: proxyGroup}, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { command.Wait(); close(ended) }()
	var once sync.Once
	p.stop = func(t *testing.T) {
		once.Do(func() {
			p.check(t)
			command.Process.Kill()
			<-ended
		})
	}
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("Envoy's log:\n%s", tail(p.logged(), 60))
		}
	})
	until(t, "Envoy to be ready", func() bool {
		select {
		case <-ended:
			t.Fatalf("Envoy ended:\n%s", tail(p.logged(), 20))
		default:
		}
		address, err := os.ReadFile(admin)
		if err != nil || len(address) == 0 {
			return false
		}
		p.admin = strings.TrimSpace(string(address))
		return strings.HasPrefix(p.get("/ready"), "LIVE")
	})
	return p
}

// check fails if the proxy has ever refused anything of its configuration.
func (p *proxy) check(t *testing.T) {
	t.Helper()
	for _, line := range strings.Split(p.get("/stats?filter=update_rejected|config_fail|config_conflict|create_failure"), "\n") {
		if name, value, found := strings.Cut(line, ": "); found && value != "0" {
			t.Errorf("the proxy refused a configuration: %s is %s", name, value)
		}
	}
	until(t, "each proxy to accept what istiod sent it", func() bool { return p.cluster.rejected() == "" })
}

func (p *proxy) get(path string) string {
	response, err := http.Get("http://" + p.admin + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

// counter is the value of one of Podpin's counters, summed over scopes.
func (p *proxy) counter(word string) int {
	sum := 0
	for _, match := range regexp.MustCompile(`(?m)podpin_`+word+`_total.*: (\d+)$`).FindAllStringSubmatch(p.get("/stats?filter=podpin"), -1) {
		var value int
		fmt.Sscan(match[1], &value)
		sum += value
	}
	return sum
}

// endpoints is how many of a cluster the proxy takes for healthy.
func (p *proxy) endpoints(cluster string) int {
	return len(regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(cluster)+`::10\..*::health_flags::healthy`).FindAllString(p.get("/clusters"), -1))
}

func (p *proxy) logged() string {
	log, _ := os.ReadFile(p.log)
	return string(log)
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// client sends requests through the proxy.
func (p *proxy) client() *http.Client {
	return &http.Client{
		Transport:     p.transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport connects to the proxy, or where it intercepts.
func (p *proxy) transport() *http.Transport {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, number, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		switch known := p.cluster.hosts[host]; {
		case p.address != "":
			address = p.address
		case known != "":
			address = net.JoinHostPort(known, number)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 100}
}

// bootstrap is what Istio's agent gives an Envoy, as far as it matters here.
func (c *cluster) bootstrap(t *testing.T, node node) []byte {
	t.Helper()
	version := node.version
	if version == "" {
		version = "1.31.0"
	}
	metadata := map[string]any{
		"NAME": node.name, "NAMESPACE": node.namespace, "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": version,
		"INSTANCE_IPS": node.ip, "SERVICE_ACCOUNT": node.serviceAccount, "LABELS": node.labels,
	}
	if node.kind == "sidecar" {
		metadata["INTERCEPTION_MODE"] = "REDIRECT"
	}
	source := map[string]any{"ads": map[string]any{}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
	bootstrap := map[string]any{
		"node": map[string]any{
			"id":      fmt.Sprintf("%[1]s~%[2]s~%[3]s.%[4]s~%[4]s.svc.cluster.local", node.kind, node.ip, node.name, node.namespace),
			"cluster": node.name, "metadata": metadata,
		},
		"admin": map[string]any{"address": socket("127.0.0.1:0")},
		"dynamic_resources": map[string]any{
			"lds_config": source, "cds_config": source,
			"ads_config": map[string]any{
				"api_type": "GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
				"grpc_services": []any{map[string]any{"envoy_grpc": map[string]any{"cluster_name": "xds-grpc"}}},
			},
		},
		"static_resources": map[string]any{"clusters": []any{
			grpcCluster("xds-grpc", c.istiod.Listener.Addr().String()),
			grpcCluster("sds-grpc", startSDS(t, c.authority, node.namespace, node.serviceAccount)),
		}},
	}
	text, err := json.Marshal(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func grpcCluster(name, address string) map[string]any {
	const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	return map[string]any{
		"name": name, "type": "STATIC",
		"typed_extension_protocol_options": map[string]any{options: map[string]any{
			"@type":                "type.googleapis.com/" + options,
			"explicit_http_config": map[string]any{"http2_protocol_options": map[string]any{}},
		}},
		"load_assignment": map[string]any{"cluster_name": name, "endpoints": []any{map[string]any{
			"lb_endpoints": []any{map[string]any{"endpoint": map[string]any{"address": socket(address)}}},
		}}},
	}
}

func socket(address string) map[string]any {
	host, number, _ := net.SplitHostPort(address)
	var value int
	fmt.Sscan(number, &value)
	return map[string]any{"socket_address": map[string]any{"address": host, "port_value": value}}
}

// envoy finds one as the other tests do.
func envoy(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("ENVOY"); named != "" {
		return named
	}
	if found, err := exec.LookPath("envoy"); err == nil {
		return found
	}
	return existing(t, ".tools/envoy/bin/envoy", "make envoy")
}

// existing is the absolute path of a file of the project, which a command makes.
func existing(t *testing.T, path, command string) string {
	t.Helper()
	absolute, err := filepath.Abs(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(absolute); err != nil {
		t.Fatalf("%s is missing: %s makes it", path, command)
	}
	return absolute
}
