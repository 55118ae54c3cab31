package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
)

var secret = []byte("a secret of the tests, of 32 bytes and more")

func encoded(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// token is one of the example's issuer for a subject.
func token(subject string) string {
	claims := fmt.Sprintf(`{"iss":"https://accounts.example.com","sub":%q,"exp":4102444800}`, subject)
	signed := encoded([]byte(`{"alg":"HS256","typ":"JWT","kid":"a"}`)) + "." + encoded([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + encoded(mac.Sum(nil))
}

// The second part of the page: sessions belong to the subject of a token.
func TestASessionBelongsToTheSubjectOfAToken(t *testing.T) {
	g := start(t, all, publish(t, module(t)))
	resources := g.standalone(t, example(t, "jwt.yaml"))
	for _, o := range resources {
		if o.kind() == "SecurityPolicy" {
			provider := object(o.at("spec", "jwt")["providers"].([]any)[0].(map[string]any))
			delete(provider, "remoteJWKS")
			keys := fmt.Sprintf(`{"keys":[{"kty":"oct","alg":"HS256","kid":"a","k":%q}]}`, encoded(secret))
			provider["localJWKS"] = object{"type": "Inline", "inline": keys}
		}
	}
	g.apply(t, resources...)
	c := g.at("mcp.example.com")
	alice, bob := c.with("authorization", "Bearer "+token("alice")), c.with("authorization", "Bearer "+token("bob"))
	until(t, "the policies", func() bool { return c.post(t, "", initialize).status == 401 })
	until(t, "sessions of subjects", func() bool {
		opened := alice.post(t, "", initialize)
		return opened.status == 200 && bob.post(t, opened.session, whoami).status == 404
	})
	sessions := alice.opened(t, 6)
	areServed(t, "who opened it", sessions)
	for _, s := range sessions {
		if answer := bob.post(t, s.ID(), whoami); answer.status != 404 || answer.pod != "" {
			t.Errorf("another got %d of %q", answer.status, answer.pod)
		}
		if answer := c.post(t, s.ID(), whoami); answer.status != 401 {
			t.Errorf("nobody got %d", answer.status)
		}
	}
	areServed(t, "who opened it", sessions)
}
