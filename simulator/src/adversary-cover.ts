/** ADVERSARY. Chaos that also checks law 4 white-box: every dot a context covers belongs to a write its client had seen. `node simulator/src/adversary-cover.ts FIRST LAST` */
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import { Ledger } from './ledger.ts';
import { World } from './world.ts';
import { chaos } from './chaos.ts';
import { toHex, fromLatin1 } from '@circlet/shared/codec/bytes.ts';
const hex = (id: string) => toHex(fromLatin1(id)).slice(0, 8);
let dots = new Map<string, string>();
let over: string[] = [];
let checked = 0;
const od = (World.prototype as any).delivered;
(World.prototype as any).delivered = function (frame: any) {
  for (const m of frame.messages) {
    const bytes = m.kind === 'merge' || (m.kind === 'found' && m.what === 'state') ? [m.state] : m.kind === 'hintPage' ? m.entries.map((e: any) => e.state) : [];
    for (const b of bytes) for (const s of decodeState(b).siblings) for (const d of s.dots) dots.set(`${d.actor}:${d.counter}`, s.writeId);
  }
  return od.call(this, frame);
};
function check(what: string, context: any, seen: ReadonlySet<string>, ledger: any) {
  if ([...ledger.writes.values()].some((w: any) => w.decidesItself)) return;
  checked++;
  context.history.actors.forEach((actor: string, i: number) => {
    const r = context.history.ranges[i];
    for (let k = 0; k < r.length; k += 2) for (let n = r[k]; n <= r[k + 1]; n++) {
      const id = dots.get(`${actor}:${n}`);
      if (id !== undefined && !seen.has(id)) over.push(`${what}: covers ${actor}:${n} of ${hex(id)}`);
    }
  });
}
const og = Ledger.prototype.afterGet;
Ledger.prototype.afterGet = function (returned, context, claim) { const h = og.call(this, returned, context, claim); check('get', context, h.seen, this); return h; };
const op = Ledger.prototype.afterPut;
Ledger.prototype.afterPut = function (write, context) { const h = op.call(this, write, context); check(`put ${hex(write.writeId)}`, context, h.seen, this); return h; };
const [first, last] = process.argv.slice(2).map(Number);
let bad = 0;
for (let seed = first; seed <= last; seed++) {
  dots = new Map(); over = [];
  let v: readonly string[]; try { v = chaos(seed).violations; } catch (e: any) { v = [e.stack]; }
  if (v.length + over.length > 0) { bad++; if (bad < 25) console.log(`seed ${seed}:`, v.slice(0, 4).join(' | '), '  OVER', over.length, over.slice(0, 3).join(' | ')); }
}
console.log(`${last - first + 1} seeds, ${bad} bad, ${checked} checked`);
