// The reference server of the MCP project as one pod: everything.mjs HOST PORT [--sse].
// It takes a port only and would listen on all addresses.
import { Server } from 'node:net';

const [host, port, ...flags] = process.argv.slice(2);

// What it logs must not mix with the one line that is waited for.
console.log = console.error;

const { listen } = Server.prototype;
Server.prototype.listen = function (_port, whenListening) {
  // Else it closes connections that were idle for 5 seconds, some just when a proxy sends a request on them.
  this.keepAliveTimeout = 600_000;
  this.once('listening', () => process.stdout.write('ready\n'));
  this.once('error', (error) => {
    console.error(error);
    process.exit(1);
  });
  return listen.call(this, Number(port), host, whenListening);
};

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));

const transport = flags.includes('--sse') ? 'sse' : 'streamableHttp';
const installed = '../../.tools/interop/node_modules/@modelcontextprotocol/server-everything/dist/transports';
await import(`${installed}/${transport}.js`);
