// A WHEP session: one offer, one answer, and the DELETE at the end.

import { request } from "./account.js";
import { ANSWER_MS_MAX, deadline, noH264, noWebRtc, refusal, unanswered } from "./trouble.js";

const POST_MS_MAX = 12000;
const LOOK_MS = 500;

export class WhepSession {
  #endpoint;
  #url = null;
  #isClosed = false;

  /** Throws where the browser has no WebRTC, or no room for one more connection. */
  constructor(endpoint) {
    if (typeof RTCPeerConnection !== "function") throw noWebRtc();
    this.#endpoint = endpoint;
    this.peerConnection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  }

  /**
   * Offers and takes the answer. Nothing is gathered first: weir learns the browser's addresses
   * from its checks. Where the camera has no sound, weir answers that of it and plays the picture.
   */
  async start({ withSound = false } = {}) {
    const { receiver } = this.peerConnection.addTransceiver("video", { direction: "recvonly" });
    if (withSound) this.peerConnection.addTransceiver("audio", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    const offer = await this.peerConnection.createOffer();
    if (!/^a=rtpmap:\d+ H26[45]\/90000/im.test(offer.sdp)) throw noH264();
    await this.peerConnection.setLocalDescription(offer);
    const sdp = await this.#post(offer.sdp);
    await this.peerConnection.setRemoteDescription({ type: "answer", sdp });
    return receiver;
  }

  async #post(body) {
    const response = await request(this.#endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body,
      signal: deadline(POST_MS_MAX),
    });
    if (response.status !== 201) throw await refusal(response);
    this.#url = new URL(response.headers.get("Location"), response.url);
    // It came too late for this page, and weir should not wait for it.
    if (this.#isClosed) this.close();
    return response.text().catch(unanswered);
  }

  /** `connectionState`, which Firefox has from 113 on, or what comes closest. */
  get connectionState() {
    const { connectionState, iceConnectionState } = this.peerConnection;
    if (connectionState) return connectionState;
    return iceConnectionState === "completed" ? "connected" : iceConnectionState;
  }

  /** Whether the camera's sound comes with its picture. */
  get hasSound() {
    return this.peerConnection.getTransceivers().some(({ receiver, currentDirection }) => {
      return receiver.track.kind === "audio" && currentDirection === "recvonly";
    });
  }

  /** Whether weir still has the session; after a restart it does not. */
  async exists() {
    return (await this.#get()).status !== 404;
  }

  /** Why it ended, in weir's words, which come soon after the end. */
  async endReason() {
    for (let tries = 0; tries < 4; tries += 1) {
      const response = await this.#get();
      if (response.status === 404) return (await response.json()).detail;
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    return "";
  }

  #get() {
    const options = { cache: "no-store", signal: deadline(ANSWER_MS_MAX) };
    return fetch(this.#url, options).catch(unanswered);
  }

  /** True when ICE found its way but DTLS was refused. */
  get wasRefusedByDtls() {
    const transport = this.peerConnection.getReceivers()[0]?.transport;
    return transport?.state === "failed" && transport.iceTransport?.state !== "failed";
  }

  /** Ends the session; also from a page that is being left. */
  close() {
    this.#isClosed = true;
    this.peerConnection.close();
    if (this.#url) end(this.#url);
    this.#url = null;
  }
}

/** Browsers let only a few requests outlive a page: a page that stays has others for the rest. */
function end(url) {
  const again = () => fetch(url, { method: "DELETE" });
  fetch(url, { method: "DELETE", keepalive: true }).catch(again).catch(() => {});
}
