"""The frames that vscode.test.mjs took → a GIF: `python test/recording.py [FILE]`, from editor-extension."""

import sys
from pathlib import Path

from PIL import Image

FRAMES = Path(__file__).parent.parent / "out" / "frames"
LONGEST = 600  # milliseconds that one picture stays
MOST_BYTES = 3_000_000


def main(target: Path) -> None:
    """Write the GIF: pictures that are the same become one, which stays longer."""
    paths = sorted(FRAMES.glob("*.png"))
    if not paths:
        sys.exit(f"{FRAMES}: expected frames, found none; run test/run.sh first")
    palette = Image.open(paths[len(paths) // 2]).convert("RGB").quantize(63)
    images: list[Image.Image] = []
    durations: list[int] = []
    last = b""
    for path, following in zip(paths, [*paths[1:], None], strict=True):
        shown = int(following.stem.split("-")[1]) if following else 2 * LONGEST
        image = Image.open(path).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        if image.tobytes() == last:
            durations[-1] += shown
            continue
        last = image.tobytes()
        images.append(image)
        durations.append(shown)
    durations = [*(min(each, LONGEST) for each in durations[:-1]), durations[-1]]
    images[0].save(target, save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
    size, seconds = target.stat().st_size, sum(durations) / 1000
    assert size <= MOST_BYTES, f"{target}: expected at most {MOST_BYTES:,} bytes, found {size:,}"
    print(f"{target}: {len(images)} pictures, {seconds:.1f} s, {size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FRAMES.parent / "typing.gif")
