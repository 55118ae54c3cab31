// What the clients for JavaScript have in common: orders on stdin, answers on stdout, as README.md says.
// `numbersOf` finds in an error the HTTP status and the code of JSON-RPC, where it has any.
import { createInterface } from 'node:readline';

const TIMEOUT = 20_000;

class NotConnected extends Error {}
class ToolError extends Error {}
class TimeoutError extends Error {}

export async function run({ Client, StreamableHTTPClientTransport, SSEClientTransport, options, numbersOf }) {
  let client;
  let transport;

  const open = () => client ?? fail(new NotConnected('connect first'));
  const orders = {
    async connect({ url, transport: kind, headers }) {
      await client?.close().catch(() => {});
      const Transport = kind === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
      transport = new Transport(new URL(url), { requestInit: { headers } });
      const connecting = new Client({ name: 'interop', version: '1' }, options);
      connecting.onerror = (error) => console.error('aside:', error);
      client = connecting;
      try {
        await connecting.connect(transport);
      } catch (error) {
        client = client === connecting ? undefined : client;
        throw error;
      }
    },

    async call({ name, arguments: values }) {
      const { content, structuredContent, isError } = await open().callTool({ name, arguments: values });
      const text = content.map((block) => block.text ?? '').join('');
      if (isError) {
        throw new ToolError(text);
      }
      if (structuredContent === undefined) {
        return { result: text };
      }
      // Python's servers wrap so what is no object.
      const wrapped = Object.keys(structuredContent).join() === 'result';
      return { result: wrapped ? structuredContent.result : structuredContent };
    },

    async ping() {
      await open().ping();
    },

    async close() {
      const closing = open();
      client = undefined;
      try {
        await transport.terminateSession?.();
      } finally {
        await closing.close();
      }
    },

    async session() {
      open();
      return { session: transport.sessionId ?? null };
    },
  };

  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      const order = JSON.parse(line);
      answer = { ok: true, ...(await inTime(orders[order.op](order))) };
    } catch (error) {
      const { status = null, code = null } = numbersOf(error);
      answer = { ok: false, class: error.constructor.name, status, code, message: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  // Leaves what is open as it is, as a client that dies does.
  process.exit(0);
}

function fail(error) {
  throw error;
}

function inTime(promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new TimeoutError('no answer in time')), TIMEOUT).unref();
  });
  return Promise.race([promise, late]);
}
