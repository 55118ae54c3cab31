package istio

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func file(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exampleServices are those that a file of the example makes.
func exampleServices(t *testing.T, path string) map[string]*corev1.Service {
	t.Helper()
	services := map[string]*corev1.Service{}
	for _, document := range strings.Split(file(t, path), "\n---\n") {
		if service := new(corev1.Service); strings.Contains(document, "\nkind: Service\n") {
			if err := yaml.UnmarshalStrict([]byte(document), service); err != nil {
				t.Fatal(err)
			}
			services[service.Name] = service
		}
	}
	return services
}

// The example as it stands, at its gateway and at its client's sidecar, but for where the module is.
func TestTheExampleWorksAsItStands(t *testing.T) {
	c := newCluster(t)
	server := c.workloadIn(t, "mcp", "myserver", 1, 3)
	c.redis(t, "mcp")
	services := exampleServices(t, "istio/example/server.yaml")
	for name, service := range exampleServices(t, "istio/example/redis.yaml") {
		services[name] = service
	}
	for name, address := range map[string]string{server.service(): "10.96.0.1", server.headless(): "None", "webdis": "10.96.0.98"} {
		service := services[name]
		service.Spec.ClusterIP, service.Spec.ClusterIPs = address, []string{address}
		create(t, service, c.client.Kube().CoreV1().Services("mcp"))
	}
	server.publish(t)
	c.publish(t, "webdis", "mcp", 7379, []endpoint{{pod: "webdis-0", address: frontAddress, ready: true}})
	rendered, err := templateIn(t, "mcp", "myserver", file(t, "istio/example/values.yaml"),
		"module.url=file://"+existing(t, "dist/podpin.wasm", "make build"), "module.sha256=")
	if err != nil {
		t.Fatal(rendered)
	}
	c.start(t, file(t, "istio/example/gateway.yaml"), rendered)

	gateway := c.gatewayIn(t, "istio-system", 80)
	outside := gateway.at("http://mcp.example.com/mcp")
	sidecar := c.sidecarIn(t, "mcp")
	c.hosts["mcp-myserver.mcp"] = "10.96.0.1"
	inside := sidecar.at("http://mcp-myserver.mcp:8080/mcp")
	for _, client := range []*client{outside, inside} {
		if total := client.load(t, 30, 10); total.calls != 300 || total.lost != 0 || total.strayed != 0 || len(total.pods) != 3 {
			t.Errorf("%s: %+v", client.url, total)
		}
	}
	// A session that was opened at one proxy is known at the other.
	opened := outside.on(t, "myserver-2")
	if answer := inside.post(t, opened.session, whoami); answer.pod != "myserver-2" {
		t.Errorf("at the other proxy: %s", answer)
	}
	curlAsThePageSays(t, sidecar)
}

// The two requests of the page, sent by curl from where a client is.
func curlAsThePageSays(t *testing.T, proxy *proxy) {
	t.Helper()
	session := ""
	commands := commandsOf(t, "istio/example/README.md")
	ran := 0
	for _, command := range commands {
		if !strings.HasPrefix(command, "curl ") {
			continue
		}
		shell := exec.Command("sh", "-c", strings.Replace(command, "curl ", "curl --resolve mcp-myserver.mcp:8080:10.96.0.1 ", 1))
		shell.Env = append(os.Environ(), "SESSION="+session)
		output, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, output)
		}
		if found := regexp.MustCompile(`(?i)mcp-session-id: (\S+)`).FindStringSubmatch(string(output)); found != nil {
			session = found[1]
		} else if !strings.Contains(string(output), `"tools":`) {
			t.Errorf("%s: %s", command, output)
		}
		ran++
	}
	if ran != 2 || session == "" {
		t.Errorf("%d requests, session %q", ran, session)
	}
	if stats := proxy.get("/stats?filter=podpin"); !strings.Contains(stats, "scope=.=mcp/myserver;.;podpin_version: 2000") {
		t.Errorf("the pages say how the stats tell the version and the workload: %s", stats)
	}
}

// commandsOf are those in the blocks of shell on a page, one a line unless it goes on in the next.
func commandsOf(t *testing.T, page string) []string {
	t.Helper()
	var commands []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(file(t, page), -1) {
		for _, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(block[1], "\\\n", " ")), "\n") {
			commands = append(commands, line)
		}
	}
	if len(commands) < 2 {
		t.Fatalf("%s: %v", page, commands)
	}
	return commands
}

// A block of the page is values, on top of the least that there can be, or a part of a Deployment.
func TestEveryBlockOfThePageIsTaken(t *testing.T) {
	deployments := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(file(t, "istio/README.md"), -1) {
		if deployment := new(appsv1.Deployment); strings.HasPrefix(block[1], "spec:\n") {
			if err := yaml.UnmarshalStrict([]byte(block[1]), deployment); err != nil {
				t.Errorf("%v: %s", err, block[1])
			}
			if env := deployment.Spec.Template.Spec.Containers[0].Env; env[0].Name != "PODPIN_KEYS" || env[0].ValueFrom.SecretKeyRef.Key != "keys" {
				t.Errorf("%v", env)
			}
			deployments++
			continue
		}
		rendered, err := template(t, "myserver", overlay(t, leastEndpoint, block[1]))
		if err != nil {
			t.Errorf("%s: %s", block[1], rendered)
		} else if said, err := check(t, configuration(t, rendered)); err != nil {
			t.Errorf("%s: %s", block[1], said)
		}
	}
	if deployments != 1 {
		t.Errorf("%d Deployments", deployments)
	}
}

// What needs no cluster is run; of the rest, whatever the command reads is there and the program has it.
func TestEveryCommandOfThePagesIsOne(t *testing.T) {
	for _, page := range []string{"istio/README.md", "istio/example/README.md"} {
		for _, command := range commandsOf(t, page) {
			words := strings.Fields(command)
			for index, word := range words {
				if (word == "-f" || word == "--values") && strings.Contains(words[index+1], "/") {
					file(t, words[index+1])
				}
			}
			switch words[0] {
			case "helm":
				helmAsThePageSays(t, page, words)
			case "istioctl":
				help := append(words[1:min(3, len(words))], "--help")
				if words[1] == "analyze" {
					help = []string{"analyze", "--help"}
				}
				if said := istioctl(t, help...); !strings.Contains(said, "Usage:") {
					t.Errorf("%s: %s", command, said)
				}
			case "kubectl", "curl":
			default:
				t.Errorf("%s: %s", page, command)
			}
		}
	}
}

// helm renders what a command would install. The one file that a page has the reader write is on it.
func helmAsThePageSays(t *testing.T, page string, words []string) {
	t.Helper()
	if words[1] == "uninstall" {
		return
	}
	arguments := append([]string{"template"}, words[2:]...)
	for index, word := range arguments {
		if word == "--values" && !strings.Contains(arguments[index+1], "/") {
			written := filepath.Join(t.TempDir(), "values.yaml")
			block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(file(t, page))
			if err := os.WriteFile(written, []byte(block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			arguments[index+1] = written
		}
	}
	command := exec.Command(existing(t, ".tools/bin/helm", "tests/istio/install-tools"), arguments...)
	command.Dir = "../.."
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", words, output)
	}
}
