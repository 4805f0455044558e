import { createServer, connect, type Server } from 'node:net';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * How `start`, `stop`, `kill` and `add-storage` reach the `up` that owns the processes: one line of words over a Unix socket in the
 * data directory, one line back (`ok`, or what is wrong).
 */
export type Command = 'start' | 'stop' | 'kill' | 'add-storage';
const COMMANDS: readonly string[] = ['start', 'stop', 'kill', 'add-storage'] satisfies Command[];

export function serveControl(
  dataDir: string,
  run: (command: Command, name: string) => Promise<void>,
): Promise<Server> {
  const path = socketPath(dataDir);
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.setEncoding('utf8');
    let line = '';
    socket.on('data', (text: string) => {
      line += text;
      if (!line.includes('\n') && line.length < 256) return;
      void answer(line.trim(), run).then((reply) => socket.end(`${reply}\n`));
    });
    socket.on('error', () => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

async function answer(line: string, run: (command: Command, name: string) => Promise<void>): Promise<string> {
  const [command = '', name = ''] = line.split(' ');
  if (!COMMANDS.includes(command)) return `unknown command "${command}"`;
  try {
    await run(command as Command, name);
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether an `up` owns the directory: it alone keeps its socket open. */
export function isUp(dataDir: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath(dataDir));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Settles when the command is done; rejects with what is wrong. */
export function sendControl(dataDir: string, command: Command, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(dataDir));
    let reply = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${command} ${name}\n`));
    socket.on('data', (text: string) => {
      reply += text;
    });
    socket.on('end', () =>
      reply.trim() === 'ok' ? resolve() : reject(new Error(reply.trim() || 'the cluster ended')),
    );
    socket.on('error', () =>
      reject(
        new Error(`no cluster is up in ${dataDir}: start one with "npm run cluster -- up --data ${dataDir}"`),
      ),
    );
  });
}

function socketPath(dataDir: string): string {
  return join(dataDir, 'control.sock');
}
