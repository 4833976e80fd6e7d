"""Drawing of figure descriptions with matplotlib; the only package that imports it."""
