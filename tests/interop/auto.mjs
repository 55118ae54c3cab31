// An MCP client on the second generation of the SDK for JavaScript, which takes the newest protocol
// version that a server has.
import { Client, StreamableHTTPClientTransport } from '../../.tools/interop/node_modules/@modelcontextprotocol/client/dist/index.mjs';
import { run } from './client.mjs';

await run({
  Client,
  StreamableHTTPClientTransport,
  options: { versionNegotiation: { mode: 'auto' } },
  numbersOf: () => ({}),
});
