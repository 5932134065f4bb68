// What this browser keeps of how a person left the wall, and of the sound. It may keep nothing: in a frame with
// `sandbox`, or with cookies blocked, even to ask throws.

import { base } from "./account.js";

// Several weirs may be served below one name.
const keyOf = (key) => `weir ${base} ${key}`;

function recall(area, key) {
  try {
    return window[area].getItem(keyOf(key));
  } catch {
    return null;
  }
}

function keep(area, key, value) {
  try {
    window[area].setItem(keyOf(key), value);
  } catch {
    // Then it is as new the next time.
  }
}

/** How many columns were chosen; 0 for as many as fit. */
export function chosenColumns() {
  return Number(recall("localStorage", "columns")) || 0;
}

export function keepColumns(columns) {
  keep("localStorage", "columns", String(columns));
}

/** The camera whose tile had the focus in this tab, and how far the page was scrolled. */
export function lastPlace() {
  const [scroll, ...name] = (recall("sessionStorage", "place") ?? "0").split(" ");
  return { camera: name.join(" "), scroll: Number(scroll) || 0 };
}

export function keepPlace({ camera, scroll }) {
  keep("sessionStorage", "place", `${Math.round(scroll)} ${camera}`);
}

/** Whether a person wants to hear cameras, and how loud: 0 to 100. */
export function chosenSound() {
  const [isOn, volume] = (recall("localStorage", "sound") ?? "off 100").split(" ");
  return { isOn: isOn === "on", volume: Math.min(100, Math.max(0, Number(volume) || 0)) };
}

export function keepSound({ isOn, volume }) {
  keep("localStorage", "sound", `${isOn ? "on" : "off"} ${volume}`);
}
