// One timer for all that a page looks at again and again.

const TICK_MS = 250;

const callbacks = new Set();
let timer = 0;

/** Calls `callback` with each tick, until the function that this gives is called. */
export function eachTick(callback) {
  callbacks.add(callback);
  timer ||= setInterval(() => callbacks.forEach((each) => each()), TICK_MS);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0) return;
    clearInterval(timer);
    timer = 0;
  };
}
