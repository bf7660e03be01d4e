// What can be told of a letter from its text alone.

export interface Piece {
  text: string;
  blank: boolean;
}

/** Blanks are in square brackets: `[date]`. The text in pieces; joined they are the text. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  for (const [piece] of text.matchAll(/\[[^[\]\n]+\]|\[|[^[]+/g)) {
    found.push({ text: piece, blank: piece.length > 2 && piece.startsWith("[") && piece.endsWith("]") });
  }
  return found;
}

/** The blanks that are left, each once; `known` are those that the program left. */
export function blanks(subject: string, body: string, known: readonly string[]): string[] {
  const shown = [...pieces(subject), ...pieces(body)].flatMap((piece) => (piece.blank ? [piece.text] : []));
  const left = known.filter((blank) => subject.includes(blank) || body.includes(blank));
  return [...new Set([...left, ...shown])];
}

/** Windows cuts longer addresses; elsewhere programs take more. */
export function longestLink(userAgent: string): number {
  return /Windows/.test(userAgent) ? 2_000 : 30_000;
}

export function mailLink(to: readonly string[], subject: string, body: string): string {
  const address = to.map(encodeURIComponent).join(",");
  const lines = body.replace(/\r?\n/g, "\r\n");
  const text = lines ? `&body=${encodeURIComponent(lines)}` : "";
  return `mailto:${address}?subject=${encodeURIComponent(subject)}${text}`;
}

export function addresses(said: string): string[] {
  return said.split(/[\s,;]+/).filter(Boolean);
}
