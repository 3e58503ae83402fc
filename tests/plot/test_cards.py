from itertools import product

import pytest
from matplotlib.patches import FancyBboxPatch

from jaxmlp.plot import _cards

from .helpers import rendered


# The longest numbers there are, with their signs.
CARD = [("$W_{12}$ \N{MINUS SIGN}0.0007101", "black"), ("$dW_{12}$ \N{MINUS SIGN}1.234e\N{MINUS SIGN}05", "red")]


@pytest.mark.parametrize("vertical", (False, True))
@pytest.mark.parametrize("widths", tuple(product((1, 2, 3), repeat=2)), ids=str)
def test_no_card_meets_another_and_every_text_is_on_its_card(widths, vertical):
    columns = [[2 * CARD] * widths[0], [4 * CARD] * widths[1]]
    edges = [{(k, j): CARD for k in range(widths[0]) for j in range(widths[1])}]
    ax = _cards.draw(None, columns, edges, vertical)
    renderer = rendered(ax)
    cards = [patch.get_window_extent(renderer) for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert len(cards) == sum(widths) + widths[0] * widths[1]
    for i, card in enumerate(cards):
        assert not any(card.overlaps(other) for other in cards[:i])
    for text in ax.texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert any(
                card.x0 <= box.x0 and box.x1 <= card.x1 and card.y0 <= box.y0 < box.y1 <= card.y1 for card in cards
            )


def test_edges_without_cards_are_arrows_alone():
    ax = _cards.draw(None, [[CARD], [CARD]], [{(0, 0): []}], False)
    arrows = [text for text in ax.texts if not text.get_text()]
    assert len(ax.patches) == 2 and len(arrows) == 1
