"""TNN's two files, written and read without TNN: layer records, emitters, text and binary form."""
