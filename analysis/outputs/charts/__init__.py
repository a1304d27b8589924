"""The report's charts, as static SVG: from findings to pictures, with no library and no browser between.

Across, everything is in percent, so that one picture fits a phone, a desk and paper while its letters keep their size;
down, in px. Colours are CSS classes, which the page defines for light, dark and print. Colour never stands alone:
bars have their names on them, and what was not answered has a shape of its own. What is drawn is bounded by what can be
seen, not by the number of requests nor by how long they took: what is too much for a mark each is counted in bins.
"""
