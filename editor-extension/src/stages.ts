// How far setting up has come, from what pip says.

/** What is shown of it: the words, and how many per cent have been gained since the last time. */
export interface Stage {
  message: string;
  increment: number;
}

const SHARES = { environment: 10, download: 70, install: 20 }; // per cent of the time, roughly

export class Stages {
  private reached = 0;
  private collected = 0;

  /** `packages` are to be fetched; `doing` says how. */
  constructor(
    private readonly packages: number,
    private readonly doing = "downloading",
  ) {}

  private to(percent: number, message: string): Stage {
    const increment = Math.max(0, percent - this.reached);
    this.reached += increment;
    return { message, increment };
  }

  begin(python: string): Stage {
    return this.to(0, `1 of 3: an environment with ${python}`);
  }

  /** What a line of output means; undefined for most. */
  read(line: string): Stage | undefined {
    if (/^Collecting\s/.test(line)) {
      this.collected = Math.min(this.collected + 1, this.packages);
      const share = (SHARES.download * this.collected) / this.packages;
      const message = `2 of 3: ${this.doing}, ${this.collected} of ${this.packages} packages`;
      return this.to(SHARES.environment + share, message);
    }
    if (/^Installing collected packages/.test(line)) {
      return this.to(SHARES.environment + SHARES.download, "3 of 3: installing");
    }
    return undefined;
  }
}

/** How many packages a file of requirements names for this machine, at most. */
export function countPackages(requirements: string): number {
  return Math.max(1, requirements.split("\n").filter((line) => /^[A-Za-z0-9]/.test(line)).length);
}
