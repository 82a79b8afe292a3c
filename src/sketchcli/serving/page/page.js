/** What every module needs of the page: its elements, images, and words for the two domains. */

/** @import { Domains } from "./api.js" */

/**
 * Return a function that finds elements of a type by their id.
 * @template {Element} T @param {new () => T} type @returns {(id: string) => T}
 */
const finder = (type) => (id) => {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is missing`);
  return found;
};
export const button = finder(HTMLButtonElement);
export const canvas = finder(HTMLCanvasElement);
export const dialog = finder(HTMLDialogElement);
export const element = finder(HTMLElement);
export const image = finder(HTMLImageElement);
export const input = finder(HTMLInputElement);
export const select = finder(HTMLSelectElement);

/**
 * Create an element with properties and children. @template {keyof HTMLElementTagNameMap} K @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} properties @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function create(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Offer choices. @param {HTMLSelectElement} list @param {{name: string, title: string}[]} choices */
export function fill(list, choices) {
  list.replaceChildren(...choices.map(({ name, title }) => new Option(title, name)));
  return list;
}

/**
 * Load an image. The policy of the page forbids `fetch` of blob: and data: URLs, but not this.
 * @param {string} url @returns {Promise<HTMLImageElement>}
 */
export async function loadImage(url) {
  const loaded = new Image();
  loaded.src = url;
  await loaded.decode();
  return loaded;
}

/** @param {Blob} blob @returns {Promise<HTMLImageElement>} */
export function imageOf(blob) {
  const url = URL.createObjectURL(blob);
  return loadImage(url).finally(() => URL.revokeObjectURL(url));
}

/**
 * Return a white canvas with an image that is as large as fits.
 * @param {CanvasImageSource & {width: number, height: number}} picture
 * @param {number} width @param {number} height
 */
export function onWhite(picture, width, height) {
  const canvas = create("canvas", { width, height });
  const context = contextOf(canvas);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const scale = Math.min(width / picture.width, height / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
  return canvas;
}

/**
 * Return the context of a canvas in main memory: drawing there gives the same pixels each time,
 * and reading them does not wait for a GPU.
 * @param {HTMLCanvasElement} canvas
 */
export function contextOf(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export function pngOf(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the image is too large"))));
  });
}

/** @param {Blob} blob @returns {Promise<string>} */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

const NOUNS = ["sketch", "photo", "drawing", "map", "image"];
/** @type {{[word: string]: string}} */
const words = { input: "sketch", target: "photo" };

/** Use a model's names for its inputs and targets everywhere on the page. @param {Domains} domains */
export function setWords(domains) {
  for (const side of /** @type {const} */ (["input", "target"])) {
    const name = domains[side].name;
    words[side] = NOUNS.includes(name.split(" ").at(-1) ?? "") ? name : `${name} image`;
  }
  for (const spoken of document.querySelectorAll("[data-words]")) {
    spoken.textContent = inWords(spoken.getAttribute("data-words") ?? "");
  }
}

/** Replace {input}, {target}, {Input} and {Target} in a text. @param {string} text */
export function inWords(text) {
  const named = text.replace(/\{(\w+)\}/g, (_, /** @type {string} */ key) => {
    const word = words[key.toLowerCase()] ?? "";
    return /^[A-Z]/.test(key) ? word[0]?.toUpperCase() + word.slice(1) : word;
  });
  return named.replace(/\b(a|A) (?=[aeiou])/g, "$1n ");
}

/** Offer a file for download. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  create("a", { href: url, download: name.replaceAll(" ", "-") }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @typedef {"localStorage" | "sessionStorage"} Shelf */

/** Return what the browser remembers; it may refuse to. @param {Shelf} shelf @param {string} name */
export function recall(shelf, name) {
  try {
    return window[shelf].getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** Let the browser remember a text, or forget an older one. @param {Shelf} shelf @param {string[]} entry */
export function remember(shelf, ...[name = "", text = ""]) {
  try {
    window[shelf].setItem(name, ""); // an old text would mislead if the new one is too large
    window[shelf].setItem(name, text);
  } catch {
    // The page works without.
  }
}

let speaking = 0; // a timer
let standing = 0; // time until which the text must not be replaced

/**
 * Say something on the page, and to screen readers once it has stood for a second: what changes at
 * every stroke would interrupt them. @param {string} text @param {boolean} [bad]
 * @param {boolean} [long] whether it must stand for five seconds, whatever is said then
 */
export function say(text, bad = false, long = false) {
  if (!long && Date.now() < standing) return;
  if (long) standing = Date.now() + 5000;
  element("status").textContent = text;
  element("status").classList.toggle("bad", bad);
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const words = text.replace(/ in [\d.]+ s$/, "");
    if (element("spoken").textContent !== words) element("spoken").textContent = words;
  }, 1000);
}
