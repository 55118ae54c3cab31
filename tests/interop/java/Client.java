import io.modelcontextprotocol.client.McpClient;
import io.modelcontextprotocol.client.McpSyncClient;
import io.modelcontextprotocol.client.transport.HttpClientSseClientTransport;
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.json.McpJsonDefaults;
import io.modelcontextprotocol.json.McpJsonMapper;
import io.modelcontextprotocol.spec.McpClientTransport;
import io.modelcontextprotocol.spec.McpError;
import io.modelcontextprotocol.spec.McpSchema;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** An MCP client on the SDK for Java. Takes orders on stdin, as tests/interop/README.md says. */
public final class Client {
    private static final Duration TIMEOUT = Duration.ofSeconds(20);
    /** Milliseconds, for notifications of a call that has been answered. */
    private static final long LATE = 2000;

    private static final McpJsonMapper JSON = McpJsonDefaults.getMapper();

    private McpSyncClient session;
    private LinkedBlockingQueue<Double> told = new LinkedBlockingQueue<>();

    public static void main(String[] arguments) throws Exception {
        var client = new Client();
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(JSON.writeValueAsString(client.answer(JSON.readValue(line, Map.class))));
            System.out.flush();
        }
        // Leaves what is open as it is, as a client that dies does.
        Runtime.getRuntime().halt(0);
    }

    private Map<String, Object> answer(Map<?, ?> order) {
        try {
            var answer = new HashMap<>(act(order));
            answer.put("ok", true);
            return answer;
        } catch (Exception error) {
            return failure(error);
        }
    }

    private Map<String, Object> act(Map<?, ?> order) throws Exception {
        var op = (String) order.get("op");
        if (op.equals("together")) {
            return Map.of("answers", together((List<?>) order.get("scripts")));
        }
        if (op.equals("connect")) {
            connect(URI.create((String) order.get("url")), "sse".equals(order.get("transport")));
            return Map.of();
        }
        if (session == null) {
            throw new NotConnected("connect first");
        }
        switch (op) {
            case "call":
                return call(order);
            case "tools":
                var names = session.listTools().tools().stream().map(McpSchema.Tool::name);
                return Map.of("tools", names.sorted().toList());
            case "ping":
                session.ping();
                return Map.of();
            case "session":
                var answer = new HashMap<String, Object>();
                // The SDK does not tell it.
                answer.put("session", null);
                return answer;
            case "close":
                var closing = session;
                session = null;
                closing.closeGracefully();
                return Map.of();
            default:
                throw new IllegalArgumentException(op);
        }
    }

    private static List<Object> together(List<?> scripts) throws Exception {
        var threads = Executors.newFixedThreadPool(scripts.size());
        var running = new ArrayList<Future<List<Object>>>();
        for (var script : scripts) {
            running.add(threads.submit(() -> {
                var client = new Client();
                var answers = new ArrayList<Object>();
                for (var order : (List<?>) script) {
                    answers.add(client.answer((Map<?, ?>) order));
                }
                return answers;
            }));
        }
        var answers = new ArrayList<Object>();
        for (var one : running) {
            answers.add(one.get());
        }
        threads.shutdown();
        return answers;
    }

    // HTTP+SSE is deprecated, and used.
    @SuppressWarnings("deprecation")
    private void connect(URI url, boolean isSse) {
        if (session != null) {
            session.closeGracefully();
            session = null;
        }
        var origin = url.getScheme() + "://" + url.getAuthority();
        McpClientTransport transport = isSse
                ? HttpClientSseClientTransport.builder(origin).sseEndpoint(url.getPath()).build()
                : HttpClientStreamableHttpTransport.builder(origin).endpoint(url.getPath()).build();
        var steps = new LinkedBlockingQueue<Double>();
        var connecting = McpClient.sync(transport)
                .requestTimeout(TIMEOUT)
                .initializationTimeout(TIMEOUT)
                .capabilities(McpSchema.ClientCapabilities.builder().sampling().elicitation().build())
                .sampling(Client::sample)
                .elicitation(request -> McpSchema.ElicitResult.builder(McpSchema.ElicitResult.Action.ACCEPT)
                        .content(Map.of("name", "Ada"))
                        .build())
                .progressConsumer(step -> steps.add(step.progress()))
                .build();
        connecting.initialize();
        session = connecting;
        told = steps;
    }

    private static McpSchema.CreateMessageResult sample(McpSchema.CreateMessageRequest request) {
        var messages = request.messages();
        var asked = (McpSchema.TextContent) messages.get(messages.size() - 1).content();
        var said = "sampled: " + asked.text();
        return McpSchema.CreateMessageResult.builder(McpSchema.Role.ASSISTANT, said, "interop").build();
    }

    private Map<String, Object> call(Map<?, ?> order) throws Exception {
        var name = (String) order.get("name");
        @SuppressWarnings("unchecked")
        var values = (Map<String, Object>) order.get("arguments");
        var request = McpSchema.CallToolRequest.builder(name).arguments(values);
        var wanted = order.get("progress") instanceof Integer number ? number : 0;
        if (wanted > 0) {
            request.progressToken(name);
        }
        var answer = new HashMap<String, Object>();
        answer.put("result", resultOf(session.callTool(request.build())));
        if (wanted > 0) {
            var steps = new ArrayList<Double>();
            while (steps.size() < wanted) {
                var step = told.poll(LATE, TimeUnit.MILLISECONDS);
                if (step == null) {
                    break;
                }
                steps.add(step);
            }
            answer.put("progress", steps);
        }
        return answer;
    }

    private static Object resultOf(McpSchema.CallToolResult result) throws ToolError {
        var text = new StringBuilder();
        for (var block : result.content()) {
            if (block instanceof McpSchema.TextContent it) {
                text.append(it.text());
            }
        }
        if (Boolean.TRUE.equals(result.isError())) {
            throw new ToolError(text.toString());
        }
        // Servers wrap so what is no object.
        if (result.structuredContent() instanceof Map<?, ?> wrapped && wrapped.containsKey("result")) {
            return wrapped.get("result");
        }
        return result.structuredContent() == null ? text.toString() : result.structuredContent();
    }

    private static Map<String, Object> failure(Throwable error) {
        var cause = error;
        // What the SDK wraps an error in, where it blocks for it.
        while (cause.getCause() != null && !(cause instanceof McpError)) {
            cause = cause.getCause();
        }
        var answer = new HashMap<String, Object>();
        answer.put("ok", false);
        answer.put("class", cause.getClass().getSimpleName());
        answer.put("status", null);
        var told = cause instanceof McpError it ? it.getJsonRpcError() : null;
        answer.put("code", told == null ? null : told.code());
        answer.put("message", String.valueOf(cause.getMessage()));
        return answer;
    }

    private static final class NotConnected extends Exception {
        NotConnected(String message) {
            super(message);
        }
    }

    private static final class ToolError extends Exception {
        ToolError(String message) {
            super(message);
        }
    }
}
