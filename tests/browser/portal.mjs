// Another site than weir's, with pages of WHEP players from npm as their authors made them. What
// they do over HTTP crosses origins, as on any site that shows a camera.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';

const MODULES = new URL('node_modules/', import.meta.url);
const VIDEO = '<!doctype html><meta charset="utf-8"><video muted autoplay playsinline></video>';

// `open` plays a camera, `stop` ends that; both are the player's own means.
const WHIP_WHEP = `${VIDEO}<script type="module">
  import { WHEPClient } from '/modules/whip-whep/whep.js';
  window.open = async (url, token) => {
    const connection = new RTCPeerConnection();
    connection.addTransceiver('video', { direction: 'recvonly' });
    connection.ontrack = ({ track }) => {
      document.querySelector('video').srcObject = new MediaStream([track]);
    };
    window.client = new WHEPClient();
    await client.view(connection, url, token);
  };
  window.stop = () => client.stop();
  window.restart = () => client.restart();
  window.isReady = true;
</script>`;

// A package for bundlers. Of what it requires, advertisements and a second protocol are left out:
// its WHEP adapter uses neither.
const EYEVINN = `${VIDEO}<script>
  const required = { '@eyevinn/csai-manager': {}, '@eyevinn/whpp-client': {} };
  const require = (name) => required[name];
  window.process ??= { env: {} };
  async function load(name, path) {
    const source = await (await fetch('/modules/' + path)).text();
    const module = { exports: {} };
    new Function('module', 'exports', 'require', source)(module, module.exports, require);
    required[name] = module.exports;
  }
  (async () => {
    await load('events', 'events/events.js');
    await load('player', '@eyevinn/webrtc-player/dist/main.js');
    const { WebRTCPlayer } = require('player');
    window.said = [];
    window.open = async (url, token) => {
      const video = document.querySelector('video');
      window.player = new WebRTCPlayer({ video, type: 'whep', iceServers: [] });
      for (const event of ['peer-connection-failed', 'initial-connection-failed', 'connect-error']) {
        player.on(event, () => said.push(event));
      }
      await player.load(new URL(url), token);
    };
    window.stop = () => player.unload();
    window.isReady = true;
  })();
</script>`;

const PAGES = { '/whip-whep': WHIP_WHEP, '/eyevinn': EYEVINN };

/** Listens on a free port of loopback; `site` is its origin. */
export async function openPortal() {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://portal').pathname;
    if (PAGES[path]) {
      response.setHeader('Content-Type', 'text/html').end(PAGES[path]);
    } else if (path.startsWith('/modules/') && path.endsWith('.js')) {
      const source = readFileSync(new URL(path.slice('/modules/'.length), MODULES));
      response.setHeader('Content-Type', 'text/javascript').end(source);
    } else {
      response.writeHead(404).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { site: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
