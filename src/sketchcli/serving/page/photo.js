/** The photo beside the sketch: generated anew after each change, compared, and its history. */

import { call, explain } from "./api.js";
import {
  button, contextOf, create, element, image, imageOf, input, inWords, loadImage, onWhite, pngOf, say,
} from "./page.js";

/** @import { Drawing, Item } from "./strokes.js" */

/**
 * @typedef {object} Result
 * @property {Blob} sketch
 * @property {Blob} photo
 * @property {Item[]} items the drawing that it belongs to
 */

const PREVIEW = 128; // pixels
const LONGEST_HISTORY = 24;

export class PhotoSide {
  #client = [...crypto.getRandomValues(new Uint32Array(3))].map((n) => n.toString(36)).join("");
  #number = 0; // of the last request
  #change = 0; // of the drawing that is shown
  #waiting = new AbortController();
  /** @type {Result | null} the full photo of the drawing as it is */ current = null;
  /** @type {string[]} */ #urls = ["", ""];
  /** @type {[number, number]} height and width that the model works at */ size = [256, 256];

  /** @param {(result: Result) => void} chosen called if a photo of the history is chosen */
  constructor(chosen) {
    this.chosen = chosen;
    input("compare").oninput = () => this.#compare();
  }

  /** Generate the photo of a drawing. @param {HTMLCanvasElement} canvas @param {Drawing} drawing */
  async generate(canvas, drawing) {
    const change = this.stop();
    const wanted = () => change === this.#change;
    const items = [...drawing.items];
    if (drawing.blank) return this.#show(null, null, wanted);
    element("figure").ariaBusy = "true";
    try {
      const sketch = await pngOf(this.#small(canvas));
      if (wanted()) await this.#develop(sketch, items, wanted);
    } catch (error) {
      if (wanted()) explain(error);
    }
    if (wanted()) element("figure").ariaBusy = "false";
  }

  /**
   * Show a preview first, unless the model works at little more than its size; then the photo.
   * @param {Blob} sketch @param {Item[]} items
   * @param {() => boolean} wanted whether no newer change has come
   */
  async #develop(sketch, items, wanted) {
    const begun = performance.now();
    for (const width of Math.max(...this.size) > PREVIEW * 1.5 ? [PREVIEW, 0] : [0]) {
      const answer = await this.#ask(sketch, width);
      if (!answer || !wanted()) return;
      await this.#show(sketch, answer.photo, wanted);
      if (!wanted()) return;
      if (width) continue;
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      say(inWords(`Generated the {target} in ${seconds} s`));
      element("note").textContent = answer.warnings.join("; ");
      this.#keep({ sketch, photo: answer.photo, items });
    }
  }

  /** Make sure that no answer to an earlier request is shown; return the new change's number. */
  stop() {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#offer(null);
    element("figure").ariaBusy = "false";
    return ++this.#change;
  }

  /**
   * Return the sketch at twice the size that the model works at, or at its own if it is smaller.
   * @param {HTMLCanvasElement} canvas
   */
  #small(canvas) {
    const scale = Math.min(1, (2 * Math.max(...this.size)) / Math.max(canvas.width, canvas.height));
    return onWhite(canvas, Math.round(canvas.width * scale), Math.round(canvas.height * scale));
  }

  /**
   * @param {Blob} sketch @param {number} width 0 for the full photo
   * @returns {Promise<{photo: Blob, warnings: string[]} | null>} null if a newer request came
   */
  async #ask(sketch, width) {
    const number = ++this.#number;
    const asked = `number=${number}&client=${this.#client}${width ? `&width=${width}` : ""}`;
    const signal = this.#waiting.signal;
    const answer = await call(`generate?${asked}`, { method: "POST", body: sketch, signal });
    if (answer.status === 204) return null;
    const warnings = JSON.parse(decodeURIComponent(answer.headers.get("X-Warnings") ?? "[]"));
    return { photo: await answer.blob(), warnings };
  }

  /**
   * Show a photo and the sketch that it belongs to. @param {Blob | null} sketch @param {Blob | null} photo
   * @param {() => boolean} wanted whether it still counts once it has been decoded
   */
  async #show(sketch, photo, wanted) {
    const urls = [sketch, photo].map((blob) => (blob ? URL.createObjectURL(blob) : ""));
    const shown = [image("before"), image("photo")];
    if (photo) await loadImage(urls[1] ?? "");
    const used = wanted() ? this.#urls : urls;
    if (wanted()) {
      shown.forEach((img, index) => {
        if (urls[index]) img.src = urls[index];
        img.hidden = !urls[index];
      });
      this.#urls = urls;
      element("waiting").hidden = photo !== null;
      image("photo").alt = photo ? inWords("The generated {target}") : "";
      input("compare").disabled = photo === null;
      this.#compare();
    }
    setTimeout(() => used.forEach((url) => URL.revokeObjectURL(url)), 1000);
  }

  #compare() {
    const share = input("compare").valueAsNumber;
    image("before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    element("divider").hidden = share === 0 || share === 100 || image("before").hidden;
    element("divider").style.left = `${share}%`;
  }

  /** @param {Result} result */
  #keep(result) {
    this.#offer(result);
    const list = element("history");
    const url = URL.createObjectURL(result.photo);
    const label = inWords(`Return to {target} ${this.#number}`);
    const back = create("button", { type: "button", ariaLabel: label, title: label });
    back.append(create("img", { src: url, alt: "" }));
    back.onclick = () => this.chosen(result);
    for (const other of list.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    back.setAttribute("aria-current", "true");
    list.append(create("li", {}, back));
    while (list.children.length > LONGEST_HISTORY) {
      URL.revokeObjectURL(list.querySelector("img")?.src ?? "");
      list.firstElementChild?.remove();
    }
    list.scrollLeft = list.scrollWidth;
  }

  /** Enable what needs a photo. @param {Result | null} result */
  #offer(result) {
    this.current = result;
    for (const id of ["save-photo", "save-both", "keep"]) button(id).disabled = !result;
  }
}

/**
 * Return a sketch and its photo side by side, at the sketch's height. @param {HTMLCanvasElement} canvas
 * @param {Blob} photo
 */
export async function sideBySide(canvas, photo) {
  const { width, height } = canvas;
  const wide = create("canvas", { width: 2 * width, height });
  contextOf(wide).drawImage(canvas, 0, 0);
  contextOf(wide).drawImage(await imageOf(photo), width, 0, width, height);
  return pngOf(wide);
}
