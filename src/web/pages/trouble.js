// Why something did not come about, in words: what weir refused, what did not answer, and what this
// browser cannot do.

/** What only a person can change is tried again rarely. */
export const HOPELESS_MS = 30000;
/** How long weir may take to answer a question. */
export const ANSWER_MS_MAX = 4000;
/** How often to look again for a codec that the browser is still fetching. */
const CODEC_MS = 10000;

/** An answer that is a refusal: its status, and the reason in weir's words if they are weir's. */
export class Refused extends Error {
  constructor({ status, statusText }, detail, retryAfterMs = null) {
    super(detail || `The answer was ${[status, statusText].filter(Boolean).join(" ")}`);
    this.status = status;
    this.isWeirs = Boolean(detail);
    this.retryAfterMs = retryAfterMs;
  }
}

/** No answer: the network, or a weir that is not there. */
export class Unanswered extends Error {}

/** For `fetch(…).catch` and for reading a body: both fail with what is no use to a person. */
export function unanswered(error) {
  throw new Unanswered(error.message);
}

/** Something that this browser does not have. */
export class Unable extends Error {
  constructor(detail, retryAfterMs = HOPELESS_MS) {
    super(detail);
    this.retryAfterMs = retryAfterMs;
  }
}

export const noWebRtc = () =>
  new Unable(
    "It has no WebRTC. It may be switched off (Lockdown Mode, a setting, an add-on), or the browser is too old.",
  );

export function noH264() {
  const isFirefox = navigator.userAgent.includes("Firefox/");
  const detail = "This browser offers no H.264.";
  return isFirefox
    ? new Unable(`${detail} Firefox fetches it in its first minutes, from the Internet: it may only need a minute.`, CODEC_MS)
    : new Unable(detail);
}

/** What a response that is no success says. */
export async function refusal(response) {
  const problem = await response.json().catch(() => null);
  const retryAfter = Number(response.headers.get("Retry-After"));
  return new Refused(response, problem?.detail, retryAfter > 0 ? retryAfter * 1000 : null);
}

/** A signal that aborts after `ms`. AbortSignal.timeout is younger than tablets on walls. */
export function deadline(ms) {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), ms);
  return abort.signal;
}

const HEADLINES = {
  401: ["refused", "This needs a login"],
  403: ["refused", "weir does not allow this"],
  404: ["refused", "This camera cannot be shown"],
  409: ["camera", "No picture from the camera"],
  421: ["refused", "This host name is not weir's"],
  422: ["refused", "This camera cannot be shown"],
  429: ["retrying", "weir asks to wait"],
  503: ["retrying", "weir has no room right now"],
};

/** What a try to show a camera failed of: `state`, `headline`, `explanation`, and `atLeastMs` to wait. */
export function troubleOf(error) {
  if (error instanceof Refused) return troubleOfRefusal(error);
  if (error instanceof Unanswered) {
    const explanation = navigator.onLine === false ? "This device has no network." : "";
    return { state: "retrying", headline: "weir does not answer", explanation, atLeastMs: 0 };
  }
  const headline = "This browser cannot show the camera";
  const atLeastMs = error instanceof Unable ? error.retryAfterMs : 0;
  return { state: "refused", headline, explanation: error.message, atLeastMs };
}

function troubleOfRefusal({ status, message, isWeirs, retryAfterMs }) {
  if (!isWeirs) return troubleOnTheWay(status, message, retryAfterMs);
  const [state, headline] =
    HEADLINES[status] ??
    (status < 500 ? ["refused", "weir refuses this"] : ["retrying", "weir could not do this"]);
  const atLeastMs = Math.max(retryAfterMs ?? 0, state === "refused" ? HOPELESS_MS : 0);
  return { state, headline, explanation: message, atLeastMs };
}

/** weir says in words what is wrong: an answer without is of something between it and the browser. */
function troubleOnTheWay(status, message, retryAfterMs) {
  const atLeastMs = retryAfterMs ?? 0;
  if (status >= 500) {
    const explanation = `${message}, from the proxy in front of it.`;
    return { state: "retrying", headline: "weir does not answer", explanation, atLeastMs };
  }
  const help =
    status < 400
      ? "Its own login may be over: load this page again."
      : "Something between this browser and weir refuses it.";
  const headline = "A proxy or firewall answers, not weir";
  return { state: "refused", headline, explanation: `${message}. ${help}`, atLeastMs: HOPELESS_MS };
}
