package istio

import (
	"strings"
	"testing"
)

func TestSessionsOutliveAnUpgradeOfTheRelease(t *testing.T) {
	for _, kind := range []string{"EnvoyFilter", "WasmPlugin", "TrafficExtension"} {
		for _, setup := range setups {
			if kind != "EnvoyFilter" && setup.mode == "endpoint" {
				continue
			}
			t.Run(kind+"/"+setup.String(), func(t *testing.T) {
				setup.more = "kind: " + kind + "\n"
				sc := setup.stage(t, nil)
				until(t, "the filter to be loaded", func() bool { return strings.Contains(sc.proxy.logged(), " serves default/") })
				sessions := sc.sessionsOn(t, "myserver-0", "myserver-1", "myserver-2")
				loaded := strings.Count(sc.proxy.logged(), " serves default/")
				sc.apply(t, append(sc.beside, sc.release(t, 3, "session: {idle_timeout: 1h}\n"))...)
				until(t, "the new configuration to be loaded", func() bool {
					return strings.Count(sc.proxy.logged(), " serves default/") > loaded
				})
				sc.still(t, sessions)
			})
		}
	}
}

func TestUninstalledItLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		sc.client.initialize(t)
		sc.apply(t, sc.beside...)
		// An open connection stays with the chain that it began with.
		until(t, "a session that nobody pins", func() bool {
			bound := sc.proxy.counter("bound")
			answer := sc.proxy.at(sc.client.url).post(t, "", initialize)
			// The route of the public host went with the release, where that made it.
			hasRoute := sc.where == "sidecar" || sc.mode == "endpoint"
			return (answer.status == 200) == hasRoute && sc.proxy.counter("bound") == bound
		})
		sc.greetNeighbour(t)
	})
}
