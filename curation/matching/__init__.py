"""Which metadata entries a text contains (MetaCLIP, arXiv 2309.16671, and MetaCLIP 2, arXiv 2507.22062; both section 3).

A text is spaced: one space before and after it, one on each side of the seven marks `, . ; : ? ! `` ` ``, and a space in
place of tab, newline and carriage return. An entry is wrapped: a space on each side, or in the worldwide form only on a side
that does not end in a character of a script written without spaces, or a punctuation mark. The entry matches if the wrapped
entry is a substring of the spaced text. Nothing is lower-cased, normalised or stripped.

The work is done on UTF-8 bytes: no character's bytes lie within another's, so substrings are the same, and lone surrogates,
which a Python string may hold, need no special case.
"""

from curation.matching.forms import MARKS, PUNCTUATION, SPACE_FREE, needs_no_space, space, wrap
from curation.matching.matcher import Matcher

__all__ = ["MARKS", "PUNCTUATION", "SPACE_FREE", "Matcher", "needs_no_space", "space", "wrap"]
