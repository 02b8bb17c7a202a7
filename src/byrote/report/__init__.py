"""Pages, words and figures about a run; whether a run is whole; what is taken out before it is passed on."""
