/** From strokes to pixels: the same operations while a stroke is drawn and when it is repeated. */

import { contextOf, create } from "./page.js";
import { imageOnSheet } from "./strokes.js";

/** @import { Drawing, Point, Sheet, Stroke } from "./strokes.js" */

const SNAPSHOT_EVERY = 16; // items
const SNAPSHOTS = 8; // of 4 MB each

/** Paints one stroke, as far as its points are known. */
export class Painter {
  #next = 0; // the point that the next piece bends at
  #rest = 0; // distance to the next dab of the shading brush

  /** @param {CanvasRenderingContext2D} context @param {Stroke} stroke */
  constructor(context, stroke) {
    this.context = context;
    this.stroke = stroke;
    this.dab = stroke.tool === "shade" ? softDab(stroke) : null;
  }

  /** Paint all that later points cannot change. */
  advance() {
    const { points } = this.stroke;
    this.#prepare();
    for (; this.#next + 1 < points.length; this.#next++) {
      const here = at(points, this.#next);
      const before = at(points, Math.max(0, this.#next - 1));
      this.#piece(middle(before, here), here, middle(here, at(points, this.#next + 1)));
    }
  }

  /** Paint the end of the stroke, too. */
  finish() {
    const { points } = this.stroke;
    this.advance();
    const last = at(points, points.length - 1);
    const from = points.length > 1 ? middle(at(points, points.length - 2), last) : last;
    this.#piece(from, last, last);
  }

  #prepare() {
    const { context, stroke } = this;
    const ink = stroke.tool === "eraser" ? "#fff" : stroke.colour || grey(stroke.darkness);
    // Overlapping pieces of grey strokes must not add up, nor lighten what lies below.
    const darker = stroke.tool === "pencil" && !stroke.colour;
    context.globalCompositeOperation = darker ? "darken" : "source-over";
    context.globalAlpha = 1;
    context.strokeStyle = ink;
    context.lineCap = "round";
  }

  /** Paint a curve from `a` to `c`, bent towards `b`. @param {Point} a @param {Point} b @param {Point} c */
  #piece(a, b, c) {
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]) + Math.hypot(c[0] - b[0], c[1] - b[1]);
    const steps = Math.max(1, Math.min(64, Math.ceil(length / (this.dab ? 2 : 4))));
    let [x, y] = a;
    for (let step = 1; step <= steps; step++) {
      const t = step / steps;
      const [f, g, h] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
      const nx = f * a[0] + g * b[0] + h * c[0];
      const ny = f * a[1] + g * b[1] + h * c[1];
      const pressure = f * a[2] + g * b[2] + h * c[2];
      if (this.dab) this.#dabs(this.dab, x, y, nx, ny, pressure);
      else this.#line(x, y, nx, ny, this.stroke.width * (0.2 + 1.6 * pressure));
      [x, y] = [nx, ny];
    }
  }

  /** @param {number} x @param {number} y @param {number} nx @param {number} ny @param {number} width */
  #line(x, y, nx, ny, width) {
    const { context } = this;
    context.lineWidth = width;
    for (const flip of this.#flips()) {
      context.beginPath();
      context.moveTo(flip(x), y);
      context.lineTo(flip(nx), ny);
      context.stroke();
    }
  }

  /**
   * @param {HTMLCanvasElement} dab @param {number} x @param {number} y @param {number} nx
   * @param {number} ny @param {number} pressure
   */
  #dabs(dab, x, y, nx, ny, pressure) {
    const { context, stroke } = this;
    const spacing = stroke.width / 12;
    const length = Math.hypot(nx - x, ny - y);
    context.globalAlpha = Math.min(1, 2 * pressure);
    while (this.#rest <= length) {
      const share = length ? this.#rest / length : 0;
      const [cx, cy] = [x + share * (nx - x), y + share * (ny - y)];
      for (const flip of this.#flips()) {
        context.drawImage(dab, flip(cx) - stroke.width / 2, cy - stroke.width / 2);
      }
      this.#rest += spacing;
    }
    this.#rest -= length;
  }

  #flips() {
    const width = this.context.canvas.width;
    const itself = (/** @type {number} */ x) => x;
    return this.stroke.mirror ? [itself, (/** @type {number} */ x) => width - x] : [itself];
  }
}

/** @param {number} darkness */
function grey(darkness) {
  const level = Math.round(255 * (1 - darkness));
  return `rgb(${level} ${level} ${level})`;
}

/** Return a soft disc, of which about six overlap at each point of a stroke. @param {Stroke} stroke */
function softDab(stroke) {
  const size = Math.ceil(stroke.width);
  const dab = create("canvas", { width: size, height: size });
  const context = contextOf(dab);
  const fill = context.createRadialGradient(size / 2, size / 2, 0, size / 2, size / 2, size / 2);
  const alpha = 1 - (1 - 0.9 * stroke.darkness) ** (1 / 6);
  const ink = stroke.colour || "#000000";
  for (let stop = 0; stop <= 8; stop++) {
    const share = alpha * (1 + Math.cos((Math.PI * stop) / 8)) * 127.5;
    fill.addColorStop(stop / 8, ink + Math.round(share).toString(16).padStart(2, "0"));
  }
  context.fillStyle = fill;
  context.fillRect(0, 0, size, size);
  return dab;
}

/** @param {Point[]} points @param {number} index */
const at = (points, index) => /** @type {Point} */ (points[index]);

/** @param {Point} a @param {Point} b @returns {Point} */
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2];

/** The canvas of the drawing. Snapshots make undo quick, however long the drawing is. */
export class Paper {
  /** @type {{count: number, last: unknown, canvas: HTMLCanvasElement}[]} */
  #snapshots = [];

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = contextOf(canvas);
  }

  /** Paint a drawing. @param {Drawing} drawing */
  show(drawing) {
    const { items, start, sheet } = drawing;
    this.#snapshots = this.#snapshots.filter((s) => items[s.count - 1] === s.last);
    const near = this.#snapshots.findLast((s) => s.count > start);
    this.#lay(sheet, near?.canvas ?? imageOnSheet(sheet));
    const { context } = this;
    for (let index = near?.count ?? start + 1; index < items.length; index++) {
      const item = items[index];
      if (item && "tool" in item) new Painter(context, item).finish();
      this.keep(drawing, index + 1);
    }
  }

  /** Lay a white sheet with an image on it. @param {Sheet} sheet @param {CanvasImageSource} [below] */
  #lay({ width, height }, below) {
    const { canvas, context } = this;
    Object.assign(canvas, { width, height }); // also undoes what a stroke has set
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    if (below) context.drawImage(below, 0, 0, width, height);
  }

  /**
   * Keep a snapshot of the first `count` items, which the canvas shows, after every 16th.
   * @param {Drawing} drawing @param {number} count
   */
  keep(drawing, count) {
    if (count % SNAPSHOT_EVERY || this.#snapshots.some((s) => s.count === count)) return;
    const { width, height } = this.canvas;
    const canvas = create("canvas", { width, height });
    contextOf(canvas).drawImage(this.canvas, 0, 0);
    this.#snapshots.push({ count, last: drawing.items[count - 1], canvas });
    this.#snapshots = this.#snapshots.slice(-SNAPSHOTS);
  }
}
