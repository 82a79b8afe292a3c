/** The calls of the local server. */

import { recall, remember, say } from "./page.js";

/** @typedef {{name: string, channels: number}} Domain */
/** @typedef {{input: Domain, target: Domain}} Domains */
/** @typedef {{name: string, title: string, size: [number, number]}} Model */
/**
 * @typedef {object} State
 * @property {"loading" | "ready" | "failed"} status
 * @property {string} message
 * @property {string} model
 * @property {[number, number]} size height and width
 * @property {Domains} domains
 * @property {Model[]} models
 * @property {{name: string, title: string}[]} styles
 * @property {number} examples
 * @property {boolean} [sketch] whether the command line named a sketch to start with
 * @property {string} store names the data folder that keeps the drawing
 * @property {string} version
 */

const KEY = "sketch2img-token";
const GONE =
  `sketch2img does not answer: start it again with “sketch2img draw --port ${location.port}”. ` +
  "Your drawing is kept in this browser.";

/** A call that failed: status 0 if no server answered. */
export class Failure extends Error {
  /** @param {string} message @param {number} status @param {string} hint */
  constructor(message, status, hint = "") {
    super(hint ? `${message}: ${hint}` : message);
    this.status = status;
  }
}

/** This page, as the server knows it. */
export const client = [...crypto.getRandomValues(new Uint32Array(3))].map((n) => n.toString(36)).join("");

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) remember("sessionStorage", KEY, given);
/** The token of this launch of the program. */
export const token = given || recall("sessionStorage", KEY);
// Hide it in the address if this tab can be reloaded without.
if (recall("sessionStorage", KEY) === given) history.replaceState(null, "", location.pathname);

/** Call the server. @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} */
export async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(`api/${path}`, {
      ...options,
      headers: { ...options.headers, "X-Sketch2img-Token": token },
    });
  } catch {
    throw new Failure(GONE, 0);
  }
  if (response.ok) return response;
  if (response.status === 401 || response.status === 403) {
    const hint = "open the address that the terminal shows";
    throw new Failure("this page does not belong to the running program", response.status, hint);
  }
  const told = await response.json().catch(() => ({}));
  throw new Failure(told.message ?? `error ${response.status}`, response.status, told.hint ?? "");
}

/** Post a value as JSON. @param {string} path @param {unknown} value */
export const postJson = (path, value) => call(path, { method: "POST", body: JSON.stringify(value) });

/** Post a file. @param {string} path @param {Blob} body @returns {Promise<Blob>} */
export const postBlob = async (path, body) => (await call(path, { method: "POST", body })).blob();

/**
 * Follow the state of the server for as long as the page is open.
 * @param {(state: State) => Promise<void>} changed @param {(error: unknown) => void} failed
 */
export async function follow(changed, failed) {
  let since = "";
  let shown = "";
  for (;;) {
    const begun = Date.now();
    try {
      const state = await stateAfter(since);
      if (!since || shown !== state.status + state.model) await changed(state);
      since = state.status;
      shown = since + state.model;
      if (Date.now() - begun < 100) await pause(100);
    } catch (error) {
      since = "";
      const ending = error instanceof Failure && error.status >= 500;
      failed(ending ? new Failure(GONE, 0) : error);
      await pause(1000);
    }
  }
}

/** Return the state once its status is another one. @param {string} since @returns {Promise<State>} */
export const stateAfter = async (since) => (await call(`state${since && `?since=${since}`}`)).json();

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Say what went wrong. @param {unknown} error @param {boolean} [long] see `say` */
export function explain(error, long) {
  if (error instanceof Failure && error.status === 503) return; // the state says more
  say(error instanceof Error ? error.message : String(error), true, long);
}
