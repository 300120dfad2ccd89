"""A small shop's stock, kept in a JSON file."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    name: str
    price: float
    quantity: int = 0


@dataclass
class Inventory:
    items: dict[str, Item] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        if item.name in self.items:
            raise ValueError(f"{item.name} is already in stock")
        self.items[item.name] = item

    def remove(self, name: str) -> None:
        if name not in self.items:
            raise KeyError(name)
        del self.items[name]

    def total(self) -> float:
        return sum(item.price * item.quantity for item in self.items.values())

    @classmethod
    def load(cls, path: Path) -> "Inventory":
        with path.open(encoding="utf-8") as file:
            data = json.load(file)
        return cls({name: Item(**fields) for name, fields in data.items()})
