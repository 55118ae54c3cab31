package gateway

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The page, from an empty Gateway to sessions on their pods, with the image that is released.
func TestTheExampleKeepsSessionsOnTheirPods(t *testing.T) {
	for tag, image := range released(t) {
		t.Run(tag, func(t *testing.T) {
			g := start(t, all, push(t, image))
			total := g.at("mcp.example.com").load(t, 30, 20)
			t.Logf("%d calls, %d lost, %d on a wrong pod; %v", total.calls, total.lost, total.wrong, total.pods)
			if total.calls != 600 || total.lost != 0 || total.wrong != 0 || len(total.pods) != 3 {
				t.Errorf("%+v", total)
			}
			if g.counter("default/myserver", "strayed") != 0 || g.counter("default/myserver", "steered") < 600 {
				t.Error(g.get("/stats?filter=podpin"))
			}
			for _, pod := range g.pods {
				if pod.saw("x-podpin-endpoint") {
					t.Errorf("%s saw the header", pod.name())
				}
			}
		})
	}
}

func TestWhatTheExampleShowsOfPodpinIsThere(t *testing.T) {
	g := start(t, theExample, publish(t, module(t)))
	areServed(t, "a session", g.at("mcp.example.com").opened(t, 1))
	if metrics := g.get("/stats/prometheus"); !strings.Contains(metrics, `podpin_bound_total{scope="default/myserver"} 1`) {
		t.Error(metrics)
	}
	until(t, "the access log", func() bool {
		return strings.Contains(content(t, g.log), "decision=steered pod=127.0.1.")
	})
}

// A client neither chooses a pod nor learns of one, on no route.
func TestTheHeaderOfAClientIsOfNoUse(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	forged := base64.StdEncoding.EncodeToString([]byte(ip(2) + ":8080"))
	for _, host := range []string{"mcp.example.com", "other.example.com", "plain.example.com"} {
		c := g.at(host).with("x-podpin-endpoint", forged)
		pods := map[string]bool{}
		for range 30 {
			opened := c.post(t, "", initialize)
			pods[opened.pod] = true
			if opened.status != 200 || opened.header.Get("x-podpin-endpoint") != "" {
				t.Errorf("%s: %d, %v", host, opened.status, opened.header)
			}
		}
		if len(pods) != 3 {
			t.Errorf("%s: %v", host, pods)
		}
	}
	for _, pod := range g.pods {
		if pod.saw("x-podpin-endpoint") {
			t.Errorf("%s saw the header", pod.name())
		}
	}
}

// What the first row of the table of symptoms says.
func TestWithoutTheOrderNothingIsSteeredAndThatIsTold(t *testing.T) {
	g := start(t, func(t *testing.T) []object {
		resources := theExample(t)
		for _, o := range resources {
			if o.kind() == "EnvoyProxy" {
				delete(o.at("spec"), "filterOrder")
			}
		}
		return resources
	}, publish(t, module(t)))
	c := g.at("mcp.example.com")
	until(t, "the metric", func() bool {
		if s := c.post(t, "", initialize); s.session != "" {
			c.post(t, s.session, whoami)
		}
		return g.counter("default/myserver", "unsteered") > 0
	})
	until(t, "the warning", func() bool { return strings.Contains(content(t, g.log), "steering has no effect: 127.0.1.") })
}
