// The numbers of each day: the server's own, and those of its earlier lives; on disk only if the person says so.

import { added, type Days, type Numbers } from "./pages";

const KEY = "days";

/** What VS Code keeps for an extension. */
interface Store {
  get<T>(key: string): T | undefined;
  update(key: string, value: unknown): Thenable<void>;
}

export class Ledger {
  private earlier: Days;
  private live: Days = {};

  constructor(
    private readonly store: Store,
    private readonly read: () => Thenable<Numbers>,
    private readonly keeps: () => boolean,
  ) {
    this.earlier = (keeps() && store.get<Days>(KEY)) || {};
  }

  get days(): Days {
    return added(this.earlier, this.live);
  }

  /** Ask the server, and keep what it says if it is to be kept. */
  async look(): Promise<Numbers> {
    const numbers = await this.read();
    this.live = numbers.days;
    if (this.keeps()) await this.store.update(KEY, this.days);
    else if (this.store.get(KEY)) await this.store.update(KEY, undefined);
    return numbers;
  }

  /** The server has ended: what it counted is past, and the next one begins with nothing. */
  ended(): void {
    this.earlier = this.days;
    this.live = {};
  }

  async erase(): Promise<void> {
    this.earlier = {};
    this.live = {};
    await this.store.update(KEY, undefined);
  }
}
