"""Kill a training run with SIGKILL at random moments, resume it, compare: `python tests/benchmarks/kill_and_resume.py`.

Every run must end with the weights of the run that was left alone, bit for bit. Too slow for the test
suite (minutes), where one kill is tested at a known moment.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from training import metrics

STEPS = 100
OVERRIDES = (
    f"loop.steps={STEPS}",
    "loop.log_every=1",
    "loop.evaluate_every=25",
    "loop.checkpoint_minutes=0.0",  # a checkpoint after every step: the kill often falls into writing one
    "corpus.limit=60",
)


def command(folder: Path, data: Path) -> list[str]:
    training = [sys.executable, "-m", "training.run", "tiny", f"run.folder={folder}", f"run.data={data}"]
    return [*training, *OVERRIDES]


def finish(folder: Path, data: Path) -> bytes:
    """Run to the end; return the trained weights."""
    subprocess.run(command(folder, data), check=True, capture_output=True)
    return (folder / "model.safetensors").read_bytes()


def steps_done(folder: Path) -> int:
    """How far a run is, by its own metrics: its pace on this machine, now, is anybody's guess."""
    lines = [line for line in metrics.read(folder) if "train_loss" in line]
    return int(lines[-1]["step"]) if lines else 0


def main(times: int, seed: int) -> int:
    random.seed(seed)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        expected = finish(Path(temporary) / "undisturbed", data)
        failures = 0
        for number in range(1, times + 1):
            folder = Path(temporary) / f"killed-{number}"
            step, later = random.randrange(STEPS), random.uniform(0, 0.1)
            process = subprocess.Popen(command(folder, data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and steps_done(folder) < step:
                time.sleep(0.005)
            time.sleep(later)  # so that it falls anywhere within a step
            process.kill()
            killed = process.wait() < 0
            left = "a checkpoint" if (folder / "resume.safetensors").exists() else "nothing yet"
            same = finish(folder, data) == expected
            failures += not same
            how = f"killed {later:.3f} s after step {step:2}" if killed else f"finished before step {step:2} was seen"
            print(f"{number:3}  {how}, {left} saved: {'same weights' if same else 'OTHER WEIGHTS'}", flush=True)
    print(f"{times - failures} of {times} runs ended with the same weights")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, seed=305))
