package istio

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// render is what `helm template` makes of values, with the module as it was built here.
func render(t *testing.T, release, values string) string {
	t.Helper()
	output, err := template(t, release, values, "module.url=file://"+existing(t, "dist/podpin.wasm", "make build"))
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return output
}

func template(t *testing.T, release, values string, sets ...string) (string, error) {
	t.Helper()
	return templateIn(t, "default", release, values, sets...)
}

func templateIn(t *testing.T, namespace, release, values string, sets ...string) (string, error) {
	t.Helper()
	chart, err := filepath.Abs("../../istio/chart")
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"template", release, chart, "--namespace", namespace, "--values", "-"}
	for _, set := range sets {
		arguments = append(arguments, "--set", set)
	}
	command := exec.Command(existing(t, ".tools/bin/helm", "tests/istio/install-tools"), arguments...)
	command.Stdin = strings.NewReader(values)
	output, err := command.CombinedOutput()
	return string(output), err
}
