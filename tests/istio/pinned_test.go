package istio

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// each runs a test in every setup, beside another service of the same port.
func each(t *testing.T, test func(*testing.T, *scene)) {
	for _, setup := range setups {
		t.Run(setup.String(), func(t *testing.T) {
			test(t, setup.stage(t, func(sc *scene) []string {
				sc.neighbour(t)
				return []string{neighbourRoute}
			}))
		})
	}
}

func TestSessionsStayOnTheirPodsAndANeighbourIsUntouched(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		done := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			for greeted := 0; ; greeted++ {
				select {
				case <-done:
					t.Logf("the neighbour was greeted %d times meanwhile", greeted)
					return
				default:
					sc.greetNeighbour(t)
				}
			}
		})
		total := sc.client.load(t, 60, 20)
		close(done)
		group.Wait()
		t.Logf("%d sessions, %d calls, %d lost, %d on a wrong pod; %v", total.sessions, total.calls, total.lost, total.strayed, total.pods)
		if total.calls != 1200 || total.lost != 0 || total.strayed != 0 || len(total.pods) != 3 {
			t.Errorf("%+v", total)
		}
		if opened := sc.proxy.counter("bound"); opened != 60 {
			t.Errorf("%d sessions were bound", opened)
		}
	})
}

func TestAPodSeesTheMeshsIdentityAndNoSteeringHeader(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		opened := sc.client.initialize(t)
		if answer := sc.client.post(t, opened.session, whoami, steering[:6]...); answer.pod != opened.pod {
			t.Errorf("a client chose its pod: %s", answer)
		}
		request, peer := sc.myserver.pods[opened.pod].lastSeen()
		want := map[string]string{"gateway": "spiffe://cluster.local/ns/default/sa/gateway", "sidecar": "spiffe://cluster.local/ns/default/sa/client"}
		if peer != want[sc.where] {
			t.Errorf("the pod saw %s", peer)
		}
		for i := 0; i < 6; i += 2 {
			if value := request.Header.Get(steering[i]); value != "" {
				t.Errorf("the pod saw %s: %s", steering[i], value)
			}
		}
		if value := opened.header.Get("x-podpin-endpoint"); value != "" {
			t.Errorf("the client saw the endpoint %s", value)
		}
		if host := strings.Split(request.Host, ":")[0]; sc.mode == "endpoint" && host != strings.Split(strings.TrimPrefix(sc.client.url, "http://"), "/")[0] && host != "mcp-myserver.default.svc.cluster.local" {
			t.Errorf("the pod saw Host %s", request.Host)
		}
	})
}

func TestASteeringHeaderOfAClientChoosesNoPod(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		opened := sc.client.on(t, "myserver-0")
		for _, headers := range [][]string{steering[0:2], steering[2:4], steering[4:6], steering[0:6]} {
			if answer := sc.client.post(t, opened.session, whoami, headers...); answer.pod != "myserver-0" {
				t.Errorf("%v: %s", headers, answer)
			}
			// To a pod that Envoy or Podpin picks: not always the one that is named.
			until(t, "an opening on another pod than the one named", func() bool {
				return sc.client.initialize(t, headers...).pod != "myserver-1"
			})
		}
	})
}

func TestALongStreamHearsItsPodAndIsResumedThere(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		heard := make(chan struct{}, 16)
		options := &mcp.ClientOptions{ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { heard <- struct{}{} }}
		s, err := sc.client.tryOpen(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		pod := sc.myserver.pods[s.pod]
		until(t, "the stream to be open", func() bool { return pod.has(http.MethodGet, s.ID(), "") })
		pod.notify()
		<-heard

		// What happened while nobody listened is told by whoever knows the stream.
		raw := sc.client.initialize(t)
		pod = sc.myserver.pods[raw.pod]
		stream := sc.client.stream(t, raw.session, "")
		pod.notify()
		event := stream.changed(t)
		stream.close()
		pod.notify()
		resumed := sc.client.stream(t, raw.session, event)
		defer resumed.close()
		if missed := resumed.changed(t); missed == event {
			t.Errorf("event %s was told twice", event)
		}
		for name, other := range sc.myserver.pods {
			if (name != s.pod && other.has(http.MethodGet, s.ID(), "")) || (name != raw.pod && other.has(http.MethodGet, raw.session, event)) {
				t.Errorf("%s saw a stream of another pod's session", name)
			}
		}
	})
}

// Whoever resolves the headless Service dials a pod, each time another.
func TestClientsThatDialTheHeadlessService(t *testing.T) {
	for _, setup := range setups[3:] {
		t.Run(setup.String(), func(t *testing.T) {
			sc := setup.stage(t, nil)
			const host = "mcp-myserver-headless.default.svc.cluster.local"
			dialled := sc.proxy.at("http://" + host + ":8080/mcp")
			sc.hosts[host] = sc.myserver.pods["myserver-0"].address
			if sc.mode == "endpoint" {
				if opened := dialled.initialize(t); opened.pod != "myserver-0" || sc.proxy.counter("bound") != 0 {
					t.Errorf("%s", opened)
				}
				return
			}
			opened := dialled.on(t, "myserver-2")
			sc.hosts[host] = sc.myserver.pods["myserver-1"].address
			for range 10 {
				if answer := sc.proxy.at(dialled.url).post(t, opened.session, whoami); answer.pod != "myserver-2" {
					t.Errorf("%s", answer)
				}
			}
		})
	}
}
