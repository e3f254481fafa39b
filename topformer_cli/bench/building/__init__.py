"""Our own TNN runner made from its source: compilers, builds of TNN, and what is missing."""
