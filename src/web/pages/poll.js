// The cameras, asked for again every two seconds while somebody looks: once for all of a page.

import { fetchCameras } from "./cameras.js";

const UPDATE_MS = 2000;
// A page that was hidden has what it heard before.
const OLD_MS = 5000;
const now = () => performance.now();

export class Poll {
  cameras = [];
  configuration = {};
  /** The version of the pages that weir has. */
  pages = "";
  /** What the last question failed of. */
  trouble = null;
  #listeners = [];
  #asking = null;
  #timer = 0;
  #answered = -Infinity;

  constructor() {
    window.addEventListener("online", () => this.update());
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#timer);
      if (!document.hidden) this.update();
    });
  }

  /** Calls `listener` with this after each question. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** Asks now. */
  update() {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask() {
    clearTimeout(this.#timer);
    try {
      const { cameras, configuration, pages } = await fetchCameras();
      Object.assign(this, { cameras, configuration, pages, trouble: null });
      this.#answered = now();
    } catch (error) {
      this.trouble = error;
    }
    if (!document.hidden) this.#timer = setTimeout(() => this.update(), UPDATE_MS);
    for (const listener of this.#listeners) listener(this);
  }

  /** A camera as it is by now; undefined when there is none of that name. Throws `trouble`. */
  async camera(name) {
    if (now() - this.#answered > OLD_MS) await this.update();
    if (this.trouble) throw this.trouble;
    const camera = this.cameras.find((each) => each.name === name);
    const age = camera?.key_frame_age_ms ?? null;
    return camera && { ...camera, key_frame_age_ms: age === null ? null : age + now() - this.#answered };
  }
}
