// Where words stand in texts that are cut into pieces, such as the text nodes of a line.

/** @typedef {{piece: number, at: number}} Spot */
/** @typedef {{from: Spot, to: Spot}} Found */

/**
 * Every place of the words in the pieces put together, whatever the case; at most `most`.
 * @param {string[]} pieces
 * @param {string} words
 * @param {number} most
 * @returns {Found[]}
 */
export function findIn(pieces, words, most) {
  const whole = pieces.join("");
  const [text, wanted] = fold(whole, words);
  /** @type {Found[]} */
  const found = [];
  if (!wanted) return found;
  let piece = 0;
  let before = 0;
  /** Where an offset lies; asked for in rising order. @param {number} offset @param {boolean} end @returns {Spot} */
  const spot = (offset, end) => {
    const length = () => pieces[piece]?.length ?? Infinity;
    while (offset > before + length() || (!end && offset === before + length())) before += pieces[piece++]?.length ?? 0;
    return { piece, at: offset - before };
  };
  for (let at = text.indexOf(wanted); at >= 0 && found.length < most; at = text.indexOf(wanted, at + wanted.length))
    found.push({ from: spot(at, false), to: spot(at + wanted.length, true) });
  return found;
}

/** In lower case, unless that changes where things stand. @param {string} whole @param {string} words @returns {[string, string]} */
function fold(whole, words) {
  const [text, wanted] = [whole.toLowerCase(), words.toLowerCase()];
  return text.length === whole.length ? [text, wanted] : [whole, words];
}

/** How often words stand in a text. @param {string} whole @param {string} words */
export function countIn(whole, words) {
  const [text, wanted] = fold(whole, words);
  return wanted ? text.split(wanted).length - 1 : 0;
}
