/**
 * Protocol bugs on purpose: each is one replacement in a source file that ships, made while the file is loaded
 * (`inject.ts`), so that the files themselves and whoever runs them know nothing of it. A simulation that cannot tell the
 * mutant from the original does not check what the mutant breaks.
 */
export interface Mutant {
  readonly name: string;
  /** What would be lost with it, in the words of the protocol. */
  readonly breaks: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly from: string;
  readonly to: string;
  /** A second replacement, where the first alone is made good by something else. */
  readonly and?: { readonly file: string; readonly from: string; readonly to: string };
}

const HOST = 'shared/src/host/host.ts';
const RECEIVED = 'shared/src/host/received.ts';
const KEY_STATE = 'shared/src/causality/key-state.ts';
const HISTORY = 'shared/src/causality/history.ts';
const CONTEXT = 'shared/src/causality/context.ts';
const REPLICA = 'storage/src/core/replica.ts';
const REPLICAS = 'storage/src/core/replicas.ts';
const NODE = 'storage/src/core/node.ts';
const LEDGER = 'storage/src/core/hint-ledger.ts';
const EXCHANGE = 'storage/src/core/hint-exchange.ts';
const TREES = 'storage/src/core/anti-entropy/trees.ts';
const PLACES = 'storage/src/core/anti-entropy/places.ts';
const WALK = 'storage/src/core/anti-entropy/walk.ts';
const REPAIRS = 'storage/src/core/anti-entropy/repairs.ts';
const ANTI_ENTROPY = 'storage/src/core/anti-entropy/anti-entropy.ts';
const REFILL = 'storage/src/core/membership/refill.ts';
const SUCCESSION = 'storage/src/core/membership/succession.ts';
const MOVES = 'storage/src/core/membership/moves.ts';
const SOURCES = 'storage/src/core/membership/sources.ts';
const LEFTOVERS = 'storage/src/core/membership/leftovers.ts';
const COPIES = 'coordinator/src/core/copies.ts';
const WRITE = 'coordinator/src/core/write.ts';
const READ = 'coordinator/src/core/read.ts';
const QUORUM = 'coordinator/src/core/quorum.ts';
const COORDINATOR = 'coordinator/src/core/coordinator.ts';

export const MUTANTS: readonly Mutant[] = [
  // ---- the host ----
  {
    name: 'ack-before-commit',
    breaks: 'rule 20: effects leave before the turn is durable',
    file: HOST,
    from: `      this.options.transaction?.commit();
    } catch (error) {`,
    to: `      this.perform(effects.splice(0), now);
      this.options.transaction?.commit();
    } catch (error) {`,
  },
  {
    name: 'duplicates-handled',
    breaks: 'rule 14: a frame that comes twice is done twice',
    file: RECEIVED,
    from: '    return (before & bit) === 0;',
    to: '    return true;',
  },
  {
    name: 'late-frames-handled',
    breaks: 'rule 15: a request older than its deadline is done',
    file: NODE,
    from: "    if (leftMs < 0 || leftMs > TIMEOUT_MS_MAX + CLOCK_ERROR_MS) return 'expired';",
    to: '',
  },
  {
    name: 'other-life-answers',
    breaks: 'rule 15: a life answers what was meant for another',
    file: NODE,
    from: "    if (from.toBoot !== this.options.boot) return 'wrong_boot';",
    to: '',
  },
  // ---- states ----
  {
    name: 'dead-writes-live-again',
    breaks: 'rule 1: a write lives if any side holds it',
    file: KEY_STATE,
    from: '      return { died: true, doubleDots };',
    to: '      return { died: false, doubleDots };',
  },
  {
    name: 'concurrent-tombstone-dropped',
    breaks: 'rule 1: merging drops a tombstone beside a value',
    file: KEY_STATE,
    from: '  return { state: { siblings, history, closed: unionOfSorted(alreadyClosed, closing) }, doubleDots };',
    to: `  const living = siblings.some((s) => !s.deleted) ? siblings.filter((s) => !s.deleted) : siblings;
  return { state: { siblings: living, history, closed: unionOfSorted(alreadyClosed, closing) }, doubleDots };`,
  },
  {
    name: 'last-writer-wins',
    breaks: 'law 2: one of two concurrent writes is dropped',
    file: KEY_STATE,
    from: '  return { state: { siblings, history, closed: unionOfSorted(alreadyClosed, closing) }, doubleDots };',
    to: `  const latest = siblings.toSorted((x, y) => y.writtenAtMs - x.writtenAtMs).slice(0, 1);
  return { state: { siblings: latest, history, closed: unionOfSorted(alreadyClosed, closing) }, doubleDots };`,
  },
  {
    name: 'closed-writes-forgotten',
    breaks: 'rule 2: the twin of a dead write comes back',
    file: KEY_STATE,
    from: '      if (!isClosed && !sole.has(sibling.writeId)) closing.push(sibling.writeId);',
    to: '',
    and: {
      file: CONTEXT,
      from: '    closed: sortedIds(closed.map((seen) => seen.writeId)),',
      to: '    closed: sortedIds(closed.flatMap(() => [])),',
    },
  },
  {
    name: 'one-dot-of-a-twin-kept',
    breaks: 'rule 2: a write that was led twice keeps one of its dots',
    file: KEY_STATE,
    from: '  return dots.length === kept.dots.length ? kept : { ...kept, dots };',
    to: '  return kept;',
  },
  {
    name: 'gaps-are-filled',
    breaks: 'law 4: having seen dot 7 claims 1 to 6',
    file: HISTORY,
    from: '    if (dot.counter < (ranges[i] as number)) return false;',
    to: '',
  },
  {
    name: 'history-is-a-vector',
    breaks: 'law 4: the union of two histories covers the gap between them',
    file: HISTORY,
    from: '    if (end > 0 && first <= (merged[end] as number) + 1) {',
    to: '    if (end > 0) {',
  },
  {
    name: 'put-context-covers-all',
    breaks: "law 4: a put's context covers what its client never saw",
    file: WRITE,
    from: '      : contextWith(sent, write.writeId, dots, sole);',
    to: '      : contextWith({ ...sent, history: this.state?.history ?? sent.history }, write.writeId, dots, sole);',
  },
  {
    name: 'lead-tells-its-history',
    breaks:
      "law 4: what the others merge claims all that the client's context and the writer's counter cover",
    file: WRITE,
    from: '    const write = delta(this.options.context, sibling);',
    to: `    const spread = this.dots.map((dot) => ({ ...dot, counter: dot.counter + 1 }));
    const write = delta(this.options.context, { ...sibling, dots: [...this.dots, ...spread] });`,
  },
  {
    name: 'context-forgets-its-write',
    breaks: 'law 4: the answer to a put does not cover the put itself',
    file: WRITE,
    from: '      : contextWith(sent, write.writeId, dots, sole);',
    to: '      : sent;',
  },
  // ---- one replica ----
  {
    name: 'serial-reused',
    breaks: 'law 3: a row that was lost begins its actor again',
    file: REPLICA,
    from: '  const serial = minter.serial + 1;',
    to: '  const serial = 1;',
  },
  {
    name: 'actor-outlives-its-life',
    breaks: 'law 3: a restarted node goes on with the actor of its last life',
    file: REPLICA,
    from: '    isActorOf(own.actor, minter.node, minter.boot) &&\n    lastCounter(state',
    to: '    lastCounter(state',
  },
  {
    name: 'birth-without-boot',
    breaks: 'law 3: actors of two lives are one',
    file: REPLICA,
    from: 'makeActor(minter.node, minter.boot, serial)',
    to: "makeActor(minter.node, 'AAAAAAAAAAA', serial)",
  },
  {
    name: 'twin-mints-again',
    breaks: 'rule 22: a lead that holds the write gives it another dot',
    file: REPLICA,
    from: "    return { kind: 'led', outcome: 'held', dots, writtenAtMs, serial, doubleDots: 0 };",
    to: '    void dots;\n    void writtenAtMs;',
  },
  {
    name: 'closed-write-led-again',
    breaks: 'rule 22: a retry of a superseded write brings it back',
    file: REPLICA,
    from: '  if (isAmong(state.closed, writeId)) {',
    to: '  if (isAmong(state.closed, `${writeId}x`)) {',
  },
  {
    name: 'corrupt-row-is-absent',
    breaks: 'I14: a damaged row counts as "nothing there"',
    file: REPLICAS,
    from: "    return lookup.kind === 'corrupt' ? 'corrupt' : decodeRow(lookup.value);",
    to: "    return lookup.kind === 'corrupt' ? undefined : decodeRow(lookup.value);",
  },
  {
    name: 'suspect-row-vouches',
    breaks: 'I14: a row that replaced a damaged one counts for reads at once',
    file: REPLICA,
    from: "  if (before !== 'corrupt' && since === undefined) return undefined;",
    to: '  if (since === undefined) return undefined;',
  },
  {
    name: 'lead-without-merge',
    breaks: 'law 2: a lead replaces what it has with the write',
    file: REPLICA,
    from: 'merge(state, delta(request.context, sibling), sole);',
    to: 'merge({ ...emptyState, history: state.history }, delta(request.context, sibling), sole);',
  },
  {
    name: 'merge-replaces',
    breaks: 'law 2: a replica takes what it is sent for all there is',
    file: REPLICA,
    from: '  const merged = merge(state, incoming, allSole);',
    to: '  const merged = merge(incoming, incoming, allSole);\n  void state;',
  },
  {
    name: 'merged-but-not-stored',
    breaks: 'law 1: a merge is acknowledged and forgotten',
    file: REPLICAS,
    from: '    if (result.row !== undefined) this.write(turn, isOwner, at, before, result.row);\n    alarm',
    to: '    if (result.row !== undefined && before === undefined) this.write(turn, isOwner, at, before, result.row);\n    alarm',
  },
  // ---- hints ----
  {
    name: 'hint-discharged-unseen',
    breaks: 'rule 6: a hint goes though it has changed since it was sent',
    file: LEDGER,
    from: '    if (row.digest !== digest) return;\n    const disk',
    to: '    void digest;\n    const disk',
  },
  {
    name: 'hint-gone-when-sent',
    breaks: 'rule 6: a hint goes before its owner has it',
    file: EXCHANGE,
    from: "          turn.effects.push(toPeer(from, { kind: 'hintPage', id: message.id, ...page }));",
    to: `          turn.effects.push(toPeer(from, { kind: 'hintPage', id: message.id, ...page }));
          for (const { key, digest } of page.entries) this.hints?.discharge(from, key, digest);`,
  },
  {
    name: 'hint-acked-unmerged',
    breaks: 'rule 6: a page is acknowledged before it is merged',
    file: EXCHANGE,
    from: '    const taken = this.replicas.takeStates(turn, from, page.entries);',
    to: '    const taken = page.entries.map((entry) => ({ entry }));',
  },
  {
    name: 'hint-for-the-last-write-only',
    breaks: 'rule 5: a hint forgets whom it was owed to before',
    file: REPLICA,
    from: '    owed: (row?.owed ?? 0) | owed,',
    to: '    owed,',
  },
  {
    name: 'hints-never-offered',
    breaks: 'rule 6: nobody learns that a hint is held for it',
    file: EXCHANGE,
    from: "    if (keys > 0 && !this.store.readOnly) turn.effects.push(toPeer(target, { kind: 'hintOffer', keys }));",
    to: '    void keys;\n    void turn;',
  },
  {
    name: 'no-hint-taken',
    breaks: 'rule 5: a fallback keeps nothing of what it acknowledges',
    file: REPLICAS,
    from: "      assert(this.hints !== undefined, 'a ready node has a hint ledger');\n      this.hints.put(at, before, row);",
    to: "      assert(this.hints !== undefined, 'a ready node has a hint ledger');",
  },
  // ---- quorums ----
  {
    name: 'one-fewer-for-w',
    breaks: 'law 1: a write is acknowledged with W - 1 copies',
    file: QUORUM,
    from: '  return verdict(w, pw, sloppy, tally);',
    to: '  return verdict(Math.max(1, w - 1), pw, sloppy, tally);',
  },
  {
    name: 'one-fewer-for-r',
    breaks: 'I6: a read is answered by R - 1 replicas',
    file: QUORUM,
    from: '  return verdict(r, pr, sloppy, tally);',
    to: '  return verdict(Math.max(1, r - 1), pr, sloppy, tally);',
  },
  {
    name: 'fallbacks-count-as-owners',
    breaks: 'I6: a strict quorum counts fallbacks',
    file: QUORUM,
    from: '  const got = tally.owners + (sloppy ? tally.others : 0);',
    to: '  const got = tally.owners + tally.others;',
  },
  {
    name: 'pw-ignored',
    breaks: 'I6: PW and PR mean nothing',
    file: QUORUM,
    from: '  return got >= any && tally.owners >= owners ? MET : PENDING;',
    to: '  return got >= any ? MET : PENDING;',
  },
  {
    name: 'counted-by-node',
    breaks: 'I6: an owner and who stood in for it are two copies',
    file: COPIES,
    from: '  return tally;',
    to: "  for (const { isHint, status } of copies) if (isHint && status === 'acked') tally.others++;\n  return tally;",
  },
  {
    name: 'sent-is-acked',
    breaks: 'law 1: a copy counts when it is sent',
    file: WRITE,
    from: "    target.status = 'open';\n    target.sentMs = desk.nowMs;\n    target.unacked.clear();",
    to: "    target.status = 'acked';\n    target.sentMs = desk.nowMs;\n    target.unacked.clear();",
  },
  {
    name: 'silence-is-refusal',
    breaks: 'I12: a lead that was silent is said to have done nothing',
    file: WRITE,
    from: "    return this.options.found === undefined && this.attempts.every(isUndone) ? 'none' : 'unknown';",
    to: "    return 'none';",
  },
  {
    name: 'no-stand-in',
    breaks: 'I12: nobody stands in for a dead owner',
    file: WRITE,
    from: '    if (next === undefined) return;\n    const target = this.addTarget(desk, next, slot, half, true);',
    to: '    if (next !== undefined) return;\n    const target = this.addTarget(desk, this.preferences.owners[0] as string, slot, half, true);',
  },
  {
    name: 'twin-is-another-write',
    breaks: 'law 5: every attempt is a write of its own',
    file: WRITE,
    from: '        writeId: write.writeId,\n        keyed',
    to: '        writeId: this.attempts.length === 0 ? write.writeId : `${write.writeId.slice(0, 15)}!`,\n        keyed',
  },
  {
    name: 'sole-though-led-twice',
    breaks: 'rule 2: a write that may have a twin is taken for one that has none',
    file: WRITE,
    from: "      const isOnlyMint = this.attempts.length === 1 && !attempt.mayBeDone && reply.outcome === 'minted';",
    to: "      const isOnlyMint = reply.outcome === 'minted';",
  },
  // ---- reads ----
  {
    name: 'absent-without-owners',
    breaks: 'rule 7: "not found" by whoever answers',
    file: READ,
    from: '      if (owners < quorum.r) {',
    to: '      if (owners < 0) {',
  },
  {
    name: 'strangers-vouch',
    breaks: 'rule 7: a node that owns nothing and holds nothing says "not found"',
    file: READ,
    from: "        vouches: reply.what !== 'suspect' && (reply.as === 'owner' ? contact.isOwner : reply.as === 'holder'),",
    to: "        vouches: reply.what !== 'suspect',",
  },
  {
    name: 'suspects-vouch',
    breaks: 'I14: a damaged row says "not found"',
    file: READ,
    from: "        vouches: reply.what !== 'suspect' && (",
    to: "        vouches: reply.what === 'suspect' || (",
  },
  {
    name: 'first-state-wins',
    breaks: 'I6: a read answers with the state of one replica',
    file: READ,
    from: '  for (const state of states.slice(1)) merged = merge(merged, state, sole).state;',
    to: '  void sole;\n  merged = states.at(-1) ?? merged;',
  },
  {
    name: 'digests-by-length',
    breaks: 'I3: two states whose digests begin alike are one',
    file: READ,
    from: '      if (reply?.vouches === true && reply.state !== undefined) known.add(reply.digest);\n    return known;',
    to: "      if (reply?.vouches === true && reply.state !== undefined) known.add(reply.digest);\n    return { has: (digest: string) => known.size > 0 && digest !== '' } as unknown as ReadonlySet<string>;",
  },
  {
    name: 'session-forgotten',
    breaks: 'I5: a read is not as new as its client asked',
    file: READ,
    from: '    if (atLeast !== undefined && !isAtLeast(state, atLeast)) {',
    to: '    if (atLeast === undefined && state === undefined) {',
  },
  {
    name: 'no-read-repair',
    breaks: 'I3: an owner that is behind stays behind',
    file: READ,
    from: '    if (digests.size <= 1 && !hasSuspect && !hasHolder) return;',
    to: '    if (digests.size >= 0) return;',
  },
  {
    name: 'heals-at-once',
    breaks: 'I14: a suspect row is made whole by any read',
    file: READ,
    from: '      const heals = isSuspect && inTime && this.haveAllShown(contact.node);',
    to: '      const heals = isSuspect && inTime;',
  },
  {
    name: 'heals-without-waiting',
    breaks: 'I14: a suspect row vouches while what it had acknowledged may still be counted',
    file: REPLICA,
    from: 'othersReadMs !== undefined && othersReadMs > since.monoMs + HEALABLE_MS;',
    to: 'othersReadMs !== undefined;',
  },
  {
    name: 'read-context-covers-less',
    breaks: 'I4: what a client replaces stays beside its write',
    file: READ,
    from: 'context: contextOf(state, this.sole) } });',
    to: 'context: contextOf({ ...state, history: { actors: state.history.actors.slice(1), ranges: state.history.ranges.slice(1) } }, this.sole) } });',
  },
  // ---- the coordinator ----
  {
    name: 'repeat-checks-again',
    breaks: 'rule 17: a repeat fails the condition that it met itself',
    file: COORDINATOR,
    from: '      if (knows(reading.state, request.write.writeId)) {',
    to: '      if (knows(reading.state, `${request.write.writeId}x`)) {',
  },
  {
    name: 'conditions-always-hold',
    breaks: 'rule 17: a condition is not checked',
    file: COORDINATOR,
    from: '    return holds ? undefined :',
    to: '    return holds || !holds ? undefined :',
  },
  {
    name: 'delete-covers-nothing',
    breaks: 'rule 17: a conditional write replaces nothing of what it checked',
    file: COORDINATOR,
    from: '        this.write(request, request.context ?? reading.context, deadlineMs);',
    to: '        this.write(request, request.context ?? emptyContext, deadlineMs);',
  },
  {
    name: 'context-covers-its-future',
    breaks: 'law 4: a context covers dots that nobody has issued',
    file: CONTEXT,
    from: '    history: union(sent.history, historyOf(dots)),\n    writes: [...closed',
    to: '    history: union(sent.history, historyOf(dots.flatMap((dot) => [dot, { ...dot, counter: dot.counter + 1 }]))),\n    writes: [...closed',
  },
  // ---- anti-entropy ----
  {
    name: 'tree-misses-writes',
    breaks: 'I3: a row is written and the tree is not told',
    file: TREES,
    from: '    this.toggle(at.prefix, xor(was, is));',
    to: '',
  },
  {
    name: 'tree-keeps-what-was',
    breaks: 'I3: what a row was stays in the tree beside what it is',
    file: TREES,
    from: '    this.toggle(at.prefix, xor(was, is));',
    to: '    this.toggle(at.prefix, is);',
  },
  {
    name: 'tree-counts-twice',
    breaks: 'I3: a row that is written ahead of the first pass is counted again by it',
    file: TREES,
    from: '    return this.built !== undefined && isUpTo(at, this.built);',
    to: '    return true;',
  },
  {
    name: 'saved-trees-stay',
    breaks: 'I3: trees of a clean stop are believed after a crash',
    file: TREES,
    from: '    this.store.writeMeta(RECORD, new Uint8Array(0));',
    to: '',
  },
  {
    name: 'replaced-rows-uncounted',
    breaks: 'I3: a damaged row is counted as it was, beside the one that replaced it',
    file: TREES,
    from: '    if (this.isCounted(at)) this.recount(rangeOf(at.prefix, TREE_DEPTH, this.vnodes));',
    to: '',
  },
  {
    name: 'rows-that-differ-stay',
    breaks: 'I3: only rows that are missing are sent, not those that differ',
    file: WALK,
    from: '      if (has?.hash === shortHash(hash)) continue;',
    to: '      if (has !== undefined) continue;',
  },
  {
    name: 'last-place-skipped',
    breaks: 'I3: the last row of each page is never sent',
    file: PLACES,
    from: 'return { places: placesIn(entries), reached: end };',
    to: 'return { places: placesIn(entries).slice(0, -1), reached: end };',
  },
  {
    name: 'no-scrub',
    breaks: 'I14: a damaged row that nobody reads stays damaged',
    file: ANTI_ENTROPY,
    // That a leaf is summed anew when it holds a bad row would have the walk mend it.
    from: 'const { suspects, vanished } = scrub.step(scrubRowsPerSecond, monoMs);',
    to: 'const [suspects, vanished] = [[scrub, scrubRowsPerSecond].slice(2), 0];',
    and: {
      file: ANTI_ENTROPY,
      from: '    for (const entry of entries) if (isSuspect(entry)) this.found(entry.at.prefix, turn.now.monoMs);',
      to: '',
    },
  },
  {
    name: 'heals-by-one',
    breaks: 'I14: a row vouches when one of the others has told what it has',
    file: REPAIRS,
    from: '    if (repair.waiting.size > 0) return undefined;',
    to: '',
  },
  {
    name: 'gives-up-at-once',
    breaks: 'I14: what nobody else has yet is taken for lost while it may be on its way',
    file: REPLICAS,
    from: '    if (askedMs <= lostMs + HEALABLE_MS) return lostMs;',
    to: '',
  },
  // ---- what comes after a topology ----
  {
    name: 'refilling-vouches',
    breaks: 'rule 13: a pod on an empty disk says what it has not got',
    file: REPLICAS,
    from: '    const isRead = ring.isOwner(vnode, name) && !this.isRefilling;',
    to: '    const isRead = ring.isOwner(vnode, name);',
  },
  {
    name: 'refilled-by-one',
    breaks: 'rule 13: what one other owner has is taken for everything',
    file: SOURCES,
    from: 'return owners.filter((owner) => owner !== name);',
    to: 'return owners.filter((owner) => owner !== name).slice(0, 1);',
  },
  {
    name: 'refill-skips-a-stretch',
    breaks: 'rule 13: an answer that goes half of the way is taken for all of it',
    file: REFILL,
    from: '    source.first = reached;',
    to: '    source.first = open.end;',
    and: { file: REFILL, from: '    if (reached >= source.end) {', to: '    if (open.end >= source.end) {' },
  },
  {
    name: 'refill-forgets-rows-that-differ',
    breaks: 'rule 13: only what is missing is told, not what the new disk has otherwise',
    file: REFILL,
    from: '    if (have.get(prefix) === shortHash(hash)) continue;',
    to: '    if (have.has(prefix)) continue;',
  },
  {
    name: 'disk-not-checked',
    breaks: 'rule 11: a pod is a member by its name, whatever disk it has',
    file: NODE,
    from: '    return this.ring?.member(this.options.name)?.disk === this.store.disk;',
    to: '    return this.ring?.member(this.options.name) !== undefined;',
    and: {
      file: SUCCESSION,
      from: '    return this.self?.disk === this.options.store.disk;',
      to: '    return this.self !== undefined;',
    },
  },
  {
    name: 'epoch-ignored',
    breaks: 'rule 11: what is asked under another topology is done',
    file: NODE,
    from: "    if (!this.sameEpoch(from)) return 'wrong_epoch';\n    if (!this.readiness",
    to: '    if (!this.readiness',
  },
  // ---- moves ----
  {
    name: 'half-a-slot-counts',
    breaks: 'rule 10: a slot that moves counts when one of its nodes has the write',
    file: COPIES,
    from: "  const second = bestOf(slot, 'second', copies);",
    to: '  const second = owner;',
  },
  {
    name: 'seconds-not-written',
    breaks: 'rule 10: owners-to-be get no writes while they are filled',
    file: WRITE,
    from: "    this.choose(desk, this.preferences.seconds, 'second');",
    to: '',
    and: {
      file: COPIES,
      from: '  if (!isMoving) return owner;',
      to: '  return owner;',
    },
  },
  {
    name: 'owners-to-be-vouch',
    breaks: 'rule 10: an owner-to-be says "not found" of what it has not got yet',
    file: REPLICAS,
    from: '    const isRead = ring.isOwner(vnode, name) && !this.isRefilling;',
    to: '    const isRead = !this.isRefilling;',
    and: {
      file: 'coordinator/src/core/read.ts',
      from: '    this.owners = owners;',
      to: '    this.owners = owners.map((name, slot) => seconds[slot] ?? name);',
    },
  },
  {
    name: 'switched-to-unfilled',
    breaks: 'rule 10: owners-to-be are read before they have everything',
    file: SUCCESSION,
    from: '    const isFilled = refill?.isDone !== false;',
    to: "    const isFilled = this.self?.state !== 'refilling' || refill?.isDone !== false;",
  },
  {
    name: 'one-is-enough-to-go-on',
    breaks: 'rule 10: a step is taken when its proposer is ready, whatever the others have',
    file: MOVES,
    from: "    if (!topology.members.every((of) => of.state !== 'refilling' && isReady(of.name))) return undefined;",
    to: '    if (!topology.members.some((of) => isReady(of.name))) return undefined;',
  },
  {
    name: 'filled-from-one',
    breaks: 'rule 10: what the owner of the slot has lost without knowing is not asked of the others',
    file: SOURCES,
    from: '[owners[slot], ...owners.toSpliced(slot, 1)]',
    to: '[owners[slot]]',
  },
  {
    name: 'filled-from-nobody',
    breaks: 'rule 10: an owner-to-be begins with what is written from now on',
    file: SOURCES,
    from: "  return phase === 'filling' ? ",
    to: '  return phase === undefined ? ',
  },
  {
    name: 'dropped-while-written',
    breaks: 'rule 10: the owner that was drops its rows while it still takes writes',
    file: LEFTOVERS,
    from: '(vnode) => ring.slotOf(vnode, name) < 0',
    to: '(vnode) => !ring.isOwner(vnode, name)',
  },
  {
    name: 'dropped-by-mistake',
    breaks: 'I10: rows of the next vnode are dropped too',
    file: LEFTOVERS,
    from: 'prefixesOf(wholeVnode(vnode), this.ring.vnodes)',
    to: 'prefixesOf(wholeVnode((vnode + 1) % this.ring.vnodes), this.ring.vnodes)',
  },
  {
    name: 'hint-goes-with-one-half',
    breaks: 'rule 6: a hint goes when one of the two nodes of its slot has it',
    file: LEDGER,
    from: 'return ring.isMoving ? [...owners, ...ring.seconds(vnode).filter(isOwed)] : owners;',
    to: 'return owners;',
  },
  {
    name: 'hints-left-behind',
    breaks: 'rule 6: one that leaves takes the hints that it holds along',
    file: SUCCESSION,
    from: "(this.self?.state !== 'leaving' || hints.held === 0)",
    to: 'true',
  },
  {
    name: 'hints-for-seconds-ignored',
    breaks: 'rule 10: owners-to-be are read while hints are owed to them',
    file: SUCCESSION,
    from: '!hints.owesSeconds &&',
    to: '',
  },
  {
    name: 'own-hints-taken-for-delivered',
    breaks: 'rule 6: what a node held for a slot that it came to own is gone',
    file: EXCHANGE,
    from: 'const taken = this.replicas.takeStates(turn, name, entries) ?? [];',
    to: 'const taken = entries.map((entry) => ({ entry }));',
  },
  {
    name: 'earlier-moves-count',
    breaks: 'rule 10: what was fetched for an earlier move is taken for fetched in this one',
    file: SOURCES,
    from: ': `${move.phase} ${move.since}`;',
    to: ": 'disk';",
  },
  {
    name: 'leavers-asked-for-ever',
    breaks: 'I14: a damaged row waits for the answer of one that is no owner any more',
    file: ANTI_ENTROPY,
    from: '    this.repairs.askAnew();',
    to: '',
  },
];
