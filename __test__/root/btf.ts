/** The kernel's description of its types, with one member moved: what a kernel that kdelay misreads would look like. */

const fixedBytes: Record<number, number> = { 1: 4, 3: 12, 14: 4, 17: 4 };
const bytesPerEntry: Record<number, number> = { 4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12 };
const kindStruct = 4;

/** A copy in which this member of the structure lies so many bits further on. */
export function withMemberMoved(file: Buffer, structure: string, member: string, bits: number): Buffer {
  const copy = Buffer.from(file);
  const header = copy.readUInt32LE(4);
  const [typesAt, typeBytes] = [header + copy.readUInt32LE(8), copy.readUInt32LE(12)];
  const stringsAt = header + copy.readUInt32LE(16);
  const nameIs = (offset: number, name: string) => {
    const at = stringsAt + copy.readUInt32LE(offset);
    return copy.toString('latin1', at, at + name.length + 1) === `${name}\0`;
  };
  for (let at = typesAt; at < typesAt + typeBytes; ) {
    const info = copy.readUInt32LE(at + 4);
    const [kind, length] = [(info >>> 24) & 0x7f, info & 0xffffff];
    if (kind === kindStruct && nameIs(at, structure)) {
      for (let entry = at + 12; entry < at + 12 + length * 12; entry += 12) {
        if (!nameIs(entry, member)) continue;
        copy.writeUInt32LE(copy.readUInt32LE(entry + 8) + bits, entry + 8);
        return copy;
      }
    }
    at += 12 + (fixedBytes[kind] ?? 0) + (bytesPerEntry[kind] ?? 0) * length;
  }
  throw new Error(`no ${structure}.${member}`);
}
