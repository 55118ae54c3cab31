// An MCP client on the first generation of the SDK for JavaScript.
import { Client } from '../../.tools/interop/node_modules/@modelcontextprotocol/sdk/dist/esm/client/index.js';
import { SSEClientTransport } from '../../.tools/interop/node_modules/@modelcontextprotocol/sdk/dist/esm/client/sse.js';
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from '../../.tools/interop/node_modules/@modelcontextprotocol/sdk/dist/esm/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  McpError,
  ProgressNotificationSchema,
} from '../../.tools/interop/node_modules/@modelcontextprotocol/sdk/dist/esm/types.js';
import { run } from './client.mjs';

await run({
  Client,
  StreamableHTTPClientTransport,
  SSEClientTransport,
  handle(client, { sample, elicit, progress }) {
    client.setRequestHandler(CreateMessageRequestSchema, sample);
    client.setRequestHandler(ElicitRequestSchema, elicit);
    client.setNotificationHandler(ProgressNotificationSchema, progress);
  },
  numbersOf(error) {
    if (error instanceof StreamableHTTPError) {
      return { status: error.code };
    }
    return error instanceof McpError ? { code: error.code } : {};
  },
});
