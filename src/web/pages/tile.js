// One camera on the wall: its picture while the tile is on the screen, its name, and why there is no
// picture.

import { withToken } from "./account.js";
import { remarkOf, sentence, write } from "./cameras.js";
import { Viewer } from "./viewer.js";

// A tile that comes back so soon keeps its session.
const LEAVE_MS = 1500;
const COVERED_AFTER_MS = 300;
/** How often a picture that moves is looked at: there are many. */
const CALM_MS = 1000;
// These stay until a person does something.
const LASTING = ["ended", "over"];

export class Tile {
  #shared;
  #camera = null;
  #viewer = null;
  #isOnScreen = false;
  #leaveTimer = 0;
  #coverTimer = 0;

  /** `shared` is what a viewer is to share with the others of the page; a link leads to the camera. */
  constructor(shared, { isLink }) {
    this.#shared = { ...shared, calmMs: CALM_MS };
    this.element = document.getElementById("tile").content.firstElementChild.cloneNode(true);
    const part = (name) => this.element.querySelector(`.${name}`);
    this.view = part("view");
    this.video = this.element.querySelector("video");
    // A clone is not muted by its attribute.
    this.video.muted = true;
    this.isLink = isLink;
    // It stays one to a screen reader where the camera has no page.
    if (isLink) this.view.setAttribute("role", "link");
    this.parts = Object.fromEntries(
      ["name", "headline", "explanation", "progress"].map((name) => [name, part(name)]),
    );
  }

  get state() {
    return this.element.dataset.state;
  }

  get name() {
    return this.#camera.name;
  }

  /** How the camera is now. */
  update(camera) {
    this.#camera = camera;
    write(this.parts.name, camera.name);
    const hasPage = this.isLink && camera.state !== "disabled";
    if (hasPage) this.view.href = withToken(`${encodeURIComponent(camera.name)}/`);
    else this.view.removeAttribute("href");
    if (this.isLink) this.view.setAttribute("aria-disabled", String(!hasPage));
    this.#decide();
  }

  /** Whether a part of it is on the screen. */
  see(isOnScreen) {
    if (isOnScreen === this.#isOnScreen) return;
    this.#isOnScreen = isOnScreen;
    clearTimeout(this.#leaveTimer);
    if (isOnScreen) this.#decide();
    else this.#leaveTimer = setTimeout(() => this.#decide(), LEAVE_MS);
  }

  /** Shows what has come; whether that was needed. */
  play() {
    const isPaused = this.#viewer?.state === "paused";
    if (isPaused) this.#viewer.play();
    return isPaused;
  }

  /** The page or the network came back. */
  wake() {
    this.#viewer?.wake();
  }

  /** The page is being left, or the camera is gone. */
  end() {
    clearTimeout(this.#leaveTimer);
    this.#isOnScreen = false;
    this.#release();
  }

  /** Whether there is to be a session. A camera without a picture is not asked for one: it says why. */
  #decide() {
    const hasPicture = this.#camera.state === "playing";
    const isUnderWay = this.#viewer?.peerConnection || LASTING.includes(this.#viewer?.state);
    if (!this.#isOnScreen) this.#release();
    else if (this.#viewer && (hasPicture || isUnderWay)) return;
    else if (hasPicture) this.#watch();
    else {
      this.#release();
      const explanation = remarkOf(this.#camera);
      this.#show({ state: "camera", headline: "No picture from the camera", explanation });
    }
  }

  #watch() {
    const show = (told) => this.#show(told);
    this.#viewer = new Viewer(this.#camera.name, this.video, show, this.#shared);
    this.#viewer.start();
  }

  #release() {
    this.#viewer?.end();
    this.#viewer = null;
    this.#show({ state: "away" });
  }

  #show({ state, headline = "", explanation = "", progress = "" }) {
    const isPicture = state === "playing" || state === "still";
    this.element.dataset.state = state;
    const say = () => {
      this.element.toggleAttribute("data-covered", !isPicture);
      write(this.parts.headline, headline);
      write(this.parts.explanation, sentence(explanation));
      write(this.parts.progress, progress);
    };
    clearTimeout(this.#coverTimer);
    // A connection made at once needs no announcement.
    if (state === "connecting" || state === "waiting") {
      this.#coverTimer = setTimeout(say, COVERED_AFTER_MS);
    } else say();
  }
}
