"""Names of the classes of ImageNet that the photographs of the demo call up."""

from __future__ import annotations

_NAMES = {
    281: "tabby",
    282: "tiger cat",
    285: "Egyptian cat",
    287: "lynx",
    434: "bath towel",
    437: "beacon",
    447: "binoculars",
    479: "car wheel",
    486: "cello",
    504: "coffee mug",
    513: "cornet",
    517: "crane",
    518: "crash helmet",
    535: "disk brake",
    540: "drilling platform",
    552: "feather boa",
    567: "frying pan",
    593: "harmonica",
    650: "microphone",
    657: "missile",
    661: "Model T",
    665: "moped",
    668: "mosque",
    670: "motor scooter",
    671: "mountain bike",
    682: "obelisk",
    728: "plastic bag",
    733: "pole",
    744: "projectile",
    759: "reflex camera",
    764: "rifle",
    809: "soup bowl",
    812: "space shuttle",
    828: "strainer",
    865: "toyshop",
    866: "tractor",
    868: "tray",
    872: "tripod",
    889: "violin",
    904: "window screen",
    925: "consomme",
    960: "chocolate sauce",
    967: "espresso",
    968: "cup",
    969: "eggnog",
}
"""*Source:* the WordNet synsets of ILSVRC 2012 in the order of their ids, first word of each."""


def class_name(index: int) -> str:
    """The name of a class 0..999, or its number where the demo has none."""
    return _NAMES.get(int(index), f"class {int(index)}")
