// Desktop notifications and the optional sound for new approvals. No arguments ever leave the page this way.

import * as prefs from "../browser/prefs.js";
import * as push from "./push.js";
import { get } from "../browser/store.js";
import { forWhom } from "../rules/format.js";
import { visible } from "../rules/glyphs.js";
import { waiting } from "../rules/queue.js";
import { navigate } from "../browser/router.js";

/** @typedef {import("../rules/types.js").Approval} Approval */

/** What the browser allows: "unsupported" where there is no such thing. */
export const permission = () => ("Notification" in window ? Notification.permission : "unsupported");

/** Asks the browser for leave; only ever after a click. */
export async function enable() {
  const answer = await Notification.requestPermission();
  if (answer === "granted") prefs.set({ notify: true });
  return answer;
}

/** Tells a person who looks elsewhere that something waits. @param {Approval} approval */
export function announce(approval) {
  if (prefs.get().sound) beep();
  if (!document.hidden || !prefs.get().notify || permission() !== "granted") return;
  const count = waiting(get().queue).length;
  const many = count > 3;
  const title = many ? `${count} approvals are waiting` : `${visible(approval.tool)} on ${visible(approval.server)}`;
  const who = visible(approval.agent.name) + forWhom(approval);
  const body = many ? "Open the queue to decide." : `${who} asks for approval, ${approval.trust} risk.`;
  const path = many ? "/approvals" : `/approvals/${encodeURIComponent(approval.id)}`;
  void show(title, { body, tag: many ? "hitl-queue" : `hitl-${approval.id}`, icon: "/assets/icons/app-192.png" }, path);
}

/** @param {string} title @param {NotificationOptions & {tag: string}} options @param {string} path */
async function show(title, options, path) {
  if (await push.show(title, options, path).catch(() => false)) return;
  const note = new Notification(title, options);
  note.onclick = () => {
    window.focus();
    navigate(path);
    note.close();
  };
}

/** @type {AudioContext|null} */
let audio = null;

/** Two short soft tones. */
export function beep() {
  try {
    audio ??= new AudioContext();
    [660, 880].forEach((pitch, i) => tone(/** @type {AudioContext} */ (audio), pitch, i * 0.14));
  } catch {
    // No sound device, or the browser wants a click first: the title and the list still tell.
  }
}

/** @param {AudioContext} context @param {number} pitch @param {number} after */
function tone(context, pitch, after) {
  const at = context.currentTime + after;
  const source = context.createOscillator();
  const volume = context.createGain();
  source.frequency.value = pitch;
  volume.gain.setValueAtTime(0.0001, at);
  volume.gain.exponentialRampToValueAtTime(0.12, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.13);
  source.connect(volume).connect(context.destination);
  source.start(at);
  source.stop(at + 0.14);
}
