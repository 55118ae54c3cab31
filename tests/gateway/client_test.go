package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// client calls one host of the Gateway.
type client struct {
	url, host string
	http      *http.Client
	// Sent with each request.
	headers map[string]string
}

func (g *gateway) at(host string) *client {
	c := &client{url: "http://" + g.address() + "/mcp", host: host, headers: map[string]string{}}
	c.http = &http.Client{Transport: c}
	return c
}

// RoundTrip sends a request with the client's host and headers.
func (c *client) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Host = c.host
	for name, value := range c.headers {
		request.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(request)
}

// with is the client that sends one more header.
func (c *client) with(name, value string) *client {
	more := &client{url: c.url, host: c.host, headers: map[string]string{name: value}}
	for name, value := range c.headers {
		more.headers[name] = value
	}
	more.http = &http.Client{Transport: more}
	return more
}

// session is one that the official SDK has opened, and the pod that it is on.
type session struct {
	*mcp.ClientSession
	pod string
}

func (c *client) open(ctx context.Context) (*session, error) {
	transport := &mcp.StreamableClientTransport{Endpoint: c.url, HTTPClient: c.http, MaxRetries: -1, DisableStandaloneSSE: true}
	sdk := mcp.NewClient(&mcp.Implementation{Name: "tests", Version: "1"}, nil)
	opened, err := sdk.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		return nil, err
	}
	s := &session{ClientSession: opened}
	s.pod, err = s.whoami(ctx)
	return s, err
}

// opened opens so many.
func (c *client) opened(t *testing.T, count int) []*session {
	t.Helper()
	var all []*session
	for range count {
		s, err := c.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// whoami asks which pod answers.
func (s *session) whoami(ctx context.Context) (string, error) {
	result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}

// areServed fails for each session that is lost, or served by another pod.
func areServed(t *testing.T, what string, sessions []*session) {
	t.Helper()
	for _, s := range sessions {
		if pod, err := s.whoami(t.Context()); err != nil || pod != s.pod {
			t.Errorf("%s: a session of %s is answered by %q: %v", what, s.pod, pod, err)
		}
	}
}

// tally is what became of the calls of many sessions.
type tally struct {
	calls, lost, wrong int
	pods               map[string]int
}

// load opens sessions at the same time and makes calls in each.
func (c *client) load(t *testing.T, sessions, calls int) tally {
	t.Helper()
	total := tally{pods: map[string]int{}}
	var mutex sync.Mutex
	var group sync.WaitGroup
	for range sessions {
		group.Go(func() {
			s, err := c.open(t.Context())
			if err != nil {
				t.Errorf("no session: %v", err)
				return
			}
			mutex.Lock()
			total.pods[s.pod]++
			mutex.Unlock()
			for range calls {
				pod, err := s.whoami(t.Context())
				mutex.Lock()
				total.calls++
				switch {
				case err != nil:
					total.lost++
				case pod != s.pod:
					total.wrong++
				}
				mutex.Unlock()
			}
		})
	}
	group.Wait()
	return total
}

// response is one that was read to its end.
type response struct {
	status             int
	header             http.Header
	body, pod, session string
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"tests","version":"1"}}}`

const whoami = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`

// post sends one message in a session, or in none.
func (c *client) post(t *testing.T, session, message string) response {
	t.Helper()
	answered, err := c.send(t.Context(), http.MethodPost, session, message)
	if err != nil {
		t.Fatal(err)
	}
	defer answered.Body.Close()
	body, err := io.ReadAll(answered.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{
		status: answered.StatusCode, header: answered.Header, body: string(body),
		pod: answered.Header.Get("x-pod"), session: answered.Header.Get("mcp-session-id"),
	}
}

func (c *client) send(ctx context.Context, method, session, message string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(message))
	if err != nil {
		return nil, err
	}
	request.Header.Set("content-type", "application/json")
	request.Header.Set("accept", "application/json, text/event-stream")
	if session != "" {
		request.Header.Set("mcp-session-id", session)
		request.Header.Set("mcp-protocol-version", "2025-11-25")
	}
	return c.http.Do(request)
}

// unknown is the body that answers a session of which nothing is known. It tells modules of the tests apart.
func (c *client) unknown(t *testing.T) string {
	t.Helper()
	return c.post(t, "nobodys", whoami).body
}
