package istio

import (
	"strings"
	"testing"
)

func TestTwoReleasesInOneProxyDoNotSeeEachOther(t *testing.T) {
	each(t, func(t *testing.T, sc *scene) {
		second := sc.workload(t, "second", 2, 3)
		more := []string{render(t, "second", sc.values("second", "second.example.com", 3, ""))}
		if sc.mode == "endpoint" {
			more = append(more, strings.NewReplacer("name: mcp,", "name: second,", "mcp.example.com", "second.example.com", "mcp-myserver", "mcp-second").Replace(publicRoute))
		}
		sc.apply(t, append(sc.resources(t, 3), more...)...)
		url := "http://second.example.com/mcp"
		if sc.where == "sidecar" {
			url = "http://mcp-second.default.svc.cluster.local:8080/mcp"
		}
		other := sc.proxy.at(url)
		until(t, "the second workload to be served", func() bool {
			return strings.Contains(sc.proxy.get("/stats?filter=podpin"), "default/"+map[string]string{"authority": "second", "endpoint": "mcp-second"}[sc.mode]) &&
				other.post(t, "", initialize).status == 200
		})
		mine, its := sc.client.initialize(t), other.initialize(t)
		if !strings.HasPrefix(mine.pod, "myserver-") || !strings.HasPrefix(its.pod, "second-") {
			t.Fatalf("%s; %s", mine, its)
		}
		// A session of one is nobody's at the other.
		if answer := other.post(t, mine.session, whoami); !answer.isLost() {
			t.Errorf("the other release: %s", answer)
		}
		for _, client := range []*client{sc.client, other} {
			if total := client.load(t, 20, 10); total.calls != 200 || total.lost != 0 || total.strayed != 0 {
				t.Errorf("%s: %+v", client.url, total)
			}
		}
		for name := range second.pods {
			if second.pods[name].has("POST", mine.session, "") {
				t.Errorf("%s had a request of myserver's", name)
			}
		}
	})
}

func TestAClientThatNamesAPodAsHostGets404AtAGateway(t *testing.T) {
	for _, setup := range setups[:2] {
		t.Run(setup.String(), func(t *testing.T) {
			sc := setup.stage(t, nil)
			opened := sc.client.on(t, "myserver-0")
			for _, host := range []string{sc.myserver.host(1), sc.myserver.host(1) + ":8080", "myserver-1.mcp-myserver-headless.default.svc.cluster.local:10080"} {
				for _, session := range []string{"", opened.session} {
					answer := sc.client.post(t, session, whoami, "Host", host)
					if answer.status != 404 || answer.pod != "" {
						t.Errorf("Host %s: %s", host, answer)
					}
				}
			}
		})
	}
}

func TestTheServerSeesThePublicHostIfAsked(t *testing.T) {
	for _, setup := range setups[:2] {
		t.Run(setup.String(), func(t *testing.T) {
			sc := setup.stage(t, nil)
			opened := sc.client.initialize(t)
			request, _ := sc.myserver.pods[opened.pod].lastSeen()
			if !strings.HasPrefix(request.Host, opened.pod+".mcp-myserver-headless.") {
				t.Errorf("Host %s", request.Host)
			}
			asked := strings.Replace(sc.values("myserver", "mcp.example.com", 3, ""), "hosts: [mcp", "server_host: mcp.example.com, hosts: [mcp", 1)
			sc.apply(t, append(sc.beside, render(t, "myserver", asked))...)
			until(t, "the pod to see the public host", func() bool {
				sc.client.post(t, opened.session, whoami)
				request, _ = sc.myserver.pods[opened.pod].lastSeen()
				return request.Host == "mcp.example.com"
			})
			if total := sc.client.load(t, 20, 5); total.lost != 0 || total.strayed != 0 || total.calls != 100 {
				t.Errorf("%+v", total)
			}
		})
	}
}
