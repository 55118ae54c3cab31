package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// pod is an MCP server that keeps its sessions in memory.
type pod struct {
	number int
	mutex  sync.Mutex
	// The headers of all requests that it saw.
	seen   []http.Header
	server *http.Server
}

func ip(pod int) string { return fmt.Sprintf("127.0.1.%d", pod+1) }

func (p *pod) name() string { return fmt.Sprintf("myserver-%d", p.number) }

// startPods starts three.
func startPods(t *testing.T) []*pod {
	t.Helper()
	var pods []*pod
	for number := range 3 {
		p := &pod{number: number}
		listener, err := net.Listen("tcp", ip(number)+":8080")
		if err != nil {
			t.Fatal(err)
		}
		p.server = &http.Server{Handler: p.handler(), ReadHeaderTimeout: time.Minute}
		go func() { _ = p.server.Serve(listener) }()
		t.Cleanup(func() { _ = p.server.Close() })
		pods = append(pods, p)
	}
	return pods
}

// handler is an MCP server that says which pod it is.
func (p *pod) handler() http.Handler {
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server {
		server := mcp.NewServer(&mcp.Implementation{Name: p.name(), Version: "1"}, nil)
		mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: p.name()}}}, nil, nil
		})
		return server
	}, &mcp.StreamableHTTPOptions{DisableLocalhostProtection: true})
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		p.mutex.Lock()
		p.seen = append(p.seen, request.Header.Clone())
		p.mutex.Unlock()
		writer.Header().Set("x-pod", p.name())
		handler.ServeHTTP(writer, request)
	})
}

// saw says whether the pod has ever seen a header.
func (p *pod) saw(header string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, headers := range p.seen {
		if headers.Get(header) != "" {
			return true
		}
	}
	return false
}
