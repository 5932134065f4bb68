// The first page: the wall, or the table of figures, and what stands above them.

import { showAccount, view, withToken } from "./account.js";
import { write } from "./cameras.js";
import { listenToKeys } from "./keys.js";
import { keepKiosk } from "./kiosk.js";
import { Poll } from "./poll.js";
import { showSessions } from "./sessions.js";
import { showSummary } from "./summary.js";
import { Table } from "./table.js";
import { Wall } from "./wall.js";

// A handful is found by eye.
const FILTER_FROM_CAMERAS = 9;

const element = (id) => document.getElementById(id);
const filter = element("filter");
const poll = new Poll();
const isTable = view === "table";
const isKiosk = view === "kiosk";
const wall = isTable ? null : new Wall(element("wall"), poll, { isKiosk });
const shown = wall ?? new Table();

function show() {
  const wanted = filter.value.trim().toLowerCase();
  const isWanted = ({ name }) => name.toLowerCase().includes(wanted);
  if (poll.cameras.length >= FILTER_FROM_CAMERAS) filter.hidden = false;
  shown.show(poll.cameras, isWanted);
}

function find() {
  filter.hidden = false;
  filter.focus();
  filter.select();
}

/** Out of the field; what was to be found may be given up. */
function leave(isGivenUp) {
  if (isGivenUp && filter.value) {
    filter.value = "";
    show();
  }
  filter.blur();
  shown.enter();
}

function showColumns() {
  write(element("auto"), wall.chosen ? `${wall.columns} columns` : "Auto");
  element("auto").setAttribute("aria-pressed", String(!wall.chosen));
}

function listenToColumns() {
  element("columns").hidden = false;
  element("fewer").addEventListener("click", () => wall.choose(Math.max(1, wall.columns - 1)));
  element("more").addEventListener("click", () => wall.choose(wall.columns + 1));
  element("auto").addEventListener("click", () => wall.choose(0));
  wall.onLayOut = showColumns;
}

/** What only operators have: the box, and with the figures who watches. */
function showOperators() {
  element("box").href = withToken("-/box");
  element("box").hidden = false;
  if (isTable) showSessions();
}

document.body.dataset.view = view;
element("unstarted").remove();
element("home").href = withToken("");
element("other").href = withToken("", isTable ? "" : "table");
write(element("other"), isTable ? "Wall" : "Table");
poll.listen(showSummary);
poll.listen(show);
if (isKiosk) keepKiosk(poll);
else {
  filter.addEventListener("input", show);
  listenToKeys(shown, { find, leave });
  if (wall) listenToColumns();
  showAccount(element("account"))
    .then((role) => role === "operator" && showOperators())
    .catch(() => {});
}
poll.update();

// For tests and for a person at the console.
window.weir = { wall, poll };
