// Package istio shows that the chart works: what helm renders goes through istiod's own generators
// into a real Envoy with the module, in front of real MCP servers. All of it runs in a network
// namespace of its own, with the addresses of pods and with the interception of a sidecar.
package istio

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pkg/log"
)

const inNamespace = "PODPIN_IN_NAMESPACE"

func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) == "" {
		os.Exit(rerun())
	}
	if err := setUpNamespace(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Two filters that only Istio's build of Envoy has; neither has to do with what is tested.
	features.MetadataExchange, features.ALPNFilter = false, false
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	os.Exit(m.Run())
}

// Runs this binary once more, in namespaces of network and of mounts that go with it.
func rerun() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	command := exec.Command(self, os.Args[1:]...)
	command.Env = append(os.Environ(), inNamespace+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := command.Run(); err != nil {
		if command.ProcessState == nil {
			fmt.Fprintln(os.Stderr, "a network namespace cannot be made (are you root?):", err)
			return 1
		}
		return command.ProcessState.ExitCode()
	}
	return 0
}

// The group of proxies, whose connections are not intercepted. Istio's own number.
const proxyGroup = 1337

// What a client's sidecar intercepts: addresses of Services and of pods.
var intercepted = []string{"10.96.0.0/12", "10.244.0.0/16"}

// Every address is local, and what a client sends is led to the sidecar, as istio-init does it.
func setUpNamespace() error {
	commands := []string{
		"ip link set lo up",
		"ip address add 10.244.0.10/32 dev lo",
		"ip route add default dev lo src 10.244.0.10",
		"ip route add local 10.244.0.0/16 dev lo",
		fmt.Sprintf("iptables -t nat -A OUTPUT -p tcp -m owner --gid-owner %d -j RETURN", proxyGroup),
	}
	// Envoy asks the resolver of the system for the names of pods.
	resolver := filepath.Join(os.TempDir(), "podpin-resolv.conf")
	if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		return err
	}
	defer os.Remove(resolver)
	commands = append(commands, "mount --make-rprivate /", "mount --bind "+resolver+" /etc/resolv.conf")
	for _, addresses := range intercepted {
		commands = append(commands, "iptables -t nat -A OUTPUT -p tcp -d "+addresses+" -j REDIRECT --to-ports 15001")
	}
	for _, command := range commands {
		words := strings.Fields(command)
		if output, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s(Debian has it in iproute2 and iptables)", command, err, output)
		}
	}
	return nil
}
