/** The tools, their settings and the keys. */

import { button, dialog, element, input } from "./page.js";

/** @import { Stroke, Tool } from "./strokes.js" */

const TOOLS = /** @type {const} */ (["pencil", "shade", "eraser"]);
/** @type {{[tool in Tool]: [least: number, most: number]}} widths in pixels of the paper */
const WIDTHS = { pencil: [1, 60], shade: [10, 240], eraser: [4, 240] };

export class Tools {
  settings = {
    tool: /** @type {Tool} */ ("pencil"),
    width: { pencil: 6, shade: 70, eraser: 40 },
    darkness: { pencil: 0.85, shade: 0.3, eraser: 1 },
    mirror: false,
    pressure: true,
    fingers: true,
    keys: true,
  };
  #penSeen = false;
  colours = false; // whether the model's inputs are in colour

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    // It must not appear later, and move the paper below a pen.
    button("fingers").hidden = navigator.maxTouchPoints === 0;
    for (const tool of TOOLS) button(tool).onclick = () => this.#put({ tool });
    for (const name of /** @type {const} */ (["mirror", "pressure", "fingers"])) {
      button(name).onclick = () => this.#put({ [name]: !this.settings[name] });
    }
    input("width").oninput = () => this.#set("width", input("width").valueAsNumber);
    input("darkness").oninput = () => this.#set("darkness", input("darkness").valueAsNumber / 100);
    input("single-keys").onchange = () => this.#put({ keys: input("single-keys").checked });
    this.show();
  }

  /** @returns {Omit<Stroke, "points">} */
  get brush() {
    const { tool, width, darkness, mirror } = this.settings;
    const colour = this.colours && tool !== "eraser" ? input("colour").value : "";
    return { tool, width: width[tool], darkness: darkness[tool], mirror, colour };
  }

  /** Let fingers no longer draw once a pen is used: a palm on the screen must leave no marks. */
  sawPen() {
    if (this.#penSeen) return;
    this.#penSeen = true;
    this.#put({ fingers: false });
  }

  /** @param {1 | -1} direction */
  resize(direction) {
    const { tool, width } = this.settings;
    const now = width[tool];
    const next = direction > 0 ? Math.max(now + 1, now * 1.2) : Math.min(now - 1, now / 1.2);
    const [least, most] = WIDTHS[tool];
    this.#set("width", Math.min(most, Math.max(least, Math.round(next))));
  }

  /** @param {"width" | "darkness"} name @param {number} value */
  #set(name, value) {
    this.#put({ [name]: { ...this.settings[name], [this.settings.tool]: value } });
  }

  /** @param {unknown} settings as they have been saved, perhaps by another version */
  restore(settings) {
    take(this.settings, settings);
    if (!TOOLS.includes(this.settings.tool)) this.settings.tool = "pencil";
    this.#penSeen ||= !this.settings.fingers;
    this.show();
  }

  /** @param {Partial<Tools["settings"]>} change */
  #put(change) {
    Object.assign(this.settings, change);
    this.show();
    this.changed();
  }

  show() {
    const { tool, width, darkness, mirror, pressure, fingers, keys } = this.settings;
    const pressed = { mirror, pressure, fingers };
    for (const name of TOOLS) button(name).ariaPressed = String(name === tool);
    for (const [name, on] of Object.entries(pressed)) button(name).ariaPressed = String(on);
    const [least, most] = WIDTHS[tool];
    Object.assign(input("width"), { min: `${least}`, max: `${most}`, valueAsNumber: width[tool] });
    element("width-value").textContent = `${width[tool]} px`;
    input("darkness").valueAsNumber = Math.round(100 * darkness[tool]);
    element("darkness-value").textContent = `${Math.round(100 * darkness[tool])}%`;
    element("darkness-label").hidden = tool === "eraser" || (this.colours && tool === "pencil");
    element("colour-label").hidden = tool === "eraser" || !this.colours;
    element("axis").hidden = !mirror;
    input("single-keys").checked = keys;
  }
}

/** Replace the values of an object by those of the same name and type. @param {any} own @param {any} given */
function take(own, given) {
  for (const [name, value] of Object.entries(own)) {
    if (value instanceof Object) take(value, given?.[name]);
    else if (typeof given?.[name] === typeof value) own[name] = given[name];
  }
}

/** Let the keys that the help lists press their buttons. @param {Tools} tools */
export function listen(tools) {
  const runs = new Map([["[", () => tools.resize(-1)], ["]", () => tools.resize(1)]]);
  for (const listed of document.querySelectorAll("[data-press]")) {
    const press = () => button(listed.getAttribute("data-press") ?? "").click();
    for (const key of listed.querySelectorAll("kbd")) runs.set(key.textContent, press);
  }
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.target instanceof HTMLSelectElement) return;
    const name = nameOf(event);
    const run = runs.get(name);
    if (!run || (name.length === 1 && name !== "?" && !tools.settings.keys)) return;
    event.preventDefault();
    run();
  });
  button("help").onclick = () => dialog("help-dialog").showModal();
}

/** Return the name of a key, such as B or Ctrl+Shift+Z. @param {KeyboardEvent} event */
function nameOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  if ("[]".includes(key)) return key; // many keyboards need AltGr for brackets
  const name = key.length === 1 ? key.toUpperCase() : key;
  const control = ctrlKey || metaKey;
  return `${altKey ? "Alt+" : ""}${control ? "Ctrl+" : ""}${control && shiftKey ? "Shift+" : ""}${name}`;
}
