"""The page and the tables of many runs beside the paper's."""
