// Frames, as the browser counts them.

/** Frames that were decoded of what `receiver` receives. */
export async function decodedFrames(receiver) {
  let frames = 0;
  for (const report of (await receiver.getStats()).values()) {
    if (report.type === "inbound-rtp") frames += report.framesDecoded ?? 0;
  }
  return frames;
}

/** Changes whenever the element shows another frame; what counts differs between browsers. */
export function shownSoFar(video) {
  return video.currentTime + (video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0);
}
