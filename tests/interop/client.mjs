// What the clients for JavaScript have in common: orders on stdin, answers on stdout, as README.md says.
// `numbersOf` finds in an error the HTTP status and the code of JSON-RPC, where it has any, and
// `handle`, if it is there, has a client answer two requests of servers, and note progress.
import { createInterface } from 'node:readline';

const TIMEOUT = 20_000;
// For notifications of a call that has been answered.
const LATE = 2_000;

class NotConnected extends Error {}
class ToolError extends Error {}
class TimeoutError extends Error {}

export async function run(sdk) {
  const orders = ordersOf(sdk);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(orders, JSON.parse(line), sdk.numbersOf))}\n`);
  }
  // Leaves what is open as it is, as a client that dies does.
  process.exit(0);
}

async function answer(orders, order, numbersOf) {
  try {
    const doing = orders[order.op](order);
    // The orders in it have this time each.
    return { ok: true, ...(await (order.op === 'together' ? doing : inTime(doing))) };
  } catch (error) {
    const { status = null, code = null } = numbersOf(error);
    return { ok: false, class: error.constructor.name, status, code, message: error.message };
  }
}

async function inTurn(script, sdk) {
  const orders = ordersOf(sdk);
  const answers = [];
  for (const order of script) {
    answers.push(await answer(orders, order, sdk.numbersOf));
  }
  return answers;
}

const sample = ({ params }) => {
  const content = [params.messages.at(-1).content].flat()[0];
  return { role: 'assistant', model: 'interop', content: { type: 'text', text: `sampled: ${content.text}` } };
};

const elicit = () => ({ action: 'accept', content: { name: 'Ada' } });

// What one connection does for each order.
function ordersOf(sdk) {
  const { Client, StreamableHTTPClientTransport, SSEClientTransport, options, handle } = sdk;
  let client;
  let transport;
  // The steps that the last call has told of, and what waits for one more.
  let told = [];
  let next = () => {};

  const open = () => client ?? fail(new NotConnected('connect first'));
  const heard = async (wanted) => {
    while (told.length < wanted) {
      await new Promise((one) => (next = one));
    }
  };
  // Not by `onprogress` of the call, which the SDK drops as soon as it has read the result: the last of
  // them may not have been handled by then.
  const progress = ({ params }) => {
    told.push(params.progress);
    next();
  };
  return {
    async connect({ url, transport: kind, headers }) {
      await client?.close().catch(() => {});
      const Transport = kind === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
      transport = new Transport(new URL(url), { requestInit: { headers } });
      const capabilities = handle ? { sampling: {}, elicitation: {} } : {};
      const connecting = new Client({ name: 'interop', version: '1' }, { ...options, capabilities });
      handle?.(connecting, { sample, elicit, progress });
      connecting.onerror = (error) => console.error('aside:', error);
      client = connecting;
      try {
        await connecting.connect(transport);
      } catch (error) {
        client = client === connecting ? undefined : client;
        throw error;
      }
    },

    async call({ name, arguments: values, progress: wanted = 0 }) {
      const params = { name, arguments: values };
      if (wanted === 0) {
        return resultOf(await open().callTool(params));
      }
      told = [];
      const result = resultOf(await open().callTool({ ...params, _meta: { progressToken: name } }));
      await Promise.race([heard(wanted), new Promise((late) => setTimeout(late, LATE))]);
      return { ...result, progress: told };
    },

    async tools() {
      const { tools } = await open().listTools();
      return { tools: tools.map((tool) => tool.name).sort() };
    },

    async together({ scripts }) {
      return { answers: await Promise.all(scripts.map((script) => inTurn(script, sdk))) };
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
}

function resultOf({ content, structuredContent, isError }) {
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
