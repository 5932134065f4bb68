// A WHEP session: one offer, one answer, and the DELETE at the end.

import { request } from "./account.js";

const POST_MS_MAX = 12000;
const LOOK_MS = 500;

/** Why there is no session: weir's own words, and when to ask again. */
export class Refused extends Error {
  constructor(status, detail, retryAfterMs = null) {
    super(detail);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export class WhepSession {
  #endpoint;
  #abort = new AbortController();
  #url = null;

  constructor(endpoint) {
    this.#endpoint = endpoint;
    this.peerConnection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  }

  /**
   * Offers and takes the answer. Nothing is gathered first: weir learns the browser's addresses
   * from its checks.
   */
  async start() {
    const { receiver } = this.peerConnection.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    const offer = await this.peerConnection.createOffer();
    if (!/^a=rtpmap:\d+ H264\/90000/im.test(offer.sdp)) {
      throw new Refused(422, "This browser offers no H.264.");
    }
    await this.peerConnection.setLocalDescription(offer);
    const response = await request(this.#endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: offer.sdp,
      signal: AbortSignal.any
        ? AbortSignal.any([this.#abort.signal, AbortSignal.timeout(POST_MS_MAX)])
        : this.#abort.signal,
    });
    if (response.status !== 201) throw await refusal(response);
    this.#url = new URL(response.headers.get("Location"), response.url);
    const sdp = await response.text();
    await this.peerConnection.setRemoteDescription({ type: "answer", sdp });
    return receiver;
  }

  /** Whether weir still has the session; after a restart it does not. */
  async exists() {
    const response = await fetch(this.#url, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return response.status !== 404;
  }

  /** Why it ended, in weir's words, which come soon after the end. */
  async endReason() {
    for (let tries = 0; tries < 4; tries += 1) {
      const response = await fetch(this.#url, { cache: "no-store" });
      if (response.status === 404) return (await response.json()).detail;
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    return "";
  }

  /** True when ICE found its way but DTLS was refused. */
  get wasRefusedByDtls() {
    const transport = this.peerConnection.getReceivers()[0]?.transport;
    return transport?.state === "failed" && transport.iceTransport?.state !== "failed";
  }

  /** Ends the session; also from a page that is being left. */
  close() {
    this.#abort.abort();
    this.peerConnection.close();
    if (this.#url) fetch(this.#url, { method: "DELETE", keepalive: true }).catch(() => {});
    this.#url = null;
  }
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After"));
  const detail = problem.detail ?? `weir answers ${response.status}`;
  return new Refused(response.status, detail, retryAfter > 0 ? retryAfter * 1000 : null);
}
