import json
import logging
import os
import sys
from pathlib import Path

logger = logging.getLogger(__name__)


class Item:
    def __init__(self, name, price, count=0):
        self.name = name
        self.price = price
        self.count = count

    def __repr__(self):
        return f"Item({self.name!r}, {self.price!r})"

    def total(self):
        return self.price * self.count


class Shelf:
    def __init__(self, path):
        self.path = path
        self.items = []

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def add(self, item):
        if not isinstance(item, Item):
            raise TypeError("expected an item")
        self.items.append(item)

    def remove(self, item):
        self.items.remove(item)

    def find(self, name):
        for item in self.items:
            if item.name == name:
                return item
        return None

    def load(self):
        with open(self.path) as file:
            data = json.load(file)
        for name, price in data.items():
            self.add(Item(name, price))

    def save(self):
        data = {item.name: item.price for item in self.items}
        with open(self.path, "w") as file:
            json.dump(data, file)


def main():
    if len(sys.argv) != 2:
        print("usage: shelf.py FILE")
        return 1
    try:
        shelf = Shelf(Path(sys.argv[1]))
        shelf.load()
    except ValueError as error:
        logger.error("cannot read %s", error)
        return 1
    for item in shelf:
        print(item.name, item.total())
    return 0


if __name__ == "__main__":
    sys.exit(main())
