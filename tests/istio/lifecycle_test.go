package istio

import (
	"testing"
	"time"
)

// sessionsOn opens one session on each of these pods.
func (sc *scene) sessionsOn(t *testing.T, pods ...string) map[string]response {
	t.Helper()
	sessions := map[string]response{}
	for _, pod := range pods {
		sessions[pod] = sc.client.on(t, pod)
	}
	return sessions
}

// still fails unless each session is answered by its pod.
func (sc *scene) still(t *testing.T, sessions map[string]response) {
	t.Helper()
	for pod, opened := range sessions {
		for range 5 {
			if answer := sc.client.post(t, opened.session, whoami); answer.status != 200 || answer.pod != pod {
				t.Errorf("a session of %s: %s", pod, answer)
			}
		}
	}
}

// lost fails unless the first request of the session is answered by the 404 that clients recover from.
func (sc *scene) lost(t *testing.T, opened response) {
	t.Helper()
	if answer := sc.client.post(t, opened.session, whoami); !answer.isLost() {
		t.Errorf("a session of a pod that is gone: %s", answer)
	}
}

// settled waits until the proxy has heard how many endpoints of the Service there are.
func (sc *scene) settled(t *testing.T, endpoints int) {
	t.Helper()
	until(t, "the proxy to hear of the endpoints", func() bool {
		return sc.proxy.endpoints("outbound|8080||mcp-myserver.default.svc.cluster.local") == endpoints
	})
}

func TestScaledFromThreeToFiveToTwo(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		sessions := sc.sessionsOn(t, "myserver-0", "myserver-1", "myserver-2")

		if sc.mode == "authority" {
			// A pod that has no name yet is not one that refuses connections.
			sc.setup.more += "placement: {eject: 5m}\n"
		}
		sc.myserver.run(t, 3)
		sc.myserver.run(t, 4)
		started := time.Now()
		sc.apply(t, sc.resources(t, 5)...)
		sc.settled(t, 5)
		for _, pod := range []string{"myserver-3", "myserver-4"} {
			// With DNS the name of a new pod is asked for every few seconds; until then it is 503.
			until(t, "a session on "+pod, func() bool {
				sessions[pod] = sc.client.post(t, "", initialize)
				return sessions[pod].pod == pod
			})
		}
		t.Logf("new pods had their sessions after %v", time.Since(started).Round(time.Millisecond))
		sc.still(t, sessions)

		// The release first: no new sessions there, those that are go on.
		sc.apply(t, sc.resources(t, 2)...)
		if sc.mode == "authority" {
			until(t, "new sessions on the first two only", func() bool {
				for range 20 {
					if pod := sc.client.initialize(t).pod; pod != "myserver-0" && pod != "myserver-1" {
						return false
					}
				}
				return true
			})
		}
		sc.still(t, sessions)

		for _, ordinal := range []int{4, 3, 2} {
			sc.myserver.end(t, ordinal)
		}
		sc.settled(t, 2)
		for _, pod := range []string{"myserver-2", "myserver-3", "myserver-4"} {
			sc.lost(t, sessions[pod])
			delete(sessions, pod)
		}
		sc.still(t, sessions)
		for range 20 {
			if opened := sc.client.initialize(t); opened.pod != "myserver-0" && opened.pod != "myserver-1" {
				t.Errorf("a new session on %s", opened.pod)
			}
		}
	})
}

func TestAPodReplacedUnderItsNameLosesItsSessionsOnly(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		sessions := sc.sessionsOn(t, "myserver-0", "myserver-1", "myserver-2")
		former := sc.myserver.pods["myserver-1"].address
		sc.myserver.run(t, 1)
		if sc.myserver.pods["myserver-1"].address == former {
			t.Fatal("the address is the same")
		}
		sc.lost(t, sessions["myserver-1"])
		delete(sessions, "myserver-1")
		sc.still(t, sessions)
		started := time.Now()
		until(t, "a session on the new pod", func() bool {
			opened := sc.client.post(t, "", initialize)
			return opened.status == 200 && opened.pod == "myserver-1"
		})
		t.Logf("the new pod had a session after %v", time.Since(started).Round(time.Millisecond))
		sc.still(t, sessions)
	})
}

// A pod that is terminating still serves, until its grace period is over.
func TestADrainingPod(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		sessions := sc.sessionsOn(t, "myserver-0", "myserver-1", "myserver-2")
		sc.myserver.set(t, 1, func(e *endpoint) { e.ready, e.terminating = false, true })
		sc.settled(t, 2)
		if sc.resolution != "DNS" {
			sc.lost(t, sessions["myserver-1"])
			delete(sessions, "myserver-1")
		}
		sc.still(t, sessions)
	})
}

func TestAPodThatIsNotReadyForAWhile(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		sessions := sc.sessionsOn(t, "myserver-0", "myserver-1", "myserver-2")
		sc.myserver.set(t, 1, func(e *endpoint) { e.ready = false })
		sc.settled(t, 2)
		unready := sessions["myserver-1"]
		if sc.resolution == "DNS" {
			sc.still(t, map[string]response{"myserver-1": unready})
		} else {
			sc.lost(t, unready)
		}
		sc.myserver.set(t, 1, func(e *endpoint) { e.ready = true })
		sc.settled(t, 3)
		// Its pin was kept, for the pod never said that it knows the session no more.
		sc.still(t, sessions)
	})
}

// Nobody tells the release how many pods there are, nor by what names.
func TestADeploymentUnderAnAutoscaler(t *testing.T) {
	for _, setup := range []setup{setups[2], setups[5]} {
		t.Run(setup.String(), func(t *testing.T) {
			sc := setup.stage(t, func(sc *scene) []string {
				for ordinal := range 3 {
					sc.myserver.end(t, ordinal)
				}
				sc.myserver.hash = "6b7c9d"
				sc.myserver.run(t, 0)
				sc.myserver.run(t, 1)
				return nil
			})
			sessions := sc.sessionsOn(t, sc.myserver.pod(0), sc.myserver.pod(1))
			for ordinal := 2; ordinal < 6; ordinal++ {
				sc.myserver.run(t, ordinal)
			}
			sc.settled(t, 6)
			for ordinal := 2; ordinal < 6; ordinal++ {
				pod := sc.myserver.pod(ordinal)
				sessions[pod] = sc.client.on(t, pod)
			}
			sc.still(t, sessions)
			for _, ordinal := range []int{0, 3, 4} {
				sc.myserver.end(t, ordinal)
			}
			sc.settled(t, 3)
			for _, ordinal := range []int{0, 3, 4} {
				pod := sc.myserver.pod(ordinal)
				sc.lost(t, sessions[pod])
				delete(sessions, pod)
			}
			sc.still(t, sessions)
		})
	}
}
