// The wall: a tile for each camera, in the order of the file. Only those on the screen have a session.

import { COLUMNS_MAX, GAP_PX, layOut } from "./grid.js";
import { Permits } from "./permits.js";
import { chosenColumns, keepColumns, keepPlace, lastPlace } from "./place.js";
import { Tile } from "./tile.js";

export class Wall {
  #list;
  #shared;
  #isKiosk;
  #tiles = new Map();
  #observer;
  #chosen;
  #columns = 1;
  #place;
  #isPlaceFound = false;
  #onLayOut = () => {};

  /** Fills `list`; `poll` says how cameras are. A kiosk's wall is whole, and leads nowhere. */
  constructor(list, poll, { isKiosk }) {
    this.#list = list;
    this.#isKiosk = isKiosk;
    this.#shared = { look: (name) => poll.camera(name), permits: new Permits() };
    this.#chosen = isKiosk ? 0 : chosenColumns();
    this.#place = lastPlace();
    this.#observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.#of(target)?.see(isIntersecting);
    });
    list.style.setProperty("--gap", `${GAP_PX}px`);
    window.addEventListener("resize", () => this.layOut());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
    window.addEventListener("online", () => this.#wake());
    window.addEventListener("pagehide", () => this.#leave());
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.#enterAgain());
    if (!isKiosk) this.#listen();
  }

  /** The state of each camera's tile. */
  get states() {
    return Object.fromEntries([...this.#tiles].map(([name, tile]) => [name, tile.state]));
  }

  /** A number of columns that a person wants, 0 for as many as fit. */
  get chosen() {
    return this.#chosen;
  }

  get columns() {
    return this.#columns;
  }

  choose(columns) {
    this.#chosen = Math.max(0, Math.min(COLUMNS_MAX, columns));
    keepColumns(this.#chosen);
    this.layOut();
  }

  /** Calls `listener` after each change of the columns. */
  set onLayOut(listener) {
    this.#onLayOut = listener;
  }

  /** Shows these cameras, but those for which `isWanted` is false. */
  show(cameras, isWanted) {
    const living = new Set(cameras.map(({ name }) => name));
    for (const [name, tile] of this.#tiles) if (!living.has(name)) this.#remove(name, tile);
    let before = null;
    for (const camera of cameras) {
      const tile = this.#tiles.get(camera.name) ?? this.#add(camera.name);
      tile.update(camera);
      tile.element.hidden = !isWanted(camera);
      // A video that is moved about stops for a moment: only where the order is another.
      const next = before ? before.nextElementSibling : this.#list.firstElementChild;
      if (next !== tile.element) this.#list.insertBefore(tile.element, next);
      before = tile.element;
    }
    this.#list.hidden = cameras.length === 0;
    this.layOut();
    this.#rove();
    if (cameras.length > 0) this.#findPlace();
  }

  /** Makes the tiles as large as there is room. */
  layOut() {
    const count = this.#shown().length;
    if (count === 0 || this.#list.hidden) return;
    const top = this.#isKiosk ? 0 : this.#list.getBoundingClientRect().top + window.scrollY;
    const room = {
      width: this.#list.clientWidth,
      height: window.innerHeight - top - (this.#isKiosk ? 0 : GAP_PX),
    };
    const { columns, width, height } = layOut(count, room, {
      chosen: this.#chosen,
      isWhole: this.#isKiosk,
    });
    this.#columns = columns;
    const { style } = this.#list;
    for (const [name, value] of [["columns", columns], ["width", `${width}px`], ["height", `${height}px`]]) {
      if (style.getPropertyValue(`--${name}`) !== String(value)) style.setProperty(`--${name}`, value);
    }
    this.#onLayOut();
  }

  /** Gives a tile the focus: the last that had it, or the first. */
  enter() {
    this.#current()?.view.focus();
  }

  /** Gives the focus to another tile: `step` further, or to the first or the last by an infinite one. */
  move(step) {
    const shown = this.#shown();
    const from = shown.indexOf(this.#current());
    const hasFocus = shown[from]?.view === document.activeElement;
    const to = Math.max(0, Math.min(shown.length - 1, from + (hasFocus ? step : 0)));
    // From the last row down there may be nothing below.
    if (Math.abs(step) === this.#columns && hasFocus && to !== from + step) return;
    shown[to]?.view.focus();
  }

  #add(name) {
    const tile = new Tile(this.#shared, { isLink: !this.#isKiosk });
    this.#tiles.set(name, tile);
    this.#observer.observe(tile.element);
    return tile;
  }

  #remove(name, tile) {
    this.#observer.unobserve(tile.element);
    tile.end();
    tile.element.remove();
    this.#tiles.delete(name);
  }

  #of(element) {
    for (const tile of this.#tiles.values()) if (tile.element.contains(element)) return tile;
    return null;
  }

  #shown() {
    return [...this.#list.children].filter(({ hidden }) => !hidden).map((child) => this.#of(child));
  }

  #current() {
    const shown = this.#shown();
    return shown.find((tile) => tile.name === this.#place.camera) ?? shown[0];
  }

  /** One tile can be reached by the Tab key, and from there the others by arrows. */
  #rove() {
    if (this.#isKiosk) return;
    const current = this.#current();
    for (const tile of this.#tiles.values()) tile.view.tabIndex = tile === current ? 0 : -1;
  }

  #listen() {
    this.#list.addEventListener("focusin", ({ target }) => {
      const tile = this.#of(target);
      if (tile) this.#place.camera = tile.name;
      this.#rove();
      this.#keepPlace();
    });
    // Where the browser does not play by itself, a tap does, for all.
    this.#list.addEventListener("click", (event) => {
      const paused = [...this.#tiles.values()].filter((tile) => tile.play());
      if (paused.includes(this.#of(event.target))) event.preventDefault();
    });
  }

  /** Once there are tiles, those that were left are gone back to. */
  #findPlace() {
    if (this.#isKiosk || this.#isPlaceFound) return;
    this.#isPlaceFound = true;
    const tile = this.#tiles.get(this.#place.camera);
    window.scrollTo(0, this.#place.scroll);
    tile?.view.focus({ preventScroll: true });
  }

  #keepPlace() {
    if (this.#isPlaceFound) keepPlace({ ...this.#place, scroll: window.scrollY });
  }

  #wake() {
    for (const tile of this.#tiles.values()) tile.wake();
  }

  #leave() {
    this.#keepPlace();
    for (const tile of this.#tiles.values()) tile.end();
  }

  /** The browser kept the page: the observer says again what is on the screen. */
  #enterAgain() {
    for (const { element } of this.#tiles.values()) {
      this.#observer.unobserve(element);
      this.#observer.observe(element);
    }
  }
}
