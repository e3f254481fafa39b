"""What the rewrites share: questions about a graph, edits of it, their results, their check."""
