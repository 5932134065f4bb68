// Who looks: the token of this page's address, or the login of this browser.

import { ANSWER_MS_MAX, deadline, unanswered } from "./trouble.js";

/** The path that weir's addresses begin with, `/` unless a proxy serves it below another. */
export const base = new URL("..", import.meta.url).pathname;

const query = new URLSearchParams(location.search);

/** A token in the page's address, for players on a wall; it goes wherever the page goes. */
const token = query.get("token");

/** What the first page shows: the wall, the table of figures, or the wall and nothing else. */
export const view = ["kiosk", "table"].find((name) => query.has(name)) ?? "wall";

/** Nobody stands before it to log in: it asks again until its token is good. */
const waitsForToken = view === "kiosk" && token !== null;

/** The headers that a request of this page has by its token. */
export const authorization = () => (token ? [["Authorization", `Bearer ${token}`]] : []);

/**
 * fetch, with the token if there is one; throws `Unanswered` where there is no answer. Without a
 * right to look it leads to the login page.
 */
export async function request(url, options = {}) {
  const headers = new Headers(options.headers);
  for (const [name, value] of authorization()) headers.set(name, value);
  const response = await fetch(url, { ...options, headers }).catch(unanswered);
  if (response.status === 401 && !waitsForToken) location.assign(loginPage());
  return response;
}

/** Whether weir still lets this page look; asks without being led away. */
export async function isLetIn() {
  const options = { headers: authorization(), cache: "no-store", signal: deadline(ANSWER_MS_MAX) };
  const response = await fetch(`${base}api/identity`, options).catch(unanswered);
  return response.status !== 401;
}

/** The login page, which leads back here. */
export function loginPage() {
  const path = location.pathname.slice(base.length);
  const next = path || view === "wall" ? `/${path}` : `/?${view}`;
  return `${base}-/login?next=${encodeURIComponent(next)}`;
}

/** A page of weir's below `base`, or a view of it, with this page's token. */
export function withToken(path, view = "") {
  const query = [view, token && `token=${encodeURIComponent(token)}`].filter(Boolean).join("&");
  return base + path + (query && `?${query}`);
}

/** Shows in `element` who is logged in, with a button that ends it; his role, where he has one. */
export async function showAccount(element) {
  const response = await request(`${base}api/identity`, { cache: "no-store" });
  if (!response.ok) return null;
  const { name, role, means } = await response.json();
  element.hidden = name === null;
  if (name === null) return null;
  element.querySelector(".who").textContent = role === "viewer" ? name : `${name}, ${role}`;
  const button = element.querySelector("button");
  button.hidden = means !== "login";
  button.addEventListener("click", async () => {
    await fetch(`${base}-/logout`, { method: "POST", redirect: "manual" }).catch(() => {});
    location.assign(`${base}-/login`);
  });
  return role;
}
