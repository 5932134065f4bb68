// Keeps one camera's picture on the screen: connects, watches for frames, and knows whether a
// missing frame is worth a new connection or only patience.

import { base, isLetIn } from "./account.js";
import { fetchCameras, seconds } from "./cameras.js";
import { Refused, WhepSession } from "./whep.js";

const TICK_MS = 250;
const STALL_MS = 2000;
const CONNECT_MS_MAX = 8000;
const LOOK_MS = 1000;
const STEADY_MS = 5000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];
// What only a person can change is asked about rarely.
const HOPELESS_MS = 30000;
// What `Ended::Operator` in ended.rs says.
const BY_OPERATOR = "ended by an operator";
const now = () => performance.now();

/**
 * `state` is one of connecting, waiting (for a key frame), camera (it has no picture), playing,
 * retrying, refused, over (for want of a login), ended (by an operator: only `start` goes on). Every change is told to `onChange`.
 */
export class Viewer {
  #onChange;
  #session = null;
  #receiver = null;
  #generation = 0;
  #attempts = 0;
  #retryTimer = 0;
  #frames = 0;
  #since = 0;
  #playingSince = 0;
  #lastLook = 0;
  #stallMs = STALL_MS;
  #ticking = false;

  constructor(camera, video, onChange) {
    this.camera = camera;
    this.video = video;
    this.#onChange = onChange;
    this.state = "connecting";
    this.retryAt = null;
    setInterval(() => this.#tick(), TICK_MS);
  }

  get peerConnection() {
    return this.#session?.peerConnection ?? null;
  }

  /** Connects afresh, now. */
  async start() {
    this.stop();
    const generation = this.#generation;
    this.#tell("connecting", "Connecting");
    this.#since = now();
    this.#frames = 0;
    const session = new WhepSession(`${base}${encodeURIComponent(this.camera)}/whep`);
    this.#session = session;
    session.peerConnection.addEventListener("track", ({ track }) => {
      this.video.srcObject = new MediaStream([track]);
      this.video.play().catch(() => {});
    });
    session.peerConnection.addEventListener("connectionstatechange", () => this.#tick());
    try {
      const receiver = await session.start();
      this.#receiver = receiver;
      // What weir ends, it says by DTLS at once.
      const { transport } = receiver;
      transport?.addEventListener("statechange", () => {
        if (transport.state === "closed") this.#isOver(session).catch(() => {});
      });
    } catch (error) {
      if (generation === this.#generation) this.#notStarted(error);
    }
  }

  /** Lets go of the session, and of any plan to make another. */
  stop() {
    this.#generation += 1;
    clearTimeout(this.#retryTimer);
    this.retryAt = null;
    this.#session?.close();
    this.#session = null;
    this.#receiver = null;
  }

  /** The page or the network came back. */
  wake() {
    this.#since = Math.max(this.#since, now());
    if (!this.#session && this.state !== "ended") {
      this.#attempts = 0;
      this.start();
    }
  }

  #tell(state, headline = "", explanation = "", progress = "") {
    this.state = state;
    this.#onChange({ state, headline, explanation, progress });
  }

  #notStarted(error) {
    if (!(error instanceof Refused)) {
      this.#retry("retrying", "weir does not answer", "");
    } else if (error.status === 409) {
      this.#retry("camera", "No picture from the camera", error.message, error.retryAfterMs);
    } else if (error.status === 404 || error.status === 422) {
      this.#retry("refused", "This camera cannot be shown", error.message, HOPELESS_MS);
    } else {
      this.#retry("retrying", "weir has no room right now", error.message, error.retryAfterMs);
    }
  }

  #retry(state, headline, explanation, atLeastMs = 0) {
    this.stop();
    const backoff = BACKOFF_MS[Math.min(this.#attempts, BACKOFF_MS.length - 1)];
    this.#attempts += 1;
    // Sixty-four pages that lost the same server do not come back in one instant.
    const delay = Math.max(atLeastMs ?? 0, backoff * (0.8 + 0.4 * Math.random()));
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
    const { connectionState } = session.peerConnection;
    if (!this.#receiver) return;
    if (connectionState === "failed") return this.#failed(session);
    if (connectionState !== "connected" && this.state === "connecting") {
      if (now() - this.#since > CONNECT_MS_MAX) {
        const explanation = "Its UDP port may be blocked between here and there.";
        this.#retry("retrying", "No media connection to weir", explanation);
      }
      return;
    }
    if (this.state === "connecting") {
      this.#since = now();
      this.#lastLook = 0;
      this.#tell("waiting", "Waiting for a picture");
    }
    const frames = await decodedFrames(this.#receiver);
    if (session !== this.#session) return;
    if (frames > this.#frames) return this.#moved(frames);
    if (document.hidden || now() - this.#lastLook < LOOK_MS) return;
    if (this.state === "playing" && now() - this.#since < this.#stallMs) return;
    this.#lastLook = now();
    await this.#lookWhy(session);
  }

  #moved(frames) {
    this.#frames = frames;
    this.#since = now();
    if (this.state !== "playing") {
      this.#playingSince = now();
      this.#tell("playing");
    } else if (now() - this.#playingSince > STEADY_MS) {
      this.#attempts = 0;
    }
  }

  /** No new frame: asks weir whether that is the camera's doing or the connection's. */
  async #lookWhy(session) {
    let camera;
    let exists = true;
    try {
      if (await this.#isOver(session)) return;
      const { cameras } = await fetchCameras();
      camera = cameras.find(({ name }) => name === this.camera);
      exists = await session.exists();
    } catch {
      if (session === this.#session) this.#retry("retrying", "weir does not answer", "");
      return;
    }
    if (session !== this.#session) return;
    const waited = now() - this.#since;
    if (!exists || !camera) return this.start();
    // A camera of one frame in three seconds has not stalled after two.
    this.#stallMs = Math.max(STALL_MS, 3000 / (camera.frames_per_s || 25));
    if (camera.state !== "playing") {
      this.#tell("camera", "No picture from the camera", camera.reason ?? "");
    } else if (camera.key_frame_age_ms !== null && camera.key_frame_age_ms + STALL_MS < waited) {
      // A key frame went by while we waited, and it did not show.
      this.#retry("retrying", "The picture stopped", "");
    } else {
      this.#tell("waiting", "Waiting for a key frame", "", keyFrameProgress(camera));
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
      return this.#retry("retrying", "The media connection broke", "");
    }
    const reason = await session.endReason().catch(() => "");
    if (session !== this.#session) return;
    this.#retry("refused", "No encrypted connection", reason, HOPELESS_MS);
  }
}

function keyFrameProgress({ gop_ms: gop, key_frame_age_ms: age }) {
  if (age == null) return "";
  const whole = (milliseconds) => seconds(Math.round(milliseconds / 1000) * 1000);
  return gop ? `${whole(age)} of about ${whole(gop)}` : `${whole(age)} since the last one`;
}

async function decodedFrames(receiver) {
  let frames = 0;
  for (const report of (await receiver.getStats()).values()) {
    if (report.type === "inbound-rtp") frames += report.framesDecoded ?? 0;
  }
  return frames;
}
