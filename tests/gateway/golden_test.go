package gateway

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "writes the golden file anew")

const golden = "golden/envoy.yaml"

const above = `# What Envoy Gateway 1.9.1 makes of gateway/example, and of tests/gateway/beside.yaml, made static. The tests on a
# real Envoy run it. "make test-gateway" compares it, and UPDATE=yes writes it anew.
`

// all is the example with what is beside it.
func all(t *testing.T) []object {
	return append(theExample(t), objects(t, content(t, "beside.yaml"))...)
}

func TestTheGoldenFileIsWhatEnvoyGatewayMakesOfTheExample(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	isGolden(t, golden, above+g.static(t))
}

// isGolden compares what was made with a golden file, or writes that.
func isGolden(t *testing.T, golden, made string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, want := strings.Split(made, "\n"), strings.Split(content(t, golden), "\n")
	for number := range max(len(have), len(want)) {
		if number >= len(have) || number >= len(want) || have[number] != want[number] {
			t.Fatalf("%s differs from line %d on:\n%s", golden, number+1, strings.Join(have[number:min(len(have), number+5)], "\n"))
		}
	}
}
