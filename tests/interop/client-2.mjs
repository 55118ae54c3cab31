// An MCP client on the second generation of the SDK for JavaScript, which is made to open sessions as
// the first one does.
import {
  Client,
  ProtocolError,
  SdkHttpError,
  SSEClientTransport,
  StreamableHTTPClientTransport,
} from '../../.tools/interop/node_modules/@modelcontextprotocol/client/dist/index.mjs';
import { run } from './client.mjs';

await run({
  Client,
  StreamableHTTPClientTransport,
  SSEClientTransport,
  options: { versionNegotiation: { mode: 'legacy' } },
  handle(client, { sample, elicit, progress }) {
    client.setRequestHandler('sampling/createMessage', sample);
    client.setRequestHandler('elicitation/create', elicit);
    client.setNotificationHandler('notifications/progress', progress);
  },
  numbersOf(error) {
    if (error instanceof SdkHttpError) {
      return { status: error.status };
    }
    return error instanceof ProtocolError ? { code: error.code } : {};
  },
});
