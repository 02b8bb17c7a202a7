"""The corpus index: where a text or a token span stands in a corpus, and which documents are nearly the same."""

from byrote.data.index.corpus_index import CorpusIndex as CorpusIndex
from byrote.data.index.corpus_index import Occurrences as Occurrences
from byrote.data.index.corpus_index import TextIndex as TextIndex
from byrote.data.index.corpus_index import TokenIndex as TokenIndex
from byrote.data.index.corpus_index import index_texts as index_texts
from byrote.data.index.corpus_index import index_tokens as index_tokens
from byrote.data.index.near_duplicates import Clusters as Clusters
from byrote.data.index.near_duplicates import exact_duplicates as exact_duplicates
from byrote.data.index.near_duplicates import near_duplicates as near_duplicates
from byrote.data.index.normal import folded as folded
