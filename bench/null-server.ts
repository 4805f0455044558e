import { serve } from '@hono/node-server';
import { Hono } from 'hono';

/** The floor of the HTTP layer: Hono on node-server with one route that stores nothing. Prints its port. */
const app = new Hono();
const value = Buffer.alloc(256, 'x');
app.put('/kv/:key', async (c) => {
  await c.req.arrayBuffer();
  return c.body(null, 204);
});
app.get('/kv/:key', (c) => c.body(value));
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.stdout.write(`${port}\n`));
