// What keys do on the first page; with a modifier they are the browser's.

import { view } from "./account.js";

const element = (id) => document.getElementById(id);

function inField(event, leave) {
  const isOut = ["Escape", "Enter", "ArrowDown"].includes(event.key);
  if (!isOut) return;
  event.preventDefault();
  leave(event.key === "Escape");
}

/** Moves on the wall by arrows; Home and End lead to its ends. */
function stepOf(key, columns) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  return { ...steps, Home: -Infinity, End: Infinity }[key];
}

/** `shown` is the wall or the table, `leave` leads out of the field that finds cameras. */
export function listenToKeys(shown, { find, leave }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, target } = event;
    if (target === element("filter")) return inField(event, leave);
    if (key === "t") element("other").click();
    if (key === "/") {
      event.preventDefault();
      find();
    }
    if (view !== "wall") return;
    if (key === "+" || key === "-" || key === "0") {
      element({ "+": "more", "-": "fewer", 0: "auto" }[key]).click();
    }
    const step = stepOf(key, shown.columns);
    if (step === undefined || target.closest?.("button, .bar a")) return;
    event.preventDefault();
    shown.move(step);
  });
}
