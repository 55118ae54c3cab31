// An MCP server as one pod: server HOST PORT [--sse].
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// How soon a client whose stream was closed is to come back.
const retry = 50 * time.Millisecond

type (
	key struct {
		Key string `json:"key"`
	}
	steps struct {
		Steps int `json:"steps"`
	}
	step struct {
		Step int `json:"step"`
	}
	text struct {
		Text string `json:"text"`
	}
	number struct {
		Result int `json:"result"`
	}
	said struct {
		Result string `json:"result"`
	}
	nothing struct{}
)

// What one session has counted.
type counts struct {
	sync.Mutex
	of map[string]int
}

// Counts how often the session that asks has said this key.
func (c *counts) bump(_ context.Context, _ *mcp.CallToolRequest, in key) (*mcp.CallToolResult, number, error) {
	c.Lock()
	defer c.Unlock()
	c.of[in.Key]++
	return nil, number{c.of[in.Key]}, nil
}

// Tells which process answers.
func pid(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, number, error) {
	return nil, number{os.Getpid()}, nil
}

func tell(ctx context.Context, request *mcp.CallToolRequest, step, steps int) error {
	token := request.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return request.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: token, Progress: float64(step), Total: float64(steps),
	})
}

// Tells of so many steps before it answers.
func progress(ctx context.Context, request *mcp.CallToolRequest, in steps) (*mcp.CallToolResult, said, error) {
	for step := 1; step <= in.Steps; step++ {
		if err := tell(ctx, request, step, in.Steps); err != nil {
			return nil, said{}, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, said{fmt.Sprintf("%d steps", in.Steps)}, nil
}

// The same, but closes its stream after the first: the rest waits for a client that resumes it.
func interrupted(ctx context.Context, request *mcp.CallToolRequest, in steps) (*mcp.CallToolResult, said, error) {
	for step := 1; step <= in.Steps; step++ {
		// What is told while the stream is closed is kept all the same.
		_ = tell(ctx, request, step, in.Steps)
		if step == 1 {
			// The client has read what came before this once it answers.
			if err := request.Session.Ping(ctx, nil); err != nil {
				return nil, said{}, err
			}
			request.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: retry})
		}
	}
	return nil, said{fmt.Sprintf("%d steps", in.Steps)}, nil
}

// Has the client's model say something to a text.
func sample(ctx context.Context, request *mcp.CallToolRequest, in text) (*mcp.CallToolResult, said, error) {
	result, err := request.Session.CreateMessage(ctx, &mcp.CreateMessageParams{
		MaxTokens: 10,
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: in.Text}}},
	})
	if err != nil {
		return nil, said{}, err
	}
	return nil, said{result.Content.(*mcp.TextContent).Text}, nil
}

// Asks the client's user for a name.
func elicit(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, said, error) {
	result, err := request.Session.Elicit(ctx, &mcp.ElicitParams{
		Message: "Who is there?",
		RequestedSchema: map[string]any{
			"type":       "object",
			"properties": map[string]any{"name": map[string]any{"type": "string"}},
			"required":   []string{"name"},
		},
	})
	if err != nil {
		return nil, said{}, err
	}
	return nil, said{fmt.Sprint(result.Content["name"])}, nil
}

// Tells of a step on the stream of the session, which is that of no request.
func announce(_ context.Context, request *mcp.CallToolRequest, in step) (*mcp.CallToolResult, said, error) {
	err := request.Session.NotifyProgress(context.Background(), &mcp.ProgressNotificationParams{
		ProgressToken: "announced", Progress: float64(in.Step),
	})
	return nil, said{"announced"}, err
}

// One for each session.
func newServer(sse bool) *mcp.Server {
	counts := &counts{of: map[string]int{}}
	server := mcp.NewServer(&mcp.Implementation{Name: "interop", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "bump"}, counts.bump)
	mcp.AddTool(server, &mcp.Tool{Name: "pid"}, pid)
	mcp.AddTool(server, &mcp.Tool{Name: "progress"}, progress)
	mcp.AddTool(server, &mcp.Tool{Name: "sample"}, sample)
	mcp.AddTool(server, &mcp.Tool{Name: "elicit"}, elicit)
	mcp.AddTool(server, &mcp.Tool{Name: "announce"}, announce)
	if !sse {
		mcp.AddTool(server, &mcp.Tool{Name: "interrupted"}, interrupted)
	}
	return server
}

func handler(sse bool) (string, http.Handler) {
	get := func(*http.Request) *mcp.Server { return newServer(sse) }
	if sse {
		return "/sse", mcp.NewSSEHandler(get, &mcp.SSEOptions{DisableLocalhostProtection: true})
	}
	return "/mcp", mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{
		EventStore:                 mcp.NewMemoryEventStore(nil),
		DisableLocalhostProtection: true,
	})
}

func endWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	os.Exit(0)
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("server HOST PORT [--sse]")
	}
	path, handler := handler(strings.Join(os.Args[3:], " ") == "--sse")
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	go endWithStdin()
	go endOnSignal()
	fmt.Println("ready")
	log.Fatal(http.Serve(listener, mux))
}
