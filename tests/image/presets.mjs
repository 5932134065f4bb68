// What a box takes from the partition WEIR at its start: whole files, damaged ones, those of other
// programs and none, and none of them keeps it from starting.
//
// Run as `unshare -n node --test tests/image/presets.mjs`. $WEIR_IMAGE is what scripts/image made.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';

import { until } from '../browser/weir.mjs';
import { Lan, v4 } from '../interop/lan.mjs';
import { Disk, Machine } from './machine.mjs';
import { BOX_FILE, PASSWORD, configuration } from './operator.mjs';

const ADDRESS = v4(254);
const DISK_MIB = 512;
const CAMERA = 'rtsp://10.0.2.2:1';
const STATIC = `
[network]
mode = "static"
address = "10.0.2.77/24"
gateway = "10.0.2.2"
dns = ["10.0.2.3", "10.0.2.4"]
`;

let lan;
before(async () => (lan = await Lan.open()));
after(() => lan?.close());

/** A disk with these presets, for as long as `t` runs. */
function diskWith(t, presets, options) {
  const disk = new Disk(process.env.WEIR_IMAGE, options);
  for (const [name, text] of Object.entries(presets)) disk.preset(name, text);
  t.after(() => disk.remove());
  return disk;
}

/** Starts a box that has the disk, does `what` with it, and cuts its power. */
async function started(disk, what, password = PASSWORD) {
  const machine = await Machine.start(disk, { address: ADDRESS });
  try {
    await machine.login(password);
    return await what(machine.serial, machine);
  } finally {
    await machine.cut();
  }
}

const report = async (serial) => JSON.parse(/^\{"board".*$/m.exec(await serial.asks('report'))[0]);
const cameras = async (serial) => {
  const shown = await serial.asks('config show');
  const names = [...shown.matchAll(/^name = "(\w+)"/gm)].map(([, name]) => name);
  return names.filter((name) => name !== 'fleet');
};
const sees = (what, serial, command) =>
  until(`${command} says ${what}`, 30_000, async () => what.test(await serial.asks(command)));

test('a static address, a name and a whole configuration are in force', async (t) => {
  const disk = diskWith(t, {
    'box.toml': BOX_FILE + STATIC,
    'weir.toml': configuration({ gate: `${CAMERA}/gate`, yard: `${CAMERA}/yard` }),
  });
  await started(disk, async (serial) => {
    assert.match(serial.shown, / on porch: 0 of 2 cameras playing, .*configuration: good/);
    await sees(/\b10\.0\.2\.77\b/, serial, 'net');
    assert.deepEqual(await cameras(serial), ['gate', 'yard']);
    const { network } = await report(serial);
    const { mode, address, gateway, dns } = network;
    assert.deepEqual([mode, address, gateway], ['static', '10.0.2.77/24', '10.0.2.2']);
    assert.deepEqual(dns, ['10.0.2.3', '10.0.2.4']);
    assert.equal(network.now.hostname, 'porch');
    assert.doesNotMatch(await serial.asks('net'), /10\.0\.2\.15/);
  });
});

test('a damaged weir.toml is named with its place, and the box.toml is taken', async (t) => {
  const damaged = configuration({ gate: `${CAMERA}/gate` }).replace(`"${CAMERA}/gate"`, 'rtsp');
  const line = damaged.slice(0, damaged.indexOf('rtsp')).split('\n').length;
  const disk = diskWith(t, { 'weir.toml': damaged, 'box.toml': BOX_FILE });
  await started(disk, async (serial) => {
    const told = new RegExp(`presets: weir\\.toml: line ${line}, column \\d+: `);
    assert.match(serial.shown, told);
    assert.match(await serial.asks('log'), told, 'whoever comes later reads it in the log');
    assert.match(serial.shown, /on porch: 0 of 0 cameras playing, .*configuration: good/);
    assert.deepEqual(await cameras(serial), []);
    assert.doesNotMatch(await serial.asks('config show'), /fleet/);
  });
});

test('a damaged box.toml is named, and the weir.toml is taken', async (t) => {
  const disk = diskWith(t, {
    'box.toml': `${BOX_FILE}${STATIC.replace('10.0.2.77/24', '10.0.2.777/24')}`,
    'weir.toml': configuration({ gate: `${CAMERA}/gate` }),
  });
  // Nothing of it: neither its name nor its password.
  await started(disk, async (serial) => {
    assert.match(serial.shown, /presets: box\.toml: .*address.*nothing of the file is applied/);
    assert.match(serial.shown, /on weir: 0 of 1 cameras playing/);
    await sees(/\b10\.0\.2\.15\b/, serial, 'net');
    assert.deepEqual(await cameras(serial), ['gate']);
  }, null);
});

test('files cut short or of noise are damaged ones', async (t) => {
  const cut = 'config_version = 1\n[[camera]]\nna';
  const disk = diskWith(t, { 'box.toml': randomBytes(3000), 'weir.toml': cut });
  await started(disk, async (serial) => {
    assert.match(serial.shown, /presets: box\.toml: no UTF-8 text from byte \d+ on/);
    assert.match(serial.shown, /presets: weir\.toml: line 3, column \d+: /);
    assert.match(serial.shown, /on weir: 0 of 0 cameras playing, .*configuration: good/);
  }, null);
});

test("other programs' presets and none of ours: DHCP, and a first password", async (t) => {
  const disk = diskWith(t, {
    'cmdline.txt': 'console=tty1 root=/dev/mmcblk0p2 init=/usr/lib/raspberrypi-sys/firstboot\n',
    'firstrun.sh': '#!/bin/bash\nreboot -f\n',
    'rpi-preseed.toml': 'config_version = 1\n[system]\nhostname = "pi"\n',
    'config.txt': randomBytes(2000),
  });
  await started(disk, async (serial) => {
    assert.doesNotMatch(serial.shown, /presets:/);
    assert.match(serial.shown, /on weir: 0 of 0 cameras playing, .*configuration: good/);
    assert.match(serial.shown, /the first password is [^ ,]+, shown until its first use/);
    await sees(/\b10\.0\.2\.15\b/, serial, 'net');
    assert.equal((await report(serial)).network.mode, 'dhcp');
  }, null);
});

test('noise in place of the file system WEIR is said, and no more', async (t) => {
  const disk = diskWith(t, {});
  disk.write('weir', 0, randomBytes(1 << 20));
  await started(disk, async (serial) => {
    assert.match(serial.shown, /weir-init: presets: \/dev\/vda\d: /);
    assert.match(serial.shown, /on weir: 0 of 0 cameras playing/);
    await sees(/\b10\.0\.2\.15\b/, serial, 'net');
  }, null);
});

test('a preset is taken once each time that it has changed, and the disk is grown into', async (t) => {
  const disk = diskWith(
    t,
    { 'box.toml': BOX_FILE, 'weir.toml': configuration({ gate: `${CAMERA}/gate` }) },
    { mib: DISK_MIB },
  );
  const before = disk.partitions();
  await started(disk, async (serial, machine) => {
    assert.match(await serial.asks(`camera add yard ${CAMERA}/yard`), /added: yard/);
    await until('the partition is grown', 30_000, () => disk.partitions().data > before.data);
    serial.types('reboot');
    await serial.sees('type yes: ');
    serial.types('yes');
    await serial.sees('Starting kernel', 60_000);
    await machine.login(PASSWORD);
    assert.deepEqual(await cameras(serial), ['gate', 'yard'], 'it survives a restart');
  });
  const grown = disk.partitions();
  assert.ok(grown.data > before.data + (DISK_MIB - 256 - 2) * 2048, `${grown.data} sectors`);
  assert.deepEqual({ ...grown, data: 0 }, { ...before, data: 0 }, 'the others are where they were');
  t.diagnostic(`data: ${before.data / 2048} MiB, then ${grown.data / 2048} MiB`);
  assert.ok(disk.dataMib() > DISK_MIB - 256, 'the file system too');

  disk.preset('weir.toml', configuration({ porch: `${CAMERA}/porch` }));
  await started(disk, async (serial) => {
    assert.deepEqual(await cameras(serial), ['porch'], 'another preset is taken');
    assert.match(serial.shown, /on porch: /);
  });
});
