package istio

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// The values for sealed session ids whose keys the proxy has in its environment, and for sessions that belong
// to who presents a token.
const (
	sealedValues = "store: {kind: sealed, keys_env: PODPIN_KEYS}\n"
	tokenValues  = `
session:
  bind_to:
  - - property: [metadata, filter_metadata, envoy.filters.http.jwt_authn, payload, iss]
    - property: [metadata, filter_metadata, envoy.filters.http.jwt_authn, payload, sub]
  require_subject: true
`
)

// A key as an environment variable has it.
const someKey = "2026-11:" + key

// issuer signs tokens that a gateway is to check.
type issuer struct {
	key *rsa.PrivateKey
}

const issuerName = "https://issuer.example.com"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{key}
}

// authentication has the gateway check tokens of this issuer, where there are any.
func (i *issuer) authentication() string {
	jwks := fmt.Sprintf(`{"keys":[{"kty":"RSA","alg":"RS256","n":%q,"e":"AQAB"}]}`, base64.RawURLEncoding.EncodeToString(i.key.N.Bytes()))
	return fmt.Sprintf(`
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: default}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  jwtRules: [{issuer: %q, jwks: '%s', forwardOriginalToken: true}]
`, issuerName, jwks)
}

// token is the value of a header that says who a request is from.
func (i *issuer) token(t *testing.T, subject string) string {
	t.Helper()
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	signed := encode(`{"alg":"RS256"}`) + "." + encode(fmt.Sprintf(`{"iss":%q,"sub":%q,"exp":4102444800}`, issuerName, subject))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + signed + "." + encode(string(signature))
}

func TestASessionBelongsToWhoOpenedItAndOutlivesTheProxyInItsId(t *testing.T) {
	t.Setenv("PODPIN_KEYS", someKey)
	issuer := newIssuer(t)
	alice, bob := issuer.token(t, "alice"), issuer.token(t, "bob")
	for _, kind := range []string{"EnvoyFilter", "WasmPlugin", "TrafficExtension"} {
		for _, setup := range []setup{setups[0], setups[2]} {
			if kind != "EnvoyFilter" && setup.mode == "endpoint" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", kind, setup), func(t *testing.T) {
				setup.more = "kind: " + kind + "\n" + sealedValues + tokenValues
				sc := setup.stage(t, func(*scene) []string { return []string{issuer.authentication()} })
				loaded := func() bool { return strings.Contains(sc.proxy.logged(), "serves default/") }
				until(t, "the filter to be loaded", loaded)
				if answer := sc.client.post(t, "", initialize); answer.status != 403 || sc.proxy.counter("no_subject") != 1 {
					t.Errorf("a session for nobody: %s", answer)
				}
				opened := sc.client.post(t, "", initialize, "Authorization", alice)
				if opened.status != 200 || opened.session == "" {
					t.Fatalf("a session for somebody: %s", opened)
				}
				is := func(who string, answer response, wanted bool) {
					if served := answer.status == 200 && answer.pod == opened.pod; served != wanted {
						t.Errorf("%s: %s", who, answer)
					}
				}
				for range 2 {
					is("who opened it", sc.client.post(t, opened.session, whoami, "Authorization", alice), true)
					is("another", sc.client.post(t, opened.session, whoami, "Authorization", bob), false)
					is("nobody", sc.client.post(t, opened.session, whoami), false)
					if counted := sc.proxy.counter("stranger"); counted != 2 {
						t.Errorf("%d strangers were counted", counted)
					}
					sc.restart(t)
					until(t, "the filter to be loaded", loaded)
				}
			})
		}
	}
}

// A proxy that has run without the variable for a while.
func TestAReleaseTakesAVariableWhileProxiesRun(t *testing.T) {
	t.Setenv("PODPIN_KEYS", someKey)
	for _, kind := range []string{"EnvoyFilter", "WasmPlugin"} {
		t.Run(kind, func(t *testing.T) {
			setup := setups[0]
			setup.more = "kind: " + kind + "\n"
			sc := setup.stage(t, nil)
			sc.client.initialize(t)
			sc.setup.more += sealedValues
			sc.apply(t, sc.resources(t, 3)...)
			until(t, "ids to be sealed", func() bool { return len(sc.client.post(t, "", initialize).session) > 60 })
		})
	}
}
