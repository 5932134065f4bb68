// The player's page: what the viewer says goes to the screen, what the person does to the viewer.

import { base, loginPage, showAccount, withToken } from "./account.js";
import { fetchCamera, sentence } from "./cameras.js";
import { Details } from "./details.js";
import { Sound } from "./sound.js";
import { Viewer } from "./viewer.js";

const element = (id) => document.getElementById(id);
const camera = decodeURIComponent(location.pathname.slice(base.length).split("/")[0]);
const stage = element("stage");
const video = element("video");
const COVERED_AFTER_MS = 300;
let coverTimer = 0;

const PILLS = {
  connecting: ["Connecting", "wait"],
  waiting: ["Waiting", "wait"],
  camera: ["No picture", "bad"],
  playing: ["Live", "good"],
  still: ["Still", "wait"],
  paused: ["Paused", "wait"],
  retrying: ["Trying again", "wait"],
  refused: ["Not possible", "bad"],
  over: ["Ended", "bad"],
  ended: ["Ended", "off"],
};

function write(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

// The live region is always there: a screen reader says what changes in it, and not that it came.
function cover(isCovered, headline = "", explanation = "") {
  element("message").toggleAttribute("data-shown", isCovered);
  stage.toggleAttribute("data-covered", isCovered);
  write("headline", headline);
  write("explanation", sentence(explanation));
}

function show({ state, headline, explanation, progress }) {
  const [word, tone] = PILLS[state];
  write("pill", word);
  element("pill").dataset.tone = tone;
  // Nothing else says it where the picture is shown.
  element("pill").toggleAttribute("data-alone", state === "still");
  write("progress", state === "still" ? "" : progress);
  write("motion", state === "still" ? progress : "");
  element("login").hidden = state !== "over";
  element("play").hidden = state !== "paused";
  clearTimeout(coverTimer);
  if (state === "playing" || state === "still") cover(false);
  // A connection made at once needs no announcement.
  else if (!stage.hasAttribute("data-covered")) {
    coverTimer = setTimeout(() => cover(true, headline, explanation), COVERED_AFTER_MS);
  } else cover(true, headline, explanation);
}

const sound = new Sound(video, {
  controls: element("sound"),
  button: element("hear"),
  volume: element("volume"),
});

/** The camera's sound came, or it did not: then the details say why. */
const onSound = (hasSound) => sound.show(hasSound);
const viewer = new Viewer(camera, video, show, { onSound });
const look = () => fetchCamera(camera);
const details = new Details(() => viewer.peerConnection, element("figures"), look);

// For tests and for a person at the console.
window.weir = {
  get state() {
    return viewer.state;
  },
  get peerConnection() {
    return viewer.peerConnection;
  },
};

// The time left is not read aloud each second: it stands outside the live region.
setInterval(() => {
  const left = viewer.retryAt === null ? null : Math.ceil((viewer.retryAt - performance.now()) / 1000);
  const isIdle = left !== null && left >= 2;
  const isEnded = viewer.state === "ended";
  element("again").hidden = !isIdle && !isEnded;
  write("again", isEnded ? "Watch again" : "Try now");
  element("message").toggleAttribute("data-still", isIdle || ["ended", "over", "paused"].includes(viewer.state));
  if (left !== null) write("progress", left > 0 ? `Trying again in ${left} s` : "");
}, 250);

function toggleDetails() {
  const isOn = element("details").hidden;
  element("details").hidden = !isOn;
  element("details-toggle").setAttribute("aria-expanded", String(isOn));
  details.isOn = isOn;
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (stage.requestFullscreen) stage.requestFullscreen();
  // The iPhone has full screen for videos alone.
  else video.webkitEnterFullscreen?.();
}

element("details-toggle").addEventListener("click", toggleDetails);
element("fullscreen").addEventListener("click", toggleFullScreen);
element("again").addEventListener("click", () => viewer.start());
video.addEventListener("dblclick", toggleFullScreen);
// Where the browser does not play by itself, a tap does, on the button or beside it.
stage.addEventListener("click", () => viewer.state === "paused" && viewer.play());
// The iPhone pauses a video that leaves its full screen.
video.addEventListener("webkitendfullscreen", () => viewer.play());
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "d") toggleDetails();
  if (event.key === "f") toggleFullScreen();
  if (event.key === "m") sound.toggle();
  // In full screen it only leads out of that.
  if (event.key === "Escape" && !document.fullscreenElement) location.assign(element("all").href);
});
document.addEventListener("visibilitychange", () => document.hidden || viewer.wake());
window.addEventListener("online", () => viewer.wake());
window.addEventListener("pagehide", () => viewer.stop());
window.addEventListener("pageshow", (event) => event.persisted && viewer.wake());

element("unstarted").remove();
document.title = `${camera} · weir`;
write("name", camera);
element("all").href = withToken("");
element("login").href = loginPage();
viewer.start();
showAccount(element("account")).catch(() => {});
