// The box itself, for operators: its slots, an update with its progress, a restart, the report.

import { authorization, base, request, showAccount } from "./account.js";
import { ANSWER_MS_MAX, deadline, refusal } from "./trouble.js";

const UPDATE_MS = 3000;

const element = (id) => document.getElementById(id);
let isSending = false;
/** Whether the notice is of a look at the box, which the next one takes back: what was done or refused stays. */
let isPassing = true;

function say(text, tone = "") {
  element("notice").textContent = text;
  element("notice").dataset.tone = tone;
  isPassing = false;
}

function sayOfLook(text, tone) {
  say(text, tone);
  isPassing = true;
}

function row(slot) {
  const cells = [slot.slot, slot.version ?? "empty", slot.build ?? "", slot.state, slot.tries_left, slot.why ?? ""];
  const row = document.createElement("tr");
  for (const text of cells) row.insertCell().textContent = text;
  row.cells[4].className = "figure";
  row.cells[5].className = "why";
  return row;
}

function trial({ update, good, reset_by_watchdog: wasReset }) {
  const trial = update
    ? `The update in slot ${update.slot} is on trial: it becomes good once it has carried media for a minute.`
    : good ? "" : "What runs has not carried media for a minute yet.";
  const reset = wasReset ? "The watchdog has reset the box before this start." : "";
  return [trial, reset].filter(Boolean).join(" ");
}

function show(box) {
  element("slot-rows").replaceChildren(...box.slots.map(row));
  element("trial").textContent = trial(box);
  element("summary").textContent = box.board;
  for (const id of ["slots", "update", "rollback", "reboot"]) element(id).hidden = false;
  const other = box.slots.find(({ slot }) => slot !== box.running);
  element("rollback").disabled = other?.state !== "standby";
}

/** Shows what weir says of the box, and says where this is none. */
async function look() {
  const options = { cache: "no-store", signal: deadline(ANSWER_MS_MAX) };
  const response = await request(`${base}api/box`, options);
  // What a viewer may not ask for is not offered.
  element("report").hidden = response.status === 403;
  if (response.ok) {
    show(await response.json());
    if (isPassing) sayOfLook("");
    return;
  }
  const { status, message } = await refusal(response);
  if (status === 404) sayOfLook("This weir runs beside other programs: its machine is updated as they are.");
  else sayOfLook(message, "bad");
}

async function keepLooking() {
  await look().catch(() => {
    if (!isSending) sayOfLook("weir does not answer. A box that restarts is back within a minute.");
  });
  setTimeout(keepLooking, UPDATE_MS);
}

/** Sends a bundle. Only XMLHttpRequest tells how far it is. */
function send(bundle) {
  return new Promise((done, failed) => {
    const upload = new XMLHttpRequest();
    upload.open("PUT", `${base}api/update`);
    for (const [name, value] of authorization()) upload.setRequestHeader(name, value);
    upload.upload.addEventListener("progress", ({ loaded, total }) => {
      element("progress").value = loaded / total;
      if (loaded === total) say("Sent; the box checks it and writes it.");
    });
    upload.addEventListener("load", () => {
      if (upload.status === 200) return done();
      let detail = `The answer was ${upload.status}`;
      try {
        ({ detail } = JSON.parse(upload.responseText));
      } catch {
        // A proxy's words are for nobody.
      }
      failed(new Error(detail));
    });
    upload.addEventListener("error", () => failed(new Error("The connection broke; nothing was installed.")));
    upload.send(bundle);
  });
}

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [bundle] = element("bundle").files;
  const button = element("form").querySelector("button");
  button.disabled = true;
  isSending = true;
  element("progress").hidden = false;
  say("Sending the update…");
  try {
    await send(bundle);
    say("Installed. The box restarts, and keeps the update if it carries media with it.");
  } catch (error) {
    say(error.message, "bad");
  }
  isSending = false;
  element("progress").hidden = true;
  button.disabled = false;
});

function change(id, path, question, done) {
  element(id).addEventListener("click", async () => {
    if (!confirm(question)) return;
    const response = await request(`${base}api/${path}`, { method: "POST" }).catch(() => null);
    if (response?.ok) say(done);
    else say(response ? (await refusal(response)).message : "weir does not answer.", "bad");
  });
}

change("reboot", "reboot", "Restart the box? The pictures stop for a moment.", "The box restarts.");
change("rollback", "rollback", "Start the other slot from now on?", "The box restarts into the other slot.");

element("report").addEventListener("click", async () => {
  const response = await request(`${base}api/report`, { cache: "no-store" }).catch(() => null);
  if (!response?.ok) return say(response ? (await refusal(response)).message : "weir does not answer.", "bad");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "weir-report.txt";
  link.click();
  URL.revokeObjectURL(link.href);
});

showAccount(element("account")).catch(() => {});
keepLooking();
