"""One experiment trained several times: a search of its settings, its seeds."""
