import { Argument, type Command } from 'commander';
import { AdminClient, type Change, type Plan } from '../client/admin.ts';
import { changeFrom, type Verb, VERBS } from '../changes/change-words.ts';
import { OPEN, untilChosen } from '../changes/chosen.ts';
import { explainingChange } from '../changes/explain.ts';
import { planText, secondsOf, secondsOfAll } from '../changes/plan-table.ts';
import { watchMove } from '../changes/watch.ts';
import { usageFailure } from '../failure.ts';
import { quoted } from '../import/resume.ts';
import { addAdminOption, type GlobalOptions, parseEvery } from '../settings.ts';
import { onSignalSay } from '../signals.ts';
import { systemClock } from '../system-clock.ts';
import { sayError, writeData, writeJson } from '../terminal.ts';

interface Options extends GlobalOptions {
  readonly admin: string;
  readonly every?: number;
}

export function addCluster(program: Command): void {
  const cluster = program
    .command('cluster')
    .summary('change who is a member, and how much each has')
    .description(
      'Change who is a member of the cluster, and how much each has: plan shows what would move and changes nothing, ' +
        'commit makes it so, watch shows how far it is, cancel turns it back.',
    );
  addAdminOption(cluster);
  addPlan(cluster);
  addCommit(cluster);
  addWatch(cluster);
  addCancel(cluster);
}

function addPlan(cluster: Command): void {
  const command = cluster
    .command('plan')
    .summary('show what a change would move')
    .description(
      'Show what a change would move, and the command that commits it. A pod can join when it runs with an empty ' +
        'disk; to replace a member that is down, another one takes its place on an empty disk.',
    );
  addChange(command);
  command.action(async (verb: Verb, words: string[]) => {
    const options = command.optsWithGlobals<Options>();
    const change = changeFrom(verb, words);
    await withClient(options, async (client) => {
      const plan = await explainingChange('plan the change', client.plan(change));
      const commit = commitCommand(cluster, options, plan.digest, verb, words);
      if (options.o === 'json') await writeJson(documentOf(plan, commit));
      else await writeData(`${planText(plan)}\nCommit it with:\n  ${commit}\n`);
    });
  });
}

function addCommit(cluster: Command): void {
  const command = cluster
    .command('commit')
    .summary('make a planned change')
    .description(
      'Make a change that was planned, in the words of its plan, and wait until it is chosen. It is refused when the ' +
        'cluster is not what it was then. Running it again is the same change.',
    )
    .argument('<digest>', 'as the plan printed it');
  addChange(command);
  command.action(async (digest: string, verb: Verb, words: string[]) => {
    const options = command.optsWithGlobals<Options>();
    if (!/^[0-9a-f]{32}$/.test(digest))
      throw usageFailure('a digest is 32 hexadecimal digits: take the command that the plan printed.');
    const change = changeFrom(verb, words);
    onSignalSay(() => sayError(`interrupted. ${OPEN}`));
    await withClient(options, async (client) => {
      await tellChosen(options, 'commit the change', committing(client, change, digest));
    });
  });
}

function addWatch(cluster: Command): void {
  const command = cluster
    .command('watch')
    .summary('show how far a change is')
    .description(
      'Show how far each pod is that fetches what a change gives it, until nothing moves any more.',
    )
    .option(
      '--every <duration>',
      'how often (default: each second on a terminal, every 5s elsewhere)',
      parseEvery,
    );
  command.action(async () => {
    const options = command.optsWithGlobals<Options>();
    await withClient(options, async (client) => {
      await watchMove(client, { everyMs: options.every, json: options.o === 'json' });
    });
  });
}

function addCancel(cluster: Command): void {
  const command = cluster
    .command('cancel')
    .summary('turn a change back')
    .description(
      'Turn a change back while pods fetch what it gives them. Once they are read it is too late: it ends by itself then, ' +
        'and another change turns it back.',
    );
  command.action(async () => {
    const options = command.optsWithGlobals<Options>();
    onSignalSay(() =>
      sayError('interrupted. The change may be cancelled yet: "circlet cluster watch" shows it.'),
    );
    await withClient(options, async (client) => {
      await tellChosen(options, 'cancel the change', cancelling(client));
    });
  });
}

function addChange(command: Command): void {
  command
    .addArgument(new Argument('<change>', 'what is wanted').choices(VERBS))
    .argument('<names...>', 'join and leave: NAME...; replace: OLD NEW; weight: NAME=N');
}

const patience = {
  now: () => systemClock.now(),
  sleep: async (ms: number) => await systemClock.sleep(ms, new AbortController().signal),
};

async function committing(client: AdminClient, change: Change, digest: string) {
  return await untilChosen(async () => await client.commit(change, digest), patience);
}

async function cancelling(client: AdminClient) {
  const begun = await client.cancel();
  return begun.status === 'chosen' ? begun : await committing(client, { verb: 'cancel' }, begun.digest);
}

async function tellChosen(
  options: Options,
  doing: string,
  work: Promise<{ digest: string; epoch: number }>,
): Promise<void> {
  const { digest, epoch } = await explainingChange(doing, work, OPEN);
  if (options.o === 'json') await writeJson({ status: 'chosen', digest, epoch });
  else await writeData(`chosen: epoch ${epoch}\n`);
}

async function withClient({ admin }: Options, work: (client: AdminClient) => Promise<void>): Promise<void> {
  const client = new AdminClient({ url: admin });
  try {
    await work(client);
  } finally {
    client.close();
  }
}

/** A URL of the environment or the default is there for the next command as well. */
function commitCommand(
  cluster: Command,
  { admin }: Options,
  digest: string,
  verb: Verb,
  words: readonly string[],
): string {
  const named = cluster.getOptionValueSource('admin') === 'cli' ? ['--admin', admin] : [];
  return ['circlet', 'cluster', 'commit', digest, verb, ...words, ...named].map(quoted).join(' ');
}

function documentOf({ digest, epoch, transfers }: Plan, commit: string): unknown {
  return {
    digest,
    epoch,
    transfers: transfers.map(({ from, to, vnodes, bytes }) => ({
      from: from ?? null,
      to,
      vnodes,
      bytes: bytes ?? null,
      seconds: bytes === undefined ? null : secondsOf(bytes),
    })),
    seconds: secondsOfAll(transfers) ?? null,
    commit,
  };
}
