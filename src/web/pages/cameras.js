// What /api/cameras says, and how it is put into words.

import { base, request } from "./account.js";
import { ANSWER_MS_MAX, deadline, refusal, unanswered } from "./trouble.js";

/**
 * The cameras, how the configuration stands, and the version of the pages. Throws `Unanswered` when
 * that does not come in time, `Refused` when it may not be seen.
 */
export async function fetchCameras() {
  const response = await request(`${base}api/cameras`, {
    cache: "no-store",
    signal: deadline(ANSWER_MS_MAX),
  });
  if (!response.ok) throw await refusal(response);
  return response.json().catch(unanswered);
}

/** One camera; undefined when there is none of that name. */
export async function fetchCamera(name) {
  const { cameras } = await fetchCameras();
  return cameras.find((camera) => camera.name === name);
}

/** How far it is to the next key frame: "3 s of about 4 s". */
export function keyFrameProgress({ gop_ms: gop, key_frame_age_ms: age }) {
  if (age == null) return "";
  const whole = (milliseconds) => seconds(Math.round(milliseconds / 1000) * 1000);
  return gop ? `${whole(age)} of about ${whole(gop)}` : `${whole(age)} since the last one`;
}

/** When a picture that stands will move: with the next key frame. */
export function motionIn({ gop_ms: gop, key_frame_age_ms: age }) {
  if (!gop || age == null) return "motion with the next key frame";
  return `motion in about ${Math.max(1, Math.ceil((gop - age) / 1000))} s`;
}

const STATES = {
  playing: ["Live", "good"],
  connecting: ["Connecting", "wait"],
  waiting: ["Trying again", "wait"],
  failed: ["Needs attention", "bad"],
  disabled: ["Disabled", "off"],
};

/** Why a camera has no picture, or what spoils it, with what to do where weir knows that. */
export function remarkOf({ reason, findings = [], sound_problem: soundProblem }) {
  const found = findings.find(({ severity }) => severity !== "note");
  if (!found) return reason || soundProblem || "";
  const words = reason || found.words;
  return words.endsWith(found.advice) ? words : `${words}; ${found.advice}`;
}

/** A camera's state as a word and a tone for its colour. */
export function stateOf(camera) {
  if (camera.state === "playing" && !camera.ready) return ["Starting", "wait"];
  return STATES[camera.state] ?? [camera.state, "off"];
}

/** Writes only what changed, so that a selection or a screen reader's place survives. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function picture(camera) {
  const codec = camera.codec?.replace("H26", "H.26");
  const size = camera.width && camera.height ? `${camera.width} × ${camera.height}` : null;
  return [codec, size].filter(Boolean).join(", ");
}

/** Bits a second, in the unit people read. */
export function bitRate(bitsPerSecond) {
  if (bitsPerSecond == null) return "";
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

export function frameRate(framesPerSecond) {
  if (framesPerSecond == null) return "";
  const rounded = framesPerSecond.toFixed(1);
  return rounded.endsWith(".0") ? rounded.slice(0, -2) : rounded;
}

export function seconds(milliseconds) {
  if (milliseconds == null) return "";
  const value = milliseconds / 1000;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} s`;
}

/** weir's own words, which begin small, as a sentence begins. */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

/** "1 camera", "2 cameras". */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
