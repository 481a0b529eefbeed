/**
 * MinHash (Broder, "On the resemblance and containment of documents", 1997): the chance that two sets have the same
 * smallest element under a random hash is their Jaccard similarity. Signatures are cut into bands (locality-sensitive
 * hashing): two texts become candidates where a whole band agrees, with probability 1 − (1 − s^rows)^bands at similarity s.
 */
export const bands = 20;
export const rowsPerBand = 4;
const hashes = bands * rowsPerBand;
const wordsPerShingle = 3;

/** Sets of three words in a row, in lower case; a shorter text is one shingle. */
export function shingles(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length <= wordsPerShingle) return new Set(words.length === 0 ? [] : [words.join(' ')]);
  const found = new Set<string>();
  for (let at = 0; at + wordsPerShingle <= words.length; at += 1)
    found.add(words.slice(at, at + wordsPerShingle).join(' '));
  return found;
}

/** Size of the intersection over that of the union; 1 for two empty sets. */
export function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 && b.size === 0) return 1;
  let shared = 0;
  for (const each of a) if (b.has(each)) shared += 1;
  return shared / (a.size + b.size - shared);
}

const multipliers = new Uint32Array(hashes);
const offsets = new Uint32Array(hashes);
for (let at = 0; at < hashes; at += 1) {
  multipliers[at] = mix(2 * at + 1) | 1;
  offsets[at] = mix(2 * at + 2);
}

/** The smallest hash of the set under each of `bands * rowsPerBand` hash functions. */
export function signature(set: ReadonlySet<string>): Uint32Array {
  const smallest = new Uint32Array(hashes).fill(0xffff_ffff);
  for (const each of set) {
    const base = hashText(each);
    for (let at = 0; at < hashes; at += 1) {
      const value = mix(Math.imul(base ^ offsets[at]!, multipliers[at]!));
      if (value < smallest[at]!) smallest[at] = value;
    }
  }
  return smallest;
}

/** One number for each band of a signature; texts that share one at the same place are candidates. */
export function bandKeys(smallest: Uint32Array): Uint32Array {
  const keys = new Uint32Array(bands);
  for (let band = 0; band < bands; band += 1) {
    let key = band;
    for (let row = 0; row < rowsPerBand; row += 1) key = mix(key ^ smallest[band * rowsPerBand + row]!);
    keys[band] = key;
  }
  return keys;
}

/** FNV-1a over UTF-16 units. */
function hashText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash;
}

/** MurmurHash3's finaliser: every bit of the input moves every bit of the result. */
function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
