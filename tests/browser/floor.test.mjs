// The pages keep to what Chromium 90, Firefox 90 and Safari 15 have. Tablets on walls stay as old as
// they are; a script with one word that is too young does not start at all.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { parse } from 'acorn';

const FOLDER = new URL('../../src/web/pages/', import.meta.url);
const files = (ending) =>
  readdirSync(FOLDER)
    .filter((name) => name.endsWith(ending))
    .map((name) => ({ name, text: readFileSync(new URL(name, FOLDER), 'utf8') }));

// Private methods and top-level await are of ES2022, and there. These parts of it are not:
const YOUNG_SYNTAX = {
  StaticBlock: () => 'a static block (Safari 16.4)',
  BinaryExpression: ({ left }) => left.type === 'PrivateIdentifier' && '#x in y (Chromium 91)',
  Literal: ({ regex }) =>
    regex && /\(\?<[=!]/.test(regex.pattern) && 'a lookbehind (Safari 16.4)',
};

const YOUNG_GLOBALS =
  'structuredClone scheduler requestIdleCallback BroadcastChannel CompressionStream reportError ' +
  'Iterator OffscreenCanvas EyeDropper';
// Of whatever object: none of these names has another meaning in the pages.
const YOUNG_MEMBERS =
  'at hasOwn findLast findLastIndex toSorted toReversed toSpliced with groupBy withResolvers try ' +
  'fromAsync isWellFormed toWellFormed canParse timeout any throwIfAborted randomUUID ' +
  'requestVideoFrameCallback showModal showPopover togglePopover checkVisibility ' +
  'setHTML setHTMLUnsafe getHTML moveBefore requestPictureInPicture wakeLock locks storage ' +
  'userActivation userAgentData union intersection difference transferToImageBitmap';

const youngGlobals = new Set(YOUNG_GLOBALS.split(' '));
const youngMembers = new Set(YOUNG_MEMBERS.split(' '));

/** What a script has that is too young, each with its line. */
function youngIn(text) {
  const found = [];
  const look = (node, parent) => {
    if (Array.isArray(node)) return node.forEach((one) => look(one, parent));
    if (!node || typeof node.type !== 'string') return;
    const young = YOUNG_SYNTAX[node.type]?.(node) || nameIn(node, parent);
    if (young) found.push(`line ${node.loc.start.line}: ${young}`);
    for (const value of Object.values(node)) if (typeof value === 'object') look(value, node);
  };
  look(parse(text, { ecmaVersion: 2022, sourceType: 'module', locations: true }), null);
  return found;
}

function nameIn(node, parent) {
  if (node.type === 'MemberExpression' && !node.computed) {
    return youngMembers.has(node.property.name) && `.${node.property.name}`;
  }
  const isProperty = parent?.type === 'MemberExpression' && parent.property === node;
  return node.type === 'Identifier' && !isProperty && youngGlobals.has(node.name) && node.name;
}

test('the scripts have no syntax and no name that is younger', () => {
  for (const { name, text } of files('.js')) assert.deepEqual(youngIn(text), [], name);
  for (const { name, text } of files('.html')) {
    for (const [, script] of text.matchAll(/<script(?![^>]* src=)[^>]*>([^]*?)<\/script>/g)) {
      assert.deepEqual(youngIn(script), [], name);
      // It runs where there are no modules, too.
      assert.doesNotThrow(() => parse(script, { ecmaVersion: 5 }), name);
    }
  }
});

test('what is too young is found', () => {
  for (const text of [
    'class A { static { } }',
    'class A { #x; has(y) { return #x in y; } }',
    'x = /(?<=a)b/;',
    'AbortSignal.timeout(4000);',
    'list.at(-1);',
    'const { size } = structuredClone({});',
  ]) {
    assert.equal(youngIn(text).length, 1, text);
  }
  // Of 2024 and 2025: no parser of 2022 reads them.
  for (const text of ['x = /a/v;', 'using x = y;', 'import a from "b" with { type: "json" };']) {
    assert.throws(() => youngIn(text), SyntaxError, text);
  }
  for (const text of ['class A { #b() { return this.#b?.() ?? 1; } }', 'await x;', 'a ||= b.with;']) {
    assert.equal(youngIn(text).length, text.includes('.with') ? 1 : 0, text);
  }
});

const YOUNG_VALUES =
  /\b[\d.]+(dvh|svh|lvh|dvw|svw|lvw|cq\w+)\b|(color-mix|oklch|oklab|lab|lch|light-dark|anchor|round|linear)\(/;
const YOUNG_SELECTORS = /:has\(|:popover-open|&|@container|@layer|@scope|@property|@starting-style/;

/** Declarations with a younger value and no older one before it, and rules that are younger whole. */
function youngInStyle(text) {
  const rules = text.replace(/\/\*[^]*?\*\//g, '').matchAll(/([^{};]*)\{([^{}]*)\}?/g);
  return [...rules].flatMap(([, selector, body]) => {
    const declared = body.split(';').map((line) => line.split(/:(.*)/s).map((part) => part.trim()));
    const bare = declared.filter(([property, value], index) => {
      const before = declared[index - 1];
      const hasFallback = before?.[0] === property && !YOUNG_VALUES.test(before[1]);
      return YOUNG_VALUES.test(value ?? '') && !hasFallback;
    });
    const young = bare.map(([property, value]) => `${selector.trim()}: ${property}: ${value}`);
    return YOUNG_SELECTORS.test(selector) ? [...young, selector.trim()] : young;
  });
}

test('the style has an older value before each that is younger', () => {
  for (const { name, text } of files('.css')) assert.deepEqual(youngInStyle(text), [], name);
  assert.deepEqual(youngInStyle('a { height: 100vh; height: 100dvh; }'), []);
  for (const text of [
    'a { color: red; height: 100dvh; }',
    '@media (x) { a { color: color-mix(in srgb, red, blue); } }',
    'a:has(b) { color: red; }',
    '@layer x { a { color: red; } }',
  ]) {
    assert.equal(youngInStyle(text).length, 1, text);
  }
});
