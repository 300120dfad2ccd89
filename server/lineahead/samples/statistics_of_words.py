"""Which words a folder of text files uses most."""

import argparse
import logging
import os
import re
from collections import Counter

logger = logging.getLogger(__name__)


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def count_words(folder):
    counts = Counter()
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        with open(path, "r", encoding="utf-8") as f:
            counts.update(words(f.read()))
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where the text files are")
    parser.add_argument("--most", type=int, default=10, help="how many words to print")
    args = parser.parse_args()
    for i in range(args.most):
        logger.debug("place %d", i)
    for word, count in count_words(args.folder).most_common(args.most):
        print(f"{count:6d}  {word}")


if __name__ == "__main__":
    main()
