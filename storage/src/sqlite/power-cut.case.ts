import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prng } from '@circlet/shared/prng.ts';
import { COMMITTER } from './scratch.case.ts';

/**
 * What a power cut leaves of a directory, from the system calls of a process that wrote to it: all that was synced, and
 * of the rest, write by write, either everything, or nothing, or some of its sectors. Not simulated: directory entries
 * that vanish, and disks that lie.
 */
export type Call = FileCall | { readonly kind: 'ack'; readonly write: number };

type FileCall = { readonly file: string } & (
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'sync' }
  | { readonly kind: 'unlink' }
);

const SECTOR = 512;

/** Runs the committer under strace and returns what it did, in order. */
export function traced(directory: string, count: number, pragmas: readonly string[]): readonly Call[] {
  const log = join(directory, 'trace');
  const data = join(directory, 'data');
  const calls = 'trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink';
  const strace = ['-f', '-qq', '-y', '-xx', '-s', '100000', '-e', calls, '-o', log];
  const child = [process.execPath, COMMITTER, join(data, 's.sqlite'), '0', String(count), ...pragmas];
  const { status, stderr } = spawnSync('strace', [...strace, ...child], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the traced process failed: ${stderr}`);
  return readFileSync(log, 'latin1')
    .split('\n')
    .flatMap((line) => parse(line, `${data}/`));
}

const FD = String.raw`\d+<([^>]*)>`;
const BYTES = String.raw`"((?:\\x[0-9a-f]{2})*)"`;
const WRITE = new RegExp(String.raw`^\d+ +pwrite64\(${FD}, ${BYTES}, \d+, (\d+)\)`);
const PRINT = new RegExp(String.raw`^\d+ +write\(1<[^>]*>, ${BYTES}`);
const SYNC = new RegExp(String.raw`^\d+ +f(?:data)?sync\(${FD}\) += 0`);
const TRUNCATE = new RegExp(String.raw`^\d+ +ftruncate\(${FD}, (\d+)\)`);
const UNLINK = new RegExp(String.raw`^\d+ +unlink\(${BYTES}\)`);

function parse(line: string, inside: string): readonly Call[] {
  const write = WRITE.exec(line);
  const print = PRINT.exec(line);
  const sync = SYNC.exec(line);
  const truncate = TRUNCATE.exec(line);
  const unlink = UNLINK.exec(line);
  let call: FileCall | undefined;
  if (write !== null) {
    call = { kind: 'write', file: textOf(write[1]), offset: Number(write[3]), bytes: unhex(write[2]) };
  } else if (print !== null) {
    const acked = /^acked (\d+)\n$/.exec(textOf(print[1]));
    return acked === null ? [] : [{ kind: 'ack', write: Number(acked[1]) }];
  } else if (sync !== null) {
    call = { kind: 'sync', file: textOf(sync[1]) };
  } else if (truncate !== null) {
    call = { kind: 'truncate', file: textOf(truncate[1]), size: Number(truncate[2]) };
  } else if (unlink !== null) {
    call = { kind: 'unlink', file: textOf(unlink[1]) };
  }
  return call?.file.startsWith(inside) === true ? [{ ...call, file: call.file.slice(inside.length) }] : [];
}

function textOf(escaped: string | undefined): string {
  return unhex(escaped).toString();
}

function unhex(escaped: string | undefined): Buffer {
  return Buffer.from((escaped ?? '').replaceAll('\\x', ''), 'hex');
}

/** The files as they might be found after a cut behind the first `cut` calls. */
export function afterCut(calls: readonly Call[], cut: number, prng: Prng): ReadonlyMap<string, Buffer> {
  const happened = calls.slice(0, cut);
  const lastSync = new Map<string, number>();
  happened.forEach((call, i) => {
    if (call.kind === 'sync') lastSync.set(call.file, i);
  });
  const files = new Map<string, Image>();
  happened.forEach((call, i) => {
    if (call.kind === 'ack' || call.kind === 'sync') return;
    if (call.kind === 'unlink') {
      files.delete(call.file);
      return;
    }
    const image = files.get(call.file) ?? { bytes: Buffer.alloc(0), size: 0 };
    files.set(call.file, image);
    const isSynced = i < (lastSync.get(call.file) ?? -1);
    const luck = isSynced ? 0 : prng.next();
    if (call.kind === 'truncate') {
      if (luck < 0.5) resize(image, call.size);
    } else if (luck < 0.4) {
      overwrite(image, call.offset, call.bytes);
    } else if (luck < 0.7) {
      for (let sector = 0; sector < call.bytes.length; sector += SECTOR) {
        const piece = call.bytes.subarray(sector, sector + SECTOR);
        if (prng.next() < 0.5) overwrite(image, call.offset + sector, piece);
      }
    }
  });
  return new Map([...files].map(([name, { bytes, size }]) => [name, bytes.subarray(0, size)]));
}

interface Image {
  bytes: Buffer;
  size: number;
}

function overwrite(image: Image, offset: number, piece: Buffer): void {
  if (offset + piece.length > image.size) resize(image, offset + piece.length);
  piece.copy(image.bytes, offset);
}

function resize(image: Image, size: number): void {
  if (size > image.bytes.length) image.bytes = Buffer.concat([image.bytes], 2 * size);
  else image.bytes.fill(0, Math.min(size, image.size));
  image.size = size;
}

export function restore(directory: string, files: ReadonlyMap<string, Buffer>): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes);
}
