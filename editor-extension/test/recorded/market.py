"""A day at the market."""

from basket import total_price


def dearest(baskets):
    """The basket that costs most."""
    return max(baskets, key=lambda basket: total_price(basket.prices, basket.weights))


def sold(baskets, discount):
    """What came in on one day."""
    earned = 0.0
    for basket in baskets:
        earned += total_price(basket.prices, basket.weights, discount=discount)
    return earned
