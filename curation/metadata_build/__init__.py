"""Building metadata: MetaCLIP's four sources, from what the user has, to one list of entries a language.

    WordNet --------------------------------- wordnet.py ---------------------+
    corpus --- corpus.py --- words.py ---+--- words by count --- choose.py ---+--- build.py --- folder.py
                             segment.py  +--- pairs by PMI ----- pmi.py ------+
    page views --------------------------- titles by views --- views.py ------+

Everything that grows with the input is counted in `tally.py`, exactly and on disk; what a rule keeps of it is bounded by the
rule. Thresholds and budgets stand in `rules.py`.
"""
