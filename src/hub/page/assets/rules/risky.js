// Words that often destroy something. A hint for the eye, no judgement: what a call really does, nobody here knows.

// Whole words, in names too: `drop_table` and `rm -rf`, but neither `undelete` nor `form`.
const words =
  /(?<![\p{L}\p{N}])(?:delete|drop|truncate|destroy|purge|erase|wipe|revoke|kill(?:all)?|shutdown|reboot|uninstall|overwrite|unlink|rm(?:dir)?|mkfs|shred|sudo)(?![\p{L}\p{N}])|(?<!\S)(?:--force|--hard|-rf|-fr)(?![\p{L}\p{N}-])/giu;

/** Cuts a text around such words. @param {string} text @returns {{text: string, risky: boolean}[]} */
export function hinted(text) {
  const out = [];
  let from = 0;
  for (const found of text.matchAll(words)) {
    if (found.index > from) out.push({ text: text.slice(from, found.index), risky: false });
    out.push({ text: found[0], risky: true });
    from = found.index + found[0].length;
  }
  if (from < text.length) out.push({ text: text.slice(from), risky: false });
  return out;
}

/** The different ones in what a piece of JSON text says: escapes are no letters. @param {string} raw */
export const riskyIn = (raw) => riskyWords(raw.replace(/\\(?:u[0-9a-fA-F]{4}|.)/g, " "));

/** The different ones in a text, in the order in which they come. @param {string} text */
export const riskyWords = (text) => [
  ...new Map([...text.matchAll(words)].map(([word]) => [word.toLowerCase(), word])).values(),
];
