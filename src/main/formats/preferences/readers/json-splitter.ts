import { largestRecord, recordTooLong } from '../limits.ts';

/** Text that is cut wrongly for JSON; the message names the cause. */
export class JsonStructureError extends Error {}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openList = 0x5b;
const closeList = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
const backslash = 0x5c;

const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Where in the document the next byte stands. */
type Place =
  | 'start' // before the document's first byte
  | 'members' // in the outer object, before a key or after a value
  | 'key' // in the outer object, within a key
  | 'after-key' // before the value of the outer object's key
  | 'other-value' // within a value of the outer object that holds no rows
  | 'list-start' // just within a list of the outer object: rows, if an object comes first
  | 'rows' // in the list of rows, between elements
  | 'element' // within a row
  | 'end'; // after the document

/**
 * Cuts a JSON document into the elements of its list of rows without ever holding more than one of them: the document
 * is that list, or an object with one list of objects in it. Elements are cut by brackets and strings alone, each to be
 * parsed on its own; the object's other values are passed over.
 */
export class JsonSplitter {
  #place: Place = 'start';
  #wrapped = false;
  #sawRows = false;
  /** Brackets open within the element or the value that is passed over. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** A comma was read, or nothing yet: an element must or may follow. */
  #afterComma = false;
  #pieces: Buffer[] = [];
  #held = 0;

  /**
   * Elements that end within `chunk`; an empty one stands where commas enclose nothing.
   * @throws JsonStructureError where the document is not of this kind, or an element is too long
   */
  push(chunk: Buffer): Buffer[] {
    const elements: Buffer[] = [];
    let begin = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#inString) {
        at = this.#passString(chunk, at);
        continue;
      }
      const byte = chunk[at]!;
      switch (this.#place) {
        case 'element':
        case 'other-value':
          if (byte === quote) this.#inString = true;
          else if (byte === openList || byte === openObject) this.#depth += 1;
          else if (this.#depth > 0) {
            if (byte === closeList || byte === closeObject) this.#depth -= 1;
          } else if (byte === comma || byte === closeList || byte === closeObject) {
            if (this.#place === 'element') elements.push(this.#take(chunk.subarray(begin, at)));
            this.#leave(byte);
          }
          break;
        case 'rows':
          if (isBlank(byte)) break;
          if (byte === comma || byte === closeList) {
            if (byte === comma || this.#afterComma) elements.push(Buffer.alloc(0));
            this.#leave(byte);
            break;
          }
          this.#place = 'element';
          this.#depth = 0;
          begin = at;
          // Looked at again, as a part of the element.
          continue;
        default:
          this.#passOuter(byte);
          begin = at + 1;
      }
      at += 1;
    }
    if (this.#place === 'element') this.#hold(chunk.subarray(begin));
    return elements;
  }

  /** @throws JsonStructureError where the document has not ended, or held no list of rows */
  end(): void {
    if (this.#place === 'start') return;
    if (this.#place !== 'end')
      throw new JsonStructureError('broken JSON: the file ends too early; it is truncated');
    if (!this.#sawRows) throw new JsonStructureError('holds no list of rows');
  }

  /** Within a string: to the place after its end, or the chunk's end. */
  #passString(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#escaped) {
        this.#escaped = false;
        at += 1;
        continue;
      }
      const found = chunk.indexOf(quote, at);
      const end = found === -1 ? chunk.length : found;
      let slashes = 0;
      while (end - 1 - slashes >= at && chunk[end - 1 - slashes] === backslash) slashes += 1;
      if (found === -1) {
        this.#escaped = slashes % 2 === 1;
        return end;
      }
      at = end + 1;
      if (slashes % 2 === 1) continue;
      this.#inString = false;
      if (this.#place === 'key') this.#place = 'after-key';
      return at;
    }
    return at;
  }

  #passOuter(byte: number): void {
    if (isBlank(byte)) return;
    switch (this.#place) {
      case 'start':
        // A byte order mark.
        if (byte === 0xef || byte === 0xbb || byte === 0xbf) return;
        if (byte === openList) return this.#enterRows();
        if (byte !== openObject)
          throw new JsonStructureError('must be a JSON list of rows, or an object that holds one');
        this.#wrapped = true;
        this.#place = 'members';
        return;
      case 'members':
        if (byte === comma) return;
        if (byte === closeObject) {
          this.#place = 'end';
          return;
        }
        if (byte !== quote) throw new JsonStructureError('broken JSON: a field has no name');
        this.#place = 'key';
        this.#inString = true;
        return;
      case 'after-key':
        if (byte === colon) return;
        this.#depth = 0;
        if (byte === openList) {
          this.#place = 'list-start';
          return;
        }
        this.#place = 'other-value';
        if (byte === quote) this.#inString = true;
        else if (byte === openObject) this.#depth = 1;
        else if (byte === comma || byte === closeObject)
          throw new JsonStructureError('broken JSON: a field has no value');
        return;
      case 'list-start':
        return this.#beginList(byte);
      case 'end':
        throw new JsonStructureError('broken JSON: something follows the end');
      default:
        return;
    }
  }

  /** The first byte within a list of the outer object says whether it holds rows. */
  #beginList(byte: number): void {
    if (byte === openObject) {
      this.#enterRows();
      // The element's first byte is this one, which the caller passes: it is put back by hand.
      this.#place = 'element';
      this.#depth = 1;
      this.#hold(Buffer.of(openObject));
      return;
    }
    this.#place = 'other-value';
    this.#depth = byte === closeList ? 0 : byte === openList ? 2 : 1;
    if (byte === quote) this.#inString = true;
  }

  #enterRows(): void {
    if (this.#sawRows) throw new JsonStructureError('holds more than one list of rows');
    this.#sawRows = true;
    this.#place = 'rows';
    this.#afterComma = false;
  }

  /** A comma or a bracket ended an element, or a value that was passed over. */
  #leave(byte: number): void {
    if (this.#place === 'other-value') {
      this.#place = byte === closeObject ? 'end' : 'members';
      return;
    }
    if (byte === closeObject) throw new JsonStructureError('broken JSON: a bracket closes nothing');
    this.#afterComma = byte === comma;
    this.#place = byte === comma ? 'rows' : this.#wrapped ? 'members' : 'end';
  }

  #take(last: Buffer): Buffer {
    this.#hold(last);
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#held = 0;
    return whole;
  }

  #hold(piece: Buffer): void {
    this.#held += piece.length;
    if (this.#held > largestRecord) throw new JsonStructureError(`a row ${recordTooLong}`);
    this.#pieces.push(piece);
  }
}
