// A screen on a wall that nobody touches for weeks: it stays lit, and its page is as new as weir.

const RELOAD_MS_MIN = 60000;

let lock = null;
let isAsking = false;

/** Keeps the screen from going dark, where the browser has a way to. It lets go with each absence. */
async function stayLit() {
  const { wakeLock } = navigator;
  if (!wakeLock || isAsking || document.hidden || (lock && !lock.released)) return;
  isAsking = true;
  // Without power it may be refused: then it is asked for again.
  lock = await wakeLock.request("screen").catch(() => null);
  isAsking = false;
}

/** Loads the page again if it is there: what a proxy says instead would stay for ever. */
async function reload() {
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (answer?.ok && !answer.redirected) location.reload();
}

/** Goes by what `poll` hears. */
export function keepKiosk(poll) {
  let loaded = "";
  poll.listen(({ trouble, pages }) => {
    stayLit();
    if (trouble) return;
    loaded ||= pages;
    // Two of different versions may take turns behind one name.
    if (pages !== loaded && performance.now() > RELOAD_MS_MIN) reload();
  });
  document.addEventListener("visibilitychange", stayLit);
  stayLit();
}
