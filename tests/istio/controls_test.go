package istio

import (
	"regexp"
	"strings"
	"testing"
)

// Each takes one cure out and shows what it cures, so that nobody removes it.

// misrouted counts the calls of a session on each pod that were not answered by it with a success.
func (sc *scene) misrouted(t *testing.T, calls int) (wrong, failed int) {
	t.Helper()
	for range calls {
		opened := sc.client.post(t, "", initialize)
		if opened.status != 200 {
			failed++
			continue
		}
		switch answer := sc.client.post(t, opened.session, whoami); {
		case answer.status != 200:
			failed++
		case answer.pod != opened.pod:
			wrong++
		}
	}
	return wrong, failed
}

// without takes the documents of a kind out of what a chart made.
func without(rendered, kind string) string {
	var kept []string
	for _, document := range strings.Split(rendered, "\n---\n") {
		if !strings.Contains(document, "\nkind: "+kind+"\n") {
			kept = append(kept, document)
		}
	}
	return strings.Join(kept, "\n---\n")
}

func TestWithoutServiceEntriesAGatewayFindsNoPod(t *testing.T) {
	sc := setups[1].stage(t, nil)
	sc.apply(t, append(sc.beside, without(sc.release(t, 3, ""), "ServiceEntry"))...)
	until(t, "503 for a pod that is no host of the mesh", func() bool {
		answer := sc.client.post(t, "", initialize)
		return answer.status == 503 && strings.Contains(sc.proxy.logged(), "cluster_not_found")
	})
	if wrong, failed := sc.misrouted(t, 20); failed != 20 {
		t.Errorf("%d wrong, %d failed", wrong, failed)
	}
}

// Whoever dials a pod gets that pod, whatever Podpin puts into :authority.
func TestWithoutServiceEntriesASidecarReachesTheWrongPod(t *testing.T) {
	sc := setups[4].stage(t, nil)
	sc.apply(t, append(sc.beside, without(sc.release(t, 3, ""), "ServiceEntry"))...)
	sc.hosts["mcp-myserver-headless.default.svc.cluster.local"] = sc.myserver.pods["myserver-0"].address
	dialled := sc.proxy.at("http://mcp-myserver-headless.default.svc.cluster.local:8080/mcp")
	until(t, "the wrong pod to answer", func() bool {
		answer := dialled.post(t, "", initialize)
		if answer.status != 200 {
			return false
		}
		request, _ := sc.myserver.pods[answer.pod].lastSeen()
		return answer.pod == "myserver-0" && strings.HasPrefix(request.Host, "myserver-") && !strings.HasPrefix(request.Host, "myserver-0.")
	})
}

func TestAVirtualServiceToTheHeadlessServiceReachesWrongPods(t *testing.T) {
	sc := setups[1].stage(t, nil)
	pods := regexp.MustCompile(`destination: \{host: myserver-\d\.`)
	sc.apply(t, append(sc.beside, pods.ReplaceAllString(sc.release(t, 3, ""), "destination: {host: "))...)
	until(t, "a session that its pod does not know", func() bool {
		_, failed := sc.misrouted(t, 20)
		return failed > 0
	})
}

func TestAFilterThatIsNotScopedTakesTheNeighboursTraffic(t *testing.T) {
	for _, setup := range []setup{setups[1], setups[4]} {
		t.Run(setup.String(), func(t *testing.T) {
			sc := setup.stage(t, func(sc *scene) []string {
				sc.neighbour(t)
				return []string{neighbourRoute}
			})
			sc.greetNeighbour(t)
			sc.apply(t, append(sc.beside, strings.ReplaceAll(sc.release(t, 3, ""), "disabled: true", "disabled: false"))...)
			url := map[string]string{"gateway": "http://other.example.com/mcp", "sidecar": "http://other.default.svc.cluster.local:8080/mcp"}[sc.where]
			until(t, "a pod of myserver to answer for the neighbour", func() bool {
				return strings.HasPrefix(sc.proxy.at(url).post(t, "", initialize).pod, "myserver-")
			})
		})
	}
}

// A pod that died, which the mesh has not heard of yet: Istio would try another one.
func TestRetriesLeaveThePinnedPodUnlessTheyAreOff(t *testing.T) {
	for _, setup := range []setup{setups[2], setups[5]} {
		t.Run(setup.String(), func(t *testing.T) {
			sc := setup.stage(t, nil)
			opened := sc.client.on(t, "myserver-1")
			sc.myserver.pods["myserver-1"].server.Close()
			if answer := sc.client.post(t, opened.session, whoami); !answer.isLost() || answer.pod != "" {
				t.Errorf("with retries off: %s", answer)
			}
			left := strings.ReplaceAll(sc.release(t, 3, ""), "retry_policy: {retry_on: retriable-headers}", "retry_policy: {}")
			sc.apply(t, append(sc.beside, left)...)
			until(t, "another pod to be asked", func() bool {
				for _, pod := range []string{"myserver-0", "myserver-2"} {
					if sc.myserver.pods[pod].has("POST", opened.session, "") {
						return true
					}
				}
				sc.client.post(t, opened.session, whoami)
				return false
			})
		})
	}
}
