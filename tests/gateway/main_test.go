// Package gateway runs Envoy Gateway itself, standalone, on the manifests of gateway/example, with a real Envoy,
// the module from a registry and real MCP servers. All of it runs in a network namespace of its own, for the
// ports of Envoy Gateway are fixed and on all addresses.
package gateway

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const inNamespace = "PODPIN_IN_NAMESPACE"

func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) == "" {
		os.Exit(rerun())
	}
	if output, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "ip link set lo up: %v: %s(Debian has it in iproute2)\n", err, output)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Runs this binary once more, in a namespace of network.
func rerun() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	command := exec.Command(self, os.Args[1:]...)
	command.Env = append(os.Environ(), inNamespace+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := command.Run(); err != nil {
		if command.ProcessState == nil {
			fmt.Fprintln(os.Stderr, "a network namespace cannot be made (are you root?):", err)
			return 1
		}
		return command.ProcessState.ExitCode()
	}
	return 0
}

// existing is the path of a file of the project, which `made` makes.
func existing(t *testing.T, file, made string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run: %s", err, made)
	}
	return path
}

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// until waits for a fact, with a generous limit.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
