/** A few words of HTTP for the tests with real processes. */
export interface Stored {
  readonly status: number;
  readonly context: string | undefined;
  readonly body: Buffer;
  readonly code: string | undefined;
  readonly problem: Readonly<Record<string, unknown>>;
}

export async function call(
  method: string,
  url: string,
  body?: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Stored> {
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isProblem = answer.headers.get('content-type')?.includes('problem') === true;
  const problem = isProblem ? (JSON.parse(bytes.toString()) as Record<string, unknown>) : {};
  return {
    status: answer.status,
    context: answer.headers.get('circlet-context') ?? undefined,
    body: bytes,
    code: isProblem ? String(problem['code']) : undefined,
    problem,
  };
}

export interface NodeFigures {
  readonly name: string;
  readonly status: string;
  readonly keys: number;
  readonly hints: { readonly held: number; readonly owed: number };
}

export async function nodes(url: string): Promise<readonly NodeFigures[]> {
  const answer = await fetch(`${url}/v1/cluster/nodes`);
  return ((await answer.json()) as { nodes: NodeFigures[] }).nodes;
}

/** Owners of a key, in order, and the fallbacks behind them. */
export async function preferenceList(url: string, bucket: string, key: string): Promise<readonly string[]> {
  const answer = await fetch(`${url}/v1/cluster/locate/${bucket}/${key}`);
  return ((await answer.json()) as { preferenceList: { node: string }[] }).preferenceList.map(
    ({ node }) => node,
  );
}

/** Polls until the condition holds; the error of the last try is the reason given when it never does. */
export async function until(what: string, holds: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  let last = '';
  while (performance.now() < deadline) {
    try {
      if (await holds()) return;
    } catch (error) {
      last = ` (${String(error)})`;
    }
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`not within ${withinMs} ms: ${what}${last}`);
}
