// Whether the person asked for the list of completions, or the editor opened it by itself: its context says "invoked"
// for both. Our own command knows; of a list that comes otherwise, the time tells.

/** Milliseconds from a key to the list that the editor opens for it: it may wait 750 for ghost text to come first. */
const SOON = 1500;

/** A request for the list. */
export interface Asking {
  document: string;
  version: number;
  /** Whether the cursor ends a word: elsewhere the editor opens no list by itself. */
  endsWord: boolean;
  /** The setting `editor.quickSuggestions`. */
  quickSuggestions: unknown;
  now: number;
}

/** Remembers the last change of a document, and whether a list was opened for it. */
export class Popup {
  private changed = { document: "", version: -1, at: 0, listed: true };
  private asked = false;

  /** The next list is one that the person asked for. */
  ask(): void {
    this.asked = true;
  }

  change(document: string, version: number, now: number): void {
    this.changed = { document, version, at: now, listed: false };
  }

  /** Whether the editor opens this list by itself: the first one after a letter, and soon after it. */
  opensByItself({ document, version, endsWord, quickSuggestions, now }: Asking): boolean {
    const { changed } = this;
    const isFirst = changed.document === document && changed.version === version && !changed.listed;
    if (isFirst) changed.listed = true;
    const wasAsked = this.asked;
    this.asked = false;
    return !wasAsked && isFirst && endsWord && isOn(quickSuggestions) && now - changed.at < SOON;
  }
}

function isOn(quickSuggestions: unknown): boolean {
  const values =
    typeof quickSuggestions === "object" && quickSuggestions ? Object.values(quickSuggestions) : [quickSuggestions];
  return values.some((value) => ![false, "off", "inline"].includes(value)); // "offWhenInlineCompletions" opens it, too
}
