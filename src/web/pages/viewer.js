// Keeps one camera's picture on the screen: connects, watches for frames, and knows whether a
// missing frame is worth a new connection or only patience.

import { base, isLetIn } from "./account.js";
import { fetchCamera, keyFrameProgress, motionIn, remarkOf } from "./cameras.js";
import { decodedFrames, shownSoFar } from "./frames.js";
import { eachTick } from "./ticks.js";
import { HOPELESS_MS, troubleOf } from "./trouble.js";
import { WhepSession } from "./whep.js";

const STALL_MS = 2000;
// One picture and no second for so long: what followed the key frame was given up.
const STILL_MS = 400;
const CONNECT_MS_MAX = 8000;
const LOOK_MS = 1000;
const STEADY_MS = 5000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];
// How far a try got. A reason is shown until a later try got further than the one it is of.
const ANSWER = 1;
const CONNECTION = 2;
const PICTURE = 3;
// What `Ended::Operator` in ended.rs says.
const BY_OPERATOR = "ended by an operator";
const now = () => performance.now();

/**
 * `state` is one of connecting, waiting (for a key frame), camera (it has no picture), playing, still
 * (its first picture stands until the next key frame), paused (the browser does not show what it
 * gets), retrying, refused, over (for want of a login), ended (by an operator: only `start` goes on).
 * Every change is told to `onChange`.
 */
export class Viewer {
  #onChange;
  #look;
  #permits;
  #calmMs;
  #onSound;
  #permit = null;
  #untick;
  #onPause = () => this.#tick();
  #session = null;
  #receiver = null;
  #generation = 0;
  #attempts = 0;
  #retryTimer = 0;
  #trouble = null;
  #isConnected = false;
  #mayNotPlay = false;
  #pausedFor = "";
  #frames = 0;
  #isMoving = false;
  #shown = 0;
  #unshownSince = null;
  #since = 0;
  #playingSince = 0;
  #lastLook = 0;
  #stallMs = STALL_MS;
  #ticking = false;

  /**
   * `look` tells how a camera is, and `permits` when a connection may begin, where a page has many.
   * A picture that moves is looked at each `calmMs`. With `onSound` the camera's sound is wanted too;
   * it is told whether there is any, and again when the browser has muted it.
   */
  constructor(
    camera,
    video,
    onChange,
    { look = fetchCamera, permits = null, calmMs = 0, onSound = null } = {},
  ) {
    this.camera = camera;
    this.video = video;
    this.#onChange = onChange;
    this.state = "connecting";
    this.retryAt = null;
    this.#look = look;
    this.#permits = permits;
    this.#calmMs = calmMs;
    this.#onSound = onSound;
    this.#untick = eachTick(() => this.#tick());
    video.addEventListener("pause", this.#onPause);
  }

  get peerConnection() {
    return this.#session?.peerConnection ?? null;
  }

  /** Connects afresh, now. */
  async start() {
    this.stop();
    const generation = this.#generation;
    this.#tellTrying();
    this.#permit = this.#permits?.take(this.video) ?? null;
    await this.#permit?.granted;
    if (generation !== this.#generation) return;
    this.#since = now();
    this.#frames = 0;
    this.#isMoving = false;
    try {
      const session = new WhepSession(`${base}${encodeURIComponent(this.camera)}/whep`);
      this.#session = session;
      const { peerConnection } = session;
      // Picture and sound are of one stream, which has both before the first is told.
      peerConnection.addEventListener("track", ({ track, streams }) => {
        if (track.kind !== "video") return;
        this.video.srcObject = streams[0] ?? new MediaStream([track]);
        this.#shown = shownSoFar(this.video);
        this.play();
      });
      peerConnection.addEventListener("connectionstatechange", () => this.#tick());
      const receiver = await session.start({ withSound: this.#onSound !== null });
      if (generation !== this.#generation) return;
      this.#onSound?.(session.hasSound);
      this.#receiver = receiver;
      // What weir ends, it says by DTLS at once.
      const { transport } = receiver;
      transport?.addEventListener("statechange", () => {
        if (transport.state === "closed") this.#isOver(session).catch(() => {});
      });
      if (this.#outdates(ANSWER)) this.#tellTrying();
    } catch (error) {
      if (generation === this.#generation) this.#retry(troubleOf(error), ANSWER);
    }
  }

  /** Shows what has come. A tap may do that where the page by itself may not. */
  async play() {
    // One that stands still without being paused is given its stream again.
    if (this.state === "paused" && !this.video.paused) this.video.srcObject = this.video.srcObject;
    try {
      await this.video.play();
      this.#mayNotPlay = false;
    } catch (error) {
      this.#mayNotPlay = error.name === "NotAllowedError";
      // With sound a browser plays by itself only where a person has done something.
      if (this.#mayNotPlay && !this.video.muted) {
        this.video.muted = true;
        this.#onSound?.(true);
        return this.play();
      }
    }
    this.#tick();
  }

  /** Lets go of the session, and of any plan to make another. */
  stop() {
    this.#generation += 1;
    clearTimeout(this.#retryTimer);
    this.retryAt = null;
    this.#givePermit();
    this.#session?.close();
    this.#session = null;
    this.#receiver = null;
    this.#isConnected = false;
  }

  /** The same for good: nothing of it is left, on the screen neither. */
  end() {
    this.stop();
    this.#untick();
    this.#onChange = () => {};
    this.video.removeEventListener("pause", this.#onPause);
    this.video.srcObject = null;
  }

  /** The page or the network came back. */
  wake() {
    this.#since = Math.max(this.#since, now());
    // Some browsers pause a video while it is out of sight.
    if (this.#session && this.video.paused && this.video.srcObject) this.play();
    if (!this.#session && this.state !== "ended") {
      this.#attempts = 0;
      this.start();
    }
  }

  #givePermit() {
    if (this.#permit) this.#permits.give(this.#permit);
    this.#permit = null;
  }

  #tell(state, headline = "", explanation = "", progress = "") {
    this.state = state;
    this.#onChange({ state, headline, explanation, progress });
  }

  /** A new try: with the reason of the last one, until more is known. */
  #tellTrying() {
    const trouble = this.#trouble;
    if (!trouble) this.#tell("connecting", "Connecting");
    else this.#tell(trouble.state, trouble.headline, trouble.explanation, "Trying again");
  }

  /** Whether a try that got to `step` ends what was said of an earlier one. */
  #outdates(step) {
    if (this.#trouble && this.#trouble.step > step) return false;
    this.#trouble = null;
    return true;
  }

  /** Tries again later, and shows until a try gets past `step` why this one did not. */
  #retry({ state = "retrying", headline, explanation = "", atLeastMs = 0 }, step) {
    this.stop();
    this.#trouble = { state, headline, explanation, step };
    const backoff = BACKOFF_MS[Math.min(this.#attempts, BACKOFF_MS.length - 1)];
    this.#attempts += 1;
    // Sixty-four pages that lost the same server do not come back in one instant.
    const delay = Math.max(atLeastMs, backoff * (0.8 + 0.4 * Math.random()));
    this.retryAt = now() + delay;
    // A hidden page waits until somebody looks; `wake` starts it then.
    this.#retryTimer = setTimeout(() => document.hidden || this.start(), delay);
    this.#tell(state, headline, explanation);
  }

  async #tick() {
    const session = this.#session;
    if (!session || this.#ticking) return;
    this.#ticking = true;
    try {
      await this.#watch(session);
    } finally {
      this.#ticking = false;
    }
  }

  async #watch(session) {
    if (!this.#receiver) return;
    const { connectionState } = session;
    if (connectionState === "failed") return this.#failed(session);
    if (!this.#isConnected && connectionState !== "connected") return this.#waitForConnection();
    if (!this.#isConnected) this.#connected();
    if (this.#isCalm()) return;
    const frames = await decodedFrames(this.#receiver);
    if (session !== this.#session) return;
    if (this.video.paused) return this.#paused(frames);
    if (frames > this.#frames) {
      const isShown = document.hidden || shownSoFar(this.video) !== this.#shown;
      return isShown ? this.#moved(frames) : this.#notShown();
    }
    if (document.hidden || now() - this.#lastLook < LOOK_MS) return;
    const waited = now() - this.#since;
    if (this.#isStill() && waited > STILL_MS && waited < STALL_MS) return this.#lookHowLong(session);
    if (this.state === "playing" && waited < this.#stallMs) return;
    this.#lastLook = now();
    await this.#lookWhy(session);
  }

  /** It moved a moment ago. */
  #isCalm() {
    const isMoving = this.state === "playing" && this.#isMoving && !this.video.paused;
    return isMoving && now() - this.#since < this.#calmMs;
  }

  #isStill() {
    return this.#frames > 0 && !this.#isMoving;
  }

  #waitForConnection() {
    if (now() - this.#since < CONNECT_MS_MAX) return;
    const explanation = "Its UDP port may be blocked between here and there.";
    this.#retry({ headline: "No media connection to weir", explanation }, CONNECTION);
  }

  #connected() {
    this.#isConnected = true;
    this.#givePermit();
    this.#since = now();
    this.#lastLook = 0;
    if (this.#outdates(CONNECTION)) this.#tell("waiting", "Waiting for a picture");
  }

  /** The element does not play, whatever is decoded. */
  #paused(frames) {
    this.#count(frames);
    const explanation = this.#mayNotPlay ? "This browser does not start videos by itself." : "";
    // Why may be known a moment after it is paused.
    if (this.state === "paused" && explanation === this.#pausedFor) return;
    this.#pausedFor = explanation;
    this.#tell("paused", "Paused", explanation);
  }

  /** It plays, frames are decoded, and they do not come to the screen; soon, or not at all. */
  #notShown() {
    this.#unshownSince ??= now();
    if (this.state === "paused" || now() - this.#unshownSince < STALL_MS) return;
    const explanation = "Its frames arrive, but this browser does not show them.";
    this.#tell("paused", "The picture stands still", explanation);
  }

  #count(frames) {
    this.#frames = frames;
    this.#shown = shownSoFar(this.video);
    this.#unshownSince = null;
    this.#since = now();
  }

  #moved(frames) {
    this.#isMoving = this.#frames > 0;
    if (!this.#isMoving) this.#lastLook = 0;
    this.#count(frames);
    this.#trouble = null;
    if (this.state !== "playing") {
      this.#playingSince = now();
      this.#tell("playing");
    } else if (now() - this.#playingSince > STEADY_MS) {
      this.#attempts = 0;
    }
  }

  /** One picture came, and no other yet. Where there is no answer, a stall will say so. */
  async #lookHowLong(session) {
    this.#lastLook = now();
    const camera = await this.#look(this.camera).catch(() => null);
    if (session !== this.#session || camera?.state !== "playing") return;
    if (now() - this.#since < 1500 / (camera.frames_per_s || 25)) return;
    this.#tell("still", "Still", "", motionIn(camera));
  }

  /** No new frame: asks weir whether that is the camera's doing or the connection's. */
  async #lookWhy(session) {
    let camera;
    let exists = true;
    try {
      if (await this.#isOver(session)) return;
      camera = await this.#look(this.camera);
      exists = await session.exists();
    } catch (error) {
      if (session === this.#session) this.#retry(troubleOf(error), ANSWER);
      return;
    }
    if (session !== this.#session) return;
    const waited = now() - this.#since;
    if (!exists || !camera) return this.start();
    // A camera of one frame in three seconds has not stalled after two.
    this.#stallMs = Math.max(STALL_MS, 3000 / (camera.frames_per_s || 25));
    if (camera.state !== "playing") {
      this.#trouble = null;
      this.#tell("camera", "No picture from the camera", remarkOf(camera));
    } else if (camera.key_frame_age_ms !== null && camera.key_frame_age_ms + STALL_MS < waited) {
      // A key frame went by while we waited, and it did not show.
      const explanation =
        "A key frame was sent and did not show: its packets are lost on the way, or this browser cannot decode it.";
      this.#retry({ headline: "The picture stopped", explanation }, PICTURE);
    } else if (this.#isStill()) {
      this.#tell("still", "Still", "", motionIn(camera));
    } else {
      const { headline, explanation = "" } = this.#trouble ?? { headline: "Waiting for a key frame" };
      this.#tell("waiting", headline, explanation, keyFrameProgress(camera));
    }
  }

  /**
   * Whether weir ended the session, and this page is to have no other, or none before a person
   * asks for it: says why, and stays.
   */
  async #isOver(session) {
    if (session !== this.#session) return true;
    const mayLook = await isLetIn();
    if (mayLook && (await session.exists())) return false;
    const reason = await session.endReason().catch(() => "");
    if (session !== this.#session) return true;
    if (mayLook && reason !== BY_OPERATOR) return false;
    this.stop();
    if (mayLook) this.#tell("ended", "An operator ended this");
    else this.#tell("over", "You are no longer logged in", reason);
    return true;
  }

  async #failed(session) {
    if (!session.wasRefusedByDtls) {
      return this.#retry({ headline: "The media connection broke" }, CONNECTION);
    }
    const reason = await session.endReason().catch(() => "");
    if (session !== this.#session) return;
    const trouble = { state: "refused", headline: "No encrypted connection", explanation: reason };
    this.#retry({ ...trouble, atLeastMs: HOPELESS_MS }, CONNECTION);
  }
}
