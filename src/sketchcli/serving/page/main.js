/** The page of `sketch2img draw`: it connects the drawing, its photo, the tools and the server. */

import { call, client, explain, follow, postJson, stateAfter, token } from "./api.js";
import { Easel } from "./easel.js";
import { Files } from "./files.js";
import {
  button, canvas, element, fill, inWords, recall, remember, say, select, setWords,
} from "./page.js";
import { Paper } from "./paint.js";
import { PhotoSide } from "./photo.js";
import { Keeper } from "./saving.js";
import { Drawing, decode, sheetLike } from "./strokes.js";
import { Tools, listen } from "./tools.js";

/** @import { State } from "./api.js" */
/** @import { Result } from "./photo.js" */
/** @import { Saved } from "./strokes.js" */

const WAITING = {
  ready: "The {target} appears here at the end of a stroke",
  loading: "The {target} appears here once the model is loaded",
  failed: "Choose another model to see the {target}",
  gone: "The {target} appears here once this page reaches sketch2img again",
};

const GIVEN = "sketch2img-given";

let ready = false; // whether the model generates
let stale = false; // whether the drawing has been changed below a stroke that is being drawn
let given = recall("localStorage", GIVEN); // the launch of which the sketch has been taken
/** @type {State | null} */
let state = null;
const drawing = new Drawing();
const paper = new Paper(canvas("paper"));
const tools = new Tools(() => keeper.changed());
const photos = new PhotoSide((result) => goBack(result).catch(explain));
const easel = new Easel(paper, tools, (stroke) => {
  if (stroke) drawing.add(stroke);
  if (stale) return redraw();
  if (!stroke) return paper.show(drawing);
  paper.keep(drawing, drawing.items.length);
  changed();
});
const write = (/** @type {number} */ saved, /** @type {number} */ base) =>
  drawing.toJson({ saved, base, client, settings: tools.settings });
const keeper = new Keeper(write, () => easel.busy, adopt);
const files = new Files(drawing, paper.canvas, photos, (drawn) => (drawn ? redraw() : changed(false)));

/**
 * Save the drawing, and generate its photo anew.
 * @param {boolean} [drawn] whether the drawing itself has changed
 */
function changed(drawn = true) {
  files.show();
  button("undo").disabled = drawing.items.length < 2;
  button("redo").disabled = drawing.undone.length === 0;
  button("clear").disabled = drawing.blank && drawing.start === drawing.items.length - 1;
  element("invite").hidden = !drawing.blank || drawing.trace !== null;
  keeper.changed();
  if (drawn) generate();
}

/** Paint the drawing anew, after any change but a stroke; not while a stroke is being drawn. */
function redraw() {
  stale = easel.busy;
  if (stale) return;
  paper.show(drawing);
  easel.fit();
  changed();
}

function generate() {
  if (ready) say(drawing.blank ? "Ready" : inWords("Generating the {target}…"));
  if (ready || drawing.blank) photos.generate(paper.canvas, drawing).catch(explain);
  else photos.outdate();
}

/** Return a blank sheet in the proportions of the model. */
const blankSheet = () => sheetLike(photos.size[1], photos.size[0]);

/** Return to an earlier drawing; undo leads back to the present one. @param {Result} result */
async function goBack({ items }) {
  await decode(items);
  const before = Object.assign(new Drawing(), { items });
  const old = new Paper(document.createElement("canvas"));
  old.show(before);
  const { width, height } = before.sheet;
  await drawing.addSheet({ width, height, image: old.canvas.toDataURL() });
  redraw();
}

/** Show a state of the server. @param {State} next */
async function show(next) {
  if (!keeper.store) await keeper.load(next.store);
  const recovered = state === null;
  state = next;
  setWords(next.domains);
  files.offer(next);
  tools.colours = next.domains.input.channels === 3;
  if (next.size[0] > 0) photos.size = next.size; // unknown while the model loads
  photos.model = next.model;
  element("about").textContent = `sketch2img ${next.version}`;
  fill(select("model"), next.models).value = next.model;
  if (drawing.items.length === 1 && drawing.blank && !easel.busy) {
    drawing.items = [blankSheet()];
    paper.show(drawing);
    easel.fit();
  }
  ready = next.status === "ready";
  if (!ready) say(next.status === "loading" ? "Loading the model…" : next.message, next.status === "failed");
  element("waiting").textContent = inWords(WAITING[next.status]);
  tools.show();
  files.show();
  if (recovered) keeper.flush();
  generate();
  if (next.sketch) await useGiven().catch(explain);
}

/** @param {unknown} failure */
function lost(failure) {
  [ready, state] = [false, null];
  photos.stop();
  element("waiting").textContent = inWords(WAITING.gone);
  explain(failure);
}

/** Load another model. `follow` alone could miss that it loads, if that is quick. */
async function choose() {
  await postJson("model", { name: select("model").value });
  do await show(await stateAfter(state?.status === "loading" ? "loading" : ""));
  while (state?.status === "loading");
}

listen(tools);
button("undo").onclick = () => !easel.busy && drawing.undo() && redraw();
button("redo").onclick = () => !easel.busy && drawing.redo() && redraw();
button("clear").onclick = () => {
  if (easel.busy) return;
  drawing.add(blankSheet());
  redraw();
};
select("model").onchange = () =>
  choose().catch((error) => {
    select("model").value = state?.model ?? "";
    explain(error);
  });

/** Start with the sketch that the command line named, once per launch. */
async function useGiven() {
  const launch = token.slice(0, 8); // the token itself must not outlive the tab
  if (given === launch) return;
  await files.useSketch(await (await call("sketch")).blob());
  given = launch;
  remember("localStorage", GIVEN, launch);
}

/** Show a document that has been saved. @param {Saved} saved */
function adopt(saved) {
  drawing.restore(saved);
  tools.restore(saved.settings);
  redraw();
}

redraw();
addEventListener("hashchange", () => location.reload());
await follow(show, lost);
