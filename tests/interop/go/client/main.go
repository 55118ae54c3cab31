// An MCP client on the SDK for Go, which is made to open sessions, or with --newest takes the newest
// protocol version that a server has. Takes orders on stdin, as tests/interop/README.md says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	timeout = 20 * time.Second
	// For notifications of a call that has been answered.
	late = 2 * time.Second
	// The latest version of the protocol that has sessions.
	version = "2025-11-25"
)

type order struct {
	Op        string
	URL       string
	Transport string
	Name      string
	Arguments map[string]any
	Progress  int
	Scripts   [][]order
}

type answer map[string]any

type (
	notConnected struct{ error }
	toolError    struct{ error }
)

// A client with one session at most, of the protocol version that it asks for.
type client struct {
	options *mcp.ClientSessionOptions
	session *mcp.ClientSession
	steps   chan float64
}

func (c *client) do(o order) (answer, error) {
	// The orders in it have this time each.
	if o.Op == "together" {
		return together(o.Scripts), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if o.Op == "connect" {
		return nil, c.connect(o)
	}
	if c.session == nil {
		return nil, notConnected{errors.New("connect first")}
	}
	switch o.Op {
	case "call":
		return c.call(ctx, o)
	case "tools":
		return c.tools(ctx)
	case "ping":
		return nil, c.session.Ping(ctx, nil)
	case "session":
		return answer{"session": orNull(c.session.ID())}, nil
	case "close":
		session := c.session
		c.session = nil
		return nil, session.Close()
	}
	return nil, fmt.Errorf("no such order: %s", o.Op)
}

func (c *client) connect(o order) error {
	if c.session != nil {
		_ = c.session.Close()
		c.session = nil
	}
	steps := make(chan float64, 100)
	asking := mcp.NewClient(&mcp.Implementation{Name: "interop", Version: "1"}, &mcp.ClientOptions{
		CreateMessageHandler: sample,
		ElicitationHandler:   elicit,
		ProgressNotificationHandler: func(_ context.Context, request *mcp.ProgressNotificationClientRequest) {
			steps <- request.Params.Progress
		},
	})
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: o.URL}
	if o.Transport == "sse" {
		transport = &mcp.SSEClientTransport{Endpoint: o.URL}
	}
	// What it opens lives longer than this order.
	session, err := asking.Connect(context.Background(), transport, c.options)
	if err != nil {
		return err
	}
	c.session, c.steps = session, steps
	return nil
}

func sample(_ context.Context, request *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	messages := request.Params.Messages
	text := messages[len(messages)-1].Content.(*mcp.TextContent).Text
	content := &mcp.TextContent{Text: "sampled: " + text}
	return &mcp.CreateMessageResult{Role: "assistant", Model: "interop", Content: content}, nil
}

func elicit(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
}

func (c *client) call(ctx context.Context, o order) (answer, error) {
	params := &mcp.CallToolParams{Name: o.Name, Arguments: o.Arguments}
	if o.Progress > 0 {
		params.SetProgressToken(o.Name)
	}
	result, err := c.session.CallTool(ctx, params)
	if err != nil {
		return nil, err
	}
	said, err := resultOf(result)
	if err != nil || o.Progress == 0 {
		return answer{"result": said}, err
	}
	steps := []float64{}
	end := time.After(late)
	for len(steps) < o.Progress {
		select {
		case step := <-c.steps:
			steps = append(steps, step)
		case <-end:
			return answer{"result": said, "progress": steps}, nil
		}
	}
	return answer{"result": said, "progress": steps}, nil
}

func resultOf(result *mcp.CallToolResult) (any, error) {
	text := ""
	for _, block := range result.Content {
		if block, ok := block.(*mcp.TextContent); ok {
			text += block.Text
		}
	}
	if result.IsError {
		return nil, toolError{errors.New(text)}
	}
	structured, ok := result.StructuredContent.(map[string]any)
	if !ok {
		return text, nil
	}
	// Servers wrap so what is no object.
	if wrapped, ok := structured["result"]; ok && len(structured) == 1 {
		return wrapped, nil
	}
	return structured, nil
}

func (c *client) tools(ctx context.Context) (answer, error) {
	listed, err := c.session.ListTools(ctx, nil)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, tool := range listed.Tools {
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	return answer{"tools": names}, nil
}

func together(scripts [][]order) answer {
	answers := make([][]answer, len(scripts))
	var all sync.WaitGroup
	for number, script := range scripts {
		all.Go(func() {
			one := withSessions()
			for _, order := range script {
				answers[number] = append(answers[number], one.answer(order))
			}
		})
	}
	all.Wait()
	return answer{"answers": answers}
}

func (c *client) answer(o order) answer {
	got, err := c.do(o)
	if err != nil {
		return failure(err)
	}
	if got == nil {
		got = answer{}
	}
	got["ok"] = true
	return got
}

func failure(err error) answer {
	class, code := "error", any(nil)
	var told *jsonrpc.Error
	switch {
	case errors.Is(err, mcp.ErrSessionMissing):
		class = "ErrSessionMissing"
	case errors.As(err, &told):
		class, code = "jsonrpc.Error", told.Code
	case errors.Is(err, mcp.ErrConnectionClosed):
		class = "ErrConnectionClosed"
	case errors.As(err, &notConnected{}):
		class = "NotConnected"
	case errors.As(err, &toolError{}):
		class = "ToolError"
	case errors.Is(err, context.DeadlineExceeded):
		class = "TimeoutError"
	}
	return answer{"ok": false, "class": class, "status": nil, "code": code, "message": err.Error()}
}

func withSessions() *client {
	return &client{options: &mcp.ClientSessionOptions{ProtocolVersion: version}}
}

func orNull(id string) any {
	if id == "" {
		return nil
	}
	return id
}

func main() {
	one := withSessions()
	if len(os.Args) > 1 && os.Args[1] == "--newest" {
		one = &client{}
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			_ = out.Encode(failure(err))
			continue
		}
		_ = out.Encode(one.answer(o))
	}
}
