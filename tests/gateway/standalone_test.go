package gateway

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sigs.k8s.io/yaml"
)

// gateway is an Envoy Gateway that runs, with the Envoy that it runs.
type gateway struct {
	// The version of Envoy.
	version string
	// The address of the module's image, with its digest.
	image string
	// The directory that it reads resources from, and the one that all is in.
	resources, home string
	log             string
	pods            []*pod
}

const configuration = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: File, file: {paths: [HOME/resources]}}
    infrastructure:
      type: Host
      host: {configHome: HOME/config, dataHome: HOME/data, stateHome: HOME/state, runtimeDir: HOME/run}
extensionApis: {enableBackend: true}
`

const class = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
`

// keys is what the proxies have in their environment for sealed session ids.
const keys = "2026-11:OtJtIOszgUpBPnw+FpH4a4a2gZPwVKpV74olsZjjZdM="

// start runs Envoy Gateway on resources of the example, with the example's pods and the image at this address.
func start(t *testing.T, resources func(t *testing.T) []object, image string) *gateway {
	t.Helper()
	g := &gateway{home: t.TempDir(), image: image, pods: startPods(t)}
	g.resources, g.log = filepath.Join(g.home, "resources"), filepath.Join(g.home, "log")
	g.takeEnvoy(t)
	config := filepath.Join(g.home, "envoy-gateway.yaml")
	for file, text := range map[string]string{config: strings.ReplaceAll(configuration, "HOME", g.home)} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(g.resources, 0o755); err != nil {
		t.Fatal(err)
	}
	program := existing(t, ".tools/bin/envoy-gateway", "tests/gateway/install-tools")
	certificates := exec.Command(program, "certgen", "--local", "--config-home", filepath.Join(g.home, "config"))
	if output, err := certificates.CombinedOutput(); err != nil {
		t.Fatalf("certgen: %v: %s", err, output)
	}
	g.apply(t, objects(t, class)...)
	for _, name := range []string{"mcp-myserver", "mcp-other", "mcp-plain"} {
		g.publishEndpoints(t, name, 0, 1, 2)
	}
	g.apply(t, g.standalone(t, resources(t))...)
	g.run(t, program, config)
	return g
}

func (g *gateway) run(t *testing.T, program, config string) {
	t.Helper()
	log, err := os.Create(g.log)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "server", "--config-path", config)
	command.Env = append(os.Environ(), "HOME="+g.home, "PODPIN_KEYS="+keys)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if t.Failed() {
			lines := strings.Split(content(t, g.log), "\n")
			t.Logf("the log ends:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	until(t, "Envoy Gateway's Envoy to serve", func() bool { return g.get("/ready") == "LIVE\n" && g.address() != "" })
}

// takeEnvoy puts the Envoy of the tests where Envoy Gateway would download one to.
func (g *gateway) takeEnvoy(t *testing.T) {
	t.Helper()
	envoy := os.Getenv("ENVOY")
	if envoy == "" {
		envoy = existing(t, ".tools/envoy/bin/envoy", "make envoy")
	}
	output, err := exec.Command(envoy, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`/(1\.\d+\.\d+)/`).FindSubmatch(output)
	if found == nil {
		t.Fatalf("no version of Envoy: %s", output)
	}
	g.version = string(found[1])
	directory := filepath.Join(g.home, "data/envoy-versions", g.version, "bin")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(envoy, filepath.Join(directory, "envoy")); err != nil {
		t.Fatal(err)
	}
}

// moduleCluster is where Envoy fetches modules from. The one that Envoy Gateway makes is for Kubernetes.
func (g *gateway) moduleCluster() object {
	var cluster object
	text := strings.ReplaceAll(`
name: wasm_cluster
type: STATIC
load_assignment:
  cluster_name: wasm_cluster
  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18002}}}}]}]
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http2_protocol_options: {}}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    common_tls_context:
      tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}
      tls_certificates: [{certificate_chain: {filename: HOME/config/certs/envoy/tls.crt}, private_key: {filename: HOME/config/certs/envoy/tls.key}}]
      validation_context: {trusted_ca: {filename: HOME/config/certs/envoy/ca.crt}}
`, "HOME", g.home)
	if err := yaml.Unmarshal([]byte(text), &cluster); err != nil {
		panic(err)
	}
	return cluster
}

// publishEndpoints makes these pods the endpoints of a Service.
func (g *gateway) publishEndpoints(t *testing.T, service string, pods ...int) {
	t.Helper()
	endpoints := ""
	for _, pod := range pods {
		endpoints += fmt.Sprintf("  - ip: {address: %s, port: 8080}\n", ip(pod))
	}
	g.apply(t, objects(t, `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: `+service+`, namespace: default}
spec:
  endpoints:
`+endpoints)...)
}

func (g *gateway) get(path string) string {
	// Where the Envoy that was started last has its admin page.
	files, _ := filepath.Glob(filepath.Join(g.home, "run/*/admin-address.txt"))
	if len(files) == 0 {
		return ""
	}
	admin, _ := os.ReadFile(files[len(files)-1])
	response, err := http.Get("http://" + strings.TrimSpace(string(admin)) + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

// address is where the Gateway listens; empty as long as it does not.
func (g *gateway) address() string {
	found := regexp.MustCompile(`(?m)^default/public/http::(\S+)$`).FindStringSubmatch(g.get("/listeners"))
	if found == nil {
		return ""
	}
	return strings.Replace(found[1], "0.0.0.0", "127.0.0.1", 1)
}

// counter is the value of one of Podpin's counters for a scope.
func (g *gateway) counter(scope, word string) int {
	pattern := regexp.QuoteMeta("scope=.="+scope+";.;podpin_"+word+"_total") + `: (\d+)`
	value := 0
	if found := regexp.MustCompile(pattern).FindStringSubmatch(g.get("/stats?filter=podpin")); found != nil {
		fmt.Sscan(found[1], &value)
	}
	return value
}
