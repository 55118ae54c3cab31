package istio

import (
	"fmt"
	"strings"
	"testing"
)

// A policy for the name that clients call, which Podpin must not change before it is looked at. At a
// sidecar Istio authorizes what comes in, not what goes out.
const denied = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed, namespace: default}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules: [{to: [{operation: {hosts: [mcp.example.com], ports: ["10080"]}}]}]
`

func TestADenyForThePublicHostHolds(t *testing.T) {
	for _, kind := range []string{"EnvoyFilter", "WasmPlugin", "TrafficExtension"} {
		for _, setup := range setups[:3] {
			if kind != "EnvoyFilter" && setup.mode == "endpoint" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", kind, setup), func(t *testing.T) {
				setup.more = "kind: " + kind + "\n"
				sc := setup.stage(t, nil)
				opened := sc.client.initialize(t)
				sc.apply(t, append(sc.resources(t, 3), denied)...)
				// An open connection stays with the chain that it began with.
				sc.client = sc.proxy.at(sc.client.url)
				until(t, "the policy to be in force", func() bool {
					return sc.proxy.at(sc.client.url).post(t, "", initialize).status == 403
				})
				for _, session := range []string{"", opened.session} {
					if answer := sc.client.post(t, session, whoami); answer.status != 403 {
						t.Errorf("%s", answer)
					}
				}
			})
		}
	}
}

// A filter of somebody's own that authorizes, put before the router as Podpin is.
func TestPodpinStandsAfterAnotherFilterThatAuthorizes(t *testing.T) {
	const rbac = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: own, namespace: default}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: %s, listener: {portNumber: %d, filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: own
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
          rules: {action: DENY, policies: {all: {permissions: [{header: {name: ":authority", string_match: {prefix: mcp}}}], principals: [{any: true}]}}}
`
	each(t, func(t *testing.T, sc *scene) {
		context, number := "SIDECAR_OUTBOUND", port
		if sc.where == "gateway" {
			context, number = "GATEWAY", public
		}
		sc.apply(t, append(sc.resources(t, 3), fmt.Sprintf(rbac, context, number))...)
		// An open connection stays with the chain that it began with.
		until(t, "the filter to be in force", func() bool { return sc.proxy.at(sc.client.url).post(t, "", initialize).status == 403 })
	})
}

func TestAWasmPluginPins(t *testing.T) {
	for _, setup := range []setup{setups[0], setups[1], setups[3], setups[4]} {
		t.Run(setup.String(), func(t *testing.T) {
			setup.more = "kind: WasmPlugin\n"
			sc := setup.stage(t, nil)
			until(t, "the filter to be loaded", func() bool { return strings.Contains(sc.proxy.logged(), "serves default/myserver") })
			total := sc.client.load(t, 60, 20)
			if total.calls != 1200 || total.lost != 0 || total.strayed != 0 || len(total.pods) != 3 {
				t.Errorf("%+v", total)
			}
		})
	}
}
