package istio

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The newest version of the protocol that has sessions.
const version = "2025-11-25"

// client is one of the official SDK that knows where a server is.
type client struct {
	proxy *proxy
	url   string
	http  *http.Client
}

func (p *proxy) at(url string) *client { return &client{proxy: p, url: url, http: p.client()} }

// session is one that the SDK has opened, and the pod that it is on.
type session struct {
	*mcp.ClientSession
	pod string
}

// open opens one by the SDK, without a stream of its own.
func (c *client) open(t *testing.T) *session {
	t.Helper()
	s, err := c.tryOpen(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *client) tryOpen(ctx context.Context, options *mcp.ClientOptions) (*session, error) {
	transport := &mcp.StreamableClientTransport{Endpoint: c.url, HTTPClient: c.http, MaxRetries: -1, DisableStandaloneSSE: options == nil}
	sdk := mcp.NewClient(&mcp.Implementation{Name: "tests", Version: "1"}, options)
	opened, err := sdk.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return nil, err
	}
	s := &session{ClientSession: opened}
	s.pod, err = s.whoami(ctx)
	return s, err
}

// whoami asks which pod answers.
func (s *session) whoami(ctx context.Context) (string, error) {
	result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}

// tally is what became of the calls of many sessions.
type tally struct {
	sessions, calls, lost, strayed int
	pods                           map[string]int
}

// load opens sessions at the same time and makes calls in each.
func (c *client) load(t *testing.T, sessions, calls int) tally {
	t.Helper()
	total := tally{sessions: sessions, pods: map[string]int{}}
	var mutex sync.Mutex
	var group sync.WaitGroup
	for range sessions {
		group.Go(func() {
			s, err := c.tryOpen(t.Context(), nil)
			mutex.Lock()
			if err != nil {
				t.Errorf("no session: %v", err)
				mutex.Unlock()
				return
			}
			total.pods[s.pod]++
			mutex.Unlock()
			for range calls {
				pod, err := s.whoami(t.Context())
				mutex.Lock()
				total.calls++
				switch {
				case err != nil:
					total.lost++
					t.Logf("a lost call: %v", err)
				case pod != s.pod:
					total.strayed++
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
	status  int
	header  http.Header
	body    string
	pod     string
	session string
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + version +
	`","capabilities":{},"clientInfo":{"name":"tests","version":"1"}}}`

const whoami = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`

// post sends one message in a session, or in none, with headers given as pairs. A header `Host` is the
// request's.
func (c *client) post(t *testing.T, session, message string, headers ...string) response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, bytes.NewBufferString(message))
	if err != nil {
		t.Fatal(err)
	}
	return c.send(t, request, session, headers...)
}

func (c *client) send(t *testing.T, request *http.Request, session string, headers ...string) response {
	t.Helper()
	c.prepare(request, session, headers...)
	answered, err := c.http.Do(request)
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

func (c *client) prepare(request *http.Request, session string, headers ...string) {
	request.Header.Set("content-type", "application/json")
	request.Header.Set("accept", "application/json, text/event-stream")
	if session != "" {
		request.Header.Set("mcp-session-id", session)
		request.Header.Set("mcp-protocol-version", version)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
}

// initialize opens a session without the SDK, and says the pod.
func (c *client) initialize(t *testing.T, headers ...string) response {
	t.Helper()
	opened := c.post(t, "", initialize, headers...)
	if opened.status != 200 || opened.session == "" {
		t.Fatalf("initialize: %d %s", opened.status, opened.body)
	}
	if done := c.post(t, opened.session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, headers...); done.status != 202 {
		t.Fatalf("initialized: %d %s", done.status, done.body)
	}
	return opened
}

// on opens sessions until one is on this pod.
func (c *client) on(t *testing.T, pod string) response {
	t.Helper()
	for {
		if opened := c.initialize(t); opened.pod == pod {
			return opened
		}
	}
}

// isLost says whether a response is the one on which a client starts a new session.
func (r response) isLost() bool {
	return r.status == 404 && strings.Contains(r.body, `"code":-32001`)
}

func (r response) String() string {
	return fmt.Sprintf("%d of %q: %.200s", r.status, r.pod, r.body)
}

// stream is a response that is still being read.
type stream struct {
	lines *bufio.Scanner
	close func()
}

// stream opens one by GET, or resumes it after an event.
func (c *client) stream(t *testing.T, session, event string) stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.prepare(request, session)
	if event != "" {
		request.Header.Set("last-event-id", event)
	}
	answered, err := c.http.Do(request)
	if err != nil || answered.StatusCode != 200 {
		t.Fatalf("no stream: %v %v", err, answered)
	}
	return stream{lines: bufio.NewScanner(answered.Body), close: func() { cancel(); answered.Body.Close() }}
}

// changed waits for word that the tools changed, and says the id of that event.
func (s stream) changed(t *testing.T) string {
	t.Helper()
	id := ""
	for s.lines.Scan() {
		if rest, found := strings.CutPrefix(s.lines.Text(), "id: "); found {
			id = rest
		}
		if strings.Contains(s.lines.Text(), "notifications/tools/list_changed") {
			return id
		}
	}
	t.Fatalf("the stream ended: %v", s.lines.Err())
	return ""
}
