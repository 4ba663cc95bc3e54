"""XML of unknown origin as elements: nothing outside of it is followed."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from scantune.cohort.faults import CohortError


def tree_of(content: bytes, title: str) -> Element:
    """The elements of XML; one with a document type or entities, which data have none of, is refused.

    Args:
        content: of the file.
        title: of errors.

    Raises:
        CohortError: that, or it is not XML.
    """
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise CohortError(title, ["it declares a document type or entities, which are not followed: remove them"])

    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise CohortError(title, [f"not readable as XML ({error})"]) from error
    return builder.close()
