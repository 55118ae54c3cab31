package gateway

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"testing"
)

// The callback in which the module of this test dies. No other request here has trailers.
const deadly = "proxy_on_request_trailers"

// reader reads the binary format of WebAssembly.
type reader struct{ *bytes.Reader }

func read(module []byte) reader { return reader{bytes.NewReader(module)} }

func (r reader) number() int {
	number, _ := binary.ReadUvarint(r.Reader)
	return int(number)
}

func (r reader) bytes(length int) []byte {
	bytes := make([]byte, length)
	_, _ = r.Read(bytes)
	return bytes
}

func (r reader) offset() int { return int(r.Size()) - r.Len() }

// mortal is the module with a trap in the place of that callback. Lengths stay, so nothing else changes.
func mortal(t *testing.T, module []byte) []byte {
	t.Helper()
	const imports, exports, code = 2, 7, 10
	module = bytes.Clone(module)
	imported, wanted := 0, -1
	for r := read(module[8:]); r.Len() > 0; {
		id, length := r.bytes(1)[0], r.number()
		section := read(r.bytes(length))
		start := 8 + r.offset() - length
		switch id {
		case imports:
			for range section.number() {
				section.bytes(section.number())
				section.bytes(section.number())
				if kind := section.bytes(1)[0]; kind != 0 {
					t.Fatal("the module imports more than functions")
				}
				section.number()
				imported++
			}
		case exports:
			for range section.number() {
				name := string(section.bytes(section.number()))
				section.bytes(1)
				if index := section.number(); name == deadly {
					wanted = index - imported
				}
			}
		case code:
			for index := range section.number() {
				length := section.number()
				body := module[start+section.offset():][:length]
				section.bytes(length)
				if index == wanted {
					// No locals, a trap, nothing, and the end.
					for at := range body {
						body[at] = 0x01
					}
					body[0], body[1], body[length-1] = 0x00, 0x00, 0x0b
					return module
				}
			}
		}
	}
	t.Fatalf("the module has no %s", deadly)
	return nil
}

// kill sends a request that the VM of the worker which gets it does not outlive.
func (c *client) kill(t *testing.T) int {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	request.Host, request.ContentLength = c.host, -1
	request.Trailer = http.Header{"X-End": {"1"}}
	answered, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answered.Body.Close()
	return answered.StatusCode
}

// A VM that died answers 503 for good: Envoy Gateway cannot be told to have it replaced. An edit of the policy
// does, and no session is lost.
func TestAVMThatDiedStaysDeadUntilThePolicyIsEdited(t *testing.T) {
	g := start(t, all, publish(t, mortal(t, module(t))))
	c := g.at("mcp.example.com")
	sessions := c.opened(t, 6)
	for all503 := 0; all503 < 20; {
		if status := c.kill(t); status != http.StatusServiceUnavailable {
			t.Fatalf("the VM lives: %d", status)
		}
		// Each new connection may get to another worker.
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if c.post(t, "", initialize).status == http.StatusServiceUnavailable {
			all503++
		}
	}
	if plain := g.at("plain.example.com").post(t, "", initialize); plain.status != http.StatusOK {
		t.Errorf("a route without Podpin: %d", plain.status)
	}
	if other := g.at("other.example.com").post(t, "", initialize); other.status != http.StatusOK {
		t.Errorf("a route with another policy: %d", other.status)
	}
	g.apply(t, g.edited(t, "on_unreachable", "unavailable"))
	until(t, "a VM that lives", func() bool {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		return c.post(t, "", initialize).status == http.StatusOK
	})
	g.drained(t)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	areServed(t, "after the edit", sessions)
}
