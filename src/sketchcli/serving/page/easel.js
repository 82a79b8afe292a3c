/** Pointers on the paper: drawing with a pen, mouse or finger, moving and zooming. */

import { button, element } from "./page.js";
import { Painter } from "./paint.js";

/** @import { Paper } from "./paint.js" */
/** @import { Stroke } from "./strokes.js" */
/** @import { Tools } from "./tools.js" */

const MOST_ZOOM = 8;
const STEP = 1; // least distance between two points, in pixels of the paper

export class Easel {
  /** @type {{id: number, pen: boolean, usesPressure: boolean, stroke: Stroke, painter: Painter} | null} */
  #drawing = null;
  /** @type {Map<number, PointerEvent>} fingers that move and zoom */
  #fingers = new Map();
  /** @type {{id: number, x: number, y: number} | null} */
  #dragging = null;
  #space = false;
  #zoom = 1;
  #x = 0; // offset of the paper's centre from the stage's
  #y = 0;
  #base = { width: 1, height: 1 }; // the paper's size on the screen at zoom 1
  #stage = element("stage");
  #sheet = element("sheet");
  #cursor = element("cursor");

  /**
   * @param {Paper} paper @param {Tools} tools
   * @param {(stroke: Stroke | null) => void} ended called at a stroke's end; null if it does not count
   */
  constructor(paper, tools, ended) {
    this.paper = paper;
    this.tools = tools;
    this.ended = ended;
    const stage = this.#stage;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#cancel(event));
    stage.addEventListener("pointerleave", () => (this.#cursor.hidden = true));
    // A middle button would begin to scroll.
    stage.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.#key(event));
    stage.addEventListener("blur", () => stage.classList.remove("held"));
    addEventListener("keyup", (event) => event.code === "Space" && this.#moving(false));
    addEventListener("blur", () => this.#moving(false));
    new ResizeObserver(() => this.fit()).observe(stage);
    button("zoom-in").onclick = () => this.zoomTo(this.#zoom * 1.25);
    button("zoom-out").onclick = () => this.zoomTo(this.#zoom / 1.25);
    button("zoom-fit").onclick = () => this.zoomTo(1);
  }

  /** Whether a stroke is being drawn. */
  get busy() {
    return this.#drawing !== null;
  }

  /** Give the paper and the photo the same size, as large as both frames allow. */
  fit() {
    const { width, height } = this.paper.canvas;
    const frame = element("figure");
    const room = [this.#stage, frame].flatMap((f) => [f.clientWidth / width, f.clientHeight / height]);
    const scale = Math.min(...room);
    this.#base = { width: width * scale, height: height * scale };
    for (const shown of [this.#sheet, element("print")]) {
      shown.style.width = `${this.#base.width}px`;
      shown.style.height = `${this.#base.height}px`;
    }
    this.#place();
  }

  /**
   * Zoom, and keep the point of the stage at (x, y), measured from its centre, where it is.
   * @param {number} zoom @param {number} [x] @param {number} [y]
   */
  zoomTo(zoom, x = 0, y = 0) {
    const next = Math.abs(zoom - 1) < 0.01 ? 1 : Math.min(MOST_ZOOM, Math.max(1, zoom));
    this.#x = x + ((this.#x - x) * next) / this.#zoom;
    this.#y = y + ((this.#y - y) * next) / this.#zoom;
    this.#zoom = next;
    this.#place();
  }

  #place() {
    const { width, height } = this.#base;
    const [w, h] = [width * this.#zoom, height * this.#zoom];
    const free = (/** @type {number} */ size, /** @type {number} */ room) => Math.max(0, (size - room) / 2);
    const [fx, fy] = [free(w, this.#stage.clientWidth), free(h, this.#stage.clientHeight)];
    this.#x = Math.min(fx, Math.max(-fx, this.#x));
    this.#y = Math.min(fy, Math.max(-fy, this.#y));
    const [left, top] = [this.#x - w / 2, this.#y - h / 2];
    this.#sheet.style.transform = `translate(${left}px, ${top}px) scale(${this.#zoom})`;
    button("zoom-fit").textContent = `${Math.round(this.#zoom * 100)}%`;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.#stage.classList.add("held");
    if (event.pointerType === "pen") this.#takePen();
    if (event.button === 1 || (this.#space && event.button === 0)) {
      this.#dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
    } else if (event.pointerType === "touch" && this.#movesPaper(event)) this.#dropFinger();
    else if (event.button === 0 && !this.#drawing) this.#begin(event);
    this.#stage.setPointerCapture(event.pointerId);
  }

  /** Let a pen come first: what a hand has done to the paper since it lies there does not count. */
  #takePen() {
    this.tools.sawPen();
    this.#dropFinger();
    this.#fingers.clear();
  }

  /** Note a finger; return whether it moves the paper instead of drawing. @param {PointerEvent} event */
  #movesPaper(event) {
    if (this.#drawing?.pen) return true;
    this.#fingers.set(event.pointerId, event);
    return this.#fingers.size > 1 || !this.tools.settings.fingers;
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    const pen = event.pointerType === "pen";
    const usesPressure = pen && this.tools.settings.pressure;
    const stroke = { ...this.tools.brush, points: [] };
    const painter = new Painter(this.paper.context, stroke);
    this.#drawing = { id: event.pointerId, pen, usesPressure, stroke, painter };
    this.#add(event, true);
    element("invite").hidden = true;
  }

  /**
   * Add a point to the stroke. @param {PointerEvent} event
   * @param {boolean} always also if it is close to the last one
   */
  #add(event, always) {
    if (!this.#drawing) return;
    const { points } = this.#drawing.stroke;
    const { left, top, width } = this.#sheet.getBoundingClientRect(); // it may move meanwhile
    const scale = this.paper.canvas.width / width;
    const [x, y] = [round((event.clientX - left) * scale), round((event.clientY - top) * scale)];
    const last = points.at(-1);
    if (last && Math.hypot(x - last[0], y - last[1]) < (always ? 0.05 : STEP)) return;
    // A pen that has just been lifted reports no pressure.
    const pressure = this.#drawing.usesPressure ? event.pressure || (last?.[2] ?? 0.5) : 0.5;
    const smooth = last ? (last[2] + pressure) / 2 : pressure;
    points.push([x, y, Math.round(smooth * 100) / 100]);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    this.#point(event);
    const drag = this.#dragging;
    if (drag?.id === event.pointerId) {
      this.#shift(event.clientX - drag.x, event.clientY - drag.y);
      Object.assign(drag, { x: event.clientX, y: event.clientY });
    } else if (this.#drawing?.id === event.pointerId) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.#add(each, false);
      this.#drawing.painter.advance();
    } else if (this.#fingers.has(event.pointerId)) this.#pinch(event);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const drawing = this.#drawing;
    if (drawing?.id === event.pointerId) {
      if (event.type === "pointerup") this.#add(event, true);
      drawing.painter.finish();
      this.#drawing = null;
      this.ended(drawing.stroke);
    }
    this.#fingers.delete(event.pointerId);
    if (this.#dragging?.id === event.pointerId) this.#dragging = null;
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    // A browser cancels a finger's stroke that it takes for a gesture, but a pen's is meant.
    if (this.#drawing?.id === event.pointerId) this.#dropFinger();
    this.#up(event);
  }

  #dropFinger() {
    if (!this.#drawing || this.#drawing.pen) return;
    this.#drawing = null;
    this.ended(null);
  }

  /** @param {PointerEvent} event */
  #pinch(event) {
    const before = [...this.#fingers.values()].slice(0, 2);
    this.#fingers.set(event.pointerId, event);
    const after = [...this.#fingers.values()].slice(0, 2);
    const [from, to] = [spread(before), spread(after)];
    this.#shift(to.x - from.x, to.y - from.y);
    if (from.size && to.size) {
      const { left, top, width, height } = this.#stage.getBoundingClientRect();
      const [x, y] = [to.x - left - width / 2, to.y - top - height / 2];
      this.zoomTo((this.#zoom * to.size) / from.size, x, y);
    }
  }

  /** @param {number} dx @param {number} dy */
  #shift(dx, dy) {
    this.#x += dx;
    this.#y += dy;
    this.#place();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey && this.#zoom === 1) return; // the page scrolls
    event.preventDefault();
    if (this.busy) return;
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    const [x, y] = [event.clientX - left - width / 2, event.clientY - top - height / 2];
    if (event.ctrlKey) this.zoomTo(this.#zoom * Math.exp(-event.deltaY / 300), x, y);
    else this.#shift(-event.deltaX, -event.deltaY);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (event.code === "Space") this.#moving(true);
    else if (move && this.#zoom > 1) this.#shift(move[0] ?? 0, move[1] ?? 0);
    else return;
    event.preventDefault();
  }

  /** @param {boolean} on */
  #moving(on) {
    this.#space = on;
    this.#stage.classList.toggle("moving", on);
  }

  /** Show the size of the brush at the pointer. @param {PointerEvent} event */
  #point(event) {
    const cursor = this.#cursor;
    cursor.hidden = event.pointerType === "touch" || this.#space;
    if (cursor.hidden) return;
    const scale = (this.#base.width * this.#zoom) / this.paper.canvas.width;
    const size = Math.max(3, this.tools.brush.width * scale);
    const { left, top } = this.#stage.getBoundingClientRect();
    cursor.style.width = cursor.style.height = `${size}px`;
    const [x, y] = [event.clientX - left - size / 2 - 1, event.clientY - top - size / 2 - 1];
    cursor.style.transform = `translate(${x}px, ${y}px)`;
  }
}

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

/** Return the middle of the fingers and the distance between two. @param {PointerEvent[]} fingers */
function spread(fingers) {
  const [a, b = a] = fingers;
  if (!a || !b) return { x: 0, y: 0, size: 0 };
  const size = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  return { x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, size };
}
