/** The document: a list of strokes and sheets of paper, of which the pixels follow exactly. */

import { loadImage } from "./page.js";

/** @typedef {"pencil" | "shade" | "eraser"} Tool */
/** @typedef {[x: number, y: number, pressure: number]} Point in pixels of the paper; 0.5 is normal */
/**
 * @typedef {object} Stroke
 * @property {Tool} tool
 * @property {number} width in pixels of the paper
 * @property {number} darkness 0 to 1
 * @property {string} colour empty for grey
 * @property {boolean} mirror
 * @property {Point[]} points
 */
/** @typedef {{width: number, height: number, image: string}} Sheet blank if the image is empty */
/** @typedef {Stroke | Sheet} Item */
/** @typedef {{image: string, opacity: number}} Trace */
/** @typedef {{name: string, sketch: string, photo: string}} Pair */
/**
 * @typedef {object} Saved
 * @property {number} version
 * @property {number} saved milliseconds since 1970
 * @property {number} base the same of the document that this one follows
 * @property {string} client the page that has written it
 * @property {Item[]} items
 * @property {Item[]} undone
 * @property {Trace | null} trace
 * @property {Pair[]} pairs
 * @property {number} kept number of pairs kept so far, which numbers the next one
 * @property {{[name: string]: unknown}} settings
 */

const LONGER_SIDE = 1024; // pixels of the paper
const MOST_IMAGES = 5; // on sheets: each may have 2 MB

/**
 * Return a sheet of the proportions of a width and a height. @param {number} width @param {number} height
 * @param {string} [image] @returns {Sheet}
 */
export function sheetLike(width, height, image = "") {
  const scale = LONGER_SIDE / Math.max(width, height);
  const side = (/** @type {number} */ s) => Math.max(64, Math.round(s * scale));
  return { width: side(width), height: side(height), image };
}

/** @type {WeakMap<Sheet, HTMLImageElement>} */
const decoded = new WeakMap();

/** Return the image of a sheet, which must have been decoded before. @param {Sheet} sheet */
export const imageOnSheet = (sheet) => decoded.get(sheet);

/** The drawing that the page edits. */
export class Drawing {
  /** @type {Item[]} */ items = [sheetLike(1, 1)];
  /** @type {Item[]} */ undone = [];
  /** @type {Trace | null} */ trace = null;
  /** @type {Pair[]} */ pairs = [];
  kept = 0;

  /** The position of the sheet that lies on top. */
  get start() {
    return Math.max(0, this.items.findLastIndex((item) => "image" in item));
  }

  /** The sheet on top. */
  get sheet() {
    return /** @type {Sheet} */ (this.items[this.start]);
  }

  /** Whether nothing has been drawn on the sheet. */
  get blank() {
    const strokes = this.items.slice(this.start + 1);
    return !this.sheet.image && !strokes.some((s) => "tool" in s && s.tool !== "eraser");
  }

  /** @param {Item} item a stroke, or a sheet of which the image has been decoded */
  add(item) {
    this.items.push(item);
    this.undone = [];
    const oldest = this.items.filter((each) => "image" in each && each.image).at(-MOST_IMAGES);
    if (oldest) this.items = this.items.slice(this.items.indexOf(oldest)); // undo ends there
  }

  /** @param {Sheet} sheet */
  async addSheet(sheet) {
    await decode([sheet]);
    this.add(sheet);
  }

  /** Take back the last item; return whether there was one. */
  undo() {
    const last = this.items.length > 1 ? this.items.pop() : undefined;
    if (last) this.undone.push(last);
    return last !== undefined;
  }

  /** Bring back the item that was taken back last; return whether there was one. */
  redo() {
    const last = this.undone.pop();
    if (last) this.items.push(last);
    return last !== undefined;
  }

  /** Write the document as JSON. @param {Pick<Saved, "saved" | "base" | "client" | "settings">} about */
  toJson({ saved, ...about }) {
    const { trace, pairs, kept } = this;
    const rest = JSON.stringify({ version: 1, saved, ...about, trace, kept }); // the stamp at the start
    const lists = { items: this.items, undone: this.undone, pairs };
    const written = Object.entries(lists).map(([k, list]) => `"${k}":[${list.map(once).join()}]`);
    return `${rest.slice(0, -1)},${written.join()}}`;
  }

  /** @param {Saved} saved */
  restore(saved) {
    const { items, undone, trace, pairs, kept } = saved;
    Object.assign(this, { items, undone, trace, pairs, kept });
  }
}

/** @type {WeakMap<object, string>} */
const texts = new WeakMap();

/** Return the JSON of an object that never changes, which is written only once. @param {Item | Pair} item */
function once(item) {
  const text = texts.get(item) ?? JSON.stringify(item);
  texts.set(item, text);
  return text;
}

/** Decode the images of sheets. @param {Item[]} items */
export async function decode(items) {
  for (const item of items) {
    if ("image" in item && item.image && !decoded.has(item)) {
      decoded.set(item, await loadImage(item.image));
    }
  }
}

/**
 * Read a saved document; return null if it is damaged or has another version. @param {string} text
 * @returns {Promise<Saved | null>}
 */
export async function readSaved(text) {
  try {
    const saved = JSON.parse(text);
    const items = [...saved.items, ...saved.undone];
    const whole = items.every((item) => "image" in item || item.points.length > 0);
    if (saved.version !== 1 || !whole || !("image" in items[0]) || !Array.isArray(saved.pairs)) return null;
    await decode(items);
    return saved;
  } catch {
    return null;
  }
}
