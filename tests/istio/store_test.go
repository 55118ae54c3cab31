package istio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"istio.io/istio/pilot/pkg/features"
)

const redisValues = "store: {kind: redis, front: {service: webdis, namespace: stores, port: 7379}}\n"

const frontAddress = "10.244.98.1"

// redis starts a Redis and its HTTP front as a Service in a namespace of its own.
func (c *cluster) redis(t *testing.T, namespace string) {
	t.Helper()
	const address = frontAddress
	directory := t.TempDir()
	config := map[string]any{
		"redis_host": address, "redis_port": 6379, "http_host": address, "http_port": 7379, "threads": 2, "daemonize": false,
		"pool_size": 4, "acl": []any{
			map[string]any{"disabled": []string{"*"}}, map[string]any{"enabled": []string{"SET", "GET", "GETEX"}},
		},
		"verbosity": 2, "logfile": filepath.Join(directory, "webdis.log"),
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, "webdis.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, directory, "redis-server", "--bind", address, "--port", "6379", "--save", "", "--protected-mode", "no", "--dir", directory)
	start(t, directory, "webdis", file)
	until(t, "webdis to answer", func() bool {
		command := exec.Command("curl", "--silent", fmt.Sprintf("http://%s:7379/GET/x", address))
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Gid: proxyGroup}}
		output, _ := command.Output()
		return strings.Contains(string(output), `"GET":null`)
	})
	front := endpoint{pod: "webdis-0", address: address, ready: true}
	labels := map[string]string{"app": "webdis"}
	c.service(t, "webdis", namespace, "10.96.0.98", 7379, labels)
	c.pod(t, namespace, "", "webdis", labels, front)
	c.publish(t, "webdis", namespace, 7379, []endpoint{front})
}

// start runs a program until the test is over.
func start(t *testing.T, directory, program string, arguments ...string) {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Dir = directory
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Gid: proxyGroup}, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatalf("%v: Debian has it in redis-server and webdis", err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
}

func TestSessionsInARedisOfTheMeshOutliveTheProxy(t *testing.T) {
	for _, setup := range setups {
		t.Run(setup.String(), func(t *testing.T) {
			setup.more = redisValues
			sc := setup.stage(t, func(sc *scene) []string { sc.redis(t, "stores"); return nil })
			var sessions []response
			for range 10 {
				sessions = append(sessions, sc.client.initialize(t))
			}
			sc.restart(t)
			for _, opened := range sessions {
				if answer := sc.client.post(t, opened.session, whoami); answer.status != 200 || answer.pod != opened.pod {
					t.Errorf("after a restart: %s", answer)
				}
			}
			if asked := sc.proxy.counter("store_asked"); asked != 10 {
				t.Errorf("Redis was asked %d times", asked)
			}
		})
	}
}

// What a client is told while the proxy does not know the front, and that it is told so at once.
func (sc *scene) isUnavailable(t *testing.T) {
	t.Helper()
	answers := 0
	for range 3 {
		answer := sc.client.post(t, "", initialize)
		if answer.status != http.StatusServiceUnavailable || answer.header.Get("retry-after") == "" || answer.session != "" {
			t.Errorf("a new session: %s", answer)
		}
		answers++
	}
	answer := sc.client.post(t, "00000000-0000-0000-0000-000000000000", whoami)
	if answer.status != http.StatusServiceUnavailable {
		t.Errorf("a session that this proxy does not know: %s", answer)
	}
	if !strings.Contains(sc.proxy.logged(), "webdis.stores.svc.cluster.local") {
		t.Error("the log does not name the front")
	}
}

func TestAFrontHiddenByASidecarScopeIs503AtOnce(t *testing.T) {
	for _, setup := range setups[3:] {
		t.Run(setup.String(), func(t *testing.T) {
			setup.more = redisValues
			sc := setup.stage(t, func(sc *scene) []string {
				sc.redis(t, "stores")
				return []string{`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec:
  egress: [{hosts: ["./*", "istio-system/*"]}]
`}
			})
			sc.isUnavailable(t)
		})
	}
}

func TestAFrontHiddenFromAGatewayIs503AtOnce(t *testing.T) {
	features.FilterGatewayClusterConfig = true
	defer func() { features.FilterGatewayClusterConfig = false }()
	for _, setup := range setups[:3] {
		t.Run(setup.String(), func(t *testing.T) {
			setup.more = redisValues
			sc := setup.stage(t, func(sc *scene) []string { sc.redis(t, "stores"); return nil })
			sc.isUnavailable(t)
		})
	}
}
