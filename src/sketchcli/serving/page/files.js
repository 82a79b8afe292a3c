/** Images from outside, examples, downloads and collected pairs. */

import { call, explain, postBlob, postJson } from "./api.js";
import {
  button, create, dataUrl, dialog, download, element, fill, image, imageOf, input, inWords,
  loadImage, onWhite, pngOf, say, select,
} from "./page.js";
import { sideBySide } from "./photo.js";
import { sheetLike } from "./strokes.js";

/** @import { State } from "./api.js" */
/** @import { PhotoSide } from "./photo.js" */
/** @import { Drawing, Pair, Trace } from "./strokes.js" */

const MOST_SAVED = 12e6; // characters of pairs: the server keeps 32 MB

export class Files {
  /** @type {Blob | null} the image that the dialog shows */
  #opened = null;
  #examples = 0; // none if the model's inputs are no sketches
  #reversed = false; // whether it generates sketches of photos

  /**
   * @param {Drawing} drawing @param {HTMLCanvasElement} canvas @param {PhotoSide} photos
   * @param {(drawn: boolean) => void} changed called with whether the drawing itself has changed
   */
  constructor(drawing, canvas, photos, changed) {
    this.drawing = drawing;
    this.canvas = canvas;
    this.photos = photos;
    this.changed = changed;
    const run = (/** @type {string} */ id, /** @type {() => unknown} */ act) => {
      button(id).onclick = () => Promise.resolve(act()).catch(explain);
    };
    run("open", () => input("file").click());
    run("start", () => this.#start());
    run("as-sketch", () => this.#use((opened) => this.useSketch(opened)));
    run("as-trace", () => this.#use((opened) => this.#useTrace(opened)));
    run("restyle", () => this.#use((opened) => this.#restyle(opened)));
    run("untrace", () => this.#setTrace(null));
    run("save-sketch", async () => download(await pngOf(canvas), inWords("{input}.png")));
    run("save-photo", () => this.#savePhoto(false));
    run("save-both", () => this.#savePhoto(true));
    run("keep", () => this.#keep());
    run("pairs", () => this.#listPairs().showModal());
    run("save-pairs", async () => {
      const answer = await postJson("pairs", { pairs: drawing.pairs });
      download(await answer.blob(), "pairs.zip");
    });
    run("drop-pairs", () => confirm("Remove all pairs?") && this.#setPairs([]));
    input("file").onchange = () => this.#open(input("file").files?.[0]);
    input("opacity").oninput = () => {
      const { trace } = drawing;
      if (trace) this.#setTrace({ ...trace, opacity: input("opacity").valueAsNumber / 100 });
    };
    addEventListener("paste", (event) => this.#open(event.clipboardData?.files[0]));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      this.#open(event.dataTransfer?.files[0]);
    });
  }

  /** Offer what the server can do. @param {State} state */
  offer(state) {
    this.#examples = state.examples;
    element("start").hidden = state.examples === 0;
    this.#reversed = /sketch/.test(state.domains.target.name);
    button("as-trace").hidden = this.#reversed;
    element("as-style").hidden = state.styles.length === 0 || state.examples === 0;
    if (select("style").length !== state.styles.length) fill(select("style"), state.styles);
  }

  /** Show the traced photo and the number of pairs. */
  show() {
    const { trace, pairs } = this.drawing;
    const shown = image("trace");
    if (trace && shown.src !== trace.image) shown.src = trace.image;
    shown.hidden = element("tracing").hidden = !trace;
    if (trace) {
      shown.style.opacity = `${trace.opacity}`;
      input("opacity").valueAsNumber = 100 * trace.opacity;
    }
    button("keep").textContent = trace ? "Keep with traced photo" : "Keep this pair";
    button("pairs").textContent = `Pairs (${pairs.length})`;
    button("pairs").disabled = pairs.length === 0;
  }

  /** @param {File | undefined} file */
  async #open(file) {
    input("file").value = "";
    if (!file || document.querySelector("dialog[open]:not(#image-dialog)")) return;
    try {
      /** @type {Blob} */ let opened = file;
      const usable = async () => onWhite(await imageOf(file), 1, 1).toDataURL();
      await usable().catch(async () => {
        opened = await postBlob("read", file); // a format that this browser cannot show, or not copy
      });
      this.#opened = opened;
      URL.revokeObjectURL(image("image-shown").src);
      image("image-shown").src = URL.createObjectURL(opened);
      const asked = dialog("image-dialog");
      if (!asked.open) asked.showModal();
    } catch (error) {
      explain(error);
    }
  }

  /** @param {(opened: Blob) => Promise<void>} act */
  async #use(act) {
    dialog("image-dialog").close();
    if (this.#opened) await act(this.#opened);
  }

  /** Draw on an image. @param {Blob} blob */
  async useSketch(blob) {
    const picture = await imageOf(blob);
    const { width, height } = sheetLike(picture.width, picture.height);
    const image = onWhite(picture, width, height).toDataURL();
    await this.drawing.addSheet({ width, height, image });
    this.changed(true);
  }

  /** @param {Blob} photo */
  async #useTrace(photo) {
    const picture = await imageOf(photo);
    const { width, height } = sheetLike(picture.width, picture.height);
    this.drawing.add({ width, height, image: "" });
    const jpeg = onWhite(picture, width, height).toDataURL("image/jpeg", 0.85);
    this.#setTrace({ image: jpeg, opacity: 0.4 });
    this.changed(true);
    say("Draw over the photo; it is not part of what you draw", false, true);
  }

  /** @param {Blob} photo */
  async #restyle(photo) {
    say(inWords("Making a {input} of the photo…"));
    const style = encodeURIComponent(select("style").value);
    await this.useSketch(await postBlob(`sketch?style=${style}`, photo));
  }

  /** @param {Trace | null} trace */
  #setTrace(trace) {
    this.drawing.trace = trace;
    this.changed(false);
  }

  /** Show the examples, which are asked for when they are shown first. */
  async #start() {
    dialog("start-dialog").showModal();
    const grid = element("examples");
    if (grid.firstChild && !grid.querySelector(":disabled")) return;
    const places = Array.from({ length: this.#examples }, (_, index) =>
      create("button", { type: "button", disabled: true, ariaLabel: `Example ${index + 1}` }),
    );
    grid.replaceChildren(...places);
    const drawn = async (/** @type {HTMLButtonElement} */ choose, /** @type {number} */ index) => {
      const blob = await (await call(`examples/${index}`)).blob();
      choose.append(create("img", { src: URL.createObjectURL(blob), alt: "" }));
      choose.onclick = () => {
        dialog("start-dialog").close();
        this.useSketch(blob).catch(explain);
      };
      choose.disabled = false;
    };
    await Promise.all(places.map(drawn));
  }

  /** Download the photo, as the server has labelled it, or both images. @param {boolean} both */
  async #savePhoto(both) {
    const { current } = this.photos;
    if (!current) return;
    const { photo } = current;
    const label = `label?model=${encodeURIComponent(current.model)}`;
    const file = both ? await postBlob(label, await sideBySide(this.canvas, photo)) : photo;
    download(file, inWords(`${both ? "{input}-and-" : ""}{target}.png`));
  }

  /** Keep the sketch with the photo that was traced, or else with the generated one. */
  async #keep() {
    const { drawing } = this;
    const result = this.photos.current;
    if (!result) return;
    const sketch = await imageOf(result.sketch);
    const traced = drawing.trace && (await loadImage(drawing.trace.image));
    const photo = traced ? await pngOf(onWhite(traced, sketch.width, sketch.height)) : result.photo;
    const name = `drawn-${String(drawing.kept + 1).padStart(4, "0")}`;
    const sides = [await dataUrl(result.sketch), await dataUrl(photo)];
    const [drawn = "", shown = ""] = this.#reversed ? sides.reverse() : sides;
    const pair = { name, sketch: drawn, photo: shown };
    const pairs = [...drawing.pairs, pair];
    if (pairs.reduce((sum, p) => sum + p.sketch.length + p.photo.length, 0) > MOST_SAVED) {
      say("The collection is full: download its pairs and remove them", true);
      return;
    }
    drawing.kept += 1;
    this.#setPairs(pairs);
    say(`Kept pair ${drawing.kept}`);
  }

  /** @param {Pair[]} pairs */
  #setPairs(pairs) {
    this.drawing.pairs = pairs;
    this.changed(false);
    if (dialog("pairs-dialog").open) this.#listPairs();
  }

  #listPairs() {
    const { pairs } = this.drawing;
    if (pairs.length === 0) dialog("pairs-dialog").close();
    const entries = pairs.map((pair) => {
      const both = create("span", {});
      for (const side of [pair.sketch, pair.photo]) both.append(create("img", { src: side, alt: "" }));
      const remove = create("button", { type: "button", textContent: "Remove" });
      remove.ariaLabel = `Remove pair ${pair.name}`;
      const others = pairs.filter((other) => other !== pair);
      remove.onclick = () => confirm(`Remove pair ${pair.name}?`) && this.#setPairs(others);
      return create("li", {}, both, remove);
    });
    element("pairs-list").replaceChildren(...entries);
    return dialog("pairs-dialog");
  }
}
