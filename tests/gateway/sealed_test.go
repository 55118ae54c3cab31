package gateway

import "testing"

// The third part of the page: proxies that share nothing but a key.
func TestSessionsAreSealedIntoTheirIds(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	g.apply(t, g.standalone(t, example(t, "sealed.yaml"))...)
	c := g.at("mcp.example.com")
	// A pod's own id is shorter by far.
	until(t, "the policy", func() bool { return len(c.post(t, "", initialize).session) > 60 })
	total := c.load(t, 10, 10)
	if total.calls != 100 || total.lost != 0 || total.wrong != 0 {
		t.Errorf("%+v", total)
	}
}
