// The figures behind the picture, from the browser's own statistics.

import { bitRate, frameRate, sentence } from "./cameras.js";

const UPDATE_MS = 1000;
/** Updates from one question to weir to the next. */
const LOOK_UPDATES = 10;

/** Shows figures of `peerConnection()` in `list` while it is switched on. */
export class Details {
  #peerConnection;
  #list;
  #timer = 0;
  #last = null;
  #look;
  #camera = null;
  #updates = 0;

  /** `look` asks weir how the camera is. */
  constructor(peerConnection, list, look) {
    this.#peerConnection = peerConnection;
    this.#list = list;
    this.#look = look;
  }

  set isOn(on) {
    clearInterval(this.#timer);
    if (!on) return;
    this.#updates = 0;
    this.#timer = setInterval(() => this.#update(), UPDATE_MS);
    this.#update();
  }

  async #update() {
    this.#updates += 1;
    // The figures do not wait for it.
    if (this.#updates % LOOK_UPDATES === 1) {
      this.#look().then((camera) => (this.#camera = camera), () => {});
    }
    const connection = this.#peerConnection();
    const figures = connection ? this.#figures(await connection.getStats()) : [];
    const shown = figures.length ? figures : [["Connection", "none"]];
    this.#list.replaceChildren(
      ...shown.flatMap(([name, value]) => [cell("dt", name), cell("dd", value)]),
    );
  }

  #figures(stats) {
    const inbound = [...stats.values()].filter((report) => report.type === "inbound-rtp");
    const video = inbound.find(({ kind }) => kind === "video");
    if (!video) return [];
    const audio = inbound.find(({ kind }) => kind === "audio");
    const transport = find(stats, "transport");
    const pair = stats.get(transport?.selectedCandidatePairId) ?? nominated(stats);
    const remote = stats.get(pair?.remoteCandidateId);
    const since = this.#last?.id === video.id ? this.#last : null;
    this.#last = video;
    const size = video.frameWidth ? `${video.frameWidth} × ${video.frameHeight}` : "";
    return [
      ["Picture", size],
      ["Codec", codec(stats.get(video.codecId))],
      ["Frames/s", frameRate(video.framesPerSecond)],
      ["Bit rate", since ? bitRate(perSecond(since, video, "bytesReceived") * 8) : ""],
      ["Delay", delay(since, video, pair)],
      ["Packets lost", `${Math.max(0, video.packetsLost ?? 0)} of ${video.packetsReceived}`],
      ["Frames dropped", String(video.framesDropped ?? 0)],
      ["Sound", audio ? codec(stats.get(audio.codecId)) : sentence(this.#camera?.sound_problem)],
      ["Freezes", video.freezeCount == null ? "" : String(video.freezeCount)],
      ["SRTP cipher", (transport?.srtpCipher ?? "").replace(/^SRTP_/, "")],
      ["From", remote?.address ? `${remote.address}, port ${remote.port}` : ""],
      ["Camera", found(this.#camera)],
    ].filter(([, value]) => value);
  }
}

/** What weir finds of the camera; of its sound there is a line already. */
function found(camera) {
  const findings = camera?.findings.filter(({ code }) => code !== "sound_not_taken") ?? [];
  return findings.map(({ words, advice }) => `${sentence(words)}; ${advice}.`).join(" ");
}

function cell(tag, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}

function find(stats, type) {
  for (const report of stats.values()) if (report.type === type) return report;
  return null;
}

function nominated(stats) {
  for (const report of stats.values()) {
    if (report.type === "candidate-pair" && report.nominated) return report;
  }
  return null;
}

function perSecond(before, after, key) {
  return ((after[key] - before[key]) * 1000) / Math.max(1, after.timestamp - before.timestamp);
}

const PROFILES = { 42: "Baseline", "4d": "Main", 64: "High" };

function codec(report) {
  const id = /profile-level-id=(\w+)/.exec(report?.sdpFmtpLine ?? "")?.[1]?.toLowerCase();
  const name = report?.mimeType?.replace(/^(video|audio)\//, "").replace("H26", "H.26");
  return [name, PROFILES[id?.slice(0, 2)], id && `(${id})`].filter(Boolean).join(" ");
}

/** What the jitter buffer holds back, and half of the round trip. */
function delay(before, after, pair) {
  const emitted = after.jitterBufferEmittedCount - (before?.jitterBufferEmittedCount ?? 0);
  const held = after.jitterBufferDelay - (before?.jitterBufferDelay ?? 0);
  if (!(emitted > 0)) return "";
  const buffer = Math.round((held / emitted) * 1000);
  const roundTrip = pair?.currentRoundTripTime;
  if (roundTrip == null) return `${buffer} ms`;
  const way = Math.round(roundTrip * 500);
  return `${buffer + way} ms (buffer ${buffer}, network ${way})`;
}
