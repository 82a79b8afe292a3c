/** The page of `sketch2img draw`: it connects the drawing, its photo, the tools and the server. */

import { call, explain, follow, postJson, stateAfter, takeToken, token } from "./api.js";
import { Easel } from "./easel.js";
import { Files } from "./files.js";
import { button, canvas, dialog, element, fill, say, select, setWords } from "./page.js";
import { Paper } from "./paint.js";
import { PhotoSide } from "./photo.js";
import { Keeper } from "./saving.js";
import { Drawing, sheetLike } from "./strokes.js";
import { Tools, listen } from "./tools.js";

/** @import { Failure, State } from "./api.js" */
/** @import { Result } from "./photo.js" */
/** @import { Saved } from "./strokes.js" */

const GIVEN = "sketch2img-given";

takeToken();

/** @type {Keeper | undefined} there once the saved drawing has been loaded */
let keeper;
let ready = false; // whether the model generates
/** @type {State | null} */
let state = null;
const drawing = new Drawing();
const paper = new Paper(canvas("paper"));
const tools = new Tools(() => keeper?.changed());
const photos = new PhotoSide((result) => goBack(result).catch(explain));
const easel = new Easel(paper, {
  brush: () => tools.brush,
  pressure: () => tools.settings.pressure,
  fingers: () => tools.settings.fingers,
  pen: () => tools.sawPen(),
  dropped: () => paper.show(drawing),
  drawn: (stroke) => {
    drawing.add(stroke);
    paper.keep(drawing, drawing.items.length);
    changed();
  },
});
const store = new Keeper((saved) => drawing.toJson(saved, tools.settings), () => easel.busy, adopt);
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
  keeper?.changed();
  if (drawn) generate();
}

/** Paint the drawing anew, after any change but a stroke. */
function redraw() {
  paper.show(drawing);
  easel.fit();
  changed();
}

function generate() {
  if (ready || drawing.blank) photos.generate(paper.canvas, drawing).catch(explain);
  else photos.stop();
}

const undo = () => !easel.busy && drawing.undo() && redraw();
const redo = () => !easel.busy && drawing.redo() && redraw();

/** Lay a blank sheet on top, in the proportions of the model. */
function clear() {
  if (easel.busy || button("clear").disabled) return;
  drawing.add(blankSheet());
  redraw();
}

function blankSheet() {
  const [height, width] = photos.size;
  return sheetLike(width, height);
}

/** Return to an earlier drawing; undo leads back to the present one. @param {Result} result */
async function goBack(result) {
  const before = new Drawing();
  before.items = result.items;
  const old = new Paper(document.createElement("canvas"));
  old.show(before);
  const { width, height } = before.sheet;
  await drawing.addSheet({ width, height, image: old.canvas.toDataURL() });
  redraw();
}

/** Show a state of the server. @param {State} next */
async function show(next) {
  if (!keeper) await start();
  const recovered = state === null;
  state = next;
  setWords(next.domains);
  files.offer(next);
  tools.colours = next.domains.input.channels === 3;
  if (next.size[0] > 0) photos.size = next.size; // unknown while the model loads
  element("about").textContent = `sketch2img ${next.version}`;
  fill(select("model"), next.models).value = next.model;
  if (drawing.items.length === 1 && drawing.blank) {
    drawing.items = [blankSheet()];
    paper.show(drawing);
    easel.fit();
  }
  ready = next.status === "ready";
  if (ready) say("Ready");
  else say(next.status === "loading" ? "Loading the model…" : next.message, next.status === "failed");
  tools.show();
  files.show();
  if (recovered) keeper?.flush();
  generate();
  if (next.sketch) await useGiven().catch(explain);
}

/** @param {Failure} failure */
function lost(failure) {
  ready = false;
  state = null;
  photos.stop();
  const kept = failure.status === 0 ? ". Your drawing is kept in this browser." : "";
  say(failure.message + kept, true);
}

async function choose() {
  const { value } = select("model");
  ready = false;
  photos.stop();
  say("Loading the model…");
  await postJson("model", { name: value });
  for (let since = ""; since !== "ready" && since !== "failed"; since = state?.status ?? "failed") {
    await show(await stateAfter(since));
  }
}

button("undo").onclick = undo;
button("redo").onclick = redo;
button("clear").onclick = clear;
select("model").onchange = () => choose().catch(explain);

listen(
  [
    { keys: "B", does: "Pencil", run: () => tools.choose("pencil") },
    { keys: "S", does: "Soft shading brush", run: () => tools.choose("shade") },
    { keys: "E", does: "Eraser", run: () => tools.choose("eraser") },
    { keys: "[", does: "Narrower", run: () => tools.resize(-1) },
    { keys: "]", does: "Wider", run: () => tools.resize(1) },
    { keys: "X", does: "Mirror symmetry", run: () => tools.toggle("mirror") },
    { keys: "Ctrl+Z", does: "Undo", run: undo },
    { keys: "Ctrl+Y Ctrl+Shift+Z", does: "Redo", run: redo },
    { keys: "Delete", does: "Clear", run: clear },
    { keys: "+ =", does: "Zoom in", run: () => button("zoom-in").click() },
    { keys: "-", does: "Zoom out", run: () => button("zoom-out").click() },
    { keys: "0", does: "Fit the paper", run: () => easel.zoomTo(1) },
    { keys: "O Ctrl+O", does: "Open an image", run: () => button("open").click() },
    { keys: "Ctrl+S", does: "Download both images", run: () => button("save-both").click() },
    { keys: "?", does: "This list", run: () => dialog("help-dialog").showModal() },
  ],
  tools,
);

/** Load the saved drawing, and save changes from now on. */
async function start() {
  const saved = await store.load();
  if (saved) await adopt(saved).catch(explain);
  keeper = store;
}

/** Start with the sketch that the command line named, once per launch. */
async function useGiven() {
  if (localStorage.getItem(GIVEN) === token) return;
  localStorage.setItem(GIVEN, token);
  await files.useSketch(await (await call("sketch")).blob());
}

/** @param {Saved} saved */
async function adopt(saved) {
  await drawing.restore(saved);
  const then = keeper;
  keeper = undefined; // nothing of this needs to be saved again
  tools.restore(saved.settings);
  redraw();
  keeper = then;
}

redraw();
addEventListener("hashchange", () => {
  takeToken();
  location.reload();
});
await follow(show, lost);
