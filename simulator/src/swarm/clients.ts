import { ContextTokens } from '@circlet/coordinator/http/context-token.ts';
import { Refused } from '@circlet/coordinator/http/problems.ts';
import type { Answer, Failure, Reading } from '@circlet/coordinator/core/client.ts';
import { must } from '@circlet/shared/assert.ts';
import type { Context } from '@circlet/shared/causality/context.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import type { Call } from '../call.ts';
import type { HeldContext, KeyLedger, ReadClaim, WriteRecord } from '../checks/key-ledger.ts';
import type { ReplicaWatch } from '../checks/replica-watch.ts';
import type { Invariant } from '../checks/violation.ts';
import { type Asking, type Story, valueOf } from '../story.ts';
import { elementsOf, withElement } from './set-value.ts';
import type { Faults } from './faults.ts';
import type { ClientStep, Plan } from './plan.ts';
import { mustSucceed } from './must-succeed.ts';

/** A key of the plan with all that is known of it outside the system. */
export interface PlanKey {
  readonly name: string;
  readonly key: FullKey;
  readonly ledger: KeyLedger;
  /** N, or as many owners as there are. */
  readonly owners: number;
}

export interface ClientsOptions {
  readonly plan: Plan;
  readonly story: Story;
  readonly keys: readonly PlanKey[];
  readonly watch: ReplicaWatch;
  readonly faults: Faults;
  readonly blame: (invariant: Invariant, what: string) => void;
  readonly tell: (line: string) => void;
}

interface Client {
  readonly name: string;
  readonly held: Map<PlanKey, HeldContext>;
  /** Steps whose time came while another was under way. */
  readonly waiting: ClientStep[];
  busy: boolean;
}

interface Operation {
  readonly step: ClientStep;
  readonly client: Client;
  readonly key: PlanKey;
  readonly attempt: number;
}

interface WriteUnderWay extends Operation {
  readonly record: WriteRecord;
  readonly sent: HeldContext | undefined;
  readonly claims: Claims;
  /** The first attempt at it: its condition is checked, and it is the client's own. */
  readonly isFirst: boolean;
  readonly again: (attempt: number) => void;
}

/** What a read may rely on when it shows something, and when it shows nothing: that needs R owners always (rule 7). */
interface Claims {
  readonly shown: ReadClaim;
  readonly absent: ReadClaim;
}

/** A client does one thing after the other; what piles up behind a slow one is not done at all. */
const WAITING_MAX = 2;
/** A client gives up when there can be no answer any more. */
const PATIENCE_MS = 200;
const SET_BYTES_MAX = 1_000_000;
/** After an unclear answer: at once, or when others have been there. */
const RETRY_MS = [0, 0, 300, 3_000];
/** The attempt that repeats what has been answered. */
const REPEAT = 100;
/** What a lead's clock and a coordinator's estimate of it may differ by, and a slow coordinator's own delay. */
const DEADLINE_SLACK_MS = 12_000;

/** The clients of a plan: they do its steps, hold contexts, and check all that they are told. */
export class Clients {
  operations = 0;
  /** Operations that did what was asked, each once: a repeat of what was answered is none. */
  succeeded = 0;
  /** The same of those that were asked while there were faults. */
  readonly busy = { operations: 0, succeeded: 0 };
  readonly answered: Record<string, number> = {};
  private underWay = 0;
  private planned = 0;
  private readonly options: ClientsOptions;
  private readonly clients: readonly Client[];
  private readonly tokens: ContextTokens;
  /**
   * Writes whose context the coordinator takes from its own read: frames show it. Attempts that their client has given up may
   * still come, each with a context of its own, when a coordinator that hung goes on.
   */
  private readonly open = new Map<string, { readonly record: WriteRecord; readonly ledger: KeyLedger }>();

  constructor(options: ClientsOptions) {
    this.options = options;
    const { plan, story } = options;
    this.clients = Array.from({ length: plan.shape.clients }, (_, i) => ({
      name: `c${i + 1}`,
      held: new Map(),
      waiting: [],
      busy: false,
    }));
    const contextKeys = new Map([['k', story.world.clusterKey]]);
    this.tokens = new ContextTokens({ clusterId: 'sim', contextKeys, signWith: 'k' });
    const resolve = (message: Message) => {
      if (message.kind !== 'lead') return false;
      const open = this.open.get(message.writeId);
      open?.ledger.resolve(open.record, message.context);
      return false;
    };
    story.world.tap({ from: story.world.coordinators, where: resolve }, 'watch');
  }

  act(step: ClientStep): void {
    const client = must(this.clients[step.client], 'a client of the plan');
    if (!client.busy) this.begin(client, step);
    else if (client.waiting.length < WAITING_MAX) client.waiting.push(step);
  }

  /** Nobody waits for an answer or for the time to ask again. */
  get isIdle(): boolean {
    return this.underWay === 0 && this.planned === 0;
  }

  private later(ms: number, act: () => void): void {
    this.planned++;
    this.options.story.world.time.after(ms, () => {
      this.planned--;
      act();
    });
  }

  private begin(client: Client, step: ClientStep): void {
    client.busy = true;
    this.operations++;
    if (this.isBusy(step)) this.busy.operations++;
    const operation = {
      step,
      client,
      key: must(this.options.keys[step.key], 'a key of the plan'),
      attempt: 0,
    };
    if (step.tampered) this.tamper(operation);
    else if (step.verb === 'get')
      this.get(operation, step.session ? client.held.get(operation.key) : undefined);
    else if (step.verb === 'add') this.add(operation);
    else this.write(operation, this.contextFor(operation), this.valueOf(step));
  }

  private end({ client }: Operation): void {
    client.busy = false;
    const next = client.waiting.shift();
    if (next !== undefined) this.begin(client, next);
  }

  // ---- contexts ----

  /** What a client sends with a write: what it holds, through the token that it really holds. */
  private contextFor({ step, client, key }: Operation): HeldContext | undefined {
    if (step.verb === 'blindPut' || step.verb === 'blindDelete') return undefined;
    const held = client.held.get(key);
    return held === undefined || step.id % 4 !== 0
      ? held
      : { ...held, context: this.asToken(key, held.context) };
  }

  private asToken({ key, name }: PlanKey, context: Context): Context {
    const token = this.tokens.issue(key, context);
    if (token === undefined) return context;
    const accepted = this.tokens.accept(key, token);
    if (this.tokens.issue(key, accepted) !== token)
      this.options.blame('I13', `${name}: a context changes on its way through its token`);
    return accepted;
  }

  /** A token with one bit changed is refused, whatever bit it is (I13). */
  private tamper(operation: Operation): void {
    const { key, client, step } = operation;
    const held = client.held.get(key);
    const token = held === undefined ? undefined : this.tokens.issue(key.key, held.context);
    if (token !== undefined) {
      const bytes = Buffer.from(token, 'base64url');
      const bit = (step.id * 7919) % (8 * bytes.length);
      bytes.writeUInt8(bytes.readUInt8(bit >>> 3) ^ (1 << (bit & 7)), bit >>> 3);
      try {
        this.tokens.accept(key.key, bytes.toString('base64url'));
        this.options.blame('I13', `${key.name}: a context with bit ${bit} changed was accepted`);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.count('invalid_context');
      }
      this.misplace(operation, token);
    }
    this.end(operation);
  }

  /** So is one of another key (I13). */
  private misplace({ key }: Operation, token: string): void {
    const other = this.options.keys.find(({ name }) => name !== key.name);
    if (other === undefined) return;
    try {
      this.tokens.accept(other.key, token);
      this.options.blame('I13', `${other.name}: a context of ${key.name} was accepted`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  private success(step: ClientStep): void {
    this.succeeded++;
    if (this.isBusy(step)) this.busy.succeeded++;
  }

  /** Whether it was asked while there were faults. */
  private isBusy({ atMs }: ClientStep): boolean {
    return atMs <= this.options.plan.busyMs;
  }

  // ---- gets ----

  private get(operation: Operation, atLeast: HeldContext | undefined): void {
    const { key, client, step } = operation;
    this.read(operation, atLeast, 'get', (call, claim) => {
      if (call.answer?.kind === 'read') {
        this.success(step);
        const held = this.tookReading(key, call.answer.reading, claim, `${client.name}'s get ${step.id}`);
        this.checkVouchers(operation, call);
        client.held.set(key, held);
      } else if (call.answer?.kind === 'failed' && call.answer.failure.code === 'stale_replicas') {
        // What it has seen is out of reach, for now or for ever: half of the clients begin anew.
        if (step.id % 2 === 0) client.held.delete(key);
      }
      this.end(operation);
    });
  }

  /** Reads a set, adds an element, writes it back with what was read. */
  private add(operation: Operation): void {
    const { key, client, step } = operation;
    this.read(operation, undefined, 'get before add', (call, claim) => {
      if (call.answer?.kind !== 'read') {
        this.end(operation);
        return;
      }
      const { reading } = call.answer;
      const held = this.tookReading(key, reading, claim, `${client.name}'s get ${step.id}`);
      const sets = reading.state.siblings
        .filter(({ deleted }) => !deleted)
        .map((s) => elementsOf(valueOf(s, SET_BYTES_MAX)));
      this.write(operation, held, withElement(sets, step.id));
    });
  }

  private read(
    operation: Operation,
    atLeast: HeldContext | undefined,
    what: string,
    done: (call: Call, claims: Claims) => void,
  ): void {
    const { key, step, client } = operation;
    const via = this.coordinator(step, 0);
    const claims = this.claimsFor(operation, atLeast);
    const asking = { ...this.asking(operation), ...(atLeast && { context: atLeast.context }) };
    this.tell(client, `${what} ${key.name} through ${via}${describe(step)}`);
    this.patiently(
      operation,
      via,
      (answered) => this.options.story.get(via, { ...asking, answered }),
      (call) => done(call, claims),
    );
  }

  private claimsFor({ key, step }: Operation, atLeast: HeldContext | undefined): Claims {
    const { sloppy, r, pr } = step.quorum;
    const majority = Math.floor(this.options.plan.shape.replicas / 2) + 1;
    const firm = Math.max(r ?? majority, pr ?? 0);
    const absent = key.ledger.claim(atLeast, firm, key.owners);
    return { absent, shown: sloppy ? key.ledger.claim(atLeast, pr, key.owners) : absent };
  }

  /** An `r` that the client named is that many who can vouch: owners, and fallbacks that hold the key. */
  private checkVouchers({ key, step, client }: Operation, { askedMs, coordinator }: Call): void {
    const { sloppy } = step.quorum;
    const { story, watch, plan } = this.options;
    const r = step.quorum.r ?? (sloppy ? undefined : Math.floor(plan.shape.replicas / 2) + 1);
    if (r === undefined) return;
    const canVouch = (owner: string) =>
      story.world.ranSince(owner, askedMs) && !watch.isDoubtfulSince(owner, key.key, askedMs);
    // Those of the coordinator's topology: it may not have heard of the newest.
    const ring = must(story.world.coordinator(coordinator).topology, 'it knows the cluster');
    const owners = ring.owners(vnodeOf(positionOf(key.key), ring.vnodes));
    const up = owners.filter(canVouch).length;
    const holders = sloppy ? watch.holdersSince(key.key, askedMs) : 0;
    if (up + holders < r)
      this.options.blame(
        'I6',
        `${key.name}: ${client.name}'s get ${step.id} with r=${r} was answered by ${up + holders}`,
      );
  }

  private tookReading({ ledger, name }: PlanKey, reading: Reading, claims: Claims, who: string): HeldContext {
    const { state, context } = reading;
    const claim = state.siblings.some(({ deleted }) => !deleted) ? claims.shown : claims.absent;
    for (const sibling of state.siblings) {
      const record = ledger.find(sibling.writeId);
      // Throws when the body does not match its check.
      if (!sibling.deleted) valueOf(sibling);
      if (record !== undefined && record.check !== sibling.check)
        this.options.blame(
          'I14',
          `${name}: ${who} returned another value of ${record.name} than was written`,
        );
    }
    const ids = state.siblings.map(({ writeId }) => writeId);
    return ledger.afterGet(ids, context, claim, who);
  }

  // ---- writes ----

  private valueOf({ id, bytes }: ClientStep): string {
    return `v${id}${'.'.repeat(bytes)}`;
  }

  private write(operation: Operation, sent: HeldContext | undefined, value: string): void {
    const { step, key, client } = operation;
    const isDelete = step.verb === 'delete' || step.verb === 'blindDelete';
    const asking: Asking = {
      ...this.asking(operation),
      ...(sent && { context: sent.context }),
      ...(step.retries > 0 && { idempotencyKey: `i${step.id}` }),
      ...(step.condition === 'absent' && { condition: { kind: 'absent' } }),
      ...(step.condition === 'exists' && { condition: { kind: 'matches', etags: ['*'] } }),
      returnValue: step.returnValue,
    };
    const readsFirst = sent === undefined && (isDelete || step.condition !== undefined);
    const attempt = (n: number) => {
      const via = this.coordinator(step, n);
      const verb = isDelete ? 'delete' : 'put';
      const how = n > 0 ? `, again (${n})` : '';
      this.tell(
        client,
        `${verb} ${key.name} as w${step.id}${sent ? ' with a context' : ''} through ${via}${describe(step)}${how}`,
      );
      const claims = this.claimsFor(operation, undefined);
      let record: WriteRecord | undefined;
      const ask = (answered: (call: Call) => void) => {
        const { story } = this.options;
        const call = isDelete
          ? story.remove(via, { ...asking, answered })
          : story.put(via, value, { ...asking, answered });
        if (call.request.kind !== 'write') throw new Error('a write is asked as a write');
        const { writeId, check } = call.request.write;
        const hangs = story.world.isFrozen(via);
        const deadlineMs = hangs
          ? Number.POSITIVE_INFINITY
          : call.askedMs + step.quorum.timeoutMs + DEADLINE_SLACK_MS;
        const { ledger } = key;
        record = ledger.attempt({
          writeId,
          name: `w${step.id}`,
          deleted: isDelete,
          isElement: step.verb === 'add',
          check,
          sent,
          readsFirst,
          deadlineMs,
        });
        if (readsFirst) this.open.set(writeId, { record, ledger });
        return call;
      };
      this.patiently(operation, via, ask, (call) => {
        const mine = must(record, 'it was begun');
        this.tookWrite(
          { ...operation, attempt: n, isFirst: n === 0, record: mine, sent, claims, again: attempt },
          call,
        );
      });
    };
    attempt(0);
  }

  private tookWrite(write: WriteUnderWay, call: Call): void {
    const { key, client, record, sent, step, attempt } = write;
    const { ledger } = key;
    const { answer } = call;
    const isRepeat = attempt >= REPEAT;
    const atMs = call.answeredMs ?? this.options.story.world.nowMs;
    if (answer?.kind === 'written' || answer?.kind === 'read') {
      if (!isRepeat) this.success(step);
      this.acknowledged(write, call, atMs);
      const held =
        answer.kind === 'written'
          ? ledger.afterPut(record, answer.context, sent)
          : this.tookReadBack(write, answer.reading);
      if (isRepeat) return;
      client.held.set(key, held);
      const { repeatMs } = step;
      if (repeatMs !== undefined) this.later(repeatMs, () => write.again(REPEAT));
      this.end(write);
      return;
    }
    if (answer?.kind === 'nothing') this.foundNothing(write);
    if (answer?.kind === 'failed' && answer.failure.code === 'timeout' && answer.failure.outcome === 'none')
      this.options.blame('I12', `${record.name} timed out, and nothing is said to have happened`);
    if (answer?.kind === 'failed') this.checkRefusal(write, answer.failure.code);
    ledger.conclude(record, answer === undefined ? 'unknown' : outcomeOf(answer), atMs);
    if (answer?.kind === 'failed' && answer.failure.code === 'idempotency_mismatch')
      this.options.blame(
        'I12',
        `${record.name} is asked for again as it was, and is said to be another write`,
      );
    if (isRepeat) return;
    const isOver = answer?.kind === 'nothing' || (answer !== undefined && isFinal(answer));
    if (isOver || attempt >= step.retries) this.end(write);
    else this.later(RETRY_MS[step.id % 4] ?? 0, () => write.again(attempt + 1));
  }

  /** What is refused must be refused for a reason. */
  private checkRefusal({ key, record, step, claims, sent }: WriteUnderWay, code: Failure['code']): void {
    const { ledger, name } = key;
    const { blame, plan } = this.options;
    if (code === 'too_many_siblings' && ledger.writes.length <= plan.shape.siblingsMax)
      blame('liveness', `${name}: ${record.name} is one sibling too many of ${ledger.writes.length} writes`);
    if (code !== 'precondition_failed' || sent !== undefined) return;
    const there = ledger.certainlyLive(claims.absent, record);
    if (step.condition === 'exists' && there !== undefined)
      blame('liveness', `${name}: ${record.name} was to replace something, and ${there} is there`);
    if (step.condition === 'absent' && ledger.isCertainlyGone(claims.absent, record))
      blame('liveness', `${name}: ${record.name} was to be the first, and nothing can be there`);
  }

  /** A delete that found nothing: R owners said so. */
  private foundNothing({ key, record, claims, attempt, step }: WriteUnderWay): void {
    if (attempt < REPEAT) this.success(step);
    const there = key.ledger.certainlyLive(claims.absent, record);
    if (there !== undefined)
      this.options.blame('I6', `${key.name}: ${record.name} found nothing, and ${there} is there`);
  }

  private tookReadBack({ key, client, claims, record, step }: WriteUnderWay, reading: Reading): HeldContext {
    const held = this.tookReading(key, reading, claims, `${client.name}'s put ${step.id}`);
    if (!held.seen.has(record.index)) this.options.blame('I5', `${record.name} is not in what it returned`);
    return held;
  }

  private acknowledged(write: WriteUnderWay, call: Call, atMs: number): void {
    const { key, record } = write;
    if (write.isFirst) this.checkCondition(write);
    const { w, pw, sloppy } = call.request.quorum;
    const owners = sloppy ? pw : Math.max(w, pw);
    const any = Math.max(w, pw);
    key.ledger.conclude(record, 'ok', atMs, owners, any);
    const { story, watch } = this.options;
    const { topology } = story.world.coordinator(call.coordinator);
    watch.acknowledged(
      key.key,
      record,
      { any, owners },
      call.askedMs,
      must(topology, 'it knows the cluster'),
    );
  }

  /** What a write that read first had to find, whatever it was told (rule 17). */
  private checkCondition({ key, record, step, claims, sent }: WriteUnderWay): void {
    const { ledger, name } = key;
    const { blame } = this.options;
    if (step.condition === 'absent') {
      const there = ledger.certainlyLive(claims.absent, record);
      if (there !== undefined)
        blame('I6', `${name}: ${record.name} was to be the first, and ${there} is there`);
    }
    if (step.condition === 'exists' && ledger.isCertainlyGone(claims.absent, record))
      blame('I2', `${name}: ${record.name} was to replace something, and nothing can be there`);
    const isDelete = step.verb === 'blindDelete' || step.verb === 'delete';
    if (
      sent !== undefined ||
      record.isOpen ||
      step.quorum.sloppy ||
      (step.condition === undefined && !isDelete)
    )
      return;
    const spared = claims.shown.required?.firstBeyond(record.supersedes.copy().add(record.index));
    if (spared !== undefined)
      blame('I6', `${name}: ${record.name} does not replace ${ledger.nameOf(spared)}, which it had to find`);
  }

  // ---- calls ----

  /** Waits for the answer as long as there can be one, and says what came of it. */
  private patiently(
    { client, step, key }: Operation,
    via: string,
    ask: (answered: (call: Call) => void) => Call,
    done: (call: Call) => void,
  ): void {
    const { world } = this.options.story;
    let isOver = false;
    const over = (call: Call) => {
      if (isOver) return;
      isOver = true;
      this.underWay--;
      const said = call.answer === undefined ? 'no answer' : nameOf(call.answer);
      this.count(said);
      const { requestsMax, hintKeysMax } = this.options.plan.shape;
      if (said.startsWith('overloaded') && Math.min(requestsMax, hintKeysMax) > MANY_REQUESTS)
        this.options.blame('liveness', `${via} is overloaded by ${this.underWay + 1} requests`);
      if (mustSucceed({ ...this.options, key, step, call }))
        this.options.blame(
          'liveness',
          `${key.name}: ${client.name}'s ${step.verb} ${step.id} came to "${said}" in a calm cluster`,
        );
      this.tell(client, `${step.verb} ${step.id}: ${said}`);
      done(call);
    };
    let pending: Call | undefined;
    // An answer that comes before `ask` has returned would find no call to speak of.
    const answered = (call: Call) => world.time.after(0, () => over(call));
    this.underWay++;
    pending = ask(answered);
    const call = pending;
    world.time.after(step.quorum.timeoutMs + PATIENCE_MS, () => {
      if (isOver) return;
      if (
        !this.options.faults.isDisturbedSince(via, call.askedMs) &&
        world.isRunning(via) &&
        !world.isFrozen(via)
      )
        this.options.blame('liveness', `${via} never answered ${step.verb} ${step.id}`);
      over(call);
    });
  }

  private asking({ key, step }: Operation): Asking {
    return { key: key.key, ...step.quorum };
  }

  private coordinator({ via }: ClientStep, attempt: number): string {
    const { coordinators } = this.options.story.world;
    return must(coordinators[(via + attempt) % coordinators.length], 'there is a coordinator');
  }

  private count(what: string): void {
    this.answered[what] = (this.answered[what] ?? 0) + 1;
  }

  private tell({ name }: Client, what: string): void {
    this.options.tell(`${name} ${what}`);
  }
}

/** More than ever are under way. */
const MANY_REQUESTS = 1_000;

function describe({ quorum }: ClientStep): string {
  const { timeoutMs: _, sloppy, ...sizes } = quorum;
  const named = Object.entries(sizes).map(([name, size]) => ` ${name}=${size}`);
  return `${named.join('')}${sloppy ? '' : ' strict'}`;
}

/** Any 4xx to a write means that it did not happen. */
function outcomeOf(answer: Answer): 'none' | 'unknown' {
  if (answer.kind === 'nothing') return 'none';
  if (answer.kind !== 'failed') return 'unknown';
  return 'outcome' in answer.failure ? (answer.failure.outcome ?? 'unknown') : 'none';
}

/** A repeat of the same would be answered the same. */
function isFinal(answer: Answer): boolean {
  const codes: readonly Failure['code'][] = [
    'precondition_failed',
    'too_many_siblings',
    'history_full',
    'idempotency_mismatch',
  ];
  return answer.kind === 'failed' && codes.includes(answer.failure.code);
}

function nameOf(answer: Answer): string {
  if (answer.kind !== 'failed') return answer.kind;
  const { failure } = answer;
  return 'outcome' in failure && failure.outcome !== undefined
    ? `${failure.code} ${failure.outcome}`
    : failure.code;
}
