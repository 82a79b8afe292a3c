/** Keep the work: on the server, for every browser and port, and in this browser as a second copy. */

import { call, client, explain, Failure } from "./api.js";
import { recall, remember, say } from "./page.js";
import { readSaved } from "./strokes.js";

/** @import { Saved } from "./strokes.js" */

const DELAY = 200; // milliseconds from a change to saving it
const RETRY = 10_000; // milliseconds from a failure to the next attempt
const KEEPALIVE = 60_000; // characters that a browser still sends while the page closes
const COPY = "sketch2img-drawing-";
const STAMP = "sketch2img-saved-"; // tells other tabs that the server has a newer drawing
const UNREADABLE =
  "The saved drawing is damaged or of another version: it is kept as drawing-before-….json once you draw";
const TOO_LARGE = "The drawing is too large to be saved: download its pairs and remove them";

export class Keeper {
  #timer = 0;
  #dirty = false;
  #saved = 0; // time of the last change
  #base = 0; // the same of the server's document, as far as this page knows
  #unreadable = false; // whether this page cannot read that document
  #sending = Promise.resolve();
  store = ""; // the server's data folder, once its drawing has been loaded

  /**
   * @param {(saved: number, base: number) => string} write returns the document as JSON
   * @param {() => boolean} busy whether a stroke is being drawn
   * @param {(saved: Saved) => void} adopt shows a document
   */
  constructor(write, busy, adopt) {
    this.write = write;
    this.busy = busy;
    this.adopt = adopt;
    addEventListener("visibilitychange", () => (document.hidden ? this.flush(true) : this.#look()));
    addEventListener("pagehide", () => this.flush(true));
    addEventListener("focus", () => this.#look());
    addEventListener("storage", (e) => e.newValue && e.key === STAMP + this.store && this.#look());
  }

  /** Show the newest copy of the drawing. @param {string} store names the server's data folder */
  async load(store) {
    const here = await readSaved(recall("localStorage", COPY + store));
    const there = await this.#read(await fromServer());
    const newest = here && follows(here, there) ? here : there;
    this.#dirty = newest !== there; // the server missed it
    this.#base = there?.saved ?? 0;
    this.#saved = newest?.saved ?? 0;
    if (newest) this.adopt(newest);
    this.store = store;
  }

  /** Return the server's document; null if there is none that this page can read. @param {string} text */
  async #read(text) {
    const saved = await readSaved(text);
    this.#unreadable = text !== "" && !saved;
    if (this.#unreadable) say(UNREADABLE, true, true);
    return saved;
  }

  /** Show the server's document if another window has saved it. */
  async #look() {
    await this.#sending;
    if (!this.store || this.#dirty) return;
    const text = await fromServer().catch(() => "");
    const stamp = Number(/"saved":(\d+)/.exec(text)?.[1]);
    if (stamp === this.#saved) this.#base = stamp; // this page's own, saved before a reload
    const there = stamp && stamp !== this.#base ? await this.#read(text) : null;
    if (!there || this.#dirty) return;
    this.adopt(there);
    this.#dirty = false;
    this.#base = this.#saved = stamp;
    say("Another window has changed this drawing", false, true);
  }

  /** Note a change, which is saved soon. */
  changed() {
    if (!this.store) return;
    this.#dirty = true;
    this.#saved = Math.max(Date.now(), this.#saved + 1);
    this.#flushIn(DELAY);
  }

  /** @param {number} milliseconds */
  #flushIn(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.busy() ? this.#flushIn(DELAY) : this.flush()), milliseconds);
  }

  /** Save what has changed. @param {boolean} [closing] whether the page may close at once */
  flush(closing = false) {
    clearTimeout(this.#timer);
    if (!this.#dirty) return;
    this.#dirty = false;
    const stamp = this.#saved;
    const body = this.write(stamp, this.#base);
    remember("localStorage", COPY + this.store, body);
    const keepalive = closing && body.length < KEEPALIVE;
    const put = () => this.#put(stamp, { method: "PUT", body, keepalive });
    // While the page closes, nothing can wait for an earlier request.
    const sent = closing ? put() : this.#sending.then(put);
    this.#sending = Promise.all([this.#sending, sent]).then(() => {});
  }

  /** @param {number} stamp @param {RequestInit} options */
  async #put(stamp, options) {
    const aside = this.#unreadable ? "&aside=1" : "";
    try {
      await call(`drawing?saved=${stamp}&base=${this.#base}&client=${client}${aside}`, options);
      this.#base = Math.max(stamp, this.#base);
      this.#unreadable = false;
      remember("localStorage", STAMP + this.store, `${stamp}`);
    } catch (error) {
      const status = error instanceof Failure ? error.status : 0;
      if (status === 409 && stamp === this.#saved) {
        remember("localStorage", COPY + this.store, ""); // it lacks what another window has saved
        this.#look();
      }
      if (status === 409) return; // of two saves, the older one may come late
      this.#dirty = true;
      this.#flushIn(RETRY);
      if (status === 413) say(TOO_LARGE, true, true);
      else explain(error, status > 0);
    }
  }
}

/** Return whether a document is a later state of another. @param {Saved} here @param {Saved | null} there */
const follows = (here, there) =>
  !there || (here.saved > there.saved && (here.base === there.saved || here.client === there.client));

const fromServer = async () => (await call("drawing")).text();
