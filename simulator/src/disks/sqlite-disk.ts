import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { assert, must } from '@circlet/shared/assert.ts';
import type { Store } from '@circlet/storage/core/store.ts';
import { decodeChain } from '@circlet/storage/sqlite/chain.ts';
import { openOrSetAside, remember } from '@circlet/storage/sqlite/set-aside.ts';
import { SqliteStore } from '@circlet/storage/sqlite/sqlite-store.ts';
import type { Disk } from '../disk.ts';
import { type CommittedLog, committedLog, FRAME_HEADER, LOG_HEADER } from './log.ts';
import { rowPlaces } from './row-places.ts';
import { scratch } from './scratch.ts';

const FILE = 'store.sqlite';
const LOG = `${FILE}-wal`;
/** Left by a process that found its file damaged. */
const MARK = `${FILE}.is-damaged`;
const CACHE_KIB = 1024;
/** What a disk writes or loses as a whole. SQLite relies on no more (its "powersafe overwrite"). */
const SECTOR = 512;
/** A turn of one write logs 2 or 3 frames: a flip in the last 8 costs the last few turns. */
const FLIPPED_FRAMES_MAX = 8;

let disks = 0;

/**
 * A disk with the engine that ships on it, and the ways in which power cuts and rot change it. Its files lie in memory,
 * in a directory for each generation: a process that was killed leaves its files as they were, but its connection lives
 * on in ours and would check the log point in when it is closed. So the next process gets a copy, made before that.
 *
 * Whatever damages the disk kills the process that has it open: its store can only be closed from then on.
 */
export class SqliteDisk implements Disk {
  private readonly diskId: string;
  private readonly directory = join(scratch(), String(++disks));
  private generation = 0;
  private store: OpenStore | undefined;
  /** The log when `markLog` was called. */
  private marked: Buffer | undefined;
  private isRemoved = false;
  /** Files that were set aside. */
  private lives = 0;

  /** An empty disk, whose store will have this name: 32 hexadecimal digits. */
  constructor(diskId: string) {
    assert(/^[0-9a-f]{32}$/.test(diskId), 'a disk is named by 32 hexadecimal digits');
    this.diskId = diskId;
  }

  /** The store as a process finds it that starts now. Throws `StoreUnusable` as often as it is. */
  open(): Store {
    assert(!this.isRemoved, 'a disk that was removed is not opened');
    this.kill();
    this.marked = undefined;
    // A store is founded in its main file: one that lost its name with the log would draw another in life, not here.
    const path = this.path(FILE);
    this.store = openOrSetAside(
      path,
      () => this.founded(),
      () => void this.lives++,
    );
    return this.store;
  }

  failed(error: unknown): void {
    remember(this.path(FILE), error);
  }

  /** Whatever damages files does so to these two, when no process has them open: what it returns is what the next one finds. */
  damage(change: (file: 'main' | 'log', bytes: Buffer) => Buffer): void {
    this.kill();
    for (const [name, file] of [['main', FILE] as const, ['log', LOG] as const]) {
      const path = this.path(file);
      if (existsSync(path)) writeFileSync(path, change(name, readFileSync(path)));
    }
  }

  private founded(): OpenStore {
    if (!existsSync(this.path(FILE))) this.newStore().close();
    return this.newStore();
  }

  /** A disk with what is committed now, under the same name: a volume that was cloned, or a backup. */
  snapshot(): SqliteDisk {
    const copy = new SqliteDisk(this.diskId);
    this.copyFiles(copy.path(''));
    return copy;
  }

  /** To be called before the commit that `tearLastCommit` is to tear. Reads the log, all of it. */
  markLog(): void {
    this.marked = this.log();
  }

  /**
   * Power failed while the commit made since `markLog` was being synced. False, and nothing is torn, when none was made
   * or when it has been checked in: the sync was over then.
   */
  tearLastCommit(random: () => number): boolean {
    const before = this.marked;
    this.marked = undefined;
    this.kill();
    const log = this.log();
    const committed = committedLog(log);
    const { end } = committed;
    if (before === undefined || end === 0) return false;
    // A log that began anew lies over the old one. Its header was synced before its first frame.
    const isSameLog = log.subarray(0, LOG_HEADER).equals(before.subarray(0, LOG_HEADER));
    const start = isSameLog ? committedLog(before).end : LOG_HEADER;
    if (start >= end || this.isCheckedIn(log, committed)) return false;
    const tearing = random();
    // The sync had done its work, and only its caller never learned it.
    if (tearing < 0.25) return true;
    const grownFrom = Math.max(start, before.length);
    if (tearing < 0.5 && grownFrom < end) {
      writeFileSync(this.path(LOG), log.subarray(0, grownFrom + Math.floor(random() * (end - grownFrom))));
      return true;
    }
    tearSectors(log, before, { start, end }, random);
    writeFileSync(this.path(LOG), log);
    return true;
  }

  /** One bit of the last frames of the log: to SQLite it ends there, and the commits behind are gone without a word. */
  flipLog(random: () => number): boolean {
    this.kill();
    const log = this.log();
    const committed = committedLog(log);
    const { end, frame } = committed;
    const frames = (end - LOG_HEADER) / frame;
    // What is checked in is newer than the log would be then, and the file a mixture of the two.
    if (!(frames >= 1) || this.isCheckedIn(log, committed)) return false;
    const back = 1 + Math.floor(random() * Math.min(frames, FLIPPED_FRAMES_MAX));
    flipBit(log, { start: end - back * frame, end: end - (back - 1) * frame }, random);
    writeFileSync(this.path(LOG), log);
    return true;
  }

  /** One bit of a row that is whole and in the main file, where what was logged is brought first. */
  flipRow(random: () => number): boolean {
    this.kill();
    if (!existsSync(this.path(FILE))) return false;
    const rootPage = rootPageAfterCheckpoint(this.path(FILE));
    const file = readFileSync(this.path(FILE));
    // A second flip could heal the first.
    const whole = rowPlaces(file, rootPage).filter(
      ({ prefix, start, end }) => decodeChain(prefix, file.subarray(start, end)) !== 'corrupt',
    );
    const place = whole[Math.floor(random() * whole.length)];
    if (place === undefined) return false;
    flipBit(file, place, random);
    writeFileSync(this.path(FILE), file);
    return true;
  }

  /** Closes what is open and deletes the files. */
  remove(): void {
    if (this.store?.isOpen === true) this.store.close();
    this.store = this.marked = undefined;
    this.isRemoved = true;
    rmSync(this.directory, { recursive: true, force: true });
  }

  private kill(): void {
    const killed = this.store;
    this.store = undefined;
    if (killed?.isOpen !== true) return;
    const old = this.path('');
    this.generation++;
    this.copyFiles(this.path(''), old);
    killed.close();
    rmSync(old, { recursive: true });
  }

  private newStore(): OpenStore {
    return new OpenStore({
      path: this.path(FILE),
      cacheKiB: CACHE_KIB,
      newDisk: () => this.nameOf(this.lives),
    });
  }

  /** Of the file that is there after so many were set aside. */
  private nameOf(lives: number): Uint8Array {
    const name = Buffer.from(this.diskId, 'hex');
    name.writeUInt32BE((name.readUInt32BE(0) + lives) >>> 0);
    return name;
  }

  private copyFiles(to: string, from = this.path('')): void {
    mkdirSync(to, { recursive: true });
    for (const file of [FILE, LOG, MARK]) {
      if (existsSync(join(from, file))) copyFileSync(join(from, file), join(to, file));
    }
  }

  private log(): Buffer {
    return existsSync(this.path(LOG)) ? readFileSync(this.path(LOG)) : Buffer.alloc(0);
  }

  /**
   * Whether the main file holds all that the log does, which it does until the next commit begins the log anew. One
   * connection checks everything in or nothing, so one page tells: the last frame has its page's latest version.
   */
  private isCheckedIn(log: Buffer, { end, frame }: CommittedLog): boolean {
    const page = log.subarray(end - frame + FRAME_HEADER, end);
    const at = (log.readUInt32BE(end - frame) - 1) * page.length;
    return readFileSync(this.path(FILE))
      .subarray(at, at + page.length)
      .equals(page);
  }

  private path(file: string): string {
    return join(this.directory, String(this.generation), file);
  }
}

/** The store of one process, which knows whether it was closed. */
class OpenStore extends SqliteStore {
  isOpen = true;

  override close(): void {
    // A world may close a store whose process is dead.
    if (this.isOpen) super.close();
    this.isOpen = false;
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Each sector is as it was written, as it was before, or neither. What lies in a sector before the range is safe. */
function tearSectors(log: Buffer, before: Buffer, { start, end }: Range, random: () => number): void {
  // From nearly nothing to nearly all of it: a single sector that is missing is a case of its own.
  const kept = random();
  for (let at = start; at < end; ) {
    const next = Math.min(end, at - (at % SECTOR) + SECTOR);
    const sector = log.subarray(at, next);
    if (random() >= kept) {
      const isLost = random() < 0.5;
      for (let i = 0; i < sector.length; i++) {
        sector[i] = isLost ? (before[at + i] ?? 0) : Math.floor(random() * 256);
      }
    }
    at = next;
  }
}

function flipBit(bytes: Buffer, { start, end }: Range, random: () => number): void {
  const bit = start * 8 + Math.floor(random() * (end - start) * 8);
  bytes[bit >> 3] = must(bytes[bit >> 3], 'a place in the file') ^ (1 << (bit & 7));
}

/** Closing the only connection checks the log in. */
function rootPageAfterCheckpoint(path: string): number {
  const database = new DatabaseSync(path);
  try {
    const row = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'rows'").get();
    return must(row?.['rootpage'], 'a store has a table of rows') as number;
  } finally {
    database.close();
  }
}
