import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { addCluster } from './commands/cluster.ts';
import { addDelete } from './commands/delete.ts';
import { addGet } from './commands/get.ts';
import { addImport } from './commands/import.ts';
import { addLocate } from './commands/locate.ts';
import { addPut } from './commands/put.ts';
import { addStatus } from './commands/status.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';
import { addGlobalOptions } from './settings.ts';
import { sayError } from './terminal.ts';

/** The command line as a whole. It throws CommanderError instead of exiting. */
export function createProgram(): Command {
  const program = new Command('circlet')
    .description('Read, write, inspect and fill a Circlet cluster. Data goes to stdout, messages to stderr.')
    .version(manifest.version)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      // "error: ... \n(Did you mean ...?)" becomes one line in our words.
      outputError: (text) =>
        sayError(
          `${text
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')} (see --help)`,
        ),
    })
    .addHelpText('afterAll', EXIT_CODES_HELP)
    .exitOverride();
  addGlobalOptions(program);
  for (const add of [addGet, addPut, addDelete, addStatus, addLocate, addImport, addCluster]) add(program);
  return program;
}
