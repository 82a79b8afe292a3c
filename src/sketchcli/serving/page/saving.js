/** Keep the work: on the server, for every browser and port, and in this browser as a second copy. */

import { call, explain } from "./api.js";
import { readSaved } from "./strokes.js";

/** @import { Saved } from "./strokes.js" */

const DELAY = 500; // milliseconds from a change to saving it
const KEEPALIVE = 60_000; // characters that a browser still sends while the page closes

export class Keeper {
  #timer = 0;
  #dirty = false;
  #saved = 0; // time of the last change
  #copy = ""; // name of the copy in this browser
  #stamp = ""; // name of what tells other tabs that the server has a newer drawing
  #sending = Promise.resolve();

  /**
   * @param {(saved: number) => string} write returns the document as JSON
   * @param {() => boolean} busy whether a stroke is being drawn
   * @param {(saved: Saved) => void} adopt called if another tab has saved a drawing
   */
  constructor(write, busy, adopt) {
    this.write = write;
    this.busy = busy;
    addEventListener("visibilitychange", () => document.hidden && this.flush(true));
    addEventListener("pagehide", () => this.flush(true));
    addEventListener("storage", async (event) => {
      if (event.key !== this.#stamp || this.#dirty || Number(event.newValue) <= this.#saved) return;
      const saved = await fromServer().catch(() => null);
      if (!saved || this.#dirty || saved.saved <= this.#saved) return;
      this.#saved = saved.saved;
      adopt(saved);
    });
  }

  /** Return the newest copy of the drawing. @param {string} store names the server's data folder */
  async load(store) {
    this.#copy = `sketch2img-drawing-${store}`;
    this.#stamp = `sketch2img-saved-${store}`;
    const here = readSaved(localStorage.getItem(this.#copy) ?? "");
    const there = await fromServer();
    this.#dirty = here !== null && here.saved > (there?.saved ?? 0); // the server missed it
    const newest = this.#dirty ? here : there;
    this.#saved = newest?.saved ?? 0;
    return newest;
  }

  /** Note a change, which is saved soon. */
  changed() {
    this.#dirty = true;
    this.#saved = Math.max(Date.now(), this.#saved + 1);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.busy() ? this.changed() : this.flush()), DELAY);
  }

  /** Save what has changed. @param {boolean} [closing] whether the page may close at once */
  flush(closing = false) {
    clearTimeout(this.#timer);
    if (!this.#dirty) return;
    this.#dirty = false;
    const stamp = this.#saved;
    const text = this.write(stamp);
    try {
      localStorage.setItem(this.#copy, text);
    } catch {
      localStorage.removeItem(this.#copy); // it is too large for the browser: an old copy would mislead
    }
    const keepalive = closing && text.length < KEEPALIVE;
    const options = { method: "PUT", body: text, keepalive };
    const put = () => call("drawing", options).then(() => localStorage.setItem(this.#stamp, `${stamp}`));
    const failed = (/** @type {unknown} */ error) => {
      this.#dirty = true;
      explain(error);
    };
    // While the page closes, nothing can wait for an earlier request.
    this.#sending = closing ? put().catch(failed) : this.#sending.then(put).catch(failed);
  }
}

/**
 * Get or put what this browser keeps of the history. @param {(shelf: IDBObjectStore) => IDBRequest} act
 */
export function onShelf(act) {
  return new Promise((resolve, reject) => {
    const opening = Object.assign(indexedDB.open("sketch2img"), { onerror: reject });
    opening.onupgradeneeded = () => opening.result.createObjectStore("history");
    opening.onsuccess = () => {
      const asked = act(opening.result.transaction("history", "readwrite").objectStore("history"));
      Object.assign(asked, { onsuccess: () => resolve(asked.result), onerror: reject });
      opening.result.close(); // once it has answered
    };
  });
}

async function fromServer() {
  const answer = await call("drawing");
  return answer.status === 204 ? null : readSaved(await answer.text());
}
