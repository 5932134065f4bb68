// Sound of GStreamer's cameras in Chromium: it is heard, beside a picture that plays; it is off until a
// person turns it on, and stays as that person left it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { startCameras } from '../browser/cameras.mjs';
import { Viewer, launchChromium } from '../browser/viewer.mjs';
import { sleep, startWeir, until } from '../browser/weir.mjs';

const AXE = createRequire(new URL('../browser/package.json', import.meta.url)).resolve('axe-core/axe.min.js');
const MOUNT = { width: 320, height: 240, fps: 15, gop: 15 };
const SOUNDS = { alaw: 'PCMA', mulaw: 'PCMU', g722: 'G722', opus: 'opus' };
const MUTE = { aac: /its sound is AAC, which browsers do not take here: set the camera to G\.711/i };

let cameras, weir, browser;

before(async () => {
  const names = ['', ...Object.keys(SOUNDS), ...Object.keys(MUTE)];
  const mounts = names.map((sound) => ({ ...MOUNT, path: `/${sound || 'none'}`, sound }));
  cameras = await startCameras(mounts);
  weir = await startWeir({
    cameras: mounts.map(({ path }) => ({ name: path.slice(1), url: cameras.url(path) })),
  });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

async function open(t, name, prepare) {
  await weir.ready(name);
  const viewer = await Viewer.open(browser, `${weir.http}/${name}/`, prepare);
  t.after(() => viewer.close());
  await viewer.picture();
  return viewer;
}

/** What Chromium says of the sound that it receives; null while it receives none. */
function heard(viewer) {
  return viewer.page.evaluate(async () => {
    const newest = window.connectionsMade.filter((c) => c.connectionState === 'connected').at(-1);
    const report = [...(await newest.getStats()).values()];
    const sound = report.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio');
    const codec = report.find(({ id }) => id === sound?.codecId)?.mimeType;
    return sound ? { ...sound, codec } : null;
  });
}

const isMuted = (viewer) => viewer.page.evaluate(() => document.querySelector('video').muted);
const button = (viewer) => viewer.page.getByRole('button', { name: 'Sound' });

for (const [name, codec] of Object.entries(SOUNDS)) {
  test(`${name} is heard beside its picture`, async (t) => {
    const viewer = await open(t, name);
    assert.equal((await weir.camera(name)).sound, codec);
    assert.equal(await isMuted(viewer), true, 'a page is silent until a person acts');
    await button(viewer).click();
    assert.equal(await isMuted(viewer), false);
    const loud = await until('a tone is heard', 8_000, async () => {
      const sound = await heard(viewer);
      return sound?.audioLevel > 0.05 && sound;
    });
    assert.equal(loud.codec.toLowerCase(), `audio/${codec.toLowerCase()}`);
    // At its start, and where the machine is busy, a browser makes samples up.
    await until('three seconds of which nothing is made up', 20_000, async () => {
      const frames = (await viewer.stats()).framesDecoded;
      const before = await heard(viewer);
      await sleep(3_000);
      const later = await heard(viewer);
      const samples = later.totalSamplesReceived - before.totalSamplesReceived;
      const concealed = later.concealedSamples - before.concealedSamples;
      const shown = (await viewer.stats()).framesDecoded - frames;
      const said = `${samples} samples, ${concealed} made up, level ${later.audioLevel}, ${shown} frames`;
      // G.711 has 8,000 samples a second, G.722 16,000 and Opus 48,000.
      if (samples < 20_000 || concealed > 0 || shown < 20) throw new Error(said);
      assert.equal(later.packetsLost, loud.packetsLost);
      t.diagnostic(said);
      return true;
    });
  });
}

test('what browsers do not take is said, and its picture plays', async (t) => {
  for (const [name, reason] of Object.entries(MUTE)) {
    const viewer = await open(t, name);
    assert.match((await weir.camera(name)).sound_problem, reason);
    assert.equal(await heard(viewer), null);
    assert.equal(await button(viewer).isVisible(), false);
    const list = await Viewer.open(browser, `${weir.http}/?table`);
    t.after(() => list.close());
    await list.page.getByText(reason).waitFor();
  }
});

test('a camera without sound has no button, and the wall hears nothing', async (t) => {
  const viewer = await open(t, 'none');
  assert.equal(await button(viewer).isVisible(), false);
  const wall = await Viewer.open(browser, `${weir.http}/`);
  t.after(() => wall.close());
  await wall.picture();
  const kinds = await wall.page.evaluate(() =>
    window.connectionsMade.flatMap((c) => c.getTransceivers().map((each) => each.receiver.track.kind)),
  );
  assert.ok(kinds.length > 0 && kinds.every((kind) => kind === 'video'), kinds.join());
});

test('sound is turned on by the keyboard, and stays as it was left', async (t) => {
  const viewer = await open(t, 'alaw');
  await button(viewer).waitFor();
  await viewer.page.keyboard.press('m');
  assert.equal(await isMuted(viewer), false);
  assert.equal(await button(viewer).getAttribute('aria-pressed'), 'true');
  await viewer.page.getByRole('slider', { name: 'Volume' }).focus();
  for (let step = 0; step < 10; step += 1) await viewer.page.keyboard.press('ArrowLeft');
  await viewer.page.reload();
  await viewer.picture();
  await button(viewer).waitFor();
  assert.equal(await isMuted(viewer), false);
  assert.equal(await viewer.page.evaluate(() => document.querySelector('video').volume), 0.5);
  await button(viewer).focus();
  await viewer.page.keyboard.press('Space');
  assert.equal(await isMuted(viewer), true);
});

test('a camera is told what came of each track', async (t) => {
  for (const name of Object.keys(SOUNDS)) {
    for (const track of [0, 1]) {
      const isOf = (report) => report.path === `/${name}` && report.track === track;
      const report = await until(`a report on track ${track} of ${name}`, 12_000, () => {
        return cameras.reports.findLast((each) => isOf(each) && each.lsr > 0);
      });
      t.diagnostic(JSON.stringify(report));
      assert.ok(report.exthighestseq > 0 && report.lost === 0 && report.fractionlost === 0);
    }
  }
});

test('axe finds nothing where there is sound', async (t) => {
  await weir.ready('alaw');
  const context = await browser.newContext({ bypassCSP: true });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${weir.http}/alaw/`);
  await page.getByRole('button', { name: 'Sound' }).waitFor();
  await page.evaluate(readFileSync(AXE, 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
});
