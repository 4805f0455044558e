// Plain JavaScript, so that a Node too old to read our TypeScript can still say so.
const NEEDED = 24;

/** Ends the process with one clear line on a Node that cannot run Circlet. */
export function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= NEEDED) return;
  process.stderr.write(
    `Circlet needs Node ${NEEDED} or later; this is ${process.versions.node}. ` +
      'Inside the repository use npm scripts (npm start), which bring their own Node.\n',
  );
  process.exit(1);
}
