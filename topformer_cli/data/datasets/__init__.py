"""One module a published data set, each with its `SPEC`; `data/catalog.py` lists them."""
