// The cameras' figures, a row each.

import { withToken } from "./account.js";
import {
  bitRate,
  frameRate,
  picture,
  remarkOf,
  seconds,
  sentence,
  stateOf,
  write,
} from "./cameras.js";

const element = (id) => document.getElementById(id);

function fill(row, camera) {
  const [word, tone] = stateOf(camera);
  const isPlaying = camera.state === "playing";
  const link = row.querySelector(".name");
  write(link, camera.name);
  if (camera.state === "disabled") link.removeAttribute("href");
  else link.href = withToken(`${encodeURIComponent(camera.name)}/`);
  const pill = row.querySelector(".pill");
  write(pill, word);
  pill.dataset.tone = tone;
  write(row.querySelector(".reason"), sentence(remarkOf(camera)));
  write(row.querySelector(".picture"), picture(camera));
  write(row.querySelector(".frames"), frameRate(camera.frames_per_s));
  write(row.querySelector(".bits"), bitRate(camera.bits_per_s));
  write(row.querySelector(".gop"), seconds(camera.gop_ms));
  write(row.querySelector(".viewers"), isPlaying || camera.viewers ? String(camera.viewers) : "");
  // The reason takes the place of the figures that a camera without a picture does not have.
  const figures = row.querySelectorAll(".picture, .frames, .bits, .gop");
  for (const cell of figures) cell.hidden = !isPlaying;
  row.querySelector(".state").colSpan = isPlaying ? 1 : 1 + figures.length;
}

export class Table {
  #rows = [];

  /** Shows those of the cameras that are wanted, in their order. */
  show(all, isWanted) {
    const cameras = all.filter(isWanted);
    const body = element("rows");
    const fresh = element("row").content.firstElementChild;
    while (this.#rows.length < cameras.length) {
      this.#rows.push(body.appendChild(fresh.cloneNode(true)));
    }
    for (const row of this.#rows.splice(cameras.length)) row.remove();
    cameras.forEach((camera, index) => fill(this.#rows[index], camera));
    element("table").hidden = cameras.length === 0;
  }

  /** Leads to the first row. */
  enter() {
    element("rows").querySelector("a[href]")?.focus();
  }
}
