// Where the words of a search are in a quote. The server finds by stems; this shows what it found.

export interface Part {
  text: string;
  hit: boolean;
}

const fold = (word: string) => word.toLowerCase().replaceAll("ё", "е");

/** Whether two forms may be of one word: they begin alike, but for a short ending. */
function alike(wanted: string, word: string): boolean {
  const shorter = Math.min(wanted.length, word.length);
  if (shorter < 4) return wanted === word;
  let common = 0;
  while (common < shorter && wanted[common] === word[common]) common++;
  return common >= Math.max(3, wanted.length - 3) && word.length - common <= 4;
}

/** The quote in parts, those that were searched for marked. Joined they are the quote. */
export function parts(quote: string, query: string): Part[] {
  const wanted = fold(query).match(/[\p{L}\p{N}]+/gu) ?? [];
  const found: Part[] = [];
  for (const [piece] of quote.matchAll(/[\p{L}\p{N}]+|[^\p{L}\p{N}]+/gu)) {
    const hit = wanted.some((word) => alike(word, fold(piece)));
    const last = found.at(-1);
    if (last && !last.hit && !hit) last.text += piece;
    else found.push({ text: piece, hit });
  }
  return found;
}
