/* Tells the app of an error in the widget itself: with the shopper's consent to analytics alone, from one page view in
   five, each error once. Fetched only when there is one. */

import { agreed } from "./consent.js";

const SHARE = 0.2, MOST = 3;
const told = new Set();
const isChosen = Math.random() < SHARE;

export async function tell(error) {
  const { proxy } = document.querySelector("holdfast-widget") || {};
  const { name: kind = "Error", message = "", stack = "" } = error;
  const place = stack.split("\n", 2).join(); // whoever called it from there
  if (!proxy || !isChosen || told.size >= MOST || told.has(place)) return;
  told.add(place);
  if (!(await agreed())) return;
  const body = JSON.stringify({ kind: kind.slice(0, 100), message: message.slice(0, 500), stack: stack.slice(0, 4000) });
  await fetch(`${proxy}/errors`, { method: "POST", headers: { "Content-Type": "application/json" }, keepalive: true, body });
}
