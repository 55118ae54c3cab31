package gateway

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// edited is the example's policy with its configuration changed.
func (g *gateway) edited(t *testing.T, key, value string) object {
	t.Helper()
	policy := g.standalone(t, example(t, "envoyextensionpolicy.yaml"))[0]
	policy.plugin().at("config")[key] = value
	return policy
}

// drained waits until no listener is on its way out.
func (g *gateway) drained(t *testing.T) {
	t.Helper()
	until(t, "the old listener to be gone", func() bool {
		return strings.Contains(g.get("/stats?filter=total_listeners_draining"), "draining: 0") &&
			strings.Contains(g.get("/stats?filter=total_filter_chains_draining"), "draining: 0")
	})
}

// settled waits until the only listener there is names this digest.
func (g *gateway) settled(t *testing.T, digest string) {
	t.Helper()
	until(t, "the listener of "+digest, func() bool {
		listeners := g.get("/config_dump?resource=dynamic_listeners")
		return strings.Contains(listeners, digest) && !strings.Contains(listeners, `"warming_state"`) && !strings.Contains(listeners, `"draining_state"`)
	})
	g.drained(t)
	// A connection that is left would be one to the listener before.
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// updates is how often the listeners have changed.
func (g *gateway) updates() string {
	return g.get("/stats?filter=listener_manager.listener_(modified|in_place_updated|create_success)")
}

// refusals is how often Envoy has refused what it was told of listeners.
func (g *gateway) refusals() int {
	refused := 0
	_, value, _ := strings.Cut(g.get("/stats?filter=listener_manager.lds.update_rejected"), ": ")
	fmt.Sscan(value, &refused)
	return refused
}

func TestAPolicyThatIsEditedCutsStreamsAndLosesNoSession(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	c := g.at("mcp.example.com")
	sessions := c.opened(t, 6)
	ended := make(chan error, 2)
	// The listener is that of all routes, so a stream of another is cut too.
	for _, host := range []string{"mcp.example.com", "plain.example.com"} {
		c := g.at(host)
		opened := c.post(t, "", initialize)
		if host == "plain.example.com" {
			// Without Podpin only by chance does it reach its pod.
			until(t, "the pod of the session", func() bool { return c.post(t, opened.session, whoami).pod == opened.pod })
		}
		stream, err := c.stream(t, opened.session)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := io.Copy(io.Discard, stream)
			ended <- err
		}()
	}
	before := g.updates()
	g.apply(t, g.edited(t, "on_unreachable", "unavailable"))
	until(t, "the edit", func() bool { return g.updates() != before })
	for range 2 {
		<-ended
	}
	areServed(t, "after the edit", sessions)
	if unknown := g.counter("default/myserver", "unknown"); unknown != 0 {
		t.Errorf("%d were unknown", unknown)
	}
}

// stream opens one by GET, on whichever pod answers with one.
func (c *client) stream(t *testing.T, session string) (io.Reader, error) {
	t.Helper()
	for {
		answered, err := c.send(t.Context(), http.MethodGet, session, "")
		if err != nil {
			return nil, err
		}
		if answered.StatusCode == http.StatusOK {
			t.Cleanup(func() { _ = answered.Body.Close() })
			return answered.Body, nil
		}
		_ = answered.Body.Close()
	}
}

// another is a module that says otherwise that a session is not known.
func another(t *testing.T, module []byte) []byte {
	t.Helper()
	from, to := []byte("Session not found"), []byte("Session gone away")
	if bytes.Count(module, from) != 1 {
		t.Fatal("the module does not say once what it says of a session that is not known")
	}
	return bytes.Replace(module, from, to, 1)
}

// A new module goes on as the old one does until the configuration is edited once more, as the page says.
func TestAModuleThatIsUpdatedRunsAfterOneMoreEditAndLosesNoSession(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	c := g.at("mcp.example.com")
	sessions := c.opened(t, 6)
	if said := c.unknown(t); !strings.Contains(said, "Session not found") {
		t.Fatal(said)
	}
	updated := another(t, module(t))
	g.image = publish(t, updated)
	g.apply(t, g.edited(t, "on_unreachable", "not_found"))
	g.settled(t, fmt.Sprintf("%x", sha256.Sum256(updated)))
	areServed(t, "after the update", sessions)
	if said := c.unknown(t); !strings.Contains(said, "Session not found") {
		t.Errorf("the page says that the old module runs on, but the new one says %s", said)
	}
	g.apply(t, g.edited(t, "on_unreachable", "unavailable"))
	until(t, "the new module to run", func() bool { return strings.Contains(c.unknown(t), "Session gone away") })
	areServed(t, "after one more edit", sessions)
}

// A configuration that Podpin refuses holds up every change of the listener, those of other routes too, until it
// is repaired.
func TestAConfigurationThatIsRefusedFreezesTheListenerUntilItIsRepaired(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	c := g.at("mcp.example.com")
	sessions := c.opened(t, 3)
	g.apply(t, g.edited(t, "on_unreachable", "nonsense"))
	until(t, "the refusal", func() bool { return strings.Contains(content(t, g.log), "configuration refused: ") })
	other := g.standalone(t, objects(t, content(t, "beside.yaml")))[1]
	other.plugin().at("config")["on_unreachable"] = "unavailable"
	before, refused := g.updates(), g.refusals()
	g.apply(t, other)
	until(t, "the other policy to be refused with it", func() bool { return g.refusals() > refused })
	if g.updates() != before {
		t.Errorf("the listener has changed: %s", g.updates())
	}
	areServed(t, "while it is refused", sessions)
	g.apply(t, g.edited(t, "on_unreachable", "unavailable"))
	until(t, "the repair", func() bool { return g.updates() != before })
	areServed(t, "once it is repaired", sessions)
}
