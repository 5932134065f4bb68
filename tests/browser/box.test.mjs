// The page of the box itself, for operators: its slots, an update, a restart, the other slot, the report.
// The test stands in for weir-init, and says what that would of each request.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { twoUsers } from './users.mjs';
import { launchChromium } from './viewer.mjs';
import { startWeir, until } from './weir.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PASSWORD = 'correct horse';
const BUNDLE_BYTES = 24 << 20;
/** What of the bundle weir-init reads before the test lets it go on: more than sockets hold is left. */
const HELD_BYTES = 4 << 20;
const NO_KEY = 'the update is not signed with a key of this box';

/** weir-init as far as weir sees it: a request a connection, a line of JSON each way. */
class Init {
  static async open() {
    const init = new Init();
    init.reset();
    init.folder = mkdtempSync(join(tmpdir(), 'weir-init-'));
    init.socket = join(init.folder, 'socket');
    init.server = createServer((connection) => init.answer(connection).catch(() => {}));
    await once(init.server.listen(init.socket), 'listening');
    return init;
  }

  /** A box that is good, runs slot A, and could go back to B. */
  reset() {
    this.asked = [];
    this.refusal = null;
    this.goOn = () => {};
    this.held = Promise.resolve();
    const slot = { tries_left: 3, version: '0.2.0', why: null };
    this.report = {
      board: 'rock64',
      running: 'A',
      order: ['A', 'B'],
      slots: [
        { ...slot, slot: 'A', build: '30f622e9aa21', state: 'running' },
        { ...slot, slot: 'B', build: '8e41c0d2b5f7', version: '0.1.0', state: 'standby' },
      ],
      update: null,
      good: true,
      watchdog: { identity: 'DW Watchdog', timeout_s: 15 },
      reset_by_watchdog: false,
      bytes_written: 24576,
      network: { mode: 'dhcp' },
    };
  }

  /** From now on an update is read to `HELD_BYTES`, until `goOn` is called. */
  hold() {
    this.held = new Promise((done) => (this.goOn = done));
  }

  /** The slot that does not run has failed. */
  giveUp(why) {
    Object.assign(this.report.slots[1], { state: 'given up', tries_left: 0, why });
  }

  async answer(connection) {
    let [bytes, request, isOver] = [0, null, false];
    const say = (answer) => {
      isOver = true;
      connection.end(`${JSON.stringify(answer)}\n`);
    };
    // What comes behind an answer is read and dropped.
    for await (const piece of connection) {
      bytes += piece.length;
      if (request === null) {
        const end = piece.indexOf('\n');
        request = JSON.parse(piece.subarray(0, end));
        bytes -= end + 1;
        if (request.do !== 'slots') this.asked.push(request);
      }
      if (request.do === 'update' && bytes > HELD_BYTES) await this.held;
      if (isOver) continue;
      if (request.do === 'slots') say({ done: this.report });
      else if (this.refusal !== null) say({ refused: this.refusal });
      else if (bytes === (request.bytes ?? 0)) say({ done: { slot: 'B' } });
    }
  }

  close() {
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }
}

const users = twoUsers(PASSWORD);

let init, bundle, weir, browser;

before(async () => {
  init = await Init.open();
  bundle = join(init.folder, 'new.weirbundle');
  writeFileSync(bundle, Buffer.alloc(BUNDLE_BYTES, 'weir'));
  const command = ['env', `WEIR_INIT_SOCKET=${init.socket}`];
  weir = await startWeir({ cameras: [], https: { tls: 'off' }, users, command });
  browser = await launchChromium();
});

beforeEach(() => init.reset());

after(async () => {
  await browser?.close();
  await weir?.stop();
  init?.close();
});

/** Opens a path for a user, who has to log in for it. */
async function open(t, path = '/-/box', { user = 'anna', at = weir, ...options } = {}) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(at.http + path);
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(at.http + path);
  return page;
}

/** The cells of the table of slots, row by row. */
const table = (page) =>
  page.locator('#slot-rows tr').evaluateAll((rows) => {
    return rows.map((row) => [...row.cells].map((cell) => cell.textContent));
  });

const notice = (page, text) => page.locator('#notice', { hasText: text }).waitFor({ timeout: 10_000 });

/** Answers the next question of the page; what it asked. */
function answerNext(page, isYes) {
  return new Promise((asked) => {
    page.once('dialog', async (dialog) => {
      await (isYes ? dialog.accept() : dialog.dismiss());
      asked(dialog.message());
    });
  });
}

test('the wall leads an operator there, and a viewer not', async (t) => {
  const page = await open(t, '/');
  await page.getByRole('link', { name: 'Box', exact: true }).click();
  await page.waitForURL(`${weir.http}/-/box`);
  await page.getByRole('heading', { name: 'Slots' }).waitFor();

  const viewers = await open(t, '/', { user: 'bert' });
  await viewers.getByText('bert').waitFor();
  assert.equal(await viewers.locator('a[href*="-/box"]:visible').count(), 0);
  const status = (path) => viewers.evaluate(async (url) => (await fetch(url)).status, path);
  assert.equal(await status('/api/box'), 403);
  await viewers.goto(`${weir.http}/-/box`);
  await viewers.locator('#notice[data-tone="bad"]').waitFor();
  assert.ok(await viewers.locator('#slots').isHidden());
  assert.ok(await viewers.locator('#report').isHidden(), 'what would be refused is not offered');
});

test('its metrics tell what lies in each slot', async () => {
  init.giveUp('carried no media');
  const page = await (await fetch(`http://127.0.0.1:${weir.ports.diagnostics}/metrics`)).text();
  for (const line of [
    'weir_box_info{board="rock64",running="A"} 1',
    'weir_box_slot{slot="B",version="0.1.0",build="8e41c0d2b5f7",state="given up"} 1',
    'weir_box_good 1',
  ]) {
    assert.ok(page.includes(`\n${line}\n`), line);
  }
});

test('it shows the slots as they are, and as they become', async (t) => {
  const page = await open(t);
  await page.getByText('8e41c0d2b5f7').waitFor();
  assert.deepEqual(await table(page), [
    ['A', '0.2.0', '30f622e9aa21', 'running', '3', ''],
    ['B', '0.1.0', '8e41c0d2b5f7', 'standby', '3', ''],
  ]);
  assert.equal(await page.locator('#summary').innerText(), 'rock64');
  assert.ok(await page.getByRole('button', { name: 'Start the other slot' }).isEnabled());

  Object.assign(init.report, { good: false, update: { slot: 'A' }, reset_by_watchdog: true });
  init.giveUp('carried no media');
  await page.getByText('carried no media').waitFor({ timeout: 10_000 });
  await page.getByText('The update in slot A is on trial').waitFor();
  await page.getByText('The watchdog has reset the box').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Start the other slot' }).isDisabled());

  Object.assign(init.report.slots[1], { version: null, build: null, state: 'empty', why: null });
  await page.getByRole('cell', { name: 'empty' }).first().waitFor({ timeout: 10_000 });
  await page.getByText('on trial').waitFor();
});

test('an update is sent with its progress and installed, and what is said of it stays', async (t) => {
  init.hold();
  const page = await open(t);
  await page.getByLabel(/A bundle/).setInputFiles(bundle);
  await page.getByRole('button', { name: 'Install' }).click();
  const progress = page.getByRole('progressbar', { name: 'Sent' });
  await until('it is under way', 10_000, async () => {
    const value = await progress.evaluate((element) => element.value);
    return value > 0 && value < 1;
  });
  await notice(page, 'Sending the update…');
  assert.ok(await page.getByRole('button', { name: 'Install' }).isDisabled(), 'once is enough');
  init.goOn();
  await notice(page, 'Installed. The box restarts');
  assert.deepEqual(init.asked, [{ do: 'update', bytes: BUNDLE_BYTES }]);
  assert.ok(await progress.isHidden());
  await page.waitForResponse('**/api/box');
  await page.waitForResponse('**/api/box');
  await notice(page, 'Installed. The box restarts');
});

test('a refusal is said in the words of the box, and an update can be sent once more', async (t) => {
  init.refusal = NO_KEY;
  const page = await open(t);
  await page.getByLabel(/A bundle/).setInputFiles(bundle);
  await page.getByRole('button', { name: 'Install' }).click();
  await notice(page, NO_KEY);
  await page.waitForResponse('**/api/box');
  await page.waitForResponse('**/api/box');
  await notice(page, NO_KEY);
  init.refusal = null;
  await page.getByRole('button', { name: 'Install' }).click();
  await notice(page, 'Installed.');
});

for (const [button, request, question, said] of [
  ['Restart the box', 'reboot', /^Restart the box\?/, 'The box restarts.'],
  ['Start the other slot', 'rollback', /^Start the other slot/, 'The box restarts into the other slot.'],
]) {
  test(`“${button}” asks first, and says what was refused`, async (t) => {
    const page = await open(t);
    const press = async (isYes) => {
      const asked = answerNext(page, isYes);
      await page.getByRole('button', { name: button }).click();
      assert.match(await asked, question);
    };
    await page.getByText('8e41c0d2b5f7').waitFor();
    await press(false);
    await page.waitForResponse('**/api/box');
    assert.deepEqual(init.asked, []);
    init.refusal = 'an update is under way';
    await press(true);
    await notice(page, 'an update is under way');
    init.refusal = null;
    await press(true);
    await notice(page, said);
    assert.deepEqual(init.asked, [{ do: request }, { do: request }]);
  });
}

test('while weir is away the page says so, and goes on when it is back', async (t) => {
  const page = await open(t);
  await page.getByText('8e41c0d2b5f7').waitFor();
  // A kill would lose the login.
  await weir.kill('SIGTERM');
  await notice(page, 'weir does not answer');
  init.report.slots[0].build = 'after-it';
  await weir.start();
  await page.getByText('after-it').waitFor({ timeout: 10_000 });
  assert.ok(await page.locator('#notice').isHidden(), 'nothing is left of it');
});

test('the report is downloaded', async (t) => {
  const page = await open(t);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download the report' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'weir-report.txt');
  const report = readFileSync(await download.path(), 'utf8');
  assert.match(report, /^report of weir \d/);
  assert.match(report, /"board":"rock64"/);
  assert.ok(!report.includes('pbkdf2'), 'no secret is in it');
});

test('a weir that is no box says so, and gives its report', async (t) => {
  const other = await startWeir({ cameras: [], https: { tls: 'off' }, users });
  t.after(() => other.stop());
  const page = await open(t, '/-/box', { at: other });
  await notice(page, 'This weir runs beside other programs');
  const names = await page.getByRole('button').filter({ visible: true }).allInnerTexts();
  assert.deepEqual(names.sort(), ['Download the report', 'Log out']);
});

test('axe finds nothing on the page, light and dark', async (t) => {
  init.refusal = NO_KEY;
  init.giveUp('carried no media');
  Object.assign(init.report, { good: false, update: { slot: 'A' } });
  init.hold();
  const page = await open(t, '/-/box', { bypassCSP: true });
  await page.getByText('carried no media').waitFor();
  await page.addScriptTag({ content: AXE });
  const look = async (what) => {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await page.evaluate(() => window.axe.run());
      const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
      assert.deepEqual(found, [], `${what}, ${colorScheme}`);
    }
  };
  await look('at rest');
  await page.getByLabel(/A bundle/).setInputFiles(bundle);
  await page.getByRole('button', { name: 'Install' }).click();
  await page.getByRole('progressbar', { name: 'Sent' }).waitFor();
  await look('while it is sent');
  init.goOn();
  await notice(page, NO_KEY);
  await look('refused');
});
