// Who watches, for operators: the sessions that live, each with a button that ends it.

import { base, request } from "./account.js";
import { sentence } from "./cameras.js";
import { ANSWER_MS_MAX, deadline } from "./trouble.js";

const UPDATE_MS = 2000;

const element = (id) => document.getElementById(id);
// By id, so that a button stays its session's while the list moves.
const rows = new Map();
let timer = 0;

function duration(milliseconds) {
  const whole = Math.floor(milliseconds / 1000);
  const two = (number) => String(number % 60).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60))}:${two(whole)}`;
}

function row(session) {
  const fresh = element("session").content.firstElementChild.cloneNode(true);
  fresh.querySelector(".id").textContent = session.id;
  fresh.querySelector(".camera").textContent = session.camera;
  const button = fresh.querySelector("button");
  button.setAttribute("aria-label", `End session ${session.id} of ${session.camera}`);
  button.addEventListener("click", () => end(session.id, button));
  rows.set(session.id, fresh);
  return fresh;
}

function show(sessions) {
  const living = new Map(sessions.map((session) => [session.id, session]));
  for (const [id, gone] of rows) {
    if (living.has(id)) continue;
    gone.remove();
    rows.delete(id);
  }
  for (const session of sessions) {
    const shown = rows.get(session.id) ?? element("session-rows").appendChild(row(session));
    shown.querySelector(".address").textContent = session.address ?? "connecting";
    const found = session.findings.map(({ words, advice }) => `${sentence(words)}; ${advice}`);
    shown.querySelector(".reason").textContent = found.join("; ");
    shown.querySelector(".age").textContent = duration(session.age_ms);
    shown.querySelector(".loss").textContent = `${session.loss_percent.toFixed(1)} %`;
  }
  element("sessions").hidden = rows.size === 0;
}

async function end(id, button) {
  button.disabled = true;
  try {
    const response = await request(`${base}api/sessions/${id}`, { method: "DELETE" });
    // One that has ended by itself meanwhile is over too.
    const isOver = response.ok || response.status === 404;
    element("sessions-notice").textContent = isOver ? "" : (await response.json()).detail;
  } catch {
    element("sessions-notice").textContent = "weir does not answer: the session was not ended.";
  }
  button.disabled = false;
  update();
}

async function update() {
  clearTimeout(timer);
  try {
    const response = await request(`${base}api/sessions`, {
      cache: "no-store",
      signal: deadline(ANSWER_MS_MAX),
    });
    const { sessions } = response.ok ? await response.json() : { sessions: [] };
    show(sessions.filter(({ state }) => state !== "ended"));
  } catch {
    // The list of cameras says that weir does not answer.
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(update, UPDATE_MS);
}

/** Shows the sessions from now on. */
export function showSessions() {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) update();
  });
  update();
}
