// What stands above the cameras: how many there are, what is wrong with the configuration, and why
// there is nothing to see.

import { bitRate, count, sentence, write } from "./cameras.js";
import { Refused, Unanswered } from "./trouble.js";

const element = (id) => document.getElementById(id);
// With these, what the file says is not what weir does.
const OUT_OF_FORCE = ["last good", "defaults"];

function notice(text, tone = "") {
  write(element("notice"), text);
  element("notice").dataset.tone = tone;
}

function reasonOf(error) {
  if (error instanceof Unanswered) return "weir does not answer";
  if (error instanceof Refused) return sentence(error.message);
  return `This browser cannot show the list (${error.message})`;
}

function summaryOf(cameras) {
  const playing = cameras.filter((camera) => camera.state === "playing");
  const viewers = cameras.reduce((sum, camera) => sum + camera.viewers, 0);
  const bits = playing.reduce((sum, camera) => sum + (camera.bits_per_s ?? 0), 0);
  const live = playing.length === cameras.length ? "live" : `of ${cameras.length} live`;
  const total = playing.length === cameras.length ? count(cameras.length, "camera") : playing.length;
  return `${total} ${live} · ${count(viewers, "viewer")} · ${bitRate(bits)}`;
}

/** Says what the last question to weir has shown. */
export function showSummary({ cameras, configuration, trouble }) {
  // A kiosk shows this only where it has no tiles that would.
  element("notice").toggleAttribute("data-alone", cameras.length === 0);
  if (trouble) {
    notice(`${reasonOf(trouble)}. Trying again; what is shown may be old.`, "bad");
    return;
  }
  const isOutOfForce = OUT_OF_FORCE.includes(configuration.state);
  write(element("configuration"), isOutOfForce ? configuration.message : "");
  const isNew = !cameras.length && !isOutOfForce;
  notice(isNew ? "There are no cameras yet: add a [[camera]] to weir.toml." : "");
  write(element("summary"), cameras.length ? summaryOf(cameras) : "");
}
