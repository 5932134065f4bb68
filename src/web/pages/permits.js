// In which order the connections of a page begin: those nearest to the middle of the screen first, and
// a few at a time, as those that began all at once come in no order.

/** As many handshakes as weir has at a time (`PROFILE.handshakes`): more would wait there. */
const CONNECTING_MAX = 16;

export class Permits {
  #waiting = new Set();
  #granted = new Set();

  /**
   * A permit to begin the connection whose picture `element` shows, once it is `granted`. It is to be
   * given back when the connection is there, when it failed, and when it is wanted no longer.
   */
  take(element) {
    const permit = { element };
    permit.granted = new Promise((grant) => (permit.grant = grant));
    this.#waiting.add(permit);
    // Others may ask in the same moment, and be nearer.
    queueMicrotask(() => this.#grant());
    return permit;
  }

  give(permit) {
    this.#waiting.delete(permit);
    this.#granted.delete(permit);
    queueMicrotask(() => this.#grant());
  }

  #grant() {
    while (this.#waiting.size > 0 && this.#granted.size < CONNECTING_MAX) {
      const permit = nearest(this.#waiting);
      this.#waiting.delete(permit);
      this.#granted.add(permit);
      permit.grant();
    }
  }
}

function nearest(permits) {
  let [found, least] = [null, Infinity];
  for (const permit of permits) {
    const distance = fromTheMiddle(permit.element);
    if (distance < least || !found) [found, least] = [permit, distance];
  }
  return found;
}

function fromTheMiddle(element) {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return Math.hypot(left + right - window.innerWidth, top + bottom - window.innerHeight);
}
