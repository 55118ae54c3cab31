package gateway

import (
	"strings"
	"testing"
)

const goldenOfNative = "golden/native.yaml"

const aboveNative = `# What Envoy Gateway 1.9.1 makes of gateway/example/native.yaml, made static. A test on a real Envoy runs it.
# "make test-gateway" compares it, and UPDATE=yes writes it anew.
`

// natively is the example with the dynamic module, as a reader of the page applies it.
func natively(t *testing.T) []object {
	return example(t, "native.yaml", "gateway.yaml", "clienttrafficpolicy.yaml")
}

func TestTheDynamicModuleKeepsSessionsOnTheirPods(t *testing.T) {
	g := start(t, natively, "")
	isGolden(t, goldenOfNative, aboveNative+g.static(t))
	total := g.at("mcp.example.com").load(t, 30, 20)
	if total.calls != 600 || total.lost != 0 || total.wrong != 0 || len(total.pods) != 3 {
		t.Errorf("%+v", total)
	}
	metrics := g.get("/stats/prometheus")
	if !strings.Contains(metrics, `envoy_dynamicmodulescustom_podpin_bound_total{scope="default/myserver"} 30`) {
		t.Error(metrics)
	}
	until(t, "the access log", func() bool {
		return strings.Contains(content(t, g.log), "decision=steered pod=127.0.1.")
	})
}
