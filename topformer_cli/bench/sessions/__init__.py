"""What is done with a finished session: kept, compared, given away, set beside the paper's."""
