// Converts regular expressions of a crawler list into literal texts.
//
// Most of them are literal texts with escapes. Some have classes of letters, alternatives or optional parts, which become
// several texts. Expressions with look-around, repetition or negated classes are not literal.

/** Texts that one expression may become. Real expressions stay far below. */
const MAX_TEXTS = 16;

/**
 * Returns texts of which at least one occurs wherever `pattern` matches, or `undefined` if the expression is not literal.
 *
 * Anchors are dropped, so a text may also occur where the expression does not match. Callers should reject short texts.
 */
export function literals(pattern) {
  const reader = { pattern, at: 0 };
  const texts = parseAlternatives(reader);
  if (texts === undefined || reader.at < pattern.length || texts.some((text) => text === "")) return undefined;
  const distinct = [...new Set(texts)].filter((text) => !texts.some((other) => other !== text && text.includes(other)));
  return distinct.length <= MAX_TEXTS ? distinct : undefined;
}

/** Whether `pattern` is bound to the start or the end of the user agent. */
export function isAnchored(pattern) {
  return /(^|[^\\[])[\^$]/.test(pattern);
}

function parseAlternatives(reader) {
  const all = [];
  for (;;) {
    const texts = parseSequence(reader);
    if (texts === undefined) return undefined;
    all.push(...texts);
    if (reader.pattern[reader.at] !== "|") return all;
    reader.at += 1;
  }
}

function parseSequence(reader) {
  let texts = [""];
  while (reader.at < reader.pattern.length && !"|)".includes(reader.pattern[reader.at])) {
    let choices = parseAtom(reader);
    if (choices === undefined) return undefined;
    if (reader.pattern[reader.at] === "?") {
      reader.at += 1;
      choices = [...choices, ""];
    }
    texts = texts.flatMap((text) => choices.map((choice) => text + choice));
    if (texts.length > MAX_TEXTS) return undefined;
  }
  return texts;
}

/** Returns the texts of the next character, class or group. */
function parseAtom(reader) {
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
      const texts = parseAlternatives(reader);
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
