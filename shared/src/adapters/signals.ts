/**
 * Runs `stop` on the first SIGTERM or SIGINT and ends the process when it is done: with 0 if all went well, and with 1
 * if it did not within `withinMs`, because an orchestrator that has to kill us would have waited for nothing.
 */
export function stopOnSignal(stop: () => Promise<void>, withinMs: number): void {
  let stopping = false;
  const begin = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), withinMs).unref();
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', begin);
  process.on('SIGINT', begin);
}
