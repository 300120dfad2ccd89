"""Fruit, and what it costs."""

from dataclasses import dataclass


@dataclass
class Basket:
    prices: dict[str, float]
    weights: dict[str, float]


def total_price(prices, weights, discount=0.0):
    """What all of it costs together."""
    total = sum(prices[name] * weight for name, weight in weights.items())
    return round(total * (1 - discount), 2)


def print_receipt(basket, discount=0.0):
    """Print what a customer pays."""
    for name, weight in sorted(basket.weights.items()):
        print(f"{name:<12} {weight:>6.2f} kg {basket.prices[name]:>8.2f}")
    total = total_price(basket.prices, basket.weights, discount=discount)
    print(f"{'total':<12} {total:>18.2f}")
