// What a server's policy makes wait, in words, and whether anybody has chosen it.

import { plural } from "./format.js";

/** @typedef {import("./types.js").Server} Server */

const levels = { high: "high risk waits", medium: "medium and high risk wait", low: "all tools wait" };

/** What waits for approval on a server, by what, and who is let through. @param {Server} server */
export function gates({ policy, tools }) {
  const switched = tools.filter((tool) => tool.hitl).length;
  const stops = [
    policy.require_all ? "all tools wait" : policy.threshold && levels[policy.threshold],
    switched > 0 && !policy.require_all && `${plural(switched, "tool")} switched on`,
    policy.rules.length > 0 && plural(policy.rules.length, "argument rule"),
  ].filter(Boolean);
  const through = policy.bypass.length > 0 && `${plural(policy.bypass.length, "agent")} let through`;
  return [stops.join(", ") || "nothing waits", through].filter(Boolean).join(" · ");
}

const hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

/** Whether the server gave no hint about any of its tools, and its policy is still that of a new server. @param {Server} server */
export function undescribed({ policy, tools }) {
  const hinted = tools.some(({ annotations }) => hints.some((hint) => typeof annotations?.[hint] === "boolean"));
  const chosen = policy.require_all || policy.threshold !== "high" || policy.rules.length > 0;
  return tools.length > 0 && !hinted && !chosen && tools.every((tool) => !tool.hitl && tool.trust_from !== "admin");
}
