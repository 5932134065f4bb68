// What /api/cameras says, and how it is put into words.

import { base, request } from "./account.js";
import { ANSWER_MS_MAX, deadline, refusal, unanswered } from "./trouble.js";

/**
 * The cameras and how the configuration stands. Throws `Unanswered` when that does not come in time,
 * `Refused` when it may not be seen.
 */
export async function fetchCameras() {
  const response = await request(`${base}api/cameras`, {
    cache: "no-store",
    signal: deadline(ANSWER_MS_MAX),
  });
  if (!response.ok) throw await refusal(response);
  return response.json().catch(unanswered);
}

const STATES = {
  playing: ["Live", "good"],
  connecting: ["Connecting", "wait"],
  waiting: ["Trying again", "wait"],
  failed: ["Needs attention", "bad"],
  disabled: ["Disabled", "off"],
};

/** A camera's state as a word and a tone for its colour. */
export function stateOf(camera) {
  if (camera.state === "playing" && !camera.ready) return ["Starting", "wait"];
  return STATES[camera.state] ?? [camera.state, "off"];
}

export function picture(camera) {
  const codec = camera.codec === "H264" ? "H.264" : camera.codec;
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
