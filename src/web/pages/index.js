// The list of cameras, asked for again every two seconds while somebody looks.

import { showAccount, withToken } from "./account.js";
import {
  bitRate, count, fetchCameras, frameRate, picture, seconds, sentence, stateOf,
} from "./cameras.js";
import { Refused, Unanswered } from "./trouble.js";
import { showSessions } from "./sessions.js";

const UPDATE_MS = 2000;
// A handful is found by eye.
const FILTER_FROM_CAMERAS = 9;

const element = (id) => document.getElementById(id);
const filter = element("filter");
let timer = 0;
let cameras = [];
let configuration = {};
// With these, what the file says is not what weir does.
const OUT_OF_FORCE = ["last good", "defaults"];

/** Writes only what changed, so that a selection or a screen reader's place survives. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

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
  write(row.querySelector(".reason"), isPlaying ? "" : sentence(camera.reason));
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

function show() {
  const wanted = filter.value.trim().toLowerCase();
  const rows = element("rows");
  const fresh = element("row").content.firstElementChild;
  cameras.forEach((camera, index) => {
    const row = rows.children[index] ?? rows.appendChild(fresh.cloneNode(true));
    fill(row, camera);
    row.hidden = !camera.name.toLowerCase().includes(wanted);
  });
  while (rows.children.length > cameras.length) rows.lastElementChild.remove();
  element("table").hidden = cameras.length === 0;
  filter.hidden = cameras.length < FILTER_FROM_CAMERAS;

  const playing = cameras.filter((camera) => camera.state === "playing");
  const viewers = cameras.reduce((sum, camera) => sum + camera.viewers, 0);
  const bits = playing.reduce((sum, camera) => sum + (camera.bits_per_s ?? 0), 0);
  const live = playing.length === cameras.length ? "live" : `of ${cameras.length} live`;
  const total = playing.length === cameras.length ? count(cameras.length, "camera") : playing.length;
  const summary = `${total} ${live} · ${count(viewers, "viewer")} · ${bitRate(bits)}`;
  write(element("summary"), cameras.length ? summary : "");
}

function notice(text, tone = "") {
  write(element("notice"), text);
  element("notice").dataset.tone = tone;
}

function reasonOf(error) {
  if (error instanceof Unanswered) return "weir does not answer";
  if (error instanceof Refused) return sentence(error.message);
  return `This browser cannot show the list (${error.message})`;
}

async function update() {
  clearTimeout(timer);
  try {
    ({ cameras, configuration } = await fetchCameras());
    const isOutOfForce = OUT_OF_FORCE.includes(configuration.state);
    write(element("configuration"), isOutOfForce ? configuration.message : "");
    const isNew = !cameras.length && !isOutOfForce;
    notice(isNew ? "There are no cameras yet: add a [[camera]] to weir.toml." : "");
    show();
  } catch (error) {
    notice(`${reasonOf(error)}. Trying again; what is shown may be old.`, "bad");
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(update, UPDATE_MS);
}

filter.addEventListener("input", show);
window.addEventListener("online", update);
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) update();
});
element("unstarted").remove();
update();
showAccount(element("account"))
  .then((role) => role === "operator" && showSessions())
  .catch(() => {});
