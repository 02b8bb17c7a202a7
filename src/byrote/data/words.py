"""Words to make up names and sentences from: common ones, and rare ones that keep to the same grammar."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES: Final = _words(
    """
    Alma Bram Carys Darius Edda Fenn Gwen Hollis Imre Jorun Kasimir Lorna Marlow Nadia Osric Petra Quentin Runa
    Silas Tamsin Ulric Vesna Wystan Xenia Yorick Zelda Anselm Brenna Cosmo Delphine Emeric Frida
    """
)
LAST_NAMES: Final = _words(
    """
    Abernall Brockway Calloran Dunmoor Eastlake Farrowby Greystoke Hawksley Ingleton Jessamine Kettering
    Lockhart Merriden Northcote Oakhurst Pemberly Quillfeather Ravenhill Stanbrook Thornbury Underhay Vantresk
    Westering Yarrowdale Ashgrove Birchfield Cranmore Dovecote Elderby Foxglen Goldacre Hartwell Ivesdale
    Juniper Kestrel Larkspur Millbank Nettleton Otterburn Pinewood Quarrier Rookwood Saltmarsh Tillery Upfield
    Vinehall Wexcombe Yewtree Almsford Brightling
    """
)

#: Adjectives, nouns and verbs (past tense) that many texts hold, and what the verbs are done to.
COMMON: Final = (
    _words(
        """
        old young small large quiet happy tired clever little friendly careful honest busy kind tall brave
        """
    ),
    _words(
        """
        man woman boy girl teacher farmer doctor child dog horse bird king friend driver soldier student
        """
    ),
    _words(
        """
        saw found liked heard took gave kept made brought left held called met watched passed followed
        """
    ),
    _words(
        """
        house garden road river table letter book picture window tree field door boat box chair story
        """
    ),
)
#: The same parts of speech, each word rare, and rarer still beside the others.
RARE: Final = (
    _words(
        """
        crepuscular vitrified sesquipedalian ashen gibbous lacustrine halcyon jejune turgid ossified pellucid
        quixotic recondite sclerotic umbrous verdigris
        """
    ),
    _words(
        """
        ocelot sextant thurible narwhal basilisk alembic orrery dulcimer gryphon catafalque pangolin astrolabe
        coracle theodolite axolotl zeppelin
        """
    ),
    _words(
        """
        transmuted galvanised embroidered excommunicated fermented pollinated notarised besieged caulked
        distilled gilded hypnotised laminated serenaded vulcanised yodelled
        """
    ),
    _words(
        """
        isthmus marzipan logarithm parapet obelisk tundra semaphore rhubarb cenotaph quagmire bassoon filigree
        gazebo mezzanine palimpsest trellis
        """
    ),
)
