// The sound of the camera that is shown: off until a person turns it on, and as loud as that person
// left it in this browser.

import { chosenSound, keepSound } from "./place.js";

export class Sound {
  #video;
  #button;
  #volume;
  #isWanted;

  constructor(video, { controls, button, volume }) {
    this.#video = video;
    this.#button = button;
    this.#volume = volume;
    this.controls = controls;
    const chosen = chosenSound();
    this.#isWanted = chosen.isOn;
    volume.value = String(chosen.volume);
    button.addEventListener("click", () => this.toggle());
    volume.addEventListener("input", () => this.#choose(volume.value !== "0"));
    this.#apply();
  }

  /** The camera has sound or not; or the browser has muted it, and it stays so until a person acts. */
  show(hasSound) {
    this.controls.hidden = !hasSound;
    this.#tell();
  }

  toggle() {
    if (this.controls.hidden) return;
    const isOn = this.#video.muted;
    if (isOn && this.#volume.value === "0") this.#volume.value = "50";
    this.#choose(isOn);
  }

  #choose(isOn) {
    this.#isWanted = isOn;
    keepSound({ isOn, volume: Number(this.#volume.value) });
    this.#apply();
  }

  #apply() {
    this.#video.volume = Number(this.#volume.value) / 100;
    this.#video.muted = !this.#isWanted;
    this.#tell();
  }

  #tell() {
    const isOn = !this.#video.muted;
    this.#button.setAttribute("aria-pressed", String(isOn));
    this.#button.title = isOn ? "Sound off (m)" : "Sound on (m)";
  }
}
