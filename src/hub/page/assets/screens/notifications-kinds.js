// The kinds of channels and what each needs. Data only.

/** @typedef {{key: string, label: string, help?: string, type?: "text"|"secret"|"number"|"list"|"switch"|"area"|"tls", required?: boolean, placeholder?: string}} Field */
/** @typedef {import("../rules/types.js").Channel} Channel */

/** @type {Record<string, string>} */
export const eventWords = {
  created: "waiting calls",
  expiring: "a minute before time-out",
  decided: "decisions",
  timed_out: "time-outs",
  cancelled: "cancellations",
};

/** @type {Field} */
const privately = {
  key: "allow_private",
  label: "A server of our own",
  type: "switch",
  help: "Allows plain http, private addresses and other hosts than the vendor's.",
};

/** @type {(placeholder: string) => Field} */
const url = (placeholder) => ({
  key: "url",
  label: "Webhook URL",
  type: "secret",
  required: true,
  placeholder,
  help: "Whoever knows it may post; it is not shown again.",
});

/** @type {Record<string, {words: string, about: string, fields: Field[]}>} */
const all = {
  email: {
    words: "Email",
    about: "Through your SMTP server, if nobody decided within 15 seconds.",
    fields: [
      {
        key: "to",
        label: "To",
        type: "list",
        required: true,
        placeholder: "ops@example.com, lin@example.com",
        help: "Each gets a mail of their own.",
      },
      { key: "from", label: "From", required: true, placeholder: "hitl <hitl@example.com>" },
      { key: "host", label: "SMTP server", required: true, placeholder: "smtp.example.com" },
      { key: "tls", label: "Encryption", type: "tls" },
      { key: "port", label: "Port (usual one when empty)", type: "number", placeholder: "587" },
      { key: "username", label: "Login (optional)" },
      { key: "password", label: "Password", type: "secret" },
      { key: "email_after", label: "Seconds to wait for a decision first", type: "number", placeholder: "15" },
      {
        key: "arguments",
        label: "Arguments in the mail",
        type: "switch",
        help: "Mail is copied and kept in many places; leave this off unless you need it.",
      },
      { key: "ca_pem", label: "Certificate to trust beside the system's (PEM, optional)", type: "area" },
    ],
  },
  slack: {
    words: "Slack",
    about: "An incoming webhook of a channel.",
    fields: [url("https://hooks.slack.com/services/…"), privately],
  },
  teams: {
    words: "Microsoft Teams",
    about: "A Workflows webhook of a channel or chat.",
    fields: [url("https://….environment.api.powerplatform.com/…"), privately],
  },
  discord: {
    words: "Discord",
    about: "A channel's webhook.",
    fields: [url("https://discord.com/api/webhooks/…"), privately],
  },
  telegram: {
    words: "Telegram",
    about: "A bot that writes to a chat or group.",
    fields: [
      { key: "token", label: "Bot token", type: "secret", required: true, placeholder: "123456:ABC-DEF" },
      { key: "chat_id", label: "Chat id", required: true, placeholder: "-1001234567890" },
      { key: "url", label: "Bot API server (api.telegram.org when empty)", type: "secret" },
      privately,
    ],
  },
  ntfy: {
    words: "ntfy",
    about: "Push messages to phones, from ntfy.sh or your own server.",
    fields: [
      {
        key: "topic",
        label: "Topic",
        type: "secret",
        required: true,
        help: "Whoever knows it may read along; choose one that cannot be guessed.",
      },
      { key: "url", label: "Server (https://ntfy.sh when empty)", type: "secret" },
      { key: "token", label: "Access token (optional)", type: "secret" },
      privately,
    ],
  },
  webhook: {
    words: "Webhook",
    about: "Any program of yours, signed as Standard Webhooks describes.",
    fields: [
      { key: "url", label: "URL", type: "secret", required: true, placeholder: "https://example.com/hooks/hitl" },
      { key: "secret", label: "Signing secret (the hub makes one when empty)", type: "secret", placeholder: "whsec_…" },
      {
        key: "allow_private",
        label: "A server of our own",
        type: "switch",
        help: "Allows plain http and private addresses.",
      },
    ],
  },
};

export const kinds = all;

/** A kind, also one that this page is too old to know. @param {string} kind */
export const kindOf = (kind) => all[kind] ?? { words: kind, about: "", fields: [] };
