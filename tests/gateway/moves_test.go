package gateway

import (
	"testing"
)

// An endpoint that is removed takes its sessions along; one that comes back has them still, and a new one gets
// sessions.
func TestEndpointsComeAndGo(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	c := g.at("mcp.example.com")
	g.publishEndpoints(t, "mcp-myserver", 0, 1)
	pods := func() map[string]bool {
		seen := map[string]bool{}
		for range 20 {
			seen[c.post(t, "", initialize).pod] = true
		}
		return seen
	}
	until(t, "the third endpoint to go", func() bool { return !pods()["myserver-2"] })
	sessions := c.opened(t, 12)
	g.publishEndpoints(t, "mcp-myserver", 1, 2)
	until(t, "one to go and one to come", func() bool { now := pods(); return !now["myserver-0"] && now["myserver-2"] })
	gone, stayed := 0, []*session{}
	for _, s := range sessions {
		if s.pod != "myserver-0" {
			stayed = append(stayed, s)
			continue
		}
		gone++
		// Envoy has another answer, for it is never strict here, and Podpin replaces what that says.
		if answer := c.post(t, s.ID(), whoami); answer.status != 404 {
			t.Errorf("a session of an endpoint that is gone: %d %s", answer.status, answer.body)
		}
	}
	if gone == 0 || len(stayed) == 0 {
		t.Fatalf("%d are gone, %d stayed", gone, len(stayed))
	}
	areServed(t, "an endpoint that stayed", stayed)
	if strayed := g.counter("default/myserver", "strayed"); strayed != gone {
		t.Errorf("%d strayed, but %d were sessions of the endpoint that is gone", strayed, gone)
	}
	g.publishEndpoints(t, "mcp-myserver", 0, 1, 2)
	until(t, "the endpoint to be back", func() bool { return pods()["myserver-0"] })
	areServed(t, "the endpoint is back", sessions)
	if unsteered := g.counter("default/myserver", "unsteered"); unsteered != 0 {
		t.Errorf("%d are said to be without effect", unsteered)
	}
}
