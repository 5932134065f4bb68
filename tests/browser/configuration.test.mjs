// What the pages say of a configuration that changes, and of one that cannot be used.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { startCameras } from './cameras.mjs';
import { Viewer, launchChromium } from './viewer.mjs';
import { startWeir } from './weir.mjs';

let cameras, weir, browser, file, good;

before(async () => {
  cameras = await startCameras([{ path: '/gate', gop: 25 }, { path: '/yard', gop: 25 }]);
  weir = await startWeir({ cameras: [{ name: 'gate', url: cameras.url('/gate') }] });
  file = join(weir.folder, 'weir.toml');
  good = readFileSync(file, 'utf8');
  browser = await launchChromium();
  await weir.ready('gate');
});

after(async () => {
  await browser?.close();
  await weir?.stop();
  await cameras?.kill();
});

async function reload(text) {
  writeFileSync(file, text);
  const { isDone, said } = await weir.console('config', 'reload', '--json');
  return { isDone, ...JSON.parse(said) };
}

test('a changed camera goes on in the same session, and a removed one is said to be gone', async (t) => {
  const viewer = await Viewer.open(browser, `${weir.http}/gate/`);
  t.after(() => viewer.close());
  await viewer.picture(3_000);
  const [{ id }] = await weir.sessions();
  const answer = await reload(good.replace('/gate"', '/yard"'));
  assert.deepEqual(answer.changed, ['gate']);
  await weir.ready('gate');
  await viewer.playing(5_000);
  const live = (await weir.sessions()).filter(({ state }) => state === 'live');
  assert.deepEqual(live.map((session) => session.id), [id]);

  assert.ok((await reload(good.slice(0, good.indexOf('[[camera]]')))).isDone);
  await viewer.page.getByText('There is no camera of that name').waitFor({ timeout: 15_000 });
  assert.ok((await reload(good)).isDone);
});

test('a file that cannot be used is said on the list until it can', async (t) => {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(weir.http);
  const banner = page.locator('#configuration');
  await page.getByText('gate').first().waitFor();
  assert.ok(await banner.isHidden());

  assert.equal((await reload('config_version = ')).status, 422);
  const words = 'The configuration file cannot be used: weir goes on with the last one that could.';
  await page.getByText(words).waitFor({ timeout: 5_000 });
  await weir.kill('SIGKILL');
  await weir.start();
  await page.reload();
  await page.getByText(words).waitFor({ timeout: 5_000 });
  await weir.ready('gate');

  assert.ok((await reload(good)).isDone);
  await banner.waitFor({ state: 'hidden', timeout: 5_000 });
});
