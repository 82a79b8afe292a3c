/** The photo beside the sketch: generated anew after each change, compared, and its history. */

import { call, client, explain } from "./api.js";
import {
  button, contextOf, create, element, image, imageOf, input, inWords, onWhite, pngOf, say,
} from "./page.js";

/** @import { Drawing, Item } from "./strokes.js" */

/** @typedef {{sketch: Blob, photo: Blob, items: Item[], model: string}} Result of a drawing and a model */

const PREVIEW = 128; // pixels
const QUICK = 200; // milliseconds of an answer that needs no preview
const LONGEST_HISTORY = 24;

export class PhotoSide {
  #number = 0; // of the last request
  #change = 0; // of the drawing that is shown
  #waiting = new AbortController();
  /** @type {Result | null} the full photo of the drawing as it is */ current = null;
  /** @type {[number, number]} height and width that the model works at */ size = [256, 256];
  model = "";
  #took = Infinity; // milliseconds of the last photo
  #listed = 0; // photos so far

  /** @param {(result: Result) => void} chosen called if a photo of the history is chosen */
  constructor(chosen) {
    this.chosen = chosen;
    input("compare").oninput = () => this.#compare();
  }

  /** Generate the photo of a drawing. @param {HTMLCanvasElement} canvas @param {Drawing} drawing */
  async generate(canvas, drawing) {
    const change = this.outdate();
    const wanted = () => change === this.#change;
    if (drawing.blank) return this.#show(null, null);
    element("figure").ariaBusy = "true";
    try {
      await this.#develop(canvas, [...drawing.items], wanted);
    } catch (error) {
      if (wanted()) explain(error);
    }
    if (wanted()) element("figure").ariaBusy = "false";
  }

  /**
   * Show a preview first if the model is large and photos take long; then the photo.
   * @param {HTMLCanvasElement} canvas @param {Item[]} items
   * @param {() => boolean} wanted whether no newer change has come
   */
  async #develop(canvas, items, wanted) {
    const begun = performance.now();
    // The network needs at most twice its own size.
    const scale = Math.min(1, (2 * Math.max(...this.size)) / Math.max(canvas.width, canvas.height));
    const small = onWhite(canvas, Math.round(canvas.width * scale), Math.round(canvas.height * scale));
    const body = await pngOf(small);
    const isSlow = Math.max(...this.size) > PREVIEW && this.#took > QUICK;
    for (const width of isSlow ? [`&width=${PREVIEW}`, ""] : [""]) {
      if (!wanted()) return;
      const sent = performance.now();
      const asked = `generate?number=${++this.#number}&client=${client}${width}`;
      const answer = await call(asked, { method: "POST", body, signal: this.#waiting.signal });
      const photo = await answer.blob();
      if (answer.status === 204 || !wanted()) return; // a newer sketch has been sent
      this.#show(body, photo);
      if (width) continue;
      this.#took = performance.now() - sent;
      say(inWords(`Generated the {target} in ${((performance.now() - begun) / 1000).toFixed(1)} s`));
      const warnings = JSON.parse(decodeURIComponent(answer.headers.get("X-Warnings") ?? "[]"));
      element("note").textContent = warnings.join("; ");
      this.#list({ sketch: body, photo, items, model: this.model });
    }
  }

  /** Make sure that no answer to an earlier request is shown; return the new change's number. */
  stop() {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    element("figure").ariaBusy = "false";
    return ++this.#change;
  }

  /** Let the photo on the page belong to an earlier drawing; return the new change's number. */
  outdate() {
    element("figure").classList.add("old");
    this.#offer(null);
    return this.stop();
  }

  /** Show a photo and its sketch. @param {Blob | null} sketch @param {Blob | null} photo */
  #show(sketch, photo) {
    for (const [id, blob] of /** @type {const} */ ([["before", sketch], ["photo", photo]])) {
      const shown = image(id);
      URL.revokeObjectURL(shown.src);
      shown.hidden = !blob;
      if (blob) shown.src = URL.createObjectURL(blob); // the old image stays until this one is loaded
    }
    element("figure").classList.remove("old");
    element("waiting").hidden = photo !== null;
    image("photo").alt = photo ? inWords("The generated {target}") : "";
    input("compare").disabled = photo === null;
    this.#compare();
  }

  #compare() {
    const share = input("compare").valueAsNumber;
    image("before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    element("divider").hidden = share === 0 || share === 100 || image("before").hidden;
    element("divider").style.left = `${share}%`;
  }

  /** Offer a photo, and add it to the history. @param {Result} result */
  #list(result) {
    const list = element("history");
    const label = inWords(`Return to {target} ${++this.#listed}`);
    const back = create("button", { type: "button", ariaLabel: label, title: label });
    back.append(create("img", { src: URL.createObjectURL(result.photo), alt: "" }));
    back.onclick = () => this.chosen(result);
    list.append(create("li", {}, back));
    if (list.childElementCount > LONGEST_HISTORY) {
      URL.revokeObjectURL(list.querySelector("img")?.src ?? "");
      list.firstElementChild?.remove();
    }
    list.scrollLeft = list.scrollWidth;
    this.#offer(result);
  }

  /** Enable what needs a photo of the present drawing. @param {Result | null} result */
  #offer(result) {
    this.current = result;
    for (const id of ["save-photo", "save-both", "keep"]) button(id).disabled = !result;
    element("history").querySelector("li:last-child button")?.setAttribute("aria-current", `${!!result}`);
  }
}

/** Lay a sketch and its photo side by side. @param {HTMLCanvasElement} canvas @param {Blob} photo */
export async function sideBySide(canvas, photo) {
  const { width, height } = canvas;
  const wide = create("canvas", { width: 2 * width, height });
  contextOf(wide).drawImage(canvas, 0, 0);
  contextOf(wide).drawImage(await imageOf(photo), width, 0, width, height);
  return pngOf(wide);
}
