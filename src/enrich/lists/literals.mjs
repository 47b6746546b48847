// Turns the regular expressions of a list of crawlers into the literal texts they stand for.
//
// Nearly all of them are literal but for their escapes; some spell a letter both ways or offer alternatives. What says more
// than that (look-around, repetition, negated classes) is no literal, and the caller is told so.

/** Most texts one expression may become; none of the real ones comes near it. */
const MOST_TEXTS = 16;

/**
 * The texts of which one occurs wherever `pattern` matches, or `undefined` when it is not made of literals.
 *
 * An anchor is dropped, so that a text may be found where the expression would not match: the caller has to look at short ones.
 */
export function literals(pattern) {
  const reader = { pattern, at: 0 };
  const texts = alternatives(reader);
  if (texts === undefined || reader.at < pattern.length || texts.some((text) => text === "")) return undefined;
  const distinct = [...new Set(texts)].filter((text) => !texts.some((other) => other !== text && text.includes(other)));
  return distinct.length <= MOST_TEXTS ? distinct : undefined;
}

/** Whether `pattern` says where in the user agent it has to stand. */
export function isAnchored(pattern) {
  return /(^|[^\\[])[\^$]/.test(pattern);
}

function alternatives(reader) {
  const all = [];
  for (;;) {
    const texts = sequence(reader);
    if (texts === undefined) return undefined;
    all.push(...texts);
    if (reader.pattern[reader.at] !== "|") return all;
    reader.at += 1;
  }
}

function sequence(reader) {
  let texts = [""];
  while (reader.at < reader.pattern.length && !"|)".includes(reader.pattern[reader.at])) {
    let choices = atom(reader);
    if (choices === undefined) return undefined;
    if (reader.pattern[reader.at] === "?") {
      reader.at += 1;
      choices = [...choices, ""];
    }
    texts = texts.flatMap((text) => choices.map((choice) => text + choice));
    if (texts.length > MOST_TEXTS) return undefined;
  }
  return texts;
}

/** What the next character, class or group stands for. */
function atom(reader) {
  const { pattern } = reader;
  const character = pattern[reader.at];
  reader.at += 1;
  switch (character) {
    case "^":
    case "$":
      return [""];
    case "\\":
      return /\w/.test(pattern[reader.at] ?? "w") ? undefined : [pattern[reader.at++]];
    case "[": {
      const end = pattern.indexOf("]", reader.at);
      const letters = pattern.slice(reader.at, end);
      reader.at = end + 1;
      return end > 0 && /^[\w ]+$/.test(letters) ? [...letters] : undefined;
    }
    case "(": {
      if (pattern[reader.at] === "?") {
        if (pattern[reader.at + 1] !== ":") return undefined;
        reader.at += 2;
      }
      const texts = alternatives(reader);
      if (pattern[reader.at] !== ")") return undefined;
      reader.at += 1;
      return texts;
    }
    case ".":
    case "*":
    case "+":
    case "{":
      return undefined;
    default:
      return [character];
  }
}
