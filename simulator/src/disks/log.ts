/**
 * SQLite's write-ahead log as far as recovery believes it (sqlite.org/fileformat2.html, section 4): a header, then frames
 * of one page each. A frame counts if its salts are the header's and its checksum goes on from the frame before; what
 * was committed ends with the last such frame that says "commit". All behind it is spilled, torn or of an older log.
 */
export interface CommittedLog {
  /** Where the first byte lies that was not committed; 0 without a log. */
  readonly end: number;
  /** Bytes of a frame: its header and a page. */
  readonly frame: number;
}

export const LOG_HEADER = 32;
export const FRAME_HEADER = 24;

export function committedLog(log: Buffer): CommittedLog {
  if (log.length < LOG_HEADER) return { end: 0, frame: 0 };
  // The last bit of the magic number says in which byte order the words are summed; all else is big-endian.
  const isLittle = (log.readUInt32BE(0) & 1) === 0;
  const frame = FRAME_HEADER + log.readUInt32BE(8);
  const salts = log.subarray(16, 24);
  let sum: Sum = { a: log.readUInt32BE(24), b: log.readUInt32BE(28) };
  let end = LOG_HEADER;
  for (let at = LOG_HEADER; at + frame <= log.length; at += frame) {
    if (!log.subarray(at + 8, at + 16).equals(salts)) break;
    sum = summed(
      summed(sum, log.subarray(at, at + 8), isLittle),
      log.subarray(at + FRAME_HEADER, at + frame),
      isLittle,
    );
    if (log.readUInt32BE(at + 16) !== sum.a || log.readUInt32BE(at + 20) !== sum.b) break;
    const isCommit = log.readUInt32BE(at + 4) !== 0;
    if (isCommit) end = at + frame;
  }
  return { end, frame };
}

interface Sum {
  readonly a: number;
  readonly b: number;
}

function summed(sum: Sum, bytes: Buffer, isLittle: boolean): Sum {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let { a, b } = sum;
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + words.getUint32(at, isLittle) + b) >>> 0;
    b = (b + words.getUint32(at + 4, isLittle) + a) >>> 0;
  }
  return { a, b };
}
